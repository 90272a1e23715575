"""Fixtures of stories: a loyalty backend of a casino of its own, and one of its players."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.client import LOYALTY, Client, Installation, eur
from tests.support.loyalty import Loyalty
from tests.support.prizes import PrizeDesk, Scene


@pytest.fixture
async def loyalty(casino: Client, installation: Installation) -> AsyncIterator[Loyalty]:
    """A loyalty backend and a player; at the end the ledger must be sound."""
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    client = await installation.new_client(operator_id, LOYALTY)
    player = await casino.new_player()
    yield Loyalty(client, player, operator_id)
    await installation.assert_consistent(operator_id)


@pytest.fixture
async def scene(casino: Client, installation: Installation) -> AsyncIterator[Scene]:
    """A casino with prizes and Ann, who has 10.00; at the end the ledger must be sound."""
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    desk = await PrizeDesk.of(installation, operator_id)
    ann = await casino.new_player(money=eur("10.00"))
    yield Scene(casino, desk, installation, ann, operator_id)
    await installation.assert_consistent(operator_id)
