"""Execute and StreamExecute: operations are judged one by one, and carried out together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.timestamp_pb2 import Timestamp

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_server.domain.commands import Command
from purser_server.domain.decisions import Answer, Result, group_failed
from purser_server.domain.errors import REPLAYED, Refusal, RefusedError, invalid_field
from purser_server.domain.operators import Caller, refuse_role
from purser_server.rpc import to_proto
from purser_server.rpc.access import OPERATION_NEEDS
from purser_server.rpc.calls import caller, edge_refusal, still_allowed
from purser_server.rpc.checks import MAX_OPERATIONS
from purser_server.rpc.from_proto import command_of
from purser_server.rpc.limits import require_valid, validate
from purser_server.rpc.status import error_of
from purser_server.usecases.movements import Movements


class Operations:
    """Carries out the operations of one message."""

    def __init__(self, movements: Movements) -> None:
        self._movements = movements

    async def execute(
        self,
        operations: Sequence[pb.Operation],
        results: RepeatedCompositeFieldContainer[pb.OperationResult],
        *,
        atomic: bool,
    ) -> None:
        """Add one result per operation; raises RefusedError when nothing was begun."""
        judge = Judge(caller())
        judged = [judge.command_of(operation) for operation in operations]
        fill_results(results, await self._execute(judged, atomic=atomic))

    async def _execute(self, judged: Sequence[Command | Refusal], *, atomic: bool) -> list[Result]:
        """Execute what is well formed; in an atomic group one malformed operation fails all."""
        malformed = [index for index, found in enumerate(judged) if isinstance(found, Refusal)]
        if atomic and malformed:
            first = malformed[0]
            return [
                found if index == first and isinstance(found, Refusal) else group_failed(first)
                for index, found in enumerate(judged)
            ]
        commands = [found for found in judged if not isinstance(found, Refusal)]
        outcomes = iter(
            await self._movements.execute_many(caller().operator, commands, atomic=atomic)
        )
        return [found if isinstance(found, Refusal) else next(outcomes) for found in judged]


class ExecuteStream:
    """Serves one StreamExecute: reads ahead while there is room, answers what is ready.

    An operation counts as under way until its answer was taken, so that a client that sends and
    does not read fills its own stream, and not the server's memory.
    """

    def __init__(
        self,
        operations: Operations,
        messages: AsyncIterator[pb.StreamExecuteRequest],
        stopping: asyncio.Event,
    ) -> None:
        self._operations = operations
        self._messages = messages
        self._stopping = stopping
        self._ready: asyncio.Queue[pb.StreamExecuteResponse | BaseException | None] = (
            asyncio.Queue()
        )
        self._under_way = 0
        self._taken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def answers(self) -> AsyncIterator[pb.StreamExecuteResponse]:
        """Yield the answers as they are ready, until all that was read is answered."""
        reader = asyncio.create_task(self._read())
        ender = asyncio.create_task(self._end_with_server(reader))
        try:
            while True:
                answer = await self._ready.get()
                if answer is None:
                    return
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
                self._under_way -= len(answer.results)
                self._taken.set()
        finally:
            tasks = (reader, ender, *self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_with_server(self, reader: asyncio.Task[None]) -> None:
        """When the server stops, read no more, and end once all that was begun is answered."""
        await self._stopping.wait()
        reader.cancel()
        await self._all_done()
        self._ready.put_nowait(None)

    async def _read(self) -> None:
        try:
            async for message in self._messages:
                await still_allowed()
                require_valid(message, caller().currencies)
                await self._begin(message)
            await self._all_done()
            self._ready.put_nowait(None)
        except Exception as error:
            # What was read before is answered first.
            await self._all_done()
            self._ready.put_nowait(error)

    async def _begin(self, message: pb.StreamExecuteRequest) -> None:
        while self._under_way >= MAX_OPERATIONS:
            self._taken.clear()
            await self._taken.wait()
        self._under_way += len(message.operations)
        if message.atomic:
            # A group may hold any players: it neither overtakes nor is overtaken.
            await self._all_done()
        # Tasks begin in the order of their making, and queue their operations before they wait.
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if message.atomic:
            await self._all_done()

    async def _answer(self, message: pb.StreamExecuteRequest) -> None:
        answer = pb.StreamExecuteResponse(correlation_id=message.correlation_id)
        try:
            await self._operations.execute(
                message.operations, answer.results, atomic=message.atomic
            )
        except RefusedError as error:
            fill_results(answer.results, [error.refusal] * len(message.operations))
        except Exception as error:
            self._ready.put_nowait(error)
            return
        self._ready.put_nowait(answer)

    async def _all_done(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)


class Judge:
    """Judges the operations of one caller, before anything is begun."""

    def __init__(self, who: Caller) -> None:
        self._currencies = who.currencies
        self._refusals = {
            kind: refuse_role(who, needed) for kind, needed in OPERATION_NEEDS.items()
        }

    def command_of(self, operation: pb.Operation) -> Command | Refusal:
        """Return an operation's command, or why its form or the caller's role refuses it."""
        kind = operation.WhichOneof("operation")
        if kind is None:
            return invalid_field("operation", "must be given")
        request = getattr(operation, kind)
        refusal = self._refusals.get(kind) or validate(request, self._currencies)
        return refusal or command_of(request)


def fill_results(
    results: RepeatedCompositeFieldContainer[pb.OperationResult], outcomes: Iterable[Result]
) -> None:
    """Add the outcomes of operations, in their order, to the results of a response."""
    time: datetime | None = None
    create_time = Timestamp()
    for outcome in outcomes:
        result = results.add()
        if isinstance(outcome, Answer):
            transaction = outcome.transaction
            if transaction.create_time is not time:
                # All that was written together has the same time.
                time = transaction.create_time
                create_time = to_proto.timestamp(time)
            to_proto.fill_transaction(result.transaction, transaction, create_time)
            if outcome.replayed:
                result.replayed = True
            if transaction.rollback_outcome:
                result.rollback_outcome = transaction.rollback_outcome  # type: ignore[assignment]
        else:
            result.error.CopyFrom(error_of(edge_refusal(outcome)))
            result.replayed = REPLAYED in outcome.metadata
