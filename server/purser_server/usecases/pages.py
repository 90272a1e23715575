"""Page tokens: where a list goes on, and with which filters it began."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TypeVar

from purser_server.domain.errors import RefusedError, invalid_field
from purser_server.domain.ids import id_problem

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000

_MAX_NUMBER = 2**63 - 1

Position = TypeVar("Position", str, int)


def page_limit(page_size: int) -> int:
    """Return how many items a page holds: 0 means 50, more than 1000 is lowered to it.

    Raises RefusedError(INVALID_FIELD) when negative.
    """
    if page_size < 0:
        raise RefusedError(invalid_field("page_size", "must not be negative"))
    return min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def page_token(filters: object, position: str | int) -> str:
    """Return the token that continues a list with these filters behind `position`."""
    content = json.dumps([_fingerprint(filters), position])
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def page_position(filters: object, token: str, kind: type[Position]) -> Position | None:
    """Return where a token continues, None for an empty token.

    Raises RefusedError(INVALID_FIELD) for a token that is not ours or began with other filters.
    """
    if not token:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        fingerprint, position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        fingerprint, position = None, None
    if fingerprint != _fingerprint(filters) or not _is_position(position, kind):
        problem = "must be the next_page_token of a list with the same filters"
        raise RefusedError(invalid_field("page_token", problem))
    return position if isinstance(position, kind) else None


def _is_position(position: object, kind: type) -> bool:
    if isinstance(position, str):
        return kind is str and position.isascii() and id_problem(position) is None
    return type(position) is kind and isinstance(position, int) and 0 <= position <= _MAX_NUMBER


def _fingerprint(filters: object) -> str:
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:16]
