"""A lane: one writer, one connection.

The writer takes what waits in the queue, writes it as one SQL transaction, and takes again as soon
as that is done. There is no timer: a lone call is written at once, and a crowd makes its own
batches.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from purser_server.domain.decisions import Result, group_failed
from purser_server.domain.errors import Reason, Refusal, ledger_unavailable
from purser_server.domain.money import amount_range
from purser_server.domain.values import value
from purser_server.ledger.batch import Batch, Group
from purser_server.ledger.ports import (
    CommitUnknownError,
    ContentionError,
    Loaded,
    PoisonedError,
    StoreUnavailableError,
    Writer,
)
from purser_server.ledger.queue import Queue, Taken

_log = logging.getLogger(__name__)

COMMIT_ATTEMPTS = 20
"""How often a flush is tried whose COMMIT nobody answers."""

UNAVAILABLE_PAUSE_S = 0.02
"""How long a flush waits before it tries a store again that fails at once."""

RECONNECT_PAUSE_S = 0.1
"""How long a lane without a store pauses before it tries to connect, while others work."""

CONTENTION_ATTEMPTS = 10
CONTENTION_BOUND_S = 15.0
"""How often, and how long, a flush is tried when other writers are in its way."""


@value
class LaneLimits:
    """Bounds: operations queued, operations per flush, seconds to wait for the store."""

    queued: int = 20_000
    per_flush: int = 1_000
    reconnect_s: float = 2.0
    resolve_commit_s: float = 15.0


class Lane:
    """Owns one writer. `observe` is told (operations, seconds) of every flush."""

    def __init__(
        self,
        writer: Writer,
        queue: Queue,
        limits: LaneLimits,
        observe: Callable[[int, float], None] = lambda _operations, _seconds: None,
    ) -> None:
        self._writer = writer
        self._queue = queue
        self._limits = limits
        self._observe = observe
        self._store_is_down = False
        queue.writers_up += 1
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the writer."""
        self._task = asyncio.create_task(self._run(), name="ledger lane")

    async def join(self) -> None:
        """Wait until the queue has stopped and is empty, and close the connection."""
        if self._task is not None:
            await self._task
        await self._writer.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while (taken := await self._queue.take()) is not None:
            started = loop.time()
            await self._serve(taken)
            self._queue.finish(taken)
            if self._store_is_down:
                await self._stand_aside()
            try:
                self._observe(taken.size, loop.time() - started)
            except Exception:
                _log.exception("a flush could not be observed")
            # Those who were answered may ask again now, and so join the next flush.
            await asyncio.sleep(0)

    async def _stand_aside(self) -> None:
        """Leave the work to the lanes that have a store; with none, let nobody wait in line."""
        while self._queue.writers_up and not self._queue.is_stopping:
            try:
                await self._writer.connect(0.0)
            except StoreUnavailableError:
                await asyncio.sleep(RECONNECT_PAUSE_S)
            else:
                self._set_down(False)
                return
        if not self._queue.writers_up:
            self._queue.refuse_all(ledger_unavailable())

    def _set_down(self, is_down: bool) -> None:
        if is_down != self._store_is_down:
            self._store_is_down = is_down
            self._queue.writers_up += -1 if is_down else 1

    async def _serve(self, taken: Taken) -> None:
        """Write what was taken and answer its callers; whatever happens, each gets an answer."""
        try:
            taken.answer(await self._write_or_halve(taken.groups))
        except Exception as error:
            _log.exception("a flush failed in a way that no rule foresees")
            taken.fail(error)

    async def _write_or_halve(self, groups: Sequence[Group]) -> list[list[Result]]:
        """Flush; halve what PostgreSQL refuses, so that one bad value costs only its own group."""
        try:
            return await self._flush(groups)
        except PoisonedError as error:
            if len(groups) == 1:
                return [_poisoned(groups[0], error)]
        half = len(groups) // 2
        return [
            *await self._write_or_halve(groups[:half]),
            *await self._write_or_halve(groups[half:]),
        ]

    async def _flush(self, groups: Sequence[Group]) -> list[list[Result]]:
        """Write the groups once, through lost connections and other writers in the way."""
        clock = asyncio.get_running_loop().time
        # Once a flush has waited in vain, those behind it do not: they try once and fail fast.
        patience_s = 0.0 if self._store_is_down else self._limits.reconnect_s
        started = clock()
        deadline = started + patience_s
        attempts = unheard = 0
        flush = _Flush(self._writer, groups)
        while True:
            try:
                await self._writer.connect(patience_s)
                results = await flush.attempt()
                self._set_down(False)
                return results
            except CommitUnknownError as error:
                # Only the ids can tell, and the next attempt looks them up.
                unheard += 1
                if unheard == COMMIT_ATTEMPTS:
                    _log.warning("no COMMIT is answered: %s", error)
                    return _all_refused(groups, ledger_unavailable())
                patience_s = self._limits.resolve_commit_s
                deadline = clock() + patience_s
            except StoreUnavailableError as error:
                if clock() >= deadline:
                    self._set_down(True)
                    _log.warning("the database is unavailable: %s", error)
                    return _all_refused(groups, ledger_unavailable())
                await asyncio.sleep(UNAVAILABLE_PAUSE_S)
            except ContentionError as error:
                attempts += 1
                if attempts == CONTENTION_ATTEMPTS or clock() - started > CONTENTION_BOUND_S:
                    _log.warning("gave up on a contended flush: %s", error)
                    return _all_refused(groups, ledger_unavailable())
                await asyncio.sleep(random.uniform(0, 0.01 * attempts))  # noqa: S311


