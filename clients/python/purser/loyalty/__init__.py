"""Generated from protos/purser/loyalty."""
