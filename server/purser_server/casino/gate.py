"""How many calls one casino may have in flight, and what happens when it does not answer.

Each operator has a gate of its own: a casino that hangs holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from purser_server.domain.errors import RefusedError, overloaded

FAILURES_TO_OPEN = 5
PROBE_AFTER_S = 1.0


class Gate:
    """Lets so many calls of one operator through at a time; its circuit breaker may stop them.

    The breaker is open after so many unknown outcomes in a row. Then one call a second may try.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._failures = 0
        self._next_probe = 0.0
        self._in_flight = 0
        self._room = asyncio.Condition()

    def may_send(self) -> bool:
        """Tell whether a call may be sent now; while open, who hears True is the probe."""
        if self._failures < FAILURES_TO_OPEN:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + PROBE_AFTER_S
        return True

    def note(self, *, is_known: bool) -> None:
        """Note the outcome of a call."""
        if is_known:
            self._failures = 0
            return
        self._failures += 1
        if self._failures == FAILURES_TO_OPEN:
            self._next_probe = self._clock() + PROBE_AFTER_S

    @asynccontextmanager
    async def place(self, most: int, within_s: float) -> AsyncIterator[None]:
        """Take a place, waiting for it; `most` may change from call to call.

        Raises RefusedError (OVERLOADED) when none is free within that time.
        """
        try:
            async with asyncio.timeout(within_s), self._room:
                await self._room.wait_for(lambda: self._in_flight < most)
                self._in_flight += 1
        except TimeoutError as error:
            raise RefusedError(overloaded("casino")) from error
        try:
            yield
        finally:
            self._in_flight -= 1
            async with self._room:
                self._room.notify()
