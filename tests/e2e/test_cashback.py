"""Rewards over gRPC: amounts and orders earn points, by lines, campaigns, and exactly on time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from tests.support.calls import answers, beside, together
from tests.support.client import LOYALTY, Installation, eur, new_id, refused
from tests.support.loyalty import Loyalty, ago, at, item
from tests.support.process import PurserProcess

PENDING, AVAILABLE = loyalty_pb2.REWARD_STATE_PENDING, loyalty_pb2.REWARD_STATE_AVAILABLE


def points_of(told: Any) -> list[int]:
    """Return the whole points of each line."""
    return [line.points for line in told.reward.lines]


async def test_document_002_earns_150_points_worth_15_euros(loyalty: Loyalty) -> None:
    await loyalty.program(point_value="0.10")
    told = await loyalty.issue(
        "150.75",
        "TXN987654321",
        email="john.doe@example.com",
        mobile="+1234567890",
        merchant=loyalty_pb2.Merchant(unique_id="shop-1", name="Shop"),
        return_window_days=7,
        transaction_time=at(datetime.now(UTC) - timedelta(days=1)),
    )
    reward = told.reward
    assert (reward.reward_equivalent_points, reward.reward_amount) == (150, eur("15.00"))
    assert (reward.transaction_id, reward.player_id) == ("TXN987654321", loyalty.player)
    assert reward.reward_id and not reward.lines and not told.replayed
    assert (reward.state, reward.program_version) == (PENDING, 1)
    assert reward.available_time.ToSeconds() - reward.transaction_time.ToSeconds() == 7 * 86_400
    balance = await loyalty.balance()
    assert (balance.available, balance.pending, balance.total) == (0, 150, 150)
    assert await loyalty.reward("TXN987654321") == reward


async def test_five_points_per_ten_euros_on_12_50_are_6(loyalty: Loyalty) -> None:
    await loyalty.program(points_per_unit="0.5")
    assert (await loyalty.issue("12.50")).reward.reward_equivalent_points == 6


async def test_campaign_lines_are_rounded_by_themselves(loyalty: Loyalty) -> None:
    await loyalty.program()
    double = await loyalty.campaign("2", product_ids=["tea"])
    triple = await loyalty.campaign("3", product_ids=["jam"])
    told = await loyalty.order(item("tea", "1", "2.30"), item("jam", "1", "3.10"))
    assert points_of(told) == [4, 9]
    assert [line.campaign_id for line in told.reward.lines] == [double, triple]
    assert [line.exact_points for line in told.reward.lines] == ["4.6", "9.3"]
    assert [line.multiplier for line in told.reward.lines] == ["2", "3"]


async def test_plain_lines_are_rounded_in_their_sum(loyalty: Loyalty) -> None:
    await loyalty.program()
    lines = [item("pen", "1", "0.99", line_id=f"l{place}") for place in range(3)]
    told = await loyalty.order(*lines)
    assert (sum(points_of(told)), told.reward.reward_equivalent_points) == (2, 2)
    await loyalty.campaign("2")
    assert points_of(await loyalty.order(*lines)) == [1, 1, 1]


@pytest.mark.parametrize(
    ("multiplier", "lines", "paid", "points"),
    [
        ("1.5", [("rice", "7", "1.45")], "10.15", [15]),
        ("100", [("a", "1", "10.00"), ("b", "1", "10.00"), ("c", "1", "10.00")], "20.00", [2000]),
        ("2", [("mat", "3", "10.00"), ("bottle", "2", "5.00")], "40.00", [60, 20]),
        ("3", [("console", "1", "25.00")], "25.00", [75]),
    ],
    ids=["a part of a point", "a discount on all", "two lines", "the console"],
)
async def test_an_order_under_one_campaign(
    loyalty: Loyalty, multiplier: str, lines: Any, paid: str, points: list[int]
) -> None:
    await loyalty.program()
    await loyalty.campaign(multiplier)
    told = await loyalty.order(*(item(*line) for line in lines), total_paid=eur(paid))
    assert sum(points_of(told)) == sum(points) == told.reward.reward_equivalent_points
    if len(points) == len(lines):
        assert points_of(told) == points


async def test_cheese_bread_and_milk_earn_77_and_8(loyalty: Loyalty) -> None:
    await loyalty.program()
    await loyalty.campaign("5", categories=["cheese"])
    told = await loyalty.order(
        item("gouda", "2", "7.75", categories=["dairy", "cheese"]),
        item("bread", "3", "2.25"),
        item("milk", "1", "1.80"),
    )
    cheese, bread, milk = points_of(told)
    assert (cheese, bread + milk) == (77, 8)


async def test_a_discount_on_the_whole_is_spread_by_net(loyalty: Loyalty) -> None:
    await loyalty.program()
    told = await loyalty.order(
        item("a", "1", "30.00"), item("b", "1", "70.00"), total_paid=eur("80.00")
    )
    assert [line.net for line in told.reward.lines] == [eur("24.00"), eur("56.00")]


async def test_of_two_campaigns_the_higher_counts_alone(loyalty: Loyalty) -> None:
    await loyalty.program()
    await loyalty.campaign("2", "low")
    await loyalty.campaign("3", "high-b", merchant_ids=["m"])
    await loyalty.campaign("3", "high-a", merchant_ids=["m"])
    lines = [item("a", "1", "10.00")]
    merchant = loyalty_pb2.Merchant(unique_id="m")
    (line,) = (await loyalty.order(*lines, merchant=merchant)).reward.lines
    assert (line.campaign_id, line.points) == ("high-a", 30)
    (line,) = (await loyalty.order(*lines)).reward.lines
    assert (line.campaign_id, line.points) == ("low", 20)


async def test_program_and_campaigns_of_the_transactions_time_count(loyalty: Loyalty) -> None:
    await loyalty.program(points_per_unit="1")
    await loyalty.campaign("2", "past", start_time=ago(days=3), end_time=ago(days=2))
    before = ago(milliseconds=1)
    await loyalty.program(points_per_unit="10")
    old = await loyalty.order(item("a", "1", "1.00"), transaction_time=before)
    older = await loyalty.order(item("a", "1", "1.00"), transaction_time=ago(days=2, hours=12))
    new = await loyalty.order(item("a", "1", "1.00"), transaction_time=at(datetime.now(UTC)))
    earned = [told.reward.reward_equivalent_points for told in (older, old, new)]
    assert earned == [2, 1, 10]
    assert [told.reward.program_version for told in (older, old, new)] == [1, 1, 2]
    await loyalty.program(points_per_unit="7")
    assert await loyalty.reward(old.reward.transaction_id) == old.reward


async def test_tax_and_shipping_earn_where_the_program_says_so(loyalty: Loyalty) -> None:
    order: dict[str, Any] = {
        "total_paid": eur("18.00"),
        "total_shipping": eur("5.00"),
        "total_tax": eur("3.00"),
    }
    line = item("a", "1", "10.00", tax=eur("3.00"))
    await loyalty.program()
    assert (await loyalty.order(line, **order)).reward.reward_equivalent_points == 10
    await loyalty.program(reward_tax=True, reward_shipping=True)
    order["transaction_time"] = at(datetime.now(UTC))
    told = await loyalty.order(line, **order)
    assert points_of(told) == [13, 5]
    goods, shipping = told.reward.lines
    assert (goods.net, shipping.net) == (eur("13.00"), eur("5.00"))
    assert shipping.shipping and not shipping.line_id and not goods.shipping
    bare = await loyalty.order(**order)
    assert (bare.reward.reward_equivalent_points, len(bare.reward.lines)) == (18, 0)


# -- time -----------------------------------------------------------------------------------------


async def test_what_is_pending_becomes_available_and_expires_exactly_then(
    loyalty: Loyalty,
) -> None:
    await loyalty.program(return_window_days=1, points_expire_after_days=1)
    almost = at(datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=1.5))
    told = await loyalty.issue("50.00", "c1", transaction_time=almost)
    assert told.reward.state == PENDING
    with refused("INSUFFICIENT_POINTS"):
        await loyalty.redeem(points=1)
    await asyncio.sleep(1.6)
    assert (await loyalty.reward("c1")).state == AVAILABLE
    balance = await loyalty.balance()
    assert (balance.available, balance.pending) == (50, 0)
    (lot,) = balance.next_lots_to_expire
    assert (lot.transaction_id, lot.points) == ("c1", 50)
    assert lot.expire_time == told.reward.expire_time
    assert lot.expire_time.ToSeconds() - lot.available_time.ToSeconds() == 86_400


async def test_what_a_window_of_the_past_gives_is_available_at_once(loyalty: Loyalty) -> None:
    await loyalty.program(return_window_days=14, points_expire_after_days=30)
    told = await loyalty.issue("50.00", transaction_time=ago(days=400))
    assert told.reward.state == AVAILABLE
    lives = told.reward.expire_time.ToSeconds() - told.reward.create_time.ToSeconds()
    assert lives == 30 * 86_400
    assert (await loyalty.balance()).available == 50


async def test_history_names_the_order_and_what_expired(loyalty: Loyalty) -> None:
    await loyalty.program()
    await loyalty.issue("50.00", "c1")
    (entry,) = await loyalty.history()
    assert (entry.transaction_id, entry.points, entry.balance_after) == ("c1", 50, 50)
    assert entry.type == loyalty_pb2.POINTS_TRANSACTION_TYPE_REWARD
    await loyalty.adjust(5, "gift", lives=0.5)
    await asyncio.sleep(0.6)
    expired = (await loyalty.history())[0]
    assert (expired.transaction_id, expired.related_transaction_id) == ("", "gift")


# -- a quote --------------------------------------------------------------------------------------


async def test_a_quote_tells_what_the_order_earns_and_stores_nothing(loyalty: Loyalty) -> None:
    await loyalty.program(return_window_days=3)
    await loyalty.campaign("2.5", product_ids=["a"])
    order: dict[str, Any] = {
        "line_items": [item("a", "3", "1.11"), item("b", "2", "9.99", discount=eur("1.00"))],
        "total_paid": eur("20.00"),
        "transaction_time": ago(minutes=1),
    }
    quoted = await loyalty.quote(**order)
    assert await loyalty.history() == []
    earned = (await loyalty.order(**order)).reward
    assert quoted.reward_equivalent_points == earned.reward_equivalent_points > 0
    for field in ("reward_id", "transaction_id", "create_time"):
        earned.ClearField(field)
    assert quoted == earned


# -- paid partly with points ----------------------------------------------------------------------


async def test_an_order_paid_with_a_hold_earns_on_the_money_alone(loyalty: Loyalty) -> None:
    await loyalty.program(point_value="0.50")
    await loyalty.adjust(100)
    await loyalty.hold("h1", amount=eur("20.00"))
    mats = [item("mat", "3", "10.00")]
    paid: dict[str, Any] = {"total_paid": eur("10.00"), "hold_id": "h1"}
    quoted = await loyalty.quote(*mats, **paid)
    assert await loyalty.has() == (60, 40, 100, 0)
    told = await loyalty.order(*mats, transaction_id="o1", **paid)
    assert quoted.reward_equivalent_points == told.reward.reward_equivalent_points == 10
    assert told.reward.redemption_transaction_id == "o1"
    assert await loyalty.has() == (70, 0, 70, 0)
    spent = await loyalty.redemption("o1")
    assert (spent.points, spent.value, spent.order_transaction_id) == (40, eur("20.00"), "o1")
    assert spent.hold_id == "h1"
    told_history = [(of.transaction_id, of.points, of.hold_id) for of in await loyalty.history()]
    assert told_history[:2] == [("o1", 10, ""), ("o1", -40, "h1")]
    with refused("HOLD_NOT_ACTIVE"):
        await loyalty.order(*mats, **paid)
    # The points of the order come back by its id.
    back = await loyalty.refund("o1", points=15)
    assert (back.restored, await loyalty.has()) == (15, (85, 0, 85, 0))


async def test_a_redemption_pays_for_one_order(loyalty: Loyalty) -> None:
    await loyalty.program(point_value="0.10")
    await loyalty.adjust(100)
    await loyalty.redeem("r1", points=100)
    line = item("a", "1", "30.00")
    order = {"total_paid": eur("20.00"), "redemption_transaction_id": "r1"}
    told = await loyalty.order(line, transaction_id="o1", **order)
    assert told.reward.reward_equivalent_points == 20
    assert (await loyalty.redemption("r1")).order_transaction_id == "o1"
    with refused("INVALID_FIELD") as failure:
        await loyalty.order(line, transaction_id="o2", **order)
    assert failure.metadata["field"] == "redemption_transaction_id"
    with refused("TRANSACTION_NOT_FOUND"):
        await loyalty.order(line, redemption_transaction_id="o1")
    with refused("HOLD_NOT_FOUND"):
        await loyalty.order(line, hold_id="h0")


# -- many at once ---------------------------------------------------------------------------------


async def test_fifty_equal_orders_at_once_earn_once_on_two_servers(
    loyalty: Loyalty, second_server: PurserProcess, installation: Installation
) -> None:
    await loyalty.program()
    async with beside(loyalty.client, second_server) as other:
        there = Loyalty(other, loyalty.player, loyalty.operator_id)
        when = ago(seconds=5)
        line = item("a", "1", "7.00")
        told = await together(
            where.order(line, transaction_id="o1", transaction_time=when)
            for where in (loyalty, there) * 25
        )
        found = answers(told)
        assert len(found) == 50
        assert sum(not each.replayed for each in found) == 1
        assert {each.reward.reward_id for each in found} == {found[0].reward.reward_id}
    assert (await loyalty.balance()).total == 7


async def test_holds_orders_redemptions_and_gifts_of_one_player_at_once(
    loyalty: Loyalty, second_server: PurserProcess
) -> None:
    await loyalty.program(point_value="1")
    await loyalty.adjust(50)
    await loyalty.hold("h", points=10)
    async with beside(loyalty.client, second_server) as other:
        there = Loyalty(other, loyalty.player, loyalty.operator_id)
        line = item("a", "1", "20.00")
        paid = {"total_paid": eur("10.00"), "hold_id": "h"}
        captures = [where.order(line, **paid) for where in (loyalty, there) * 5]
        earns = [where.issue("10.00") for where in (loyalty, there) * 10]
        spends = [where.redeem(points=7) for where in (loyalty, there) * 10]
        told = await together([*captures, *earns, *spends])
    assert len(answers(told[:10])) == 1
    assert len(answers(told[10:30])) == 20
    assert {failure.reason for failure in told[:10] if failure not in answers(told[:10])} == {
        "HOLD_NOT_ACTIVE"
    }
    spent = 7 * len(answers(told[30:]))
    available, held, total, debt = await loyalty.has()
    assert (available, held, debt) == (50 + 10 + 200 - 10 - spent, 0, 0)
    assert total == available


async def test_operators_do_not_see_each_other(
    loyalty: Loyalty, installation: Installation
) -> None:
    await loyalty.program()
    await loyalty.issue("5.00", "c1")
    other = await installation.new_casino()
    client = await installation.new_client(other.operator_id, LOYALTY)  # type: ignore[attr-defined]
    stranger = Loyalty(client, await other.new_player(), new_id())
    with refused("ORDER_NOT_FOUND"):
        await stranger.reward("c1")
    with refused("INVALID_FIELD"):
        await stranger.issue("5.00", "c1")
