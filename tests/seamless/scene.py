"""One operator in seamless mode: games at one side, the casino at the other, Purser between."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.loyalty.v1.prize_cashback_service_pb2 import RequestPrizeCashbackResponse
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_casino import Outcome, ReferenceCasino
from tests.support import prizes
from tests.support.calls import outcome
from tests.support.client import Client, Failure, Installation, new_id

SECRET = "the casino's own secret, long enough"
DEADLINE_MS = 1_000
TOO_LATE = f"{DEADLINE_MS + 500}ms"
"""After this long Purser has given a call up: for the faults late, before-late and delay."""

SETTLED_WITHIN_S = 60.0

COMPLETED = wallet_pb2.TRANSACTION_STATE_COMPLETED
REFUSED = wallet_pb2.TRANSACTION_STATE_REFUSED
PENDING = wallet_pb2.TRANSACTION_STATE_PENDING
ROLLED_BACK = wallet_pb2.TRANSACTION_STATE_ROLLED_BACK

_SIGN = {
    wallet_pb2.TRANSACTION_TYPE_BET: -1,
    wallet_pb2.TRANSACTION_TYPE_WIN: 1,
    wallet_pb2.TRANSACTION_TYPE_PRIZE_CASHBACK: 1,
}


@dataclass
class Seamless:
    """Games call `games`, and the money is at `casino`."""

    games: Client
    casino: ReferenceCasino
    installation: Installation
    operator_id: str
    brought: dict[str, int] = field(default_factory=dict)
    """What each player had at the casino at first, in cents."""

    def seen_from(self, games: Client, installation: Installation) -> Seamless:
        """Return the same casino and players, behind another server of the same database."""
        return replace(self, games=games, installation=installation)

    async def call_the_casino_at(
        self,
        target: str,
        deadline_ms: int = DEADLINE_MS,
        tls: operator_pb2.CallbackTls | None = None,
    ) -> None:
        """Set the operator's callback settings."""
        await self.installation.admin.operators.UpdateOperator(
            operator_service_pb2.UpdateOperatorRequest(
                operator_id=self.operator_id,
                callback=operator_pb2.CallbackSettings(
                    target=target, signing_secret=SECRET, deadline_ms=deadline_ms, tls=tls
                ),
            )
        )

    async def new_player(self, euros: int = 100) -> str:
        """Link a player who has so many euros at the casino."""
        player = new_id("player")
        self.casino.add_player(player, EUR=euros * 100)
        self.brought[player] = euros * 100
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

    async def has_begun(self, transaction_id: str) -> None:
        """Wait until Purser knows of a transaction, whatever comes of it."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while isinstance(  # noqa: ASYNC110 - there is no event for it
                await outcome(self.games.transaction(transaction_id)), Failure
            ):
                await asyncio.sleep(0.01)

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
        """Check that the casino, Purser's transactions and the ledger agree, once all is at rest.

        Each movement stands at both or at neither, and no money has moved beside them.
        """
        await self.casino.faults.at_rest()
        known = set()
        for player, brought in self.brought.items():
            found = await self.transactions(player=player)
            completed = [of for of in found if of.state == COMPLETED]
            stands = sum(_SIGN.get(of.type, 0) * of.amount.minor_units for of in completed)
            assert self.money(player) == brought + stands, player
            known |= {of.transaction_id for of in found}
            for of in found:
                if of.type in _SIGN and of.state != PENDING:
                    assert self.stands_at_casino(of.transaction_id) == (of.state == COMPLETED), of
        self._assert_one_undo_each(known)
        await self.installation.assert_consistent(self.operator_id)

    def stands_at_casino(self, transaction_id: str) -> bool:
        """Tell whether the casino has applied a movement, and not undone it since."""
        known = self.casino.movement(transaction_id)
        applied = known is not None and known.verdict.outcome is Outcome.ACCEPTED
        return applied and known is not None and not known.rolled_back

    def _assert_one_undo_each(self, known: set[str]) -> None:
        """Check that Purser's own rollback of a bet had one id, however often it was sent."""
        undone = defaultdict(set)
        for call in self.casino.seen():
            # What no game has asked for is Purser's own.
            if call.rpc == "Rollback" and call.transaction_id not in known:
                undone[call.reference].add(call.transaction_id)
        assert all(len(ids) == 1 for ids in undone.values()), undone


def heard(answer: Any | Failure) -> str:
    """Return what a caller hears: the state of its movement or prize, or why it was refused."""
    if isinstance(answer, Failure):
        return f"{answer.reason} {answer.metadata.get('state', '')}".strip()
    if isinstance(answer, RequestPrizeCashbackResponse):
        return prizes.state_of(answer.prize_cashback)
    return state_of(answer.transaction)


def state_of(transaction: Any) -> str:
    """Return a transaction's state by its short name."""
    name = wallet_pb2.TransactionState.Name(transaction.state)
    return name.removeprefix("TRANSACTION_STATE_")
