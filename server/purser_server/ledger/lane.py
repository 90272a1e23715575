"""A lane: one queue, one writer, one connection.

The writer takes all that waits, in the order in which it came, writes it as one SQL transaction,
and takes again as soon as that is done. There is no timer: a lone call is written at once, and a
crowd makes its own batches.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from purser_server.domain.errors import Reason, Refusal, ledger_unavailable
from purser_server.domain.money import amount_range
from purser_server.ledger.batch import Batch, Outcome, Unit, group_failed
from purser_server.ledger.ports import (
    CommitUnknownError,
    ContentionError,
    PoisonedError,
    StoreUnavailableError,
    WriterSession,
)

_log = logging.getLogger(__name__)

CONTENTION_ATTEMPTS = 10
CONTENTION_BOUND_S = 15.0
"""How often, and how long, a flush is tried when other writers are in its way."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Bounds of a lane: operations queued, operations per flush, seconds to wait for the store."""

    queued: int = 20_000
    per_flush: int = 1_000
    reconnect_s: float = 2.0
    resolve_commit_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """Units that one caller waits for; the future gives their outcomes, unit by unit."""

    units: Sequence[Unit]
    size: int
    done: asyncio.Future[list[list[Outcome]]]


class Lane:
    """Owns one writer. `observe` is told (operations, seconds) of every flush."""

    def __init__(
        self,
        session: WriterSession,
        limits: LaneLimits,
        observe: Callable[[int, float], None] = lambda _operations, _seconds: None,
    ) -> None:
        self._session = session
        self._limits = limits
        self._observe = observe
        self._queue: deque[Job] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._store_is_down = False
        self._task: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Operations that wait to be written."""
        return self._queued

    def start(self) -> None:
        """Start the writer."""
        self._task = asyncio.create_task(self._run(), name="ledger lane")

    async def stop(self) -> None:
        """Write what waits, then stop."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._session.close()

    def has_room(self, size: int) -> bool:
        """Tell whether so many operations may join; an idle lane takes a call of any size."""
        return self._queued == 0 or self._queued + size <= self._limits.queued

    def submit(self, units: Sequence[Unit]) -> asyncio.Future[list[list[Outcome]]]:
        """Queue units; the caller has seen that there is room."""
        done: asyncio.Future[list[list[Outcome]]] = asyncio.get_running_loop().create_future()
        size = sum(len(unit.requests) for unit in units)
        self._queue.append(Job(units, size, done))
        self._queued += size
        self._wake.set()
        return done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue or not self._stopping:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            jobs = self._take()
            if not jobs:
                continue
            started = loop.time()
            await self._serve(jobs)
            self._observe(sum(job.size for job in jobs), loop.time() - started)

    def _take(self) -> list[Job]:
        """Take what waits, up to the bound of a flush; callers who gave up are left out."""
        jobs: list[Job] = []
        size = 0
        while self._queue and (not jobs or size + self._queue[0].size <= self._limits.per_flush):
            job = self._queue.popleft()
            self._queued -= job.size
            if not job.done.done():
                jobs.append(job)
                size += job.size
        return jobs

    async def _serve(self, jobs: Sequence[Job]) -> None:
        """Write the jobs and answer their callers; whatever happens, each gets an answer."""
        units = [unit for job in jobs for unit in job.units]
        try:
            outcomes = await self._settle(units)
        except Exception as error:
            _log.exception("a flush failed in a way that no rule foresees")
            for job in jobs:
                if not job.done.done():
                    job.done.set_exception(error)
            return
        at = 0
        for job in jobs:
            if not job.done.done():
                job.done.set_result(outcomes[at : at + len(job.units)])
            at += len(job.units)

    async def _settle(self, units: Sequence[Unit]) -> list[list[Outcome]]:
        """Flush; halve what PostgreSQL refuses, so that one bad value costs only its own unit."""
        try:
            return await self._flush(units)
        except PoisonedError as error:
            if len(units) == 1:
                return [_poisoned(units[0], error)]
        half = len(units) // 2
        return [*await self._settle(units[:half]), *await self._settle(units[half:])]

    async def _flush(self, units: Sequence[Unit]) -> list[list[Outcome]]:
        """Write the units once, through lost connections and other writers in the way."""
        own_numbers: set[int] = set()
        clock = asyncio.get_running_loop().time
        # Once a flush has waited in vain, those behind it do not: they try once and fail fast.
        patience_s = 0.0 if self._store_is_down else self._limits.reconnect_s
        started = clock()
        deadline = started + patience_s
        attempts = 0
        while True:
            try:
                await self._session.connect(patience_s)
                outcomes = await self._attempt(units, own_numbers)
                self._store_is_down = False
                return outcomes
            except CommitUnknownError:
                # Only the ids can tell. They are looked up by doing the same again: what was
                # committed is found, under the locks, and what was not is written now.
                patience_s = self._limits.resolve_commit_s
                deadline = clock() + patience_s
            except StoreUnavailableError as error:
                if clock() >= deadline:
                    self._store_is_down = True
                    _log.warning("the database is unavailable: %s", error)
                    return _all_refused(units, ledger_unavailable())
            except ContentionError as error:
                attempts += 1
                if attempts == CONTENTION_ATTEMPTS or clock() - started > CONTENTION_BOUND_S:
                    _log.warning("gave up on a contended flush: %s", error)
                    return _all_refused(units, ledger_unavailable())
                await asyncio.sleep(random.uniform(0, 0.01 * attempts))  # noqa: S311

    async def _attempt(self, units: Sequence[Unit], own_numbers: set[int]) -> list[list[Outcome]]:
        session = self._session
        try:
            await session.begin()
            loaded = await session.load([request for unit in units for request in unit.requests])
            batch = Batch(loaded, frozenset(own_numbers))
            outcomes = _decide(batch, units)
            changes = batch.changes()
            if not changes:
                await session.rollback()
                return outcomes
            own_numbers.update(entry.transaction.number for entry in changes.entries)
            await session.save(changes)
        except BaseException:
            await session.rollback()
            raise
        await session.commit()
        return outcomes


def _all_refused(units: Sequence[Unit], refusal: Refusal) -> list[list[Outcome]]:
    return [[refusal] * len(unit.requests) for unit in units]


def _decide(batch: Batch, units: Sequence[Unit]) -> list[list[Outcome]]:
    """Decide; a defect in a rule costs the unit that shows it, and none of its neighbours."""
    try:
        return batch.decide(units)
    except Exception as error:
        _log.exception("a rule failed")
        raise PoisonedError(repr(error), out_of_range=False) from error


def _poisoned(unit: Unit, error: PoisonedError) -> list[Outcome]:
    """Answer for the one unit that cannot be written: a number too large, or a defect of ours."""
    last = len(unit.requests) - 1
    if error.out_of_range:
        refusal = amount_range(getattr(unit.requests[last].command, "currency_code", ""))
    else:
        _log.error("a request cannot be written: %s", error)
        refusal = Refusal(Reason.INTERNAL_ERROR, "an internal error; nothing was done")
    return [*(group_failed(last) for _ in range(last)), refusal]
