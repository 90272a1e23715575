"""Generated from protos/purser/wallet/v1."""
