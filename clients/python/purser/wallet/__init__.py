"""Generated from protos/purser/wallet."""
