"""Refunds over gRPC: the documented cases, tables of examples, lines, amounts, money and points."""

from __future__ import annotations

from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from purser.loyalty.v1 import refund_service_pb2 as pb
from tests.support.client import Client, eur, refused
from tests.support.loyalty import Loyalty, ago, back, item

MATS_AND_BOTTLES = (item("mat", "3", "10.00"), item("bottle", "2", "5.00"))
REJECT = loyalty_pb2.LINES_MISSING_POLICY_REJECT


@pytest.fixture
async def shop(loyalty: Loyalty) -> Loyalty:
    """A shop that gives a point per euro."""
    await loyalty.program()
    return loyalty


# -- the documented cases ------------------------------------------------------------------------


async def test_sarah_returns_her_shoes(shop: Loyalty) -> None:
    await shop.order(item("shoes001", "1", "12.50"), transaction_id="ORDER-54321")

    answer = await shop.give_back(
        "ORDER-54321",
        back("shoes001", "1", "12.50"),
        amount="12.50",
        transaction_id="txn_sarah001",
    )

    refund = answer.refund
    assert (refund.refund_equivalent_points, refund.refund_amount) == (12, eur("12.50"))
    assert (refund.base_points, refund.campaign_points) == (12, 0)
    assert (refund.refund_transaction_id, refund.reverse_transaction_id) == (
        "txn_sarah001",
        "ORDER-54321",
    )
    assert refund.taken_from == loyalty_pb2.TakenFrom(available=12)
    assert (refund.order_remaining_points, refund.order_remaining_amount) == (0, eur("0"))
    assert await shop.has() == (0, 0, 0, 0)


async def test_john_returns_his_console_with_its_triple_points(shop: Loyalty) -> None:
    await shop.campaign("3")
    await shop.order(item("console001", "1", "25.00"), transaction_id="ORDER-98765")

    answer = await shop.give_back("ORDER-98765", back("console001", "1", "25.00"), amount="25.00")

    refund = answer.refund
    assert (refund.refund_equivalent_points, refund.refund_amount) == (75, eur("25.00"))
    assert (refund.base_points, refund.campaign_points) == (25, 50)


async def test_emma_names_no_lines_and_keeps_her_points(shop: Loyalty) -> None:
    await shop.campaign("2")
    await shop.order(item("toy", "1", "15.00"), transaction_id="ORDER-11111")

    refund = (await shop.give_back("ORDER-11111", amount="15.00")).refund

    assert (refund.refund_equivalent_points, refund.refund_amount) == (0, eur("15.00"))
    assert (refund.points_not_attributed, refund.order_remaining_points) == (30, 30)
    assert list(refund.lines) == []
    # The line, named later, takes what the amount left.
    assert await shop.takes("ORDER-11111", back("toy"), amount="0") == 30
    assert await shop.has() == (0, 0, 0, 0)


async def test_lisa_returns_two_of_three_mats(shop: Loyalty) -> None:
    await shop.campaign("2")
    await shop.order(*MATS_AND_BOTTLES, transaction_id="ORDER-56789")

    answer = await shop.give_back("ORDER-56789", back("mat", "2", "10.00"), amount="20.00")

    refund = answer.refund
    assert (refund.refund_equivalent_points, refund.refund_amount) == (40, eur("20.00"))
    assert (refund.base_points, refund.campaign_points) == (20, 20)
    assert list(refund.lines) == [
        loyalty_pb2.RefundLine(
            line_id="1",
            product_id="mat",
            quantity="2",
            refunded_quantity_total="2",
            remaining_quantity="1",
            points=40,
        )
    ]
    assert (refund.order_remaining_points, refund.order_remaining_amount) == (40, eur("20.00"))
    assert await shop.has() == (40, 0, 40, 0)


# -- tables of examples --------------------------------------------------------------------------

CHEESE = (item("cheese", "2", "7.75"), item("bread", "3", "2.25"), item("milk", "1", "1.80"))

