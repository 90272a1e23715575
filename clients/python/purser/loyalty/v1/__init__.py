"""Generated from protos/purser/loyalty/v1."""
