"""Calls to a casino: bytes, signed as Purser signs them, or signed wrongly on purpose."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc
import grpc.aio

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser_server.casino.signatures import SIGNATURE_KEY, TIMESTAMP_KEY, signature
from purser_server.conformance.outcomes import DUPLICATE, STATUS

Request: TypeAlias = (
    pb.GetBalanceRequest
    | pb.BetRequest
    | pb.WinRequest
    | pb.RollbackRequest
    | pb.PrizeCashbackRequest
)

_SERVICE = pb.DESCRIPTOR.services_by_name["CasinoCallbackService"]
_RPC_OF = {method.input_type.full_name: method for method in _SERVICE.methods}
_OUTCOME = "CALLBACK_OUTCOME_"
_SHOWN_DETAILS = 200


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts: the authority of the casino, and a certificate of our own for mutual TLS."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The casino, and the player to play with. `address` is HOST:PORT."""

    address: str
    operator_id: str
    player_id: str
    currency_code: str
    signing_secret: str
    tls: Tls | None = None
    deadline_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Signing:
    """What is wrong with a signature; nothing, by default.

    `over` are other bytes than those that are sent, `rpc` is another method's name, `without` names
    a key of the metadata that is left out, `timestamp` is a text that is sent instead.
    """

    secret: str | None = None
    skew_s: int = 0
    over: bytes | None = None
    rpc: str | None = None
    without: str = ""
    timestamp: str | None = None

    @property
    def shown(self) -> str:
        """What is wrong, for people."""
        found = {
            "signed with another secret": self.secret is not None,
            f"signed with a clock {self.skew_s:+} s off": bool(self.skew_s),
            "signed over other bytes": self.over is not None,
            f"signed as {self.rpc}": self.rpc is not None,
            f"without {self.without}": bool(self.without),
            f"timestamp {self.timestamp}": self.timestamp is not None,
        }
        return " and ".join(text for text, is_so in found.items() if is_so)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `came` is an outcome such as "ACCEPTED", or "status" and a status.

    `balance` is currency and minor units, None where the casino told none; `asked_again` says that
    IN_PROGRESS came before.
    """

    came: str
    balance: tuple[str, int] | None = None
    casino_transaction_id: str = ""
    message: str = ""
    details: str = ""
    asked_again: bool = False

    @property
    def was_done_meanwhile(self) -> bool:
        """Whether it was in progress at first, and done when it was asked for again."""
        return self.asked_again and self.came == DUPLICATE

    @property
    def shown(self) -> str:
        """The answer for people."""
        said = self.message or self.details
        return f"{self.came} ({said[:_SHOWN_DETAILS]})" if said else self.came


class Caller:
    """A connection to a casino; use it as an asynchronous context manager."""

    def __init__(self, target: Target) -> None:
        self._target = target
        options = (("grpc.enable_http_proxy", 0),)
        if target.tls is None:
            self._channel = grpc.aio.insecure_channel(target.address, options)
        else:
            tls = target.tls
            credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
            self._channel = grpc.aio.secure_channel(target.address, credentials, options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def call(
        self, request: Request, signing: Signing | None = None, sent: bytes | None = None
    ) -> Answer:
        """Make one call. `sent` are other bytes of the same request, such as in another order."""
        rpc = rpc_of(request)
        body = request.SerializeToString() if sent is None else sent
        method: Any = self._channel.unary_unary(_path(rpc))
        try:
            received = await method(
                body,
                timeout=self._target.deadline_s,
                metadata=self._metadata(rpc, body, signing or Signing()),
            )
        except grpc.aio.AioRpcError as error:
            return Answer(f"{STATUS}{error.code().name}", details=error.details() or "")
        return _read(rpc, received)

    def _metadata(self, rpc: str, body: bytes, signing: Signing) -> tuple[tuple[str, str], ...]:
        """Return the metadata, made anew for each attempt."""
        timestamp = int(time.time()) + signing.skew_s
        secret = self._target.signing_secret if signing.secret is None else signing.secret
        over = body if signing.over is None else signing.over
        made = {
            TIMESTAMP_KEY: str(timestamp) if signing.timestamp is None else signing.timestamp,
            SIGNATURE_KEY: signature(secret, _path(signing.rpc or rpc), timestamp, over),
        }
        return tuple((key, text) for key, text in made.items() if key != signing.without)


def rpc_of(request: Request) -> str:
    """Return the name of the rpc that takes a request."""
    return str(_RPC_OF[request.DESCRIPTOR.full_name].name)


def in_reverse_order(request: Request) -> bytes:
    """Return the request's bytes with its fields in reverse order: the same message to a parser."""
    parts = []
    for field, value in request.ListFields():
        alone = type(request)()
        if field.message_type is None:
            setattr(alone, field.name, value)
        else:
            getattr(alone, field.name).CopyFrom(value)
        parts.append(alone.SerializeToString())
    return b"".join(reversed(parts))


def _path(rpc: str) -> str:
    return f"/{_SERVICE.full_name}/{rpc}"


def _read(rpc: str, received: bytes) -> Answer:
    response_type: Any = getattr(pb, f"{rpc}Response")
    try:
        response = response_type.FromString(received)
    except Exception:  # whatever the casino sent, it is no answer
        return Answer("no message", details=f"not a {rpc}Response")
    told = response.HasField("balance")
    return Answer(
        _outcome_name(response.outcome),
        (response.balance.currency_code, response.balance.minor_units) if told else None,
        getattr(response, "casino_transaction_id", ""),
        response.message,
    )


def _outcome_name(outcome: int) -> str:
    if outcome not in pb.CallbackOutcome.values():
        return f"outcome {outcome}"
    return pb.CallbackOutcome.Name(outcome).removeprefix(_OUTCOME)  # type: ignore[arg-type]
