"""Callbacks: how an operator's casino is called in seamless mode."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta

from purser_server.domain.values import value

DEFAULT_DEADLINE_MS = 2_000
DEFAULT_CALLS_IN_FLIGHT = 256

LEASE_MARGIN = timedelta(seconds=3)
"""By how much whoever makes an attempt holds its intent longer than the attempt may take."""


def lease_of(deadline_ms: int) -> timedelta:
    """Return for how long an attempt with this deadline holds its intent."""
    return timedelta(milliseconds=deadline_ms) + LEASE_MARGIN


@value
class CallbackTls:
    """TLS towards a casino, as PEM texts; an empty `ca_pem` trusts the system's certificates."""

    ca_pem: str = ""
    client_certificate_pem: str = ""
    client_key_pem: str = field(default="", repr=False)


@value
class CallbackSettings:
    """Where and how a casino is called; an empty `target` (host:port) is transfer mode."""

    target: str = ""
    deadline_ms: int = DEFAULT_DEADLINE_MS
    max_calls_in_flight: int = DEFAULT_CALLS_IN_FLIGHT
    tls: CallbackTls | None = None
    signing_secret: str = field(default="", repr=False)

    @property
    def is_seamless(self) -> bool:
        """Whether the casino keeps the money: there is somebody to be called."""
        return bool(self.target)
