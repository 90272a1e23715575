"""Requests for rewards: the same again, another under a known id, and what no request can be."""

from __future__ import annotations

from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2
from tests.support.client import Client, eur, money, refused
from tests.support.loyalty import Loyalty, ago, item

# -- ids ------------------------------------------------------------------------------------------


async def test_the_same_order_again_is_told_again(loyalty: Loyalty) -> None:
    await loyalty.program()
    when = ago(seconds=5)
    first = await loyalty.order(
        item("a", "1.50", "2.00"), transaction_id="o1", transaction_time=when
    )
    again = await loyalty.order(
        item("a", "1.5", "2.00"), transaction_id="o1", transaction_time=when
    )
    assert (first.replayed, again.replayed, again.reward) == (False, True, first.reward)
    assert (await loyalty.balance()).total == 3


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("transaction_time.seconds", None),
        ("line_items[0].quantity", {"line_items": [item("a", "2", "2.00")]}),
        ("total_tax.currency_code", {"total_tax": eur("0.00")}),
        ("merchant.unique_id", {"merchant": loyalty_pb2.Merchant(unique_id="m")}),
        ("return_window_days", {"return_window_days": 0}),
    ],
    ids=["time", "quantity", "tax", "merchant", "window"],
)
async def test_another_order_under_its_id_names_what_differs(
    loyalty: Loyalty, field: str, change: Any
) -> None:
    await loyalty.program()
    when = ago(seconds=5)
    order: dict[str, Any] = {
        "transaction_id": "o1",
        "transaction_time": when,
        "total_paid": eur("2.00"),
        "line_items": [item("a", "1", "2.00")],
    }
    await loyalty.order(**order)
    change = {"transaction_time": ago(seconds=4)} if change is None else change
    with refused("TRANSACTION_ID_REUSED") as failure:
        await loyalty.order(**{**order, **change})
    assert failure.metadata["field"] in (field, field.split(".", maxsplit=1)[0])
    assert (await loyalty.balance()).total == 2


async def test_ids_are_shared_with_the_wallet(loyalty: Loyalty, casino: Client) -> None:
    await loyalty.program()
    await casino.deposit(loyalty.player, eur("1.00"), "d1")
    with refused("TRANSACTION_ID_REUSED") as failure:
        await loyalty.issue("5.00", "d1")
    assert failure.metadata["field"] == "type"
    await loyalty.issue("5.00", "c1")
    with refused("TRANSACTION_ID_REUSED") as failure:
        await casino.deposit(loyalty.player, eur("1.00"), "c1")
    assert failure.metadata["field"] == "type"
    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await casino.rollback(loyalty.player, "c1")


async def test_email_and_mobile_are_no_content(loyalty: Loyalty) -> None:
    await loyalty.program()
    when = ago(seconds=5)
    await loyalty.issue("5.00", "c1", email="a@example.com", transaction_time=when)
    again = await loyalty.issue("5.00", "c1", mobile="+3112345", transaction_time=when)
    assert again.replayed


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("transaction_time", {"transaction_time": None}),
        ("transaction_time", {"transaction_time": ago(days=-1)}),
        ("total_paid.minor_units", {"total_paid": eur("5.01")}),
        ("total_paid.currency_code", {"total_paid": money("5.00", "USD", 2), "line_items": []}),
        ("line_items[0].price.currency_code", {"total_paid": money("5.00", "USD", 2)}),
        ("line_items[0].quantity", {"line_items": [item("a", "0", "5.00")]}),
        ("line_items[0].quantity", {"line_items": [item("a", "1.0001", "5.00")]}),
        ("line_items[0].product_id", {"line_items": [item("", "1", "5.00")]}),
        (
            "line_items[0].discount.minor_units",
            {"line_items": [item("a", "1", "5.00", discount=eur("5.01"))]},
        ),
        (
            "line_items[1].line_id",
            {"line_items": [item("a", "1", "5.00", line_id="2"), item("b", "1", "5.00")]},
        ),
        ("return_window_days", {"return_window_days": -1}),
        ("hold_id", {"hold_id": ""}),
    ],
)
async def test_what_no_order_can_be_is_refused_by_its_field(
    loyalty: Loyalty, field: str, order: Any
) -> None:
    await loyalty.program()
    whole = {"line_items": [item("a", "1", "5.00")], "total_paid": eur("5.00"), **order}
    with refused("INVALID_FIELD") as failure:
        await loyalty.order(transaction_id="o1", **whole)
    assert failure.metadata["field"] == field
    with refused("INVALID_FIELD") as failure:
        await loyalty.quote(**whole)
    assert failure.metadata["field"] == field
    # What was refused for its form has left its id free.
    assert not (await loyalty.order(item("a", "1", "1.00"), transaction_id="o1")).replayed


async def test_without_a_program_and_for_nobody_nothing_is_earned(loyalty: Loyalty) -> None:
    with refused("INVALID_FIELD") as failure:
        await loyalty.issue("1.00")
    assert failure.metadata["field"] == "amount.currency_code"
    await loyalty.program()
    with refused("PLAYER_NOT_FOUND"):
        await loyalty.issue("1.00", player_id="nobody")
    with refused("ORDER_NOT_FOUND") as failure:
        await loyalty.reward("o0")
    assert failure.metadata == {"transaction_id": "o0"}


async def test_a_player_of_any_status_is_rewarded(loyalty: Loyalty, casino: Client) -> None:
    await loyalty.program()
    for status in (wallet_pb2.PLAYER_STATUS_SUSPENDED, wallet_pb2.PLAYER_STATUS_CLOSED):
        await casino.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(player_id=loyalty.player, status=status)
        )
        await loyalty.issue("5.00")
    assert (await loyalty.balance()).available == 10
