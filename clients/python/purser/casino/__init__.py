"""Generated from protos/purser/casino."""
