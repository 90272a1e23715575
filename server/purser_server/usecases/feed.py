"""The feed: an operator's transactions in commit order, from a position on, and then live.

However many follow, one query now and then asks for news, and only for those who wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from purser_server.domain.transactions import Transaction
from purser_server.usecases.ports import FeedStore

PAGE_SIZE = 500
POLL_S = 0.1
"""How often a process looks for news while somebody waits for them."""


class Feed:
    """Serves followers; one poller per process serves all of them."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store
        self._last: dict[int, int] = {}
        self._waiting: Counter[int] = Counter()
        self._news = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def follow(
        self, operator: int, after: int, stopping: asyncio.Event
    ) -> AsyncIterator[tuple[int, Transaction]]:
        """Yield every transaction behind position `after` with its position, until `stopping`."""
        while not stopping.is_set():
            page = await self._store.page(operator, after, PAGE_SIZE)
            for position, transaction in page:
                yield position, transaction
                after = position
            if len(page) < PAGE_SIZE:
                await self._wait_beyond(operator, after, stopping)

    async def _wait_beyond(self, operator: int, position: int, stopping: asyncio.Event) -> None:
        """Wait until the operator has a transaction behind this position."""
        self._waiting[operator] += 1
        try:
            async with self._news:
                while self._last.get(operator, 0) <= position and not stopping.is_set():
                    if self._poller is None or self._poller.done():
                        self._poller = asyncio.create_task(self._poll(), name="feed")
                    await self._news.wait()
                    if self._failure is not None:
                        raise self._failure
        finally:
            self._waiting[operator] -= 1
            if not self._waiting[operator]:
                del self._waiting[operator]

    async def _poll(self) -> None:
        """Ask for the last positions of those who wait, as long as there are any."""
        self._failure = None
        while self._waiting and self._failure is None:
            try:
                last = await self._store.last_positions(list(self._waiting))
            except Exception as error:
                self._failure = error
                last = {}
            async with self._news:
                self._last = dict(last)
                # Those who have no news, or whose server stops, see that for themselves.
                self._news.notify_all()
            await asyncio.sleep(POLL_S)
