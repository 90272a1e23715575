"""Refunds of orders that points had paid, and of rewards in money: cancelled, taken or owed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import wallet_pb2, wallet_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, eur
from tests.support.databases import connected
from tests.support.loyalty import WALLET_CASH, Loyalty, ago, at, back, item

ALLOW = loyalty_pb2.NEGATIVE_BALANCE_POLICY_ALLOW
WITHIN_BALANCE = loyalty_pb2.NEGATIVE_BALANCE_POLICY_WITHIN_BALANCE
PENDING_ONLY = loyalty_pb2.NEGATIVE_BALANCE_POLICY_PENDING_ONLY
REVERSED = loyalty_pb2.REWARD_STATE_REVERSED
REVERSAL = wallet_pb2.TRANSACTION_TYPE_CASHBACK_REVERSAL
PAID_WITHIN_S = 30.0


def told(refund: Any) -> tuple[int, int, int, int]:
    """Return the cents and the points that go back, and those that are reversed or forfeited."""
    return (
        refund.refund_amount.minor_units,
        refund.redeemed_points_restored,
        refund.refund_equivalent_points,
        refund.redeemed_points_forfeited,
    )


# -- orders that were paid partly with points ----------------------------------------------------


@pytest.fixture
async def buyer(loyalty: Loyalty) -> Loyalty:
    """A player with 40 points, each worth a euro, that expire in a week."""
    await loyalty.program(point_value="1")
    await loyalty.adjust(40, "gift", lives=7 * 86_400)
    return loyalty


@pytest.mark.parametrize("by", ["a hold", "a redemption"])
async def test_money_comes_back_first_and_then_the_points(buyer: Loyalty, by: str) -> None:
    (before,) = (await buyer.balance()).next_lots_to_expire
    if by == "a hold":
        await buyer.hold("h", points=40)
        paid = {"hold_id": "h"}
    else:
        await buyer.redeem("spent", points=40)
        paid = {"redemption_transaction_id": "spent"}
    await buyer.order(total_paid=eur("60.00"), transaction_id="o", **paid)
    assert await buyer.has() == (60, 0, 60, 0)

    first = (await buyer.give_back("o", amount="80.00")).refund
    second = (await buyer.give_back("o", amount="20.00")).refund

    assert told(first) == (6_000, 20, 60, 0)
    assert told(second) == (0, 20, 0, 0)
    assert await buyer.has() == (40, 0, 40, 0)
    # They came back with the expiry that they had.
    after = (await buyer.balance()).next_lots_to_expire
    assert {lot.transaction_id for lot in after} == {"gift"}
    assert {lot.expire_time.ToNanoseconds() for lot in after} == {
        before.expire_time.ToNanoseconds()
    }
    id_ = "o" if by == "a hold" else "spent"
    assert (await buyer.redemption(id_)).refunded_points == 40


async def test_one_refund_makes_two_entries_in_the_history_of_points(buyer: Loyalty) -> None:
    await buyer.hold("h", points=40)
    await buyer.order(total_paid=eur("60.00"), hold_id="h", transaction_id="o")

    await buyer.give_back("o", transaction_id="r")

    restored, reversal = (await buyer.history())[:2]
    assert (reversal.transaction_id, reversal.points) == ("r", -60)
    assert reversal.type == loyalty_pb2.POINTS_TRANSACTION_TYPE_REFUND
    assert (restored.transaction_id, restored.points) == ("r", 40)
    assert restored.type == loyalty_pb2.POINTS_TRANSACTION_TYPE_REDEMPTION_REFUND
    assert {reversal.related_transaction_id, restored.related_transaction_id} == {"o"}


async def test_points_are_given_back_once_whoever_gives_them_back(buyer: Loyalty) -> None:
    await buyer.redeem("spent", points=40)
    await buyer.order(
        item("a", "2", "50.00"),
        total_paid=eur("60.00"),
        redemption_transaction_id="spent",
        transaction_id="o",
    )
    await buyer.refund("spent", points=30)

    refund = (await buyer.give_back("o")).refund

    assert told(refund) == (6_000, 10, 60, 0)
    assert await buyer.has() == (40, 0, 40, 0)


async def test_redeemed_points_that_are_past_their_expiry_are_forfeited(
    buyer: Loyalty, postgres: EmbeddedPostgres
) -> None:
    await buyer.adjust(10, "for ever")
    await buyer.redeem("spent", points=45)
    await buyer.order(
        total_paid=eur("60.00"), redemption_transaction_id="spent", transaction_id="o"
    )
    # A week is long: what was spent is made to have expired meanwhile.
    async with connected(postgres.url) as connection:
        await connection.execute(
            "UPDATE redemptions SET parts = jsonb_set(parts, '{0,4}', '\"2020-01-01T00:00:00Z\"') "
            "WHERE transaction_id = 'spent' AND operator_no = "
            "(SELECT operator_no FROM operators WHERE operator_id = $1)",
            buyer.operator_id,
        )

    refund = (await buyer.give_back("o")).refund

    assert told(refund) == (6_000, 5, 60, 40)
    assert await buyer.has() == (10, 0, 10, 0)


async def test_points_that_come_back_pay_the_debt_of_the_same_refund(buyer: Loyalty) -> None:
    await buyer.hold("h", points=40)
    await buyer.order(total_paid=eur("60.00"), hold_id="h", transaction_id="o")
    await buyer.redeem(points=50)

    refund = (await buyer.give_back("o")).refund

    assert refund.taken_from == loyalty_pb2.TakenFrom(available=10, debt=50)
    assert refund.redeemed_points_restored == 40
    assert await buyer.has() == (0, 0, -10, 10)


# -- rewards in money ----------------------------------------------------------------------------


async def in_cash(loyalty: Loyalty, **program: Any) -> Loyalty:
    """Pay ten cents per euro from now on."""
    await loyalty.program(reward_mode=WALLET_CASH, wallet_cash_rate="0.10", **program)
    return loyalty


def cash_of(refund: Any) -> tuple[int, int, loyalty_pb2.TakenFrom]:
    """Return the cents that are reversed and owed, and what they are taken from."""
    return (
        refund.cashback_reversed.minor_units,
        refund.cashback_owed.minor_units,
        refund.taken_from,
    )


async def test_cash_that_was_paid_is_taken_from_the_wallet(
    loyalty: Loyalty, casino: Client
) -> None:
    cash = await in_cash(loyalty)
    await cash.order(item("a", "3", "10.00"), transaction_id="o")
    assert await casino.balance(cash.player) == 300

    refund = (await cash.give_back("o", back("a"), transaction_id="r")).refund

    assert cash_of(refund) == (100, 0, loyalty_pb2.TakenFrom(available=100))
    assert (refund.refund_equivalent_points, refund.base_points) == (0, 0)
    assert [line.points for line in refund.lines] == [100]
    assert (refund.order_remaining_points, refund.reward_mode) == (200, WALLET_CASH)
    assert await casino.balance(cash.player) == 200
    posted = await casino.transaction("r")
    assert (posted.type, posted.amount) == (REVERSAL, eur("1.00"))
    assert (posted.balance_before, posted.balance_after) == (eur("3.00"), eur("2.00"))
    reward = await cash.reward("o")
    assert (reward.reversed_amount, reward.reversed_points) == (eur("1.00"), 0)
    assert [line.reversed_points for line in reward.lines] == [100]


async def test_an_amount_without_lines_reverses_cash_in_proportion(
    loyalty: Loyalty, casino: Client
) -> None:
    cash = await in_cash(loyalty)
    await cash.order(item("a", "3", "10.00"), transaction_id="o")

    reversed_ = [
        (await cash.give_back("o", amount=amount)).refund.cashback_reversed.minor_units
        for amount in ("10.00", "5.00", "20.00")
    ]

    assert reversed_ == [100, 50, 150]
    assert await casino.balance(cash.player) == 0


async def test_cash_that_was_not_paid_yet_is_cancelled(loyalty: Loyalty, casino: Client) -> None:
    cash = await in_cash(loyalty)
    soon = at(datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=4))
    for order in ("part", "whole"):
        await cash.order(
            item("a", "3", "10.00"),
            transaction_id=order,
            transaction_time=soon,
            return_window_days=1,
        )
    part = (await cash.give_back("part", back("a"))).refund
    whole = (await cash.give_back("whole")).refund
    assert cash_of(part) == (100, 0, loyalty_pb2.TakenFrom(pending=100))
    assert cash_of(whole) == (300, 0, loyalty_pb2.TakenFrom(pending=300))
    assert (await cash.reward("whole")).state == REVERSED

    async with asyncio.timeout(PAID_WITHIN_S):
        while not await casino.balance(cash.player):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)

    # What is left of the one is paid, and of the other nothing, not even an entry.
    await cash.balance()
    assert await casino.balance(cash.player) == 200
    request = wallet_service_pb2.ListTransactionsRequest(player_id=cash.player)
    history = (await casino.wallet.ListTransactions(request)).transactions
    paid = [of.related_transaction_id for of in history if of.amount == eur("2.00")]
    assert paid == ["part"]
    # Once it is paid, more is taken from the wallet.
    rest = (await cash.give_back("part")).refund
    assert cash_of(rest) == (200, 0, loyalty_pb2.TakenFrom(available=200))


SPENT: dict[str, tuple[Any, loyalty_pb2.TakenFrom, int, int]] = {
    "ALLOW": (ALLOW, loyalty_pb2.TakenFrom(available=50, debt=250), 0, 250),
    "WITHIN_BALANCE": (WITHIN_BALANCE, loyalty_pb2.TakenFrom(available=50, shortfall=250), 0, 0),
    "PENDING_ONLY": (PENDING_ONLY, loyalty_pb2.TakenFrom(shortfall=300), 50, 0),
}


@pytest.mark.parametrize("policy", SPENT)
async def test_cash_that_was_spent_is_owed_or_falls_short(
    loyalty: Loyalty, casino: Client, policy: str
) -> None:
    asked, taken, left, owed = SPENT[policy]
    cash = await in_cash(loyalty, negative_balance_policy=asked)
    await cash.order(item("a", "3", "10.00"), transaction_id="o")
    await casino.withdraw(cash.player, eur("2.50"))

    refund = (await cash.give_back("o")).refund

    assert cash_of(refund) == (300, owed, taken)
    assert await casino.balance(cash.player) == left
    owes = (await cash.balance()).cashback_owed
    assert [each.minor_units for each in owes] == ([owed] if owed else [])


async def test_what_is_owed_is_collected_from_later_cashback(
    loyalty: Loyalty, casino: Client
) -> None:
    cash = await in_cash(loyalty)
    await cash.issue("30.00", "c")
    await casino.withdraw_all(cash.player, "EUR")
    await cash.give_back("c", amount="20.00")
    await cash.give_back("c")
    assert [each.minor_units for each in (await cash.balance()).cashback_owed] == [300]

    await cash.issue("20.00", "c2", transaction_time=ago(seconds=1))
    assert await casino.balance(cash.player) == 0
    await cash.issue("20.00", "c3", transaction_time=ago(seconds=1))

    assert await casino.balance(cash.player) == 100
    assert list((await cash.balance()).cashback_owed) == []
    # What was collected was earned all the same: its refund asks for it.
    await cash.give_back("c2")
    assert await casino.balance(cash.player) == 0
    assert [each.minor_units for each in (await cash.balance()).cashback_owed] == [100]
