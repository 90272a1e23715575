"""Concurrent single calls become messages of one StreamExecute.

There is no timer: a message holds what arrived while others were under way, and a lone call is
sent at once. A message takes no more than its share of all unanswered calls, or they would gather
in one message, with the client, the server and the database idle in turn. Calls leave in the order
in which they came, and so a player's order is kept. When the stream breaks, what has no answer is
sent again with the same ids, before anything newer; when a message is refused, its calls alone are
told. A stream whose oldest message is past all its deadlines is taken for broken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import grpc
import grpc.aio

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client._channel import MAX_MESSAGE_BYTES, pauses_s
from purser_client._ends import FINAL, end_of, is_broken
from purser_client._errors import (
    DeadlineExceeded,
    InvalidRequest,
    PurserError,
    Unavailable,
    of_status,
)

MAX_OPERATIONS_PER_MESSAGE = 1_000
MAX_BYTES_PER_MESSAGE = MAX_MESSAGE_BYTES // 2
"""The answer repeats most of what a message says, says more, and has to fit too."""

MAX_MESSAGES_UNDER_WAY = 2
SMALLEST_SHARE = 16
"""So many calls, if they wait, leave in one message, however few are unanswered in all."""

MAX_WAITING = 100_000
"""Calls that may wait in one client; beyond it a call fails at once as Unavailable."""

_SWEEP_S = 0.05

_FRAMING_BYTES = 8
"""What a message spends on an operation beside its bytes: a tag and a length."""


@dataclass(slots=True)
class Call:
    """One operation, its size, when its time is over (loop time, seconds), and who waits for it."""

    operation: pb.Operation
    size_bytes: int
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
        self._pauses = pauses_s()
        self._stream: Any = None
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False

    def submit(self, operation: pb.Operation, deadline: float) -> asyncio.Future[Any]:
        """Queue an operation; the future gives its result, or raises a PurserError.

        Raises InvalidRequest for an operation that no message can carry, and Unavailable when the
        client is closed or overloaded.
        """
        loop = asyncio.get_running_loop()
        if self._closing or len(self._waiting) >= MAX_WAITING:
            state = "closed" if self._closing else "overloaded"
            raise Unavailable("", f"this client is {state}; nothing was sent", {})
        size_bytes = operation.ByteSize() + _FRAMING_BYTES
        if size_bytes > MAX_BYTES_PER_MESSAGE:
            raise _too_large(size_bytes)
        call = Call(operation, size_bytes, deadline, loop.create_future())
        self._waiting.append(call)
        self._wake.set()
        if self._runner is None:
            self._runner = loop.create_task(self._run(), name="purser combiner")
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)
        return call.done

    async def close(self) -> None:
        """Take no more calls, wait until those that are there are answered or late, then end."""
        self._closing = True
        try:
            if calls := list(self._all()):
                await asyncio.wait([call.done for call in calls])
        finally:
            if self._sweeper is not None:
                self._sweeper.cancel()
            runner = self._runner
            if runner is not None:
                runner.cancel()
                self._lose("this client was closed")
                await asyncio.gather(runner, return_exceptions=True)

    def _sweep(self) -> None:
        """Fail the calls whose time is over; they may still happen, but wait in no one's way."""
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
        self._waiting = deque(call for call in self._waiting if not call.done.done())
        oldest = next(iter(self._sent.values()), None)
        if oldest and all(call.deadline <= now for call in oldest):
            self._stream.cancel()

    def _no_answer(self) -> str:
        """Tell what is known of the silence; a lost connection counts until an answer comes."""
        why = f" ({self._broken_by})" if self._broken_by else ""
        return f"no answer from {self._target} in time{why}; send it again with the same id"

    def _all(self) -> Iterator[Call]:
        for message in self._sent.values():
            yield from message
        yield from self._waiting

    async def _run(self) -> None:
        """Serve the callers; whatever ends this is told to them, and the next call begins anew."""
        try:
            await self._serve()
        except BaseException as error:
            self._lose(f"this client failed ({error!r})", error)
            raise
        finally:
            self._runner = None

    async def _serve(self) -> None:
        while True:
            if not self._unanswered():
                self._wake.clear()
                await self._wake.wait()
                continue
            error = await self._exchange()
            self._broken_by = error.details() or error.code().name
            self._tell(error)
            self._take_back()
            if self._unanswered():
                await asyncio.sleep(next(self._pauses))

    def _unanswered(self) -> bool:
        return any(not call.done.done() for call in self._all())

    async def _exchange(self) -> grpc.aio.AioRpcError:
        """Send and receive on one stream until it ends; return what ended it.

        Raises what neither the server nor the network has to do with.
        """
        self._stream = self._stub.StreamExecute(metadata=self._metadata)
        receiver = asyncio.create_task(self._receive_all())
        sender = asyncio.create_task(self._send())
        try:
            await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A stream that has ended keeps its end for the receiver, any other one ends by this.
            self._stream.cancel()
            sender.cancel()
            ends = await asyncio.gather(receiver, sender, return_exceptions=True)
        return end_of(*ends)

    async def _send(self) -> None:
        while True:
            while self._waiting and len(self._sent) < MAX_MESSAGES_UNDER_WAY:
                calls = self._take()
                if not calls:
                    continue
                self._next_id += 1
                self._sent[self._next_id] = calls
                await self._stream.write(
                    pb.StreamExecuteRequest(
                        correlation_id=self._next_id,
                        operations=[call.operation for call in calls],
                    )
                )
            self._wake.clear()
            await self._wake.wait()

    def _take(self) -> list[Call]:
        """Take the next message's share from what waits, as far as it fits."""
        unanswered = len(self._waiting) + sum(map(len, self._sent.values()))
        share = max(ceil(unanswered / MAX_MESSAGES_UNDER_WAY), SMALLEST_SHARE)
        taken: list[Call] = []
        room_bytes = MAX_BYTES_PER_MESSAGE
        while self._waiting and len(taken) < min(share, MAX_OPERATIONS_PER_MESSAGE):
            call = self._waiting[0]
            if not call.done.done():
                if call.size_bytes > room_bytes:
                    break
                room_bytes -= call.size_bytes
                taken.append(call)
            self._waiting.popleft()
        return taken

    async def _receive_all(self) -> None:
        async for answer in self._stream:
            self._receive(answer)

    def _receive(self, answer: pb.StreamExecuteResponse) -> None:
        calls = self._sent[answer.correlation_id]
        answered = list(zip(calls, answer.results, strict=True))
        del self._sent[answer.correlation_id]
        for call, result in answered:
            if not call.done.done():
                call.done.set_result(result)
        self._pauses = pauses_s()
        self._broken_by = ""
        self._wake.set()

    def _take_back(self) -> None:
        """Put what was sent and not answered in front of what waits."""
        for message in reversed(self._sent.values()):
            self._waiting.extendleft(call for call in reversed(message) if not call.done.done())
        self._sent.clear()

    def _tell(self, error: grpc.aio.AioRpcError) -> None:
        """Tell the callers what ended the stream, unless another stream may serve them.

        The server answers what it has read before it refuses a message: that is the oldest one
        without an answer, and the others are sent again. Where it was another message, this is
        the oldest one soon.
        """
        if is_broken(error):
            return
        about_all = error.code() in FINAL or not self._sent
        concerned = self._all() if about_all else next(iter(self._sent.values()))
        _fail(concerned, lambda: of_status(error))

    def _lose(self, why: str, cause: BaseException | None = None) -> None:
        """Tell all callers that their calls are nobody's any more."""

        def lost() -> Unavailable:
            told = Unavailable("", f"{why}; send it again with the same id", {})
            told.__cause__ = cause
            return told

        _fail(self._all(), lost)
        self._sent.clear()
        self._waiting.clear()


def _fail(calls: Iterable[Call], make_error: Callable[[], PurserError]) -> None:
    for call in calls:
        if not call.done.done():
            call.done.set_exception(make_error())


def _too_large(size_bytes: int) -> InvalidRequest:
    return InvalidRequest(
        "INVALID_FIELD",
        f"{size_bytes} bytes are more than a message carries ({MAX_BYTES_PER_MESSAGE})",
        {"field": "operation"},
    )
