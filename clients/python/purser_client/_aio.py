"""The asyncio client: single calls, combined by themselves into messages of one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from purser.wallet.v1 import player_service_pb2_grpc, wallet_service_pb2_grpc
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import _requests
from purser_client._channel import DEFAULT_TIMEOUT_S, OPTIONS, Tls, authorization, pauses_s
from purser_client._combiner import Combiner
from purser_client._errors import PurserError, may_be_repeated, of_item, of_status
from purser_client._nouns import (
    Movement,
    Reader,
    Watched,
)
from purser_client._verbs import AsyncVerbs


class AsyncPurserClient(AsyncVerbs):
    """A casino's wallets, for asyncio. Use one per process: it combines what is concurrent.

    `timeout_s` bounds every call, its retries included. `currencies` gives the exponents of
    currencies that the operator declared beside ISO 4217.
    """

    def __init__(
        self,
        target: str,
        api_key: str,
        *,
        tls: Tls | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        currencies: Mapping[str, int] | None = None,
    ) -> None:
        if tls is None:
            self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, tls.credentials(), options=OPTIONS)
        channel: Any = self._channel
        self._wallet: Any = wallet_service_pb2_grpc.WalletServiceStub(channel)
        self._players: Any = player_service_pb2_grpc.PlayerServiceStub(channel)
        self._metadata = authorization(api_key)
        self._timeout_s = timeout_s
        self._read = Reader(currencies or {})
        self._combiner = Combiner(self._wallet, self._metadata, target)

    async def close(self) -> None:
        """Wait for the answers to what was asked, then close the connection."""
        try:
            await self._combiner.close()
        finally:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    async def watch_transactions(self, after_position: int = 0) -> AsyncIterator[Watched]:
        """Yield every transaction behind a position in commit order, then live, without end.

        A broken connection is mended, and the feed goes on where it was.
        """
        pauses = pauses_s()
        while True:
            stream = self._wallet.WatchTransactions(
                pb.WatchTransactionsRequest(after_position=after_position),
                metadata=self._metadata,
            )
            try:
                async for message in stream:
                    after_position = message.position
                    pauses = pauses_s()
                    yield Watched(message.position, self._read.transaction(message.transaction))
            except grpc.aio.AioRpcError as error:
                told = of_status(error)
                if not may_be_repeated(told):
                    raise told from None
            finally:
                stream.cancel()
            await asyncio.sleep(next(pauses))

    # -- how calls are made -----------------------------------------------------------------------

    async def _move(self, request: _requests.MovementRequest) -> Movement:
        """Send a movement with whatever else is under way; repeat it while that may help."""
        operation = _requests.operation(request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        pauses = None
        while True:
            try:
                result = await self._combiner.submit(operation, deadline)
            except PurserError as error:
                error.transaction_id = request.transaction_id
                raise
            if not result.HasField("error"):
                return self._read.movement(result, result.rollback_outcome)
            refused = of_item(result.error, request.transaction_id)
            pauses = pauses or pauses_s()
            pause_s = next(pauses)
            if not may_be_repeated(refused) or loop.time() + pause_s >= deadline:
                raise refused
            await asyncio.sleep(pause_s)

    async def _call(self, rpc: Any, request: Any) -> Any:
        """Make a call; repeat it while it is unavailable and there is time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        for pause_s in pauses_s():
            try:
                return await rpc(
                    request,
                    metadata=self._metadata,
                    timeout=max(deadline - loop.time(), 0.001),
                )
            except grpc.aio.AioRpcError as error:
                told = of_status(error)
                if not may_be_repeated(told) or loop.time() + pause_s >= deadline:
                    raise told from None
            await asyncio.sleep(pause_s)
        raise AssertionError("pauses have no end")
