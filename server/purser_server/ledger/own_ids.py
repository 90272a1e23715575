"""Ids of what Purser does by itself: no client can guess one, so none is taken already."""

from __future__ import annotations

import secrets


def own_id() -> str:
    """Return a new id."""
    return f"purser-{secrets.token_hex(16)}"
