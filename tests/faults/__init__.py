"""What holds when processes, connections and databases die in the midst of work."""

from __future__ import annotations

import os

ROUNDS = int(os.environ.get("PURSER_FAULT_ROUNDS", "20"))
"""How often the faults of the long tests strike; `make faults` sets more."""


def rounds(share: float = 1.0) -> int:
    """Return the rounds of a test that takes only a share of them, at least two."""
    return max(2, round(ROUNDS * share))
