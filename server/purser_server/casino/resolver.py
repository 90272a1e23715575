"""Takes up movements whose outcome nobody knows, in whichever process comes first."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from purser_server.domain.errors import RefusedError
from purser_server.domain.pending import Pending

_log = logging.getLogger(__name__)

POLL_S = 0.25
"""How often a process looks for intents that are due."""

MOST_AT_ONCE = 512
"""How many intents one process takes up at a time."""

MOST_OF_ONE = 32
"""How many of one operator it takes at a look, and fewer where many operators have some."""

TakeDue = Callable[[int, int, Sequence[int]], Awaitable[Sequence[tuple[int, Pending]]]]
"""Is told how many to take, how many of one operator, and of which operators none."""

Resolve = Callable[[int, Pending], Awaitable[None]]


class Resolver:
    """Looks for due intents until it is stopped; each is resolved on its own."""

    def __init__(self, take_due: TakeDue, resolve: Resolve) -> None:
        self._take_due = take_due
        self._resolve = resolve
        self._task: asyncio.Task[None] | None = None
        self._working: dict[asyncio.Task[None], int] = {}

    def start(self) -> None:
        """Start to look."""
        self._task = asyncio.create_task(self._run(), name="resolver")

    async def stop(self) -> None:
        """Stop at once: what is under way is taken up again when it is held no longer."""
        if self._task is not None:
            tasks = (self._task, *self._working)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            taken = await self._look()
            for operator, pending in taken:
                task = asyncio.create_task(self._resolve_one(operator, pending))
                self._working[task] = operator
                task.add_done_callback(self._working.pop)
            if not taken:
                await asyncio.sleep(POLL_S)

    async def _look(self) -> Sequence[tuple[int, Pending]]:
        """Take no more than half of what room there is: others may come while casinos hang."""
        room = MOST_AT_ONCE - len(self._working)
        under_way = Counter(self._working.values())
        share = max(1, min(MOST_OF_ONE, MOST_AT_ONCE // (len(under_way) + 1)))
        busy = [operator for operator, count in under_way.items() if count >= share]
        if not room:
            return ()
        try:
            return await self._take_due((room + 1) // 2, share, busy)
        except RefusedError as error:
            _log.warning("cannot look for pending movements: %s", error)
        except Exception:
            _log.exception("looking for pending movements failed in a way that no rule foresees")
        return ()

    async def _resolve_one(self, operator: int, pending: Pending) -> None:
        # Whatever happens, the intent is due again when it is held no longer.
        try:
            await self._resolve(operator, pending)
        except RefusedError as error:
            _log.warning("a pending movement waits: %s", error)
        except Exception:
            _log.exception("a pending movement could not be resolved")
