"""Generated from protos/purser/casino/v1."""
