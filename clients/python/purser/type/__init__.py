"""Generated from protos/purser/type."""
