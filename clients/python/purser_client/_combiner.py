"""Concurrent single calls become messages of one StreamExecute.

There is no timer: a message holds what arrived while others were under way, and a lone call is
sent at once. A message takes no more than its share of all unanswered calls, or they would gather
in one message, with the client, the server and the database idle in turn. Calls leave in the order
in which they came, and so a player's order is kept. When the stream breaks, what has no answer is
sent again with the same ids, before anything newer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Any

import grpc
import grpc.aio

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client._channel import pauses_s
from purser_client._errors import (
    DeadlineExceeded,
    PurserError,
    Unavailable,
    may_be_repeated,
    of_status,
)

MAX_OPERATIONS_PER_MESSAGE = 1_000
MAX_MESSAGES_UNDER_WAY = 2
SMALLEST_SHARE = 16
"""So many calls, if they wait, leave in one message, however few are unanswered in all."""

MAX_WAITING = 100_000
"""Calls that may wait in one client; beyond it a call fails at once as Unavailable."""

_SWEEP_S = 0.05

# How a broken connection may show itself, beside UNAVAILABLE; ids make a repetition harmless.
_BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)


@dataclass(slots=True)
class Call:
    """One operation, when its time is over (loop time, seconds), and who waits for it."""

    operation: pb.Operation
    deadline: float
    done: asyncio.Future[pb.OperationResult]


class Combiner:
    """Owns the stream of one client."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...], target: str) -> None:
        self._stub = stub
        self._target = target
        self._broken_by = ""
        self._metadata = metadata
        self._waiting: deque[Call] = deque()
        self._sent: dict[int, list[Call]] = {}
        self._next_id = 0
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False

    def submit(self, operation: pb.Operation, deadline: float) -> asyncio.Future[Any]:
        """Queue an operation; the future gives its result, or raises a PurserError."""
        loop = asyncio.get_running_loop()
        if self._closing or len(self._waiting) >= MAX_WAITING:
            state = "closed" if self._closing else "overloaded"
            raise Unavailable("", f"this client is {state}; nothing was sent", {})
        call = Call(operation, deadline, loop.create_future())
        self._waiting.append(call)
        self._wake.set()
        if self._runner is None:
            self._runner = loop.create_task(self._run(), name="purser combiner")
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)
        return call.done

    async def close(self) -> None:
        """Take no more calls, wait for the answers to those that are there, end the stream."""
        self._closing = True
        self._wake.set()
        if self._runner is not None:
            await self._runner
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _sweep(self) -> None:
        """Fail the calls whose time is over; they may still happen."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        pending = False
        for call in self._all():
            if call.done.done():
                continue
            pending = True
            if call.deadline <= now:
                call.done.set_exception(DeadlineExceeded("", self._no_answer(), {}))
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep) if pending else None

    def _no_answer(self) -> str:
        """Tell what is known of the silence; a lost connection counts until an answer comes."""
        why = f" ({self._broken_by})" if self._broken_by else ""
        return f"no answer from {self._target} in time{why}; send it again with the same id"

    def _all(self) -> Iterator[Call]:
        for message in self._sent.values():
            yield from message
        yield from self._waiting

    async def _run(self) -> None:
        pauses = pauses_s()
        while not (self._closing and not self._unanswered()):
            if not self._unanswered():
                self._wake.clear()
                await self._wake.wait()
                continue
            answered_before = self._next_id - len(self._sent)
            error = await self._stream()
            if error is None:
                continue
            self._broken_by = error.details() or error.code().name
            self._take_back()
            if self._next_id - len(self._sent) != answered_before:
                pauses = pauses_s()
            if not _is_broken(error):
                self._fail_all(error)
                continue
            await asyncio.sleep(next(pauses))

    def _unanswered(self) -> bool:
        return any(not call.done.done() for call in self._all())

    async def _stream(self) -> grpc.aio.AioRpcError | None:
        """Send and receive on one stream until it ends; return what broke it."""
        stream = self._stub.StreamExecute(metadata=self._metadata)
        sender = asyncio.create_task(self._send(stream))
        try:
            async for answer in stream:
                self._receive(answer)
            return None if self._closing else _ended()
        except grpc.aio.AioRpcError as error:
            return error
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            stream.cancel()

    async def _send(self, stream: Any) -> None:
        while True:
            while self._waiting and len(self._sent) < MAX_MESSAGES_UNDER_WAY:
                calls = self._take()
                if not calls:
                    continue
                self._next_id += 1
                self._sent[self._next_id] = calls
                await stream.write(
                    pb.StreamExecuteRequest(
                        correlation_id=self._next_id,
                        operations=[call.operation for call in calls],
                    )
                )
            if self._closing and not self._waiting:
                await stream.done_writing()
                return
            self._wake.clear()
            await self._wake.wait()

    def _take(self) -> list[Call]:
        unanswered = len(self._waiting) + sum(map(len, self._sent.values()))
        share = ceil(unanswered / MAX_MESSAGES_UNDER_WAY)
        count = min(len(self._waiting), max(share, SMALLEST_SHARE), MAX_OPERATIONS_PER_MESSAGE)
        taken = list(islice(self._waiting, count))
        for _ in range(count):
            self._waiting.popleft()
        return [call for call in taken if not call.done.done()]

    def _receive(self, answer: pb.StreamExecuteResponse) -> None:
        for call, result in zip(self._sent.pop(answer.correlation_id), answer.results, strict=True):
            if not call.done.done():
                call.done.set_result(result)
        self._broken_by = ""
        self._wake.set()

    def _take_back(self) -> None:
        """Put what was sent and not answered in front of what waits."""
        for message in reversed(self._sent.values()):
            self._waiting.extendleft(reversed(message))
        self._sent.clear()

    def _fail_all(self, error: grpc.aio.AioRpcError) -> None:
        for call in self._waiting:
            if not call.done.done():
                call.done.set_exception(of_status(error))
        self._waiting.clear()


def _ended() -> grpc.aio.AioRpcError:
    """Return what it means that the server ended the stream: it is stopping."""
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, nothing, nothing, "the server ended the stream"
    )


def _is_broken(error: grpc.aio.AioRpcError) -> bool:
    told: PurserError = of_status(error)
    if told.reason:
        return may_be_repeated(told)
    return error.code() in _BROKEN