ORDERS: dict[str, tuple[dict[str, str], tuple[Any, ...], list[tuple[Any, int]]]] = {
    "two at 12.50": (
        {},
        (item("shoes", "2", "12.50"),),
        [(back("shoes"), 12), (back("shoes"), 13)],
    ),
    "three lines of 0.99": (
        {},
        tuple(item(name, "1", "0.99") for name in "abc"),
        [(back("b"), 0), (back("c"), 1), (back("a"), 1)],
    ),
    "seven at one and a half times": (
        {"": "1.5"},
        (item("bottle", "7", "1.45"),),
        [(back("bottle"), points) for points in (2, 2, 2, 2, 2, 3, 2)],
    ),
    "cheese five times, bread and milk": (
        {"cheese": "5"},
        CHEESE,
        [
            (back("bread"), 2),
            (back("cheese"), 38),
            (back("bread", "2"), 4),
            (back("milk"), 2),
            (back("cheese"), 39),
        ],
    ),
}


@pytest.mark.parametrize("name", ORDERS)
async def test_however_an_order_is_returned_all_that_it_earned_is_taken(
    shop: Loyalty, name: str
) -> None:
    campaigns, items, returns = ORDERS[name]
    for product, multiplier in campaigns.items():
        await shop.campaign(multiplier, product_ids=[product] if product else [])
    earned = (await shop.order(*items, transaction_id="o")).reward.reward_equivalent_points
    assert earned == sum(points for _, points in returns)

    taken = [await shop.takes("o", line) for line, _ in returns]

    assert taken == [points for _, points in returns]
    assert await shop.has() == (0, 0, 0, 0)
    with refused("REFUND_EXCEEDS_ORDER") as failure:
        await shop.give_back("o", back(returns[0][0].product_id))
    assert failure.metadata["remaining"] == "0"
    assert await shop.takes("o") == 0, "nothing is left"


async def test_discounted_line_at_double_points_takes_16_17_17(shop: Loyalty) -> None:
    await shop.campaign("2")
    discounted = item("x", "3", "10.00", discount=eur("5.00"))
    await shop.order(discounted, total_paid=eur("25.00"), transaction_id="o")

    assert [await shop.takes("o", back("x")) for _ in range(3)] == [16, 17, 17]


async def test_mats_and_bottles_at_double_points(shop: Loyalty) -> None:
    await shop.campaign("2")
    await shop.order(*MATS_AND_BOTTLES, transaction_id="o")

    assert await shop.takes("o", back("mat")) == 20
    assert await shop.takes("o", back("bottle")) == 10
    too_much: dict[str, Any] = {"transaction_id": "too-much", "transaction_time": ago(seconds=1)}
    with refused("REFUND_EXCEEDS_ORDER") as failure:
        await shop.give_back("o", back("mat", "3"), **too_much)
    assert failure.metadata == {"line": "1", "remaining": "2"}
    assert await shop.takes("o", back("mat", "2"), back("bottle")) == 50
    # What was refused is refused for ever, and the refund that never was is not there.
    with refused("REFUND_EXCEEDS_ORDER") as failure:
        await shop.give_back("o", back("mat", "3"), **too_much)
    assert failure.metadata == {"line": "1", "remaining": "2", "replayed": "true"}
    with refused("TRANSACTION_NOT_FOUND"):
        await shop.refunds.GetRefund(pb.GetRefundRequest(refund_transaction_id="too-much"))


async def test_bare_amount_is_reversed_in_proportion_and_never_beyond(shop: Loyalty) -> None:
    await shop.issue("100.00", "c")

    taken = [
        await shop.takes("c", amount=amount) for amount in ("20.00", "20.00", "100.00", "5.00")
    ]

    assert taken == [20, 20, 60, 0]
    reward = await shop.reward("c")
    assert reward.state == loyalty_pb2.REWARD_STATE_REVERSED
    assert (reward.reversed_points, reward.refunded_amount) == (100, eur("100.00"))
    assert reward.reversed_amount == eur("10.00")


async def test_a_reward_tells_what_refunds_reversed_of_it(shop: Loyalty) -> None:
    await shop.campaign("2")
    await shop.order(*MATS_AND_BOTTLES, transaction_id="o")
    await shop.give_back("o", back("mat", "2"))

    reward = await shop.reward("o")

    assert reward.state == loyalty_pb2.REWARD_STATE_AVAILABLE
    assert (reward.reversed_points, reward.reversed_amount) == (40, eur("4.00"))
    assert reward.refunded_amount == eur("20.00")
    assert [(of.refunded_quantity, of.reversed_points) for of in reward.lines] == [
        ("2", 40),
        ("0", 0),
    ]
    await shop.give_back("o")
    assert (await shop.reward("o")).state == loyalty_pb2.REWARD_STATE_REVERSED


