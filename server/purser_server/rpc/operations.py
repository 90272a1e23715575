"""Execute and StreamExecute: operations are judged one by one, and carried out together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_server.domain.commands import Command
from purser_server.domain.decisions import Answer, Result, group_failed
from purser_server.domain.errors import REPLAYED, Refusal, RefusedError, invalid_field
from purser_server.domain.operators import refuse_role
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
        self, operations: Sequence[pb.Operation], *, atomic: bool
    ) -> list[pb.OperationResult]:
        """Return one result per operation; raises RefusedError when nothing was begun."""
        judged = [_judge(operation) for operation in operations]
        return [_result(outcome) for outcome in await self._execute(judged, atomic=atomic)]

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
            # A group may hold players of any lane: it neither overtakes nor is overtaken.
            await self._all_done()
        # Tasks begin in the order of their making, and queue their operations before they wait.
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if message.atomic:
            await self._all_done()

    async def _answer(self, message: pb.StreamExecuteRequest) -> None:
        try:
            results = await self._operations.execute(message.operations, atomic=message.atomic)
        except RefusedError as error:
            refused = error_of(edge_refusal(error.refusal))
            results = [pb.OperationResult(error=refused) for _ in message.operations]
        except Exception as error:
            self._ready.put_nowait(error)
            return
        answer = pb.StreamExecuteResponse(correlation_id=message.correlation_id, results=results)
        self._ready.put_nowait(answer)

    async def _all_done(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)


def _judge(operation: pb.Operation) -> Command | Refusal:
    """Return an operation's command, or why its form or the caller's role refuses it."""
    kind = operation.WhichOneof("operation")
    if kind is None:
        return invalid_field("operation", "must be given")
    who = caller()
    request = getattr(operation, kind)
    needed = OPERATION_NEEDS.get(kind)
    refusal = refuse_role(who, needed) if needed else None
    refusal = refusal or validate(request, who.currencies)
    return refusal or command_of(request)


def _result(outcome: Result) -> pb.OperationResult:
    if isinstance(outcome, Answer):
        result = pb.OperationResult(replayed=outcome.replayed)
        result.transaction.CopyFrom(to_proto.transaction(outcome.transaction, with_metadata=False))
        if outcome.transaction.rollback_outcome:
            result.rollback_outcome = outcome.transaction.rollback_outcome  # type: ignore[assignment]
        return result
    return pb.OperationResult(
        error=error_of(edge_refusal(outcome)), replayed=REPLAYED in outcome.metadata
    )
