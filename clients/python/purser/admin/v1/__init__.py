"""Generated from protos/purser/admin/v1."""
