"""The casino's client: stubs on one channel that send one API key, and refusals as they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from purser.admin.v1.ledger_service_pb2_grpc import LedgerServiceStub
from purser.admin.v1.operator_service_pb2_grpc import OperatorServiceStub
from purser.loyalty.v1.cashback_service_pb2_grpc import CashbackServiceStub
from purser.loyalty.v1.points_service_pb2_grpc import PointsServiceStub
from purser.loyalty.v1.prize_cashback_service_pb2_grpc import PrizeCashbackServiceStub
from purser.loyalty.v1.program_service_pb2_grpc import ProgramServiceStub
from purser.loyalty.v1.refund_service_pb2_grpc import RefundServiceStub
from purser.wallet.v1.player_service_pb2_grpc import PlayerServiceStub
from purser.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")

if TYPE_CHECKING:
    Rpc: TypeAlias = grpc.UnaryUnaryMultiCallable[Request, Response]

_DEADLINE_S = 10.0
_OPTIONS = (
    # The server is on this machine, whatever proxy the environment names for others.
    ("grpc.enable_http_proxy", 0),
)


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """What a refused call carries; `reason` is empty where gRPC itself gave the answer."""

    def __init__(self, code: str, reason: str, metadata: Mapping[str, str], message: str) -> None:
        super().__init__(": ".join(part for part in (code, reason, message) if part))
        self.reason = reason
        self.metadata = metadata


class Client:
    """Calls a server with one API key; use it as a context manager."""

    def __init__(self, address: str, api_key: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._metadata = (("authorization", f"Bearer {api_key}"),)
        self.wallet = WalletServiceStub(self._channel)
        self.players = PlayerServiceStub(self._channel)
        self.programs = ProgramServiceStub(self._channel)
        self.cashback = CashbackServiceStub(self._channel)
        self.points = PointsServiceStub(self._channel)
        self.operators = OperatorServiceStub(self._channel)
        self.ledger = LedgerServiceStub(self._channel)
        self.refunds = RefundServiceStub(self._channel)
        self.prizes = PrizeCashbackServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def call(self, rpc: Rpc[Request, Response], request: Request) -> Response:
        """Make a call and return its answer. Raises Refused."""
        try:
            return rpc(request, timeout=_DEADLINE_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _refused(error) from error


def _refused(error: Any) -> Refused:
    info = ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                detail.Unpack(info)  # does nothing with a detail of another type
    return Refused(error.code().name, info.reason, dict(info.metadata), error.details() or "")
