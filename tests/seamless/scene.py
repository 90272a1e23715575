"""One operator in seamless mode: games at one side, the casino at the other, Purser between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_casino import ReferenceCasino
from tests.support.client import Client, Installation, new_id

SECRET = "the casino's own secret, long enough"
DEADLINE_MS = 500
SETTLED_WITHIN_S = 60.0

COMPLETED = wallet_pb2.TRANSACTION_STATE_COMPLETED
REFUSED = wallet_pb2.TRANSACTION_STATE_REFUSED
PENDING = wallet_pb2.TRANSACTION_STATE_PENDING
ROLLED_BACK = wallet_pb2.TRANSACTION_STATE_ROLLED_BACK

_SIGN = {wallet_pb2.TRANSACTION_TYPE_BET: -1, wallet_pb2.TRANSACTION_TYPE_WIN: 1}


@dataclass
class Seamless:
    """Games call `games`, and the money is at `casino`."""

    games: Client
    casino: ReferenceCasino
    installation: Installation
    operator_id: str
    _brought: dict[str, int] = field(default_factory=dict)

    async def call_the_casino_at(self, target: str) -> None:
        """Set the operator's callback target."""
        await self.installation.admin.operators.UpdateOperator(
            operator_service_pb2.UpdateOperatorRequest(
                operator_id=self.operator_id,
                callback=operator_pb2.CallbackSettings(
                    target=target, signing_secret=SECRET, deadline_ms=DEADLINE_MS
                ),
            )
        )

    async def new_player(self, euros: int = 100) -> str:
        """Link a player who has so many euros at the casino."""
        player = new_id("player")
        self.casino.add_player(player, EUR=euros * 100)
        self._brought[player] = euros * 100
        await self.games.players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=["EUR"])
        )
        return player

    def money(self, player: str) -> int:
        """Return what the casino keeps for a player, in cents."""
        return self.casino.balance(player, "EUR")

    async def settled(self, transaction_id: str) -> Any:
        """Return a transaction as soon as its outcome is known."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                found = await self.games.transaction(transaction_id)
                if found.state != PENDING:
                    return found
                await asyncio.sleep(0.05)

    async def transactions(self, *states: Any, player: str = "") -> list[Any]:
        """Return what Purser knows, all of it or in these states."""
        request = wallet_service_pb2.ListTransactionsRequest(
            states=states, page_size=1_000, player_id=player
        )
        return list((await self.games.wallet.ListTransactions(request)).transactions)

    async def all_settled(self) -> None:
        """Wait until nothing is pending."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while await self.transactions(PENDING):  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.1)

    async def assert_agreement(self) -> None:
        """Check that the casino's money, Purser's transactions and the ledger agree."""
        for player, brought in self._brought.items():
            stands = sum(
                _SIGN.get(found.type, 0) * found.amount.minor_units
                for found in await self.transactions(COMPLETED, player=player)
            )
            assert self.money(player) == brought + stands, player
        await self.installation.assert_consistent(self.operator_id)
