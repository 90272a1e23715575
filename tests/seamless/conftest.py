"""A casino that keeps its players' money, and Purser in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from purser_casino import ReferenceCasino
from tests.seamless.scene import SECRET, Seamless
from tests.support.client import Client, Installation


@pytest.fixture
async def seamless(installation: Installation, casino: Client) -> AsyncIterator[Seamless]:
    """An operator whose casino is the reference casino."""
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        scene = Seamless(casino, keeper, installation, operator_id)
        await scene.call_the_casino_at(keeper.address)
        yield scene
