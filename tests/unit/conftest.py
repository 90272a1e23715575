"""A casino for each test; when the story is told, its books must balance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.unit.audit import audit
from tests.unit.casino import Casino
from tests.unit.desk import Desk, open_desk


@pytest.fixture
def casino() -> Iterator[Casino]:
    casino = Casino()
    yield casino
    audit(casino.store)


@pytest.fixture
async def desk(casino: Casino) -> AsyncIterator[Desk]:
    """A ledger of one lane, for anna, ben and cleo with 100.00 each."""
    for player in ("anna", "ben", "cleo"):
        casino.player(player, eur="100.00")
    async with open_desk(casino) as desk:
        yield desk
