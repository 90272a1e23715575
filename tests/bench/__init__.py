"""The benchmark: what it counts, and what it does not."""