# -- which line ----------------------------------------------------------------------------------


async def test_product_on_two_lines_is_found_by_price_or_refused(shop: Loyalty) -> None:
    await shop.order(
        item("mat", "2", "10.00"),
        item("mat", "2", "8.00"),
        item("mat", "1", "8.00", line_id="gift"),
        transaction_id="o",
    )

    assert await shop.takes("o", back("mat", price="10.00")) == 10
    for unclear in (back("mat"), back("mat", price="8.00"), back("mat", price="9.00")):
        with refused("REFUND_LINE_AMBIGUOUS") as failure:
            await shop.give_back("o", unclear)
        assert failure.metadata == {"line": "mat"}
    assert await shop.takes("o", back("mat", line_id="2")) == 8
    assert await shop.takes("o", back("", line_id="gift")) == 8
    for unknown in (back("bread"), back("mat", line_id="9"), back("bread", line_id="1")):
        with refused("REFUND_LINE_UNKNOWN"):
            await shop.give_back("o", unknown)


async def test_lines_are_required_where_the_program_says_so(shop: Loyalty) -> None:
    await shop.program(lines_missing_policy=REJECT)
    await shop.order(*MATS_AND_BOTTLES, transaction_id="o", transaction_time=ago(seconds=0))

    with refused("REFUND_LINES_REQUIRED"):
        await shop.give_back("o", amount="8.00", transaction_id="r")
    # The id is free: no refusal but one is final.
    assert await shop.takes("o", back("mat"), transaction_id="r") == 10
    assert await shop.takes("o") == 30


# -- what is refused -----------------------------------------------------------------------------


async def test_only_the_players_own_purchases_are_found(shop: Loyalty, casino: Client) -> None:
    await shop.order(*MATS_AND_BOTTLES, transaction_id="o")
    await shop.adjust(5, "gift")
    other = Loyalty(shop.client, await casino.new_player(), shop.operator_id)
    for whose, order in ((other, "o"), (shop, "unknown"), (shop, "gift")):
        for call in (whose.give_back(order, back("mat")), whose.quote_return(order, back("mat"))):
            with refused("ORDER_NOT_FOUND") as failure:
                await call
            assert failure.metadata == {"transaction_id": order}
    nobody = Loyalty(shop.client, "nobody", shop.operator_id)
    with refused("PLAYER_NOT_FOUND"):
        await nobody.give_back("o")


USD = {"currency_code": "USD", "minor_units": 100}

IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "in the future": ({"transaction_time": ago(days=-1)}, "transaction_time"),
    "without a time": ({"transaction_time": None}, "transaction_time"),
    "in dollars": ({"refund_amount": USD}, "refund_amount.currency_code"),
    "shipping in dollars": ({"refund_shipping": USD}, "refund_shipping.currency_code"),
    "of nothing": ({"amount": "0"}, "refund_amount.minor_units"),
    "of less than nothing": ({"amount": "-1.00"}, "refund_amount.minor_units"),
    "with more shipping than amount": (
        {"amount": "1.00", "shipping": "1.01"},
        "refund_shipping.minor_units",
    ),
    "of a line without a name": (
        {"line_items": [loyalty_pb2.RefundLineItem(quantity="1")]},
        "line_items[0].product_id",
    ),
    "of no quantity": (
        {"line_items": [back("mat"), back("mat", "0")]},
        "line_items[1].quantity",
    ),
    "of a line in dollars": (
        {"line_items": [loyalty_pb2.RefundLineItem(product_id="mat", quantity="1", price=USD)]},
        "line_items[0].price.currency_code",
    ),
    "of too many lines": ({"line_items": [back("mat")] * 1_001}, "line_items"),
    "of no order": ({"reverse_transaction_id": ""}, "reverse_transaction_id"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_impossible_refund_is_refused_by_its_field(shop: Loyalty, name: str) -> None:
    await shop.order(*MATS_AND_BOTTLES, transaction_id="o")
    asked, field = IMPOSSIBLE[name]
    for call in (
        shop.give_back("o", transaction_id="r", **asked),
        shop.quote_return("o", **asked),
    ):
        with refused("INVALID_FIELD") as failure:
            await call
        assert failure.metadata == {"field": field}
    assert await shop.has() == (40, 0, 40, 0)
    assert await shop.takes("o", transaction_id="r") == 40
