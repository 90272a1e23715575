"""Refunds: what the points are taken from, how far a program's policy goes, what time changes."""

from __future__ import annotations

from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2, program_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, eur, refused
from tests.support.databases import connected
from tests.support.loyalty import Loyalty, ago, back, item

MATS_AND_BOTTLES = (item("mat", "3", "10.00"), item("bottle", "2", "5.00"))
ALLOW = loyalty_pb2.NEGATIVE_BALANCE_POLICY_ALLOW
WITHIN_BALANCE = loyalty_pb2.NEGATIVE_BALANCE_POLICY_WITHIN_BALANCE
PENDING_ONLY = loyalty_pb2.NEGATIVE_BALANCE_POLICY_PENDING_ONLY
REFUND = loyalty_pb2.POINTS_TRANSACTION_TYPE_REFUND


@pytest.fixture
async def lisa(loyalty: Loyalty) -> Loyalty:
    """A player of a program with double points on everything."""
    await loyalty.program()
    await loyalty.campaign("2", "double")
    return loyalty


def taken(**figures: int) -> loyalty_pb2.TakenFrom:
    return loyalty_pb2.TakenFrom(**figures)


async def let_expire(postgres: EmbeddedPostgres, loyalty: Loyalty, lots: str) -> None:
    """Let lots expire, which takes a day or more: `lots` is a condition on them."""
    async with connected(postgres.url) as connection:
        done = await connection.execute(
            "UPDATE lots l SET expire_time = now() - interval '1 second' "
            "FROM operators o, transactions t WHERE o.operator_id = $1 "
            "AND l.operator_no = o.operator_no AND t.operator_no = o.operator_no "
            f"AND t.transaction_no = l.earned_no AND t.transaction_id = '{lots}'",
            loyalty.operator_id,
        )
        assert done == "UPDATE 1"


# -- policies ------------------------------------------------------------------------------------

POLICIES: dict[str, tuple[Any, loyalty_pb2.TakenFrom, tuple[int, int]]] = {
    "ALLOW": (ALLOW, taken(available=10, debt=30), (-30, 30)),
    "WITHIN_BALANCE": (WITHIN_BALANCE, taken(available=10, shortfall=30), (0, 0)),
    "PENDING_ONLY": (PENDING_ONLY, taken(shortfall=40), (10, 0)),
}


@pytest.mark.parametrize("name", POLICIES)
async def test_lisa_has_spent_what_she_returns(lisa: Loyalty, name: str) -> None:
    policy, expected, (total, debt) = POLICIES[name]
    await lisa.program(negative_balance_policy=policy)
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o", transaction_time=ago(seconds=0))
    await lisa.redeem(points=70)

    refund = (await lisa.give_back("o", back("mat", "2"))).refund

    assert refund.refund_equivalent_points == 40
    assert refund.taken_from == expected
    found = await lisa.has()
    assert (found[2], found[3]) == (total, debt)
    # The reward tells what was computed, whatever it could be taken from.
    assert (await lisa.reward("o")).reversed_points == 40


@pytest.mark.parametrize("name", POLICIES)
async def test_what_is_pending_is_taken_under_every_policy(lisa: Loyalty, name: str) -> None:
    await lisa.program(negative_balance_policy=POLICIES[name][0])
    await lisa.adjust(100)
    order = {"transaction_id": "o", "transaction_time": ago(seconds=0)}
    await lisa.order(*MATS_AND_BOTTLES, return_window_days=7, **order)

    refund = (await lisa.give_back("o", back("mat", "2"))).refund

    assert refund.taken_from == taken(pending=40)
    balance = await lisa.balance()
    assert (balance.available, balance.pending, balance.debt) == (100, 40, 0)


async def test_debt_is_paid_by_what_comes_next(lisa: Loyalty) -> None:
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")
    await lisa.redeem(points=70)
    await lisa.give_back("o", back("mat", "2"))
    assert await lisa.has() == (0, 0, -30, 30)
    with refused("INSUFFICIENT_POINTS"):
        await lisa.redeem(points=1)

    await lisa.issue("20.00")
    assert await lisa.has() == (0, 0, -10, 10)
    await lisa.adjust(25)

    assert await lisa.has() == (15, 0, 15, 0)
    told = [(of.type, of.points, of.balance_after) for of in await lisa.history(types=[REFUND])]
    assert told == [(REFUND, -40, -30)]


async def test_points_are_taken_from_the_orders_own_lot_first(lisa: Loyalty) -> None:
    await lisa.adjust(50, "short", lives=3_600)
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")

    assert (await lisa.give_back("o", back("mat"))).refund.taken_from == taken(available=20)

    (lot,) = (await lisa.balance()).next_lots_to_expire
    assert (lot.transaction_id, lot.points) == ("short", 50)
    # Spending takes what expires soonest; then the order's own is not enough.
    await lisa.redeem(points=70)
    await lisa.adjust(15, "later", lives=7_200)
    refund = (await lisa.give_back("o")).refund
    assert refund.taken_from == taken(available=55, debt=5)


async def test_refunds_leave_holds_alone(lisa: Loyalty) -> None:
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")
    await lisa.hold("h", points=60)

    refund = (await lisa.give_back("o", back("mat", "2"))).refund

    assert refund.taken_from == taken(available=20, debt=20)
    assert await lisa.has() == (0, 60, 40, 20)
    spent = await lisa.redeem(hold_id="h")
    assert spent.redemption.points == 60
    assert await lisa.has() == (0, 0, -20, 20)


