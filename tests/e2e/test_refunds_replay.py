"""Refunds are told again, quoted, read and listed as they were answered first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from purser.loyalty.v1 import refund_service_pb2 as pb
from tests.support.calls import answers, together
from tests.support.client import LOYALTY, Client, Installation, eur, refused
from tests.support.loyalty import Loyalty, ago, back, item

MATS_AND_BOTTLES = (item("mat", "3", "10.00"), item("bottle", "2", "5.00"))


@pytest.fixture
async def shop(loyalty: Loyalty) -> Loyalty:
    """A shop with an order at double points, and a cashback."""
    await loyalty.program()
    await loyalty.campaign("2")
    await loyalty.order(*MATS_AND_BOTTLES, transaction_id="o")
    await loyalty.issue("100.00", "c")
    return loyalty


def asked(shop: Loyalty, **fields: Any) -> dict[str, Any]:
    """Return a refund's fields, all of them given."""
    return {
        "player_id": shop.player,
        "refund_transaction_id": "r",
        "reverse_transaction_id": "o",
        "transaction_time": ago(hours=1),
        "refund_amount": eur("20.00"),
        "line_items": [back("mat", "2", "10.00", line_id="1")],
        "refund_shipping": eur("0"),
        "merchant": loyalty_pb2.Merchant(
            unique_id="m", branch=loyalty_pb2.Branch(unique_id="b", name="Main Street")
        ),
        **fields,
    }


async def refund(shop: Loyalty, fields: Any) -> Any:
    return await shop.refunds.Refund(pb.RefundRequest(**fields))


KINDS: dict[str, dict[str, Any]] = {
    "lines": {},
    "amount": {"line_items": [], "reverse_transaction_id": "c"},
    "all that is left": {"line_items": [], "refund_amount": None},
    "an amount of an order with lines": {"line_items": []},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_refund_again_is_the_same_answer(shop: Loyalty, kind: str) -> None:
    fields = asked(shop, **KINDS[kind])
    first = await refund(shop, fields)
    before = await shop.has()
    # What happens later is not in the figures of what happened then.
    await shop.adjust(-1)

    again = await refund(shop, fields)

    assert again.replayed and not first.replayed
    assert again.refund == first.refund
    assert (await shop.has())[2] == before[2] - 1
    read = await shop.refunds.GetRefund(pb.GetRefundRequest(refund_transaction_id="r"))
    assert read.refund == first.refund


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "another order": ({"reverse_transaction_id": "c"}, "reverse_transaction_id"),
    "another time": ({"transaction_time": ago(hours=2)}, "transaction_time"),
    "another amount": ({"refund_amount": eur("19.00")}, "refund_amount.minor_units"),
    "no amount": ({"refund_amount": None}, "refund_amount.currency_code"),
    "another quantity": (
        {"line_items": [back("mat", "1", "10.00", line_id="1")]},
        "line_items[0].quantity",
    ),
    "another line": (
        {"line_items": [back("mat", "2", "10.00", line_id="2")]},
        "line_items[0].line_id",
    ),
    "another price": (
        {"line_items": [back("mat", "2", "9.00", line_id="1")]},
        "line_items[0].price.minor_units",
    ),
    "no lines": ({"line_items": []}, "line_items[0].line_id"),
    "another merchant": (
        {"merchant": loyalty_pb2.Merchant(unique_id="n")},
        "merchant.unique_id",
    ),
    "no shipping": ({"refund_shipping": None}, "refund_shipping.currency_code"),
}


@pytest.mark.parametrize("difference", DIFFERENT)
async def test_another_content_names_the_field_that_differs(shop: Loyalty, difference: str) -> None:
    fields = asked(shop)
    await refund(shop, fields)
    before = await shop.has()
    changed, field = DIFFERENT[difference]

    with refused("TRANSACTION_ID_REUSED") as failure:
        await refund(shop, {**fields, **changed})

    assert failure.metadata == {"transaction_id": "r", "field": field}
    assert await shop.has() == before


async def test_decimals_of_a_refund_are_compared_by_value(shop: Loyalty) -> None:
    fields = asked(shop)
    await refund(shop, fields)
    lines = [back("mat", "2.000", "10.00", line_id="1")]

    assert (await refund(shop, {**fields, "line_items": lines})).replayed


async def test_an_id_is_one_thing_for_ever(shop: Loyalty, casino: Client) -> None:
    other = await casino.new_player()
    await refund(shop, asked(shop))
    for used in (
        refund(shop, asked(shop, refund_transaction_id="o")),
        shop.issue("1.00", "r"),
        shop.adjust(1, "r"),
        shop.redeem("r", points=1),
        casino.deposit(shop.player, eur("1.00"), "r"),
    ):
        with refused("TRANSACTION_ID_REUSED") as failure:
            await used
        assert failure.metadata["field"] == "type"
    with refused("TRANSACTION_ID_REUSED") as failure:
        await refund(shop, asked(shop, player_id=other))
    assert failure.metadata["field"] == "player_id"


