"""Generated from protos/purser."""
