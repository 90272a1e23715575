"""A casino that keeps its players' money, and Purser in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2
from purser_casino import ReferenceCasino
from tests.support.client import Client, Installation, new_id

SECRET = "the casino's own secret, long enough"
DEADLINE_MS = 500


@dataclass
class Seamless:
    """One operator in seamless mode: games call `games`, and the money is at `casino`."""

    games: Client
    casino: ReferenceCasino
    installation: Installation
    operator_id: str

    async def new_player(self, euros: int = 100) -> str:
        """Link a player who has so many euros at the casino."""
        player = new_id("player")
        self.casino.add_player(player, EUR=euros * 100)
        await self.games.players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=["EUR"])
        )
        return player

    async def assert_agreement(self) -> None:
        """Check the ledger: what it says of this operator is consistent."""
        await self.installation.assert_consistent(self.operator_id)

    def money(self, player: str) -> int:
        """Return what the casino keeps for a player, in cents."""
        return self.casino.balance(player, "EUR")


@pytest.fixture
async def seamless(installation: Installation, casino: Client) -> AsyncIterator[Seamless]:
    """An operator whose casino is the reference casino."""
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        await installation.admin.operators.UpdateOperator(
            operator_service_pb2.UpdateOperatorRequest(
                operator_id=operator_id,
                callback=operator_pb2.CallbackSettings(
                    target=keeper.address, signing_secret=SECRET, deadline_ms=DEADLINE_MS
                ),
            )
        )
        yield Seamless(casino, keeper, installation, operator_id)
