"""How many calls one casino may have in flight, and what happens when it does not answer.

Each operator has a gate of its own: a casino that hangs holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from purser_server.domain.callbacks import CallbackSettings
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
        self._noted = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open: only a probe may be sent."""
        return self._failures >= FAILURES_TO_OPEN

    def may_send(self) -> bool:
        """Tell whether a call may be sent now; while open, who hears True is the probe."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + PROBE_AFTER_S
        return True

    def has_place(self, callback: CallbackSettings) -> bool:
        """Tell whether a place is free at once."""
        return not self._waiting and self._in_flight < callback.max_calls_in_flight

    def note(self, *, is_known: bool) -> None:
        """Note the outcome of a call."""
        self._noted += 1
        if is_known:
            self._failures = 0
            return
        self._failures += 1
        if self._failures == FAILURES_TO_OPEN:
            self._next_probe = self._clock() + PROBE_AFTER_S

    @asynccontextmanager
    async def place(
        self, callback: CallbackSettings, *, is_probe: bool = False
    ) -> AsyncIterator[None]:
        """Hold a place meanwhile, waited for; the settings may change from call to call.

        A probe without an outcome, for it got no place or had no need of a call, leaves it to
        another to be the probe. Raises RefusedError (OVERLOADED) when none is free within a
        deadline.
        """
        noted = self._noted
        try:
            await self._enter(callback)
            try:
                yield
            finally:
                self._leave()
        finally:
            if is_probe and self._noted == noted:
                self._next_probe = self._clock()

    async def _enter(self, callback: CallbackSettings) -> None:
        if self.has_place(callback):
            self._in_flight += 1
        else:
            await self._wait(callback)

    async def _wait(self, callback: CallbackSettings) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, callback.max_calls_in_flight))
        try:
            async with asyncio.timeout(callback.deadline_ms / 1_000):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # It was given a place just as it gave up.
                self._leave()
            if isinstance(error, TimeoutError):
                raise RefusedError(overloaded("casino")) from error
            raise

    def _leave(self) -> None:
        # To whoever has waited longest.
        self._in_flight -= 1
        while self._waiting:
            turn, most = self._waiting[0]
            if not turn.done() and self._in_flight >= most:
                return
            self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
