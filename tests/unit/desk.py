"""A casino's ledger at work: lanes over scripted writers, and callers who wait for answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from purser_server.domain.commands import Command
from purser_server.domain.decisions import Result
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.lane import LaneLimits
from purser_server.ledger.ports import Request
from tests.unit.casino import Casino
from tests.unit.scripted_writer import ScriptedWriter

QUICK = LaneLimits(queued=20, per_flush=8, reconnect_s=0.25, resolve_commit_s=0.3)


async def turns(count: int = 50) -> None:
    """Let all other tasks go on as far as they can without time going by."""
    for _ in range(count):
        await asyncio.sleep(0)


class Desk:
    """Takes commands for a casino's ledger. `flushes` are (operations, seconds), as observed."""

    def __init__(self, casino: Casino, limits: LaneLimits, lanes: int) -> None:
        row_locks = asyncio.Lock()
        self.casino = casino
        self.writers = [ScriptedWriter(casino.store, row_locks) for _ in range(lanes)]
        self.flushes: list[tuple[int, float]] = []
        self.ledger = Ledger(self.writers, limits, lambda *seen: self.flushes.append(seen))

    @property
    def writer(self) -> ScriptedWriter:
        """The writer of the only lane."""
        (writer,) = self.writers
        return writer

    def ask(self, command: Command) -> asyncio.Task[Result]:
        """Ask, and do not wait."""
        return asyncio.create_task(self.does(command))

    async def does(self, command: Command) -> Result:
        return await self.ledger.execute(self._request(command))

    async def at_once(self, *commands: Command) -> list[Result]:
        """Ask as many callers do who come at the same time: all for one flush."""
        return await asyncio.gather(*(self.does(command) for command in commands))

    async def each(self, *commands: Command) -> list[Result]:
        return await self.ledger.execute_each([self._request(command) for command in commands])

    async def atomically(self, *commands: Command) -> list[Result]:
        requests = [self._request(command) for command in commands]
        return await self.ledger.execute_atomically(requests)

    def _request(self, command: Command) -> Request:
        return Request(self.casino.operator, command)


@asynccontextmanager
async def open_desk(
    casino: Casino, limits: LaneLimits = QUICK, lanes: int = 1
) -> AsyncIterator[Desk]:
    """Run a ledger for as long as the block takes."""
    desk = Desk(casino, limits, lanes)
    desk.ledger.start()
    try:
        yield desk
    finally:
        for writer in desk.writers:
            writer.release()
        await desk.ledger.stop()
