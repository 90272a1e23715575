"""Refunds that meet: with each other, with redemptions, and with the hours that points know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import answers, beside, reasons, together
from tests.support.client import Client, eur
from tests.support.databases import connected
from tests.support.loyalty import Loyalty, at, back, item
from tests.support.process import PurserProcess

EXPIRY = loyalty_pb2.POINTS_TRANSACTION_TYPE_EXPIRY
SPAN_S = 2.0


@pytest.fixture(params=["one server", "two servers"])
async def sides(
    request: pytest.FixtureRequest, loyalty: Loyalty, second_server: PurserProcess
) -> AsyncIterator[list[Loyalty]]:
    """The same backend and player, at one server or at each of two."""
    await loyalty.program()
    async with AsyncExitStack() as stack:
        found = [loyalty]
        if request.param == "two servers":
            client: Client = await stack.enter_async_context(beside(loyalty.client, second_server))
            found.append(Loyalty(client, loyalty.player, loyalty.operator_id))
        yield found


def turns(sides: list[Loyalty], count: int) -> list[Loyalty]:
    """Return who makes each of so many calls."""
    return [sides[number % len(sides)] for number in range(count)]


async def spread(
    sides: list[Loyalty], count: int, call: Callable[[Loyalty, int], Coroutine[Any, Any, Any]]
) -> list[Any]:
    """Make so many calls, one a little after the other; return their outcomes."""

    async def later(side: Loyalty, number: int) -> Any:
        await asyncio.sleep(SPAN_S * number / count)
        return await call(side, number)

    return await together(later(side, n) for n, side in enumerate(turns(sides, count)))


def sums(found: list[Any]) -> dict[str, int]:
    """Return the sums of what refunds took."""
    taken = [answer.refund.taken_from for answer in answers(found)]
    return {
        name: sum(getattr(each, name) for each in taken)
        for name in ("pending", "available", "debt", "shortfall", "expired")
    }


async def test_of_twenty_refunds_of_one_of_seven_units_seven_succeed(sides: list[Loyalty]) -> None:
    await sides[0].campaign("1.5")
    await sides[0].order(item("bottle", "7", "1.45"), transaction_id="o")

    found = await together(side.give_back("o", back("bottle")) for side in turns(sides, 20))

    assert len(answers(found)) == 7
    assert reasons(found) == ["REFUND_EXCEEDS_ORDER"] * 13
    taken = [answer.refund.refund_equivalent_points for answer in answers(found)]
    assert (sum(taken), max(taken)) == (15, 3)
    assert await sides[0].has() == (0, 0, 0, 0)
    refunded = sum(answer.refund.refund_amount.minor_units for answer in answers(found))
    assert refunded == 1_015


async def test_refunds_and_redemptions_share_what_there_is(sides: list[Loyalty]) -> None:
    await sides[0].issue("100.00", "c")

    found = await together(
        call
        for number, side in enumerate(turns(sides, 10))
        for call in (
            side.give_back("c", amount="10.00"),
            side.redeem(f"r{number}", points=10),
        )
    )

    refunds = [answer for answer in answers(found) if hasattr(answer, "refund")]
    spent = 10 * (len(answers(found)) - len(refunds))
    assert len(refunds) == 10, "a refund is not refused for want of points"
    took = sums(refunds)
    assert took["available"] + took["debt"] == 100
    assert took["debt"] == spent
    _, _, total, debt = await sides[0].has()
    assert (total, debt) == (-spent, spent)
    assert sum(of.points for of in await sides[0].history(page_size=100)) == total


async def test_refunds_around_the_hour_at_which_points_expire(
    sides: list[Loyalty], postgres: EmbeddedPostgres
) -> None:
    await sides[0].program(points_expire_after_days=1)
    await sides[0].issue("100.00", "c", transaction_time=at(datetime.now(UTC)))
    # A day is long: they expire amid the refunds.
    async with connected(postgres.url) as connection:
        await connection.execute(
            "UPDATE lots SET expire_time = now() + $2 * interval '1 second' WHERE operator_no = "
            "(SELECT operator_no FROM operators WHERE operator_id = $1)",
            sides[0].operator_id,
            SPAN_S / 2,
        )

    found = await spread(sides, 40, lambda side, _: side.give_back("c", amount="2.50"))

    assert len(answers(found)) == 40
    took = sums(found)
    assert took["available"] + took["expired"] == 100
    assert took["debt"] == took["shortfall"] == 0
    gone = sum(of.points for of in await sides[0].history(types=[EXPIRY]))
    assert gone == took["available"] - 100
    assert 0 < took["available"] < 100, "the race was over before it began"
    assert await sides[0].has() == (0, 0, 0, 0)


async def test_refunds_around_the_hour_at_which_points_become_available(
    sides: list[Loyalty],
) -> None:
    due = datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=SPAN_S / 2)
    await sides[0].issue("100.00", "c", transaction_time=at(due), return_window_days=1)

    found = await spread(sides, 40, lambda side, _: side.give_back("c", amount="2.50"))

    took = sums(found)
    assert took["pending"] + took["available"] == 100
    assert took["debt"] == 0
    assert took["pending"] and took["available"], "the race was over before it began"
    assert await sides[0].has() == (0, 0, 0, 0)


async def test_an_order_is_refunded_in_whole_by_one_of_many(sides: list[Loyalty]) -> None:
    await sides[0].adjust(40)
    await sides[0].hold("h", points=40)
    await sides[0].order(
        item("a", "2", "10.00"), total_paid=eur("16.00"), hold_id="h", transaction_id="o"
    )

    found = answers(await together(side.give_back("o") for side in turns(sides, 20)))

    assert len(found) == 20
    refunds = [answer.refund for answer in found]
    assert sorted(of.refund_amount.minor_units for of in refunds) == [0] * 19 + [1_600]
    assert sorted(of.redeemed_points_restored for of in refunds) == [0] * 19 + [40]
    assert sorted(of.refund_equivalent_points for of in refunds) == [0] * 19 + [16]
    assert await sides[0].has() == (40, 0, 40, 0)
