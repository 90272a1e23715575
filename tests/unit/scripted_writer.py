"""A lane's connection for tests: it writes to memory, and fails when the script says so."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime

from purser_server.domain.transactions import Transaction
from purser_server.ledger.ports import (
    Changes,
    CommitUnknownError,
    Loaded,
    PoisonedError,
    Request,
    StoreUnavailableError,
)
from tests.unit.memory_store import MemoryStore


class CommitLostError(Exception):
    """In a script: the answer to COMMIT is lost; it had happened, or not; or the store is gone."""

    def __init__(self, *, happened: bool, stays_down: bool = False) -> None:
        super().__init__(f"happened: {happened}, stays down: {stays_down}")
        self.happened = happened
        self.stays_down = stays_down


class ScriptedWriter:
    """Implements `Writer`. `lock` stands for the locks of rows; lanes of one store share it.

    `committed` tells the transaction ids asked for in each flush that was committed, `attempts`
    those of every flush that was begun.
    """

    def __init__(self, store: MemoryStore, lock: asyncio.Lock | None = None) -> None:
        self.committed: list[list[str]] = []
        self.attempts: list[list[str]] = []
        self.is_down = False
        self.is_closed = False
        self.poison: dict[str, PoisonedError] = {}
        """By transaction id: what the store says when it is to write this one."""
        self._store = store
        self._lock = lock or asyncio.Lock()
        self._has_lock = False
        self._script: dict[str, deque[Exception | None]] = defaultdict(deque)
        self._changes = Changes(datetime.now(UTC), {})
        self._gate = asyncio.Event()
        self._gate.set()

    # -- the script ----------------------------------------------------------------------------

    def fail(self, step: str, *faults: Exception | None) -> None:
        """Let the next calls of a step raise these, one each; None lets a call pass."""
        self._script[step].extend(faults)

    def hold(self) -> None:
        """Let flushes wait before they begin."""
        self._gate.clear()

    def release(self) -> None:
        """Let them go on."""
        self._gate.set()

    async def _act(self, step: str) -> None:
        await asyncio.sleep(0)
        script = self._script[step]
        fault = script.popleft() if script else None
        if fault is not None:
            raise fault

    # -- the writer -----------------------------------------------------------------------------

    async def connect(self, patience_s: float) -> None:
        if self.is_down:
            await asyncio.sleep(patience_s)
        if self.is_down:
            raise StoreUnavailableError("nobody listens")
        await self._act("connect")

    async def begin(self) -> None:
        assert not self._has_lock, "one SQL transaction at a time"
        await self._gate.wait()
        await self._act("begin")
        await self._lock.acquire()
        self._has_lock = True

    async def load(self, requests: Sequence[Request]) -> Loaded:
        assert self._has_lock
        self.attempts.append([request.command.transaction_id for request in requests])
        await self._act("load")
        return self._store.load(requests)

    async def save(self, changes: Changes) -> None:
        assert self._has_lock
        assert changes, "there is something to write"
        await self._act("save")
        for entry in changes.entries:
            self._refuse_poison(entry.transaction)
        self._changes = changes

    def _refuse_poison(self, transaction: Transaction) -> None:
        if transaction.transaction_id in self.poison:
            raise self.poison[transaction.transaction_id]

    async def commit(self) -> None:
        assert self._has_lock
        try:
            await self._act("commit")
        except CommitLostError as lost:
            if lost.happened:
                self._write()
            self._unlock()
            self.is_down = lost.stays_down
            raise CommitUnknownError("no answer") from lost
        except BaseException:
            self._unlock()
            raise
        self._write()
        self._unlock()

    def _write(self) -> None:
        self._store.save(self._changes)
        self.committed.append(self.attempts[-1])

    async def rollback(self) -> None:
        await asyncio.sleep(0)
        self._unlock()

    def _unlock(self) -> None:
        if self._has_lock:
            self._has_lock = False
            self._lock.release()

    async def close(self) -> None:
        self.is_closed = True
