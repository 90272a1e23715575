"""The casino under load in seamless mode: its players' money is in a reference casino.

That runs as a process of its own and keeps everything in memory, so that what is measured is
Purser and not a casino's disk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from purser.admin.v1.operator_pb2 import CallbackSettings
from purser.admin.v1.operator_service_pb2 import UpdateOperatorRequest
from purser.wallet.v1.wallet_pb2 import TRANSACTION_TYPE_BET, Transaction
from purser.wallet.v1.wallet_service_pb2 import GetBalanceRequest
from purser_server.bench.casino import (
    CALLS_AT_ONCE,
    FUNDS,
    Casino,
    LedgerError,
    Progress,
    new_operator_id,
    player_names,
)
from purser_server.subprocesses.casino import CasinoProcess, running_casino

_BROUGHT = f"{FUNDS.minor_units // 100}.{FUNDS.minor_units % 100:02d}{FUNDS.currency_code}"


@asynccontextmanager
async def seamless_casino(
    address: str, admin_key: str, most_players: int
) -> AsyncIterator[SeamlessCasino]:
    """Give an operator in seamless mode whose casino has money of so many players."""
    operator_id = new_operator_id()
    with running_casino(operator_id, "--players", f"player-:{most_players}={_BROUGHT}") as keeper:
        async with SeamlessCasino(address, admin_key, operator_id, keeper) as casino:
            yield casino


class SeamlessCasino(Casino):
    """One operator of the server at `address`; `keeper` has the money of its players."""

    def __init__(
        self, address: str, admin_key: str, operator_id: str, keeper: CasinoProcess
    ) -> None:
        super().__init__(address, admin_key, operator_id)
        self.keeper_pid = keeper.pid
        self._keeper = keeper
        self._changes: Counter[str] = Counter()
        self._played: set[str] = set()

    async def add_players(self, count: int, done: Progress) -> None:
        """Tell Purser where the money is, and link the players; there is nothing to fund."""
        callback = CallbackSettings(
            target=self._keeper.address, signing_secret=self._keeper.signing_secret
        )
        request = UpdateOperatorRequest(operator_id=self.operator_id, callback=callback)
        await self.operators.UpdateOperator(request, metadata=self.admin)
        await self.link_players(player_names(count), done)

    async def verify(self, ids: Sequence[str]) -> None:
        """Raise LedgerError also unless the casino's balances are what Purser recorded."""
        await super().verify(ids)
        waiting = iter(self._played)

        async def compare() -> None:
            for player in waiting:
                await self._compare(player)

        await asyncio.gather(*(compare() for _ in range(CALLS_AT_ONCE)))
        self._played.clear()

    def note(self, transaction: Transaction) -> None:
        """Note what was recorded of a player's money."""
        amount = transaction.amount.minor_units
        change = -amount if transaction.type == TRANSACTION_TYPE_BET else amount
        self._changes[transaction.player_id] += change
        self._played.add(transaction.player_id)

    async def _compare(self, player: str) -> None:
        # Purser keeps no balance in this mode: it asks the casino.
        request = GetBalanceRequest(player_id=player, currency_code=FUNDS.currency_code)
        answer = await self.wallet.GetBalance(request, metadata=self.metadata)
        held = answer.balances[0].balance.minor_units
        recorded = FUNDS.minor_units + self._changes[player]
        if held != recorded:
            raise LedgerError(f"the casino has {held} of {player}, but {recorded} is recorded")
