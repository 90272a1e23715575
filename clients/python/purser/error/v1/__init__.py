"""Generated from protos/purser/error/v1."""
