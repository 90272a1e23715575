"""Refunds under kill -9: each is done once, whether or not its answer was heard."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from purser.loyalty.v1 import refund_service_pb2 as pb
from tests.support.calls import outcome, together
from tests.support.client import LOYALTY, Client, Failure, Installation, eur
from tests.support.loyalty import Loyalty, ago, back, item
from tests.support.process import PurserProcess

ROUNDS = 3
UNITS = 60


@pytest.mark.slow
async def test_refunds_under_kills_take_what_was_earned_and_no_more(own_database: str) -> None:
    server = await PurserProcess("--database-url", own_database).start()
    installation = Installation(server.address)
    casino: Any = await installation.new_casino()
    key: Any = await installation.new_client(casino.operator_id, LOYALTY)
    player, when = await casino.new_player(), ago(seconds=1)
    earned = await buy_with_points(Loyalty(key, player, ""))
    heard: dict[int, Any] = {}

    async def give_back(address: str, number: int) -> None:
        async with Client(address, key.api_key) as client:
            found = await outcome(
                Loyalty(client, player, "").give_back(
                    "o", back("bottle"), transaction_id=f"r{number}", transaction_time=when
                )
            )
            if not isinstance(found, Failure):
                # What was answered once is the answer for ever.
                assert heard.setdefault(number, found.refund) == found.refund

    for _ in range(ROUNDS):
        calls = asyncio.gather(*(give_back(server.address, number) for number in range(UNITS)))
        await asyncio.sleep(0.08)
        await server.kill()
        await calls
        server = await PurserProcess("--database-url", own_database).start()
    await together(give_back(server.address, number) for number in range(UNITS))

    assert len(heard) == UNITS
    assert sum(of.refund_equivalent_points for of in heard.values()) == earned
    assert sum(of.refund_amount.minor_units for of in heard.values()) == 8_400
    assert sum(of.redeemed_points_restored for of in heard.values()) == 30
    async with Client(server.address, key.api_key) as client:
        after = Loyalty(client, player, "")
        assert await after.has() == (30, 0, 30, 0)
        stored = await after.refunds.ListRefunds(pb.ListRefundsRequest(page_size=1_000))
    assert {of.refund_transaction_id: of for of in stored.refunds} == {
        f"r{number}": refund for number, refund in heard.items()
    }
    again = Installation(server.address)
    await again.assert_consistent()
    await again.close()
    await installation.close()
    assert await server.terminate() == 0


async def buy_with_points(shop: Loyalty) -> int:
    """Order UNITS bottles as order "o", partly for 30 points; return what that earned."""
    await shop.program(point_value="0.10")
    await shop.campaign("1.5")
    await shop.adjust(30)
    await shop.hold("h", points=30)
    answer = await shop.order(
        item("bottle", str(UNITS), "1.45"),
        total_paid=eur("84.00"),
        hold_id="h",
        transaction_id="o",
    )
    earned: int = answer.reward.reward_equivalent_points
    return earned