async def test_fifty_equal_refunds_at_once_are_one(shop: Loyalty) -> None:
    fields = asked(shop)

    found = answers(await together(refund(shop, fields) for _ in range(50)))

    assert len(found) == 50
    assert [each.replayed for each in found].count(False) == 1
    assert all(each.refund == found[0].refund for each in found)
    assert (await shop.has())[2] == 140


# -- quotes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_quote_is_the_refund_that_follows_and_changes_nothing(
    shop: Loyalty, kind: str
) -> None:
    fields = asked(shop, **KINDS[kind])
    del fields["refund_transaction_id"]
    before = await shop.has()
    quote = (await shop.refunds.QuoteRefund(pb.QuoteRefundRequest(**fields))).refund
    assert (quote.refund_id, quote.refund_transaction_id) == ("", "")
    assert not quote.HasField("create_time")
    assert await shop.has() == before
    assert (await shop.reward("o")).reversed_points == 0

    done = (await refund(shop, {**fields, "refund_transaction_id": "r"})).refund

    assert done.refund_id
    for field in ("refund_id", "refund_transaction_id", "create_time"):
        done.ClearField(field)
    assert quote == done


async def test_a_quote_that_is_refused_leaves_no_trace(shop: Loyalty) -> None:
    with refused("REFUND_EXCEEDS_ORDER"):
        await shop.quote_return("o", back("mat", "4"))
    assert await shop.takes("o", back("mat", "3")) == 60


# -- lists ---------------------------------------------------------------------------------------


async def listed(shop: Loyalty, **only: Any) -> list[str]:
    """Return the ids of all refunds that match, page after page."""
    found: list[str] = []
    token = ""
    while True:
        request = pb.ListRefundsRequest(page_token=token, **only)
        page = await shop.refunds.ListRefunds(request)
        found += [each.refund_transaction_id for each in page.refunds]
        token = page.next_page_token
        if not token:
            return found


async def test_refunds_are_listed_newest_first_by_player_and_by_order(
    shop: Loyalty, casino: Client, installation: Installation
) -> None:
    other = Loyalty(shop.client, await casino.new_player(), shop.operator_id)
    await other.issue("10.00", "others")
    for number in range(3):
        await shop.give_back("o", back("mat"), transaction_id=f"mat-{number}")
        await shop.give_back("c", amount="1.00", transaction_id=f"cash-{number}")
    await other.give_back("others", amount="1.00", transaction_id="last")
    with refused("REFUND_EXCEEDS_ORDER"):
        await shop.give_back("o", back("mat"), transaction_id="refused")

    mine = ["cash-2", "mat-2", "cash-1", "mat-1", "cash-0", "mat-0"]
    for size in (0, 1, 2, 6, 7):
        assert await listed(shop, page_size=size) == ["last", *mine]
        assert await listed(shop, page_size=size, player_id=shop.player) == mine
        by_order = await listed(shop, page_size=size, reverse_transaction_id="o")
        assert by_order == ["mat-2", "mat-1", "mat-0"]
    assert await listed(shop, player_id=other.player, reverse_transaction_id="o") == []
    assert await listed(shop, player_id="nobody") == []
    assert await listed(shop, reverse_transaction_id="unknown") == []
    page = await shop.refunds.ListRefunds(pb.ListRefundsRequest(page_size=1))
    one = await shop.refunds.GetRefund(pb.GetRefundRequest(refund_transaction_id="last"))
    assert page.refunds[0] == one.refund
    with refused("INVALID_FIELD") as failure:
        await shop.refunds.ListRefunds(
            pb.ListRefundsRequest(page_token=page.next_page_token, player_id=other.player)
        )
    assert failure.metadata == {"field": "page_token"}


async def test_a_page_is_no_larger_than_an_answer_can_be(shop: Loyalty) -> None:
    lines = [item(f"{number:04}" + "🎰" * 124, "30", "0.01") for number in range(1_000)]
    await shop.order(*lines, transaction_id="large")
    parts = [back("", line_id=str(number + 1)) for number in range(1_000)]
    await asyncio.gather(*(shop.give_back("large", *parts) for _ in range(25)))

    pages = [await shop.refunds.ListRefunds(pb.ListRefundsRequest(reverse_transaction_id="large"))]
    while pages[-1].next_page_token:
        request = pb.ListRefundsRequest(
            reverse_transaction_id="large", page_token=pages[-1].next_page_token
        )
        pages.append(await shop.refunds.ListRefunds(request))

    assert sum(len(page.refunds) for page in pages) == 25
    assert len(pages) > 1


async def test_another_operators_refunds_do_not_exist(
    shop: Loyalty, installation: Installation
) -> None:
    await refund(shop, asked(shop))
    stranger = await installation.new_casino()
    client = await installation.new_client(stranger.operator_id, LOYALTY)  # type: ignore[attr-defined]
    theirs = Loyalty(client, await stranger.new_player(), "")

    assert await listed(theirs) == []
    with refused("TRANSACTION_NOT_FOUND"):
        await theirs.refunds.GetRefund(pb.GetRefundRequest(refund_transaction_id="r"))
    with refused("ORDER_NOT_FOUND"):
        await theirs.give_back("o")