async def test_points_that_expired_unspent_are_neither_taken_nor_owed(
    lisa: Loyalty, postgres: EmbeddedPostgres
) -> None:
    await lisa.program(points_expire_after_days=30)
    order = {"transaction_id": "o", "transaction_time": ago(seconds=0)}
    await lisa.order(*MATS_AND_BOTTLES, **order)
    await lisa.redeem(points=30)
    await let_expire(postgres, lisa, "o")
    await lisa.adjust(100)

    first = (await lisa.give_back("o", back("mat", "2"))).refund
    second = (await lisa.give_back("o")).refund

    # Of 80 points 50 had expired; the 30 that were spent are taken from others.
    assert (first.refund_equivalent_points, first.taken_from) == (40, taken(expired=40))
    assert second.taken_from == taken(available=30, expired=10)
    assert await lisa.has() == (70, 0, 70, 0)


# -- what changes meanwhile ----------------------------------------------------------------------


async def test_later_rules_change_nothing_for_an_order_that_was_rewarded(
    lisa: Loyalty,
) -> None:
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")
    await lisa.program(points_per_unit="10", negative_balance_policy=PENDING_ONLY)
    await lisa.programs.EndCampaign(program_service_pb2.EndCampaignRequest(campaign_id="double"))
    await lisa.campaign("5")

    refund = (await lisa.give_back("o", back("mat", "2"))).refund

    assert (refund.base_points, refund.campaign_points) == (20, 20)
    assert refund.taken_from == taken(available=40)


async def test_refund_in_the_currency_of_the_order_though_the_program_has_another(
    lisa: Loyalty,
) -> None:
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")
    await lisa.program(currency_code="USD")

    refund = (await lisa.give_back("o", back("mat"), amount="10.00")).refund

    assert (refund.refund_amount, refund.refund_equivalent_points) == (eur("10.00"), 20)


@pytest.mark.parametrize("status", ["SUSPENDED", "SELF_EXCLUDED", "CLOSED"])
async def test_refund_in_any_status_of_the_player(
    lisa: Loyalty, casino: Client, status: str
) -> None:
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(
            player_id=lisa.player,
            status=getattr(wallet_pb2, f"PLAYER_STATUS_{status}"),
        )
    )

    assert await lisa.takes("o", back("mat", "2")) == 40
    assert await lisa.has() == (40, 0, 40, 0)


# -- shipping and tax ----------------------------------------------------------------------------


async def test_shipping_and_tax_that_earned_are_taken_back(loyalty: Loyalty) -> None:
    await loyalty.program(reward_shipping=True, reward_tax=True)
    await loyalty.order(
        item("a", "2", "10.00", tax=eur("4.00")),
        total_paid=eur("29.00"),
        total_shipping=eur("5.00"),
        transaction_id="o",
    )
    assert await loyalty.has() == (29, 0, 29, 0)

    one = (await loyalty.give_back("o", back("a"), shipping="2.50")).refund
    rest = (await loyalty.give_back("o")).refund

    assert (one.refund_equivalent_points, one.refund_amount) == (14, eur("14.50"))
    assert [(of.line_id, of.shipping, of.quantity) for of in one.lines] == [
        ("1", False, "1"),
        ("", True, "0.5"),
    ]
    assert (rest.refund_equivalent_points, rest.refund_amount) == (15, eur("14.50"))
    assert [of.remaining_quantity for of in rest.lines] == ["0", "0"]
    assert [of.refunded_quantity for of in (await loyalty.reward("o")).lines] == ["2", "1"]
    assert await loyalty.has() == (0, 0, 0, 0)


async def test_shipping_is_a_part_of_the_amount(loyalty: Loyalty) -> None:
    await loyalty.program()
    await loyalty.order(
        item("a", "2", "10.00"),
        total_paid=eur("25.00"),
        total_shipping=eur("5.00"),
        transaction_id="o",
    )

    with refused("REFUND_EXCEEDS_ORDER") as failure:
        await loyalty.give_back("o", back("a"), amount="15.01", shipping="5.00")
    assert failure.metadata == {"line": "", "remaining": "1500"}
    refund = (await loyalty.give_back("o", back("a"), amount="15.00", shipping="5.00")).refund

    assert (refund.refund_amount, refund.refund_equivalent_points) == (eur("15.00"), 10)
    assert refund.order_remaining_amount == eur("10.00")
    with refused("REFUND_EXCEEDS_ORDER"):
        await loyalty.give_back("o", shipping="0.01")


async def test_a_lower_amount_is_a_fee_that_cannot_be_refunded_later(lisa: Loyalty) -> None:
    await lisa.order(*MATS_AND_BOTTLES, transaction_id="o")

    refund = (await lisa.give_back("o", back("mat"), amount="8.00")).refund

    assert (refund.refund_equivalent_points, refund.refund_amount) == (20, eur("8.00"))
    assert refund.order_remaining_amount == eur("30.00")
    assert (await lisa.give_back("o")).refund.refund_amount == eur("30.00")
    assert (await lisa.reward("o")).refunded_amount == eur("38.00")
