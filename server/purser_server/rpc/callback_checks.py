"""The form of an operator's callback settings: target, limits, secret, TLS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from purser_server.domain.errors import Refusal, invalid_field
from purser_server.domain.money import Currencies

MAX_CALLBACK_DEADLINE_MS = 30_000
MAX_PEM_BYTES = 64 * 1024

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]")
_PEM_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----\s[A-Za-z0-9+/=\s:,-]*?-----END \1-----", re.ASCII
)


def callback(request: Any, field: str, _: Currencies) -> Refusal | None:
    """Check the settings of calls to a casino, if any were given; only a target needs a secret."""
    settings = request.callback
    problems = (
        ("target", _target_problem(settings.target)),
        ("deadline_ms", _range_problem(settings.deadline_ms, 100, MAX_CALLBACK_DEADLINE_MS)),
        ("max_calls_in_flight", _range_problem(settings.max_calls_in_flight, 1, 10_000)),
        ("signing_secret", _secret_problem(settings.signing_secret, needed=bool(settings.target))),
        *((f"tls.{name}", problem) for name, problem in _tls_problems(settings.tls)),
    )
    for name, problem in problems:
        if problem:
            return invalid_field(f"{field}.{name}", problem)
    return None


def _target_problem(target: str) -> str | None:
    if not target:
        return None
    host, colon, port = target.rpartition(":")
    # Longer ports are none, and int() refuses the absurd ones.
    is_port = len(port) <= 5 and port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535
    is_host = len(target) <= 255 and _HOST.fullmatch(host) is not None
    return None if colon and is_port and is_host else "must be host:port"


def _range_problem(value: int, at_least: int, at_most: int) -> str | None:
    fits = value == 0 or at_least <= value <= at_most
    return None if fits else f"must be {at_least} to {at_most}, or 0 for the default"


def _secret_problem(secret: str, *, needed: bool) -> str | None:
    if needed and not secret:
        return "must be given with a target"
    if len(secret) > 256 or "\0" in secret:
        return "must have 1 to 256 characters, without U+0000"
    return None


def _tls_problems(tls: Any) -> Iterator[tuple[str, str]]:
    for name in ("ca_pem", "client_certificate_pem", "client_key_pem"):
        text: str = getattr(tls, name)
        if len(text.encode()) > MAX_PEM_BYTES:
            yield name, f"must have at most {MAX_PEM_BYTES} bytes"
        elif text and (problem := _pem_problem(text, is_key=name == "client_key_pem")):
            yield name, problem
    if bool(tls.client_certificate_pem) != bool(tls.client_key_pem):
        missing = "client_key_pem" if tls.client_certificate_pem else "client_certificate_pem"
        yield missing, "must be given: certificate and key come together"


def _pem_problem(text: str, *, is_key: bool) -> str | None:
    """Tell what is wrong with a PEM text. What is shown again must not hold a private key."""
    labels = _PEM_BLOCK.findall(text)
    if not labels or "\0" in text or text.count("-----BEGIN ") != len(labels):
        return "must be a PEM text"
    keys = [label for label in labels if label.endswith("PRIVATE KEY")]
    if is_key:
        others = set(labels) - {*keys, "EC PARAMETERS"}
        return None if len(keys) == 1 and not others else "must hold one private key and no more"
    return None if set(labels) == {"CERTIFICATE"} else "must hold certificates and no more"
