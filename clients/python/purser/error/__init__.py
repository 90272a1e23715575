"""Generated from protos/purser/error."""
