"""Refunds where the casino keeps the money: its wallet is left alone, and all is owed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from tests.seamless.scene import PENDING, Seamless
from tests.seamless.test_cashback import loyalty_of, payments, until_at_casino
from tests.support.client import eur, refused
from tests.support.loyalty import WALLET_CASH, Loyalty, ago, at, back, item

POLICIES: dict[str, tuple[Any, loyalty_pb2.TakenFrom, list[Any]]] = {
    "ALLOW": (
        loyalty_pb2.NEGATIVE_BALANCE_POLICY_ALLOW,
        loyalty_pb2.TakenFrom(debt=200),
        [eur("2.00")],
    ),
    "WITHIN_BALANCE": (
        loyalty_pb2.NEGATIVE_BALANCE_POLICY_WITHIN_BALANCE,
        loyalty_pb2.TakenFrom(shortfall=200),
        [],
    ),
}


async def owed(loyalty: Loyalty) -> list[Any]:
    return list((await loyalty.balance()).cashback_owed)


@pytest.mark.parametrize("policy", POLICIES)
async def test_nothing_is_taken_from_the_casinos_wallet(seamless: Seamless, policy: str) -> None:
    asked, taken, owes = POLICIES[policy]
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    await loyalty.program(
        reward_mode=WALLET_CASH, wallet_cash_rate="0.01", negative_balance_policy=asked
    )
    await loyalty.issue("500.00", "c", transaction_time=ago(seconds=0))
    await until_at_casino(seamless, player, 10_500)

    refund = (await loyalty.give_back("c", amount="200.00")).refund

    assert (refund.cashback_reversed, refund.taken_from) == (eur("2.00"), taken)
    assert await owed(loyalty) == owes
    await seamless.all_settled()
    assert seamless.money(player) == 10_500
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_what_is_owed_is_kept_back_from_the_next_cashback(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    await loyalty.issue("500.00", "c")
    await until_at_casino(seamless, player, 10_500)
    await loyalty.give_back("c")
    assert await owed(loyalty) == [eur("5.00")]

    await loyalty.issue("300.00")
    await loyalty.issue("600.00")

    await until_at_casino(seamless, player, 10_900)
    assert await owed(loyalty) == []
    await seamless.all_settled()
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_cash_that_is_on_its_way_to_the_casino_is_owed(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    seamless.casino.faults.set("win:unavailable@1-2")
    await loyalty.issue("500.00", "c")

    refund = (await loyalty.give_back("c", amount="200.00")).refund

    assert refund.taken_from == loyalty_pb2.TakenFrom(debt=200)
    await until_at_casino(seamless, player, 10_500)
    await seamless.all_settled()
    assert await owed(loyalty) == [eur("2.00")]
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_cash_whose_window_is_open_is_cancelled_and_never_sent(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    soon = at(datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=4))
    window = {"transaction_time": soon, "return_window_days": 1}
    await loyalty.issue("500.00", "c", **window)
    await loyalty.issue("100.00", "kept", **window)

    refund = (await loyalty.give_back("c")).refund

    assert refund.taken_from == loyalty_pb2.TakenFrom(pending=500)
    await until_at_casino(seamless, player, 10_100)
    await seamless.all_settled()
    assert [of.related_transaction_id for of in await payments(seamless, player)] == ["kept"]
    assert await owed(loyalty) == []
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_points_are_pursers_own_also_where_the_casino_keeps_the_money(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    await loyalty.program()
    now = {"transaction_time": ago(seconds=0)}
    await loyalty.order(item("mat", "3", "10.00"), transaction_id="o", **now)

    refund = (await loyalty.give_back("o", back("mat", "2"))).refund

    assert refund.taken_from == loyalty_pb2.TakenFrom(available=20)
    assert await loyalty.has() == (10, 0, 10, 0)
    assert seamless.casino.seen() == [] and seamless.money(player) == 10_000
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_an_id_that_a_casino_is_asked_about_is_not_free_for_points(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    await loyalty.issue("500.00", "c")
    await until_at_casino(seamless, player, 10_500)
    seamless.casino.faults.set("bet:hang")
    bet = asyncio.ensure_future(seamless.games.bet(player, eur("1.00"), "r", "waiting"))
    async with asyncio.timeout(60):
        while not await seamless.transactions(PENDING):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.02)

    for call in (
        loyalty.give_back("c", transaction_id="waiting"),
        loyalty.adjust(1, "waiting"),
        loyalty.issue("1.00", "waiting"),
    ):
        with refused("TRANSACTION_ID_REUSED") as failure:
            await call
        assert failure.metadata == {"transaction_id": "waiting", "field": "type"}
    with refused("CASINO_UNREACHABLE"):
        await bet
    seamless.casino.faults.set("")
    await seamless.all_settled()
