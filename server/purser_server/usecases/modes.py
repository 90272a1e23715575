"""Which operators are in seamless mode, as last looked at; the ledger decides by what is now."""

from __future__ import annotations

import asyncio

from cachetools import LRUCache

from purser_server.usecases.ports import PendingStore, Seamless

SETTINGS_AGE_S = 1.0
_OPERATORS_CACHED = 10_000


class Modes:
    """Remembers how each operator's casino is called, if it is, for about a second."""

    def __init__(self, store: PendingStore) -> None:
        self._store = store
        self._known: LRUCache[int, tuple[Seamless | None, float]] = LRUCache(_OPERATORS_CACHED)
        self._looking: dict[int, asyncio.Task[Seamless | None]] = {}

    def last_known(self, operator: int) -> Seamless | None:
        """Return how the operator's casino was called when it was last looked at, if it was.

        Without waiting, so that calls keep their order. What was transfer mode is not looked at
        again: whoever is told otherwise by the ledger looks then.
        """
        found = self._known.get(operator)
        if found is None or found[0] is None:
            return None
        if self._is_old(found[1]) and operator not in self._looking:
            task = asyncio.ensure_future(self.look(operator))
            self._looking[operator] = task
            task.add_done_callback(lambda _: self._looking.pop(operator))
        return found[0]

    async def of(self, operator: int) -> Seamless | None:
        """Return how the operator's casino is called, or None in transfer mode; a second old."""
        found = self._known.get(operator)
        if found is None or self._is_old(found[1]):
            return await self.look(operator)
        return found[0]

    async def look(self, operator: int) -> Seamless | None:
        """Return how the operator's casino is called now."""
        seamless = await self._store.settings(operator)
        self._known[operator] = seamless, asyncio.get_running_loop().time()
        return seamless

    def _is_old(self, looked_at: float) -> bool:
        return asyncio.get_running_loop().time() - looked_at > SETTINGS_AGE_S