class _Flush:
    """One flush, over all its attempts."""

    def __init__(self, writer: Writer, groups: Sequence[Group]) -> None:
        self._writer = writer
        self._groups = groups
        self._requests = [request for group in groups for request in group.requests]
        self._unanswered: list[tuple[frozenset[int], list[list[Result]]]] = []

    async def attempt(self) -> list[list[Result]]:
        """Decide and write everything in one SQL transaction."""
        writer = self._writer
        try:
            await writer.begin()
            loaded = await writer.load(self._requests)
            results = self._committed_before(loaded)
            if results is not None:
                await writer.rollback()
                return results
            batch = Batch(loaded)
            results = batch.decide(self._groups)
            changes = batch.changes()
            if not changes:
                await writer.rollback()
                return results
            await writer.save(changes)
        except (StoreUnavailableError, ContentionError, PoisonedError):
            await writer.rollback()
            raise
        except Exception as error:
            # A defect of ours, or a row that nobody can read, costs what shows it and no more.
            _log.exception("a flush failed in a way that no rule foresees")
            await writer.rollback()
            raise PoisonedError(repr(error), out_of_range=False) from error
        except BaseException:
            await writer.rollback()
            raise
        try:
            await writer.commit()
        except CommitUnknownError:
            self._unanswered.append((changes.numbers, results))
            raise
        return results

    def _committed_before(self, loaded: Loaded) -> list[list[Result]] | None:
        """Return the results of an earlier attempt whose COMMIT took place unheard.

        A flush is one SQL transaction: one of its numbers found means that all of it is there,
        and none found under the locks means that nothing is, or ever will be.
        """
        found = {transaction.number for transaction in loaded.known.values()}
        found |= {pending.transaction.number for pending in loaded.pending.values()}
        found |= {prize.number for prize in loaded.prizes.values()}
        for numbers, results in self._unanswered:
            if not numbers.isdisjoint(found):
                return results
        return None


def _all_refused(groups: Sequence[Group], refusal: Refusal) -> list[list[Result]]:
    return [[refusal] * len(group.requests) for group in groups]


def _poisoned(group: Group, error: PoisonedError) -> list[Result]:
    """Answer for the one group that cannot be written: a number too large, or a defect of ours."""
    last = len(group.requests) - 1
    if error.out_of_range:
        refusal = amount_range(getattr(group.requests[last].command, "currency_code", ""))
    else:
        _log.error("a request cannot be written: %s", error)
        refusal = Refusal(Reason.INTERNAL_ERROR, "an internal error; nothing was done")
    return [*(group_failed(last) for _ in range(last)), refusal]
