"""A book whose batches go over one stream, many under way, instead of calls of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio

from purser.wallet.v1.wallet_service_pb2 import (
    OperationResult,
    StreamExecuteRequest,
    StreamExecuteResponse,
)
from tests.faults.book import Book, Call
from tests.support.client import Client

BROKEN = grpc.aio.AioRpcError(
    grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "the stream has ended"
)


class StreamBook(Book):
    """Sends batches over StreamExecute; the streams that broke are counted."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.broken = 0
        self._numbers = iter(range(1, 1_000_000))
        self._waiting: dict[int, asyncio.Future[StreamExecuteResponse]] = {}
        self._messages: asyncio.Queue[StreamExecuteRequest] | None = None

    async def _answer(self, call: Call) -> Sequence[OperationResult]:
        if not call.execute:
            return await super()._answer(call)
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        if self._messages is None:
            self._messages = asyncio.Queue()
            self._reader = asyncio.create_task(self._follow(self._messages))
        self._messages.put_nowait(
            StreamExecuteRequest(
                correlation_id=number, operations=call.operations, atomic=call.atomic
            )
        )
        response = await answer
        return list(response.results)

    async def _follow(self, messages: asyncio.Queue[StreamExecuteRequest]) -> None:
        """Take answers until the stream breaks; then all that wait have none."""
        key: str = self.client.api_key  # type: ignore[attr-defined]
        stream = self.client.wallet.StreamExecute(metadata=(("authorization", f"Bearer {key}"),))
        writer = asyncio.create_task(_write(stream, messages))
        error: grpc.RpcError = BROKEN
        try:
            async for answer in stream:
                self._waiting.pop(answer.correlation_id).set_result(answer)
        except grpc.aio.AioRpcError as ended:
            # A message that was on its way when the server ended the stream hides the status.
            if ended.details() != "Internal error from Core":
                error = ended
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            stream.cancel()
        self.broken += 1
        self._messages = None
        waiting, self._waiting = self._waiting, {}
        for unanswered in waiting.values():
            unanswered.set_exception(error)

    async def close(self) -> None:
        """End the stream."""
        if self._messages is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader


async def _write(stream: Any, messages: asyncio.Queue[StreamExecuteRequest]) -> None:
    while True:
        await stream.write(await messages.get())
