"""How a call to a casino is signed, so that the casino knows who calls."""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP_KEY = "purser-timestamp"
SIGNATURE_KEY = "purser-signature"


def signature(secret: str, path: str, timestamp: int, request: bytes) -> str:
    """Return the signature of a call: lowercase hex of an HMAC-SHA256.

    `path` is the method's, such as /purser.casino.v1.CasinoCallbackService/Bet; `timestamp` is in
    Unix seconds; `request` are the bytes as they travel. Source: casino_callback_service.proto.
    """
    digest = hashlib.sha256(request).hexdigest()
    signed = f"{path}\n{timestamp}\n{digest}"
    return hmac.digest(secret.encode(), signed.encode(), "sha256").hex()


def signature_metadata(
    secret: str, path: str, timestamp: int, request: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the metadata that carries the signature of a call."""
    return (
        (TIMESTAMP_KEY, str(timestamp)),
        (SIGNATURE_KEY, signature(secret, path, timestamp, request)),
    )
