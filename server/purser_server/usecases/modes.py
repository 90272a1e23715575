"""Which operators are in seamless mode, as last looked at; the ledger decides by what is now."""

from __future__ import annotations

import asyncio

from cachetools import LRUCache

from purser_server.usecases.ports import ModeStore, Seamless

SETTINGS_AGE_S = 1.0
_OPERATORS_CACHED = 10_000


class Modes:
    """Remembers how each operator's casino is called, if it is, for about a second."""

    def __init__(self, store: ModeStore) -> None:
        self._store = store
        self._known: LRUCache[int, tuple[Seamless | None, float]] = LRUCache(_OPERATORS_CACHED)

    def last_known(self, operator: int) -> Seamless | None:
        """Return how the operator's casino was called when it was last looked at, if it was.

        It may be old: it tells who is in seamless mode, and `of` how to call.
        """
        found = self._known.get(operator)
        return found[0] if found is not None else None

    def is_known(self, operator: int) -> bool:
        """Tell whether the operator was ever looked at."""
        return operator in self._known

    async def of(self, operator: int) -> Seamless | None:
        """Return how the operator's casino is called, or None in transfer mode; a second old."""
        found = self._known.get(operator)
        if found is None or asyncio.get_running_loop().time() - found[1] > SETTINGS_AGE_S:
            return await self.look(operator)
        return found[0]

    async def look(self, operator: int) -> Seamless | None:
        """Return how the operator's casino is called now."""
        looked_at = asyncio.get_running_loop().time()
        seamless = await self._store.seamless(operator)
        self._known[operator] = seamless, looked_at
        return seamless

    def forget(self) -> None:
        """Look again before the next answer: an operator was changed."""
        self._known.clear()
