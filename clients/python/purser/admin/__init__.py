"""Generated from protos/purser/admin."""
