"""Who calls: the signature of a call, checked over the request's bytes as they were received."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

TIMESTAMP_KEY = "purser-timestamp"
SIGNATURE_KEY = "purser-signature"
MAX_SKEW_S = 30


class SignatureCheck:
    """Knows the secret that a casino shares with Purser. `clock` gives Unix seconds."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def problem(self, path: str, metadata: Mapping[str, str | bytes], request: bytes) -> str:
        """Say why a call is not Purser's, or return an empty text when it is.

        `path` is the method's, such as /purser.casino.v1.CasinoCallbackService/Bet; `request` are
        the bytes as they came: a message that was parsed and serialized again may have others.
        """
        timestamp = str(metadata.get(TIMESTAMP_KEY, ""))
        given = str(metadata.get(SIGNATURE_KEY, ""))
        if not (timestamp.isascii() and timestamp.isdigit() and given):
            return f"{TIMESTAMP_KEY} and {SIGNATURE_KEY} must be given"
        # In constant time, or the time of an answer would tell how much of a guess was right.
        if not hmac.compare_digest(self.expected(path, timestamp, request), given.encode()):
            return "the signature is wrong"
        if self.is_stale(int(timestamp)):
            return f"{TIMESTAMP_KEY} is more than {MAX_SKEW_S} s away from this casino's clock"
        return ""

    def expected(self, path: str, timestamp: str, request: bytes) -> bytes:
        """Return the right signature: lowercase hex of an HMAC-SHA256."""
        signed = f"{path}\n{timestamp}\n{hashlib.sha256(request).hexdigest()}"
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest().encode()

    def is_stale(self, timestamp: int) -> bool:
        """Tell whether a timestamp is too old, or too far ahead."""
        return abs(self._clock() - timestamp) > MAX_SKEW_S
