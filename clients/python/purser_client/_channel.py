"""What both clients share: the channel's options, TLS, ids, retries."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

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

    Give certificate and key where the server asks clients for theirs.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Return what gRPC takes."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)


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
