"""A window of time in which answers are counted."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from time import perf_counter


class Window:
    """Counts the answers that come between the end of the warm-up and the end of the window.

    Whatever is acknowledged is noted, inside or outside: it must be found in the ledger.
    """

    def __init__(self, warm_up_s: float, seconds: float) -> None:
        self._warm_up_s = warm_up_s
        self._seconds = seconds
        self._counts = False
        self.over = False
        self.operations = 0
        self.refused = 0
        self.elapsed_s = 0.0
        self.latencies_s = array("d")
        self.acknowledged: list[str] = []

    async def warm_up(self) -> None:
        """Wait until counting begins."""
        await asyncio.sleep(self._warm_up_s)
        self._counts = True

    async def count(self) -> None:
        """Wait until the window ends; from then on nothing counts, and nothing new is sent."""
        started = perf_counter()
        await asyncio.sleep(self._seconds)
        self._counts = False
        self.over = True
        self.elapsed_s = perf_counter() - started

    def answered(self, transaction_ids: Sequence[str], sent: float) -> None:
        """Note an answer that acknowledges these transactions; `sent` is in perf_counter time."""
        if self._counts:
            self.operations += len(transaction_ids)
            self.latencies_s.append(perf_counter() - sent)
        self.acknowledged.extend(transaction_ids)

    def percentile_s(self, share: float) -> float:
        """Return the latency that this share of the answers did not exceed."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
