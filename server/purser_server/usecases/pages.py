"""Pages of lists: how much they hold, where they go on, and with which filters they began."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from purser_server.domain.errors import RefusedError, invalid_field
from purser_server.domain.ids import id_problem

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000

_MAX_NUMBER = 2**63 - 1

Item = TypeVar("Item")
Position = TypeVar("Position", str, int)


class AskedPage(Generic[Position]):
    """A page that a caller asks for: so many items at most, from behind a position.

    A page size of 0 means 50, more than 1000 is lowered to it. The token is that of a page before,
    of a list with the same filters; `position` is None for the first page. Raises
    RefusedError(INVALID_FIELD) for a token that is not ours or began with other filters.
    """

    def __init__(self, filters: object, size: int, token: str, kind: type[Position]) -> None:
        self._fingerprint = _fingerprint(filters)
        self.limit = min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        self.position: Position | None = _position(self._fingerprint, token, kind)

    def cut(
        self, found: Sequence[Item], position: Callable[[Item], Position]
    ) -> tuple[Sequence[Item], str]:
        """Return the page and the next one's token, of what `limit + 1` asked the store for."""
        page = found[: self.limit]
        return page, self.next_token(position(page[-1])) if len(found) > self.limit else ""

    def next_token(self, position: Position) -> str:
        """Return the token of the page that goes on behind `position`."""
        content = json.dumps([self._fingerprint, position])
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _position(fingerprint: str, token: str, kind: type[Position]) -> Position | None:
    if not token:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        began, position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        began, position = None, None
    if began != fingerprint or not _is_position(position, kind):
        problem = "must be the next_page_token of a list with the same filters"
        raise RefusedError(invalid_field("page_token", problem))
    return position if isinstance(position, kind) else None


def _is_position(position: object, kind: type) -> bool:
    if isinstance(position, str):
        return kind is str and position.isascii() and id_problem(position) is None
    return type(position) is kind and isinstance(position, int) and 0 <= position <= _MAX_NUMBER


def _fingerprint(filters: object) -> str:
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:16]
