"""The synchronous client: the same verbs as the asyncio one, a call at a time per thread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import grpc

from purser.wallet.v1 import player_service_pb2_grpc, wallet_service_pb2_grpc
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import _requests
from purser_client._channel import DEFAULT_TIMEOUT_S, OPTIONS, Tls, authorization, pauses_s
from purser_client._errors import may_be_repeated, of_status
from purser_client._nouns import (
    Movement,
    Reader,
    Watched,
)
from purser_client._verbs_sync import Verbs


class PurserClient(Verbs):
    """A casino's wallets, for threads. Use one per process; it may be shared by threads.

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
        _channel: grpc.Channel | None = None,
    ) -> None:
        channel = _channel or _connect(target, tls)
        self._channel = channel
        self._wallet: Any = wallet_service_pb2_grpc.WalletServiceStub(channel)
        self._players: Any = player_service_pb2_grpc.PlayerServiceStub(channel)
        self._metadata = authorization(api_key)
        self._timeout_s = timeout_s
        self._read = Reader(currencies or {})

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def watch_transactions(self, after_position: int = 0) -> Iterator[Watched]:
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
                for message in stream:
                    after_position = message.position
                    pauses = pauses_s()
                    yield Watched(message.position, self._read.transaction(message.transaction))
            except grpc.RpcError as error:
                told = of_status(error)
                if not may_be_repeated(told):
                    raise told from None
            finally:
                stream.cancel()
            time.sleep(next(pauses))

    # -- how calls are made -----------------------------------------------------------------------

    def _move(self, request: _requests.MovementRequest) -> Movement:
        """Make a movement; its refusal is raised."""
        rpc = getattr(self._wallet, type(request).__name__.removesuffix("Request"))
        response = self._call(rpc, request)
        return self._read.movement(response, getattr(response, "outcome", 0))

    def _call(self, rpc: Any, request: Any) -> Any:
        """Make a call; repeat it while it is unavailable and there is time."""
        deadline = time.monotonic() + self._timeout_s
        transaction_id = getattr(request, "transaction_id", "")
        for pause_s in pauses_s():
            try:
                return rpc(
                    request,
                    metadata=self._metadata,
                    timeout=max(deadline - time.monotonic(), 0.001),
                )
            except grpc.RpcError as error:
                told = of_status(error, transaction_id)
                if not may_be_repeated(told) or time.monotonic() + pause_s >= deadline:
                    raise told from None
            time.sleep(pause_s)
        raise AssertionError("pauses have no end")


def _connect(target: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, tls.credentials(), options=OPTIONS)
