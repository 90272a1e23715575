"""Purser's tests: unit, store, rpc, property, end to end, faults."""
