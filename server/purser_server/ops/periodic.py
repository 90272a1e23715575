"""Work that is done again and again in the background, whatever becomes of each time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


class Periodic:
    """Does work, pauses, and does it again, until it is stopped. What it raises is logged."""

    def __init__(self, work: Callable[[], Awaitable[object]], pause_s: float, what: str) -> None:
        self._work = work
        self._pause_s = pause_s
        self._what = what
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it."""
        self._task = asyncio.create_task(self._run(), name=self._what)

    async def stop(self) -> None:
        """Stop it, in the midst of its work if need be."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except Exception as error:
                _log.warning("%s failed, and is tried again: %s", self._what, error)
            await asyncio.sleep(self._pause_s)
