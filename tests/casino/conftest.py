"""A reference casino with one player, anna, who has 100.00."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from purser_casino import ReferenceCasino
from tests.casino.desk import OPERATOR, SECRET, Desk


@pytest.fixture
async def reference() -> AsyncIterator[ReferenceCasino]:
    async with ReferenceCasino(OPERATOR, SECRET) as made:
        made.add_player("anna", EUR=100_00)
        yield made


@pytest.fixture
async def desk(reference: ReferenceCasino) -> AsyncIterator[Desk]:
    made = Desk(reference)
    yield made
    await made.close()


@pytest.fixture
async def hasty(reference: ReferenceCasino) -> AsyncIterator[Desk]:
    """A desk that waits for an answer for a moment only."""
    made = Desk(reference, deadline_s=0.2)
    yield made
    await made.close()
