"""Generated from protos/purser/type/v1."""
