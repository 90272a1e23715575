"""What both clients share: the channel's options, TLS, ids, retries."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import overload

import grpc

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

DEFAULT_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS; all are PEM texts. Without a CA the system's are trusted.

    Give certificate and key where the server asks clients for theirs. Raises TypeError for what is
    no text, ValueError for what is not in PEM, and for one of the two without the other.
    """

    ca: str | bytes | None = None
    certificate: str | bytes | None = None
    key: str | bytes | None = None

    def __post_init__(self) -> None:
        """Check what is given here, since gRPC would only fail to connect."""
        for name in ("ca", "certificate", "key"):
            _require_pem(name, getattr(self, name))
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client's certificate and its key go together: give both, or none")

    def credentials(self) -> grpc.ChannelCredentials:
        """Return what gRPC takes."""
        return grpc.ssl_channel_credentials(
            _as_bytes(self.ca), _as_bytes(self.key), _as_bytes(self.certificate)
        )


def _require_pem(name: str, given: object) -> None:
    if given is None:
        return
    if not isinstance(given, str | bytes):
        raise TypeError(f"{name} is a PEM text, not a {type(given).__name__}: read the file first")
    if b"-----BEGIN" not in _as_bytes(given):
        raise ValueError(f"{name} is no PEM text, which has a line -----BEGIN ...-----")


@overload
def _as_bytes(text: str | bytes) -> bytes: ...
@overload
def _as_bytes(text: str | bytes | None) -> bytes | None: ...
def _as_bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def new_id() -> str:
    """Return a transaction id that was never used before."""
    return uuid.uuid4().hex


def authorization(api_key: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that carries the key."""
    return (("authorization", f"Bearer {api_key}"),)


def pauses_s() -> Iterator[float]:
    """Yield the seconds to wait before each further attempt: doubling, with jitter."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield random.uniform(pause_s / 2, pause_s)  # noqa: S311 - jitter, no secret
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
