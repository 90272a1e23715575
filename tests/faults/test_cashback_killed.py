"""Rewards under kill -9: what was acknowledged stands, and nothing is earned or paid twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.calls import outcome, together
from tests.support.client import LOYALTY, Client, Failure, Installation
from tests.support.loyalty import WALLET_CASH, Loyalty, at, item
from tests.support.process import PurserProcess

ROUNDS = 3
PURCHASES = 40
PAID_WITHIN_S = 60.0


class Shop:
    """A casino with a few players who buy; each purchase is made until it is acknowledged."""

    def __init__(self, casino: Any, loyalty: Any, players: list[str]) -> None:
        self.casino, self.loyalty, self.players = casino, loyalty, players
        self.earned: dict[str, Any] = {}
        self.replays = 0

    @classmethod
    async def open(cls, installation: Installation, **program: Any) -> Shop:
        casino = await installation.new_casino()
        operator_id: str = casino.operator_id  # type: ignore[attr-defined]
        loyalty = await installation.new_client(operator_id, LOYALTY)
        shop = cls(casino, loyalty, [await casino.new_player() for _ in range(3)])
        await shop.at(loyalty, shop.players[0]).program(**program)
        await shop.at(loyalty, shop.players[0]).campaign("2", product_ids=["tea"])
        return shop

    def at(self, client: Client, player: str) -> Loyalty:
        return Loyalty(client, player, "")

    async def buy(self, address: str, number: int, when: Any) -> None:
        """Buy at a server that may die meanwhile."""
        async with Client(address, self.loyalty.api_key) as client:
            loyalty = self.at(client, self.players[number % 3])
            line = item("tea", "1", "5.00")
            made = await outcome(
                loyalty.order(line, transaction_id=f"o{number}", transaction_time=when)
            )
            if isinstance(made, Failure):
                return
            known = self.earned.setdefault(f"o{number}", made.reward)
            # What was acknowledged once is what it was for ever.
            assert known.reward_id == made.reward.reward_id
            assert known.reward_amount == made.reward.reward_amount
            self.replays += made.replayed


async def buy_while_servers_die(
    own_database: str, shop: Shop, server: PurserProcess, when: Any
) -> PurserProcess:
    """Buy, with servers that are killed amid it; return the last one, which lives."""
    for _ in range(ROUNDS):
        buying = asyncio.gather(
            *(shop.buy(server.address, number, when) for number in range(PURCHASES))
        )
        await asyncio.sleep(0.08)
        await server.kill()
        await buying
        server = await PurserProcess("--database-url", own_database).start()
    await together(shop.buy(server.address, number, when) for number in range(PURCHASES))
    assert len(shop.earned) == PURCHASES
    return server


@pytest.mark.slow
async def test_points_earned_under_kills_are_there_once(own_database: str) -> None:
    server = await PurserProcess("--database-url", own_database).start()
    shop = await Shop.open(Installation(server.address))
    when = at(datetime.now(UTC) - timedelta(seconds=1))
    server = await buy_while_servers_die(own_database, shop, server, when)

    async with Client(server.address, shop.loyalty.api_key) as client:
        totals = [(await shop.at(client, player).balance()).total for player in shop.players]
    assert sum(totals) == 10 * PURCHASES
    await Installation(server.address).assert_consistent()
    assert await server.terminate() == 0


@pytest.mark.slow
async def test_cash_that_falls_due_under_kills_is_paid_once(own_database: str) -> None:
    server = await PurserProcess("--database-url", own_database).start()
    shop = await Shop.open(
        Installation(server.address),
        reward_mode=WALLET_CASH,
        wallet_cash_rate="0.10",
        return_window_days=1,
    )
    # Falls due while servers come and go.
    when = at(datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=2.5))
    server = await buy_while_servers_die(own_database, shop, server, when)

    async with Client(server.address, shop.casino.api_key) as backend:
        async with asyncio.timeout(PAID_WITHIN_S):
            while True:
                balances = [await backend.balance(player) for player in shop.players]
                if sum(balances) >= 100 * PURCHASES:
                    break
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.2)
        balances = [await backend.balance(player) for player in shop.players]
    assert sum(balances) == 100 * PURCHASES
    await Installation(server.address).assert_consistent()
    assert await server.terminate() == 0
