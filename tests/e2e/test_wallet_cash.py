"""Cashback in money: paid into the wallet when its time has come, by whoever looks, and once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import wallet_pb2, wallet_service_pb2
from tests.support.calls import answers, beside, together
from tests.support.client import Client, eur, money, refused
from tests.support.loyalty import WALLET_CASH, Loyalty, ago, at, item
from tests.support.process import PurserProcess

PAID_WITHIN_S = 30.0
CASHBACK = wallet_pb2.TRANSACTION_TYPE_CASHBACK
PENDING, AVAILABLE = loyalty_pb2.REWARD_STATE_PENDING, loyalty_pb2.REWARD_STATE_AVAILABLE


@pytest.fixture
async def cash(loyalty: Loyalty) -> Loyalty:
    """A program that pays two cents per euro in cash."""
    await loyalty.program(reward_mode=WALLET_CASH, wallet_cash_rate="0.02")
    return loyalty


def soon(seconds: float, days: int) -> Timestamp:
    """Return the time of a purchase whose window of so many days is over in so many seconds."""
    return at(datetime.now(UTC) - timedelta(days=days) + timedelta(seconds=seconds))


async def until_paid(casino: Client, player: str, balance: int) -> None:
    async with asyncio.timeout(PAID_WITHIN_S):
        while await casino.balance(player) != balance:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)


async def cashbacks(casino: Client, player: str) -> list[Any]:
    """Return the transactions of cashback in a player's history, oldest first."""
    request = wallet_service_pb2.ListTransactionsRequest(player_id=player, types=[CASHBACK])
    return list(reversed((await casino.wallet.ListTransactions(request)).transactions))


async def test_document_002_at_rate_one_pays_150_75_and_no_points(
    loyalty: Loyalty, casino: Client
) -> None:
    await loyalty.program(reward_mode=WALLET_CASH, wallet_cash_rate="1")
    told = await loyalty.issue("150.75", "TXN987654321")
    assert told.reward.reward_amount == eur("150.75")
    assert told.reward.reward_equivalent_points == 0
    assert told.reward.state == AVAILABLE and not told.reward.HasField("expire_time")
    assert await casino.balance(loyalty.player) == 15_075
    paid = await casino.transaction("TXN987654321")
    assert (paid.type, paid.amount) == (CASHBACK, eur("150.75"))
    assert (paid.balance_before, paid.balance_after) == (eur("0.00"), eur("150.75"))
    assert (await loyalty.balance()).total == 0


async def test_cash_is_rounded_down_to_the_minor_unit(cash: Loyalty, casino: Client) -> None:
    assert (await cash.issue("12.99")).reward.reward_amount == eur("0.25")
    nothing = (await cash.issue("0.49")).reward
    assert (nothing.reward_amount, nothing.state) == (eur("0.00"), AVAILABLE)
    assert await casino.balance(cash.player) == 25


async def test_what_is_pending_is_paid_when_its_window_is_over(
    cash: Loyalty, casino: Client
) -> None:
    told = await cash.issue(
        "100.00", "c1", return_window_days=2, transaction_time=soon(2.0, days=2)
    )
    assert told.reward.state == PENDING
    assert await casino.balance(cash.player) == 0
    first = await casino.transaction("c1")
    assert (first.amount, first.wallet_sequence) == (eur("0.00"), 0)
    await until_paid(casino, cash.player, 200)
    told, paid = await cashbacks(casino, cash.player)
    assert told.transaction_id == paid.related_transaction_id == "c1"
    assert (paid.amount, paid.wallet_sequence, paid.balance_after) == (
        eur("2.00"),
        1,
        eur("2.00"),
    )
    assert (await cash.reward("c1")).state == AVAILABLE


async def test_an_order_earns_cents_by_the_arithmetic_of_points(
    cash: Loyalty, casino: Client
) -> None:
    await cash.campaign("2", product_ids=["tea"])
    told = await cash.order(item("tea", "1", "2.30"), item("jam", "1", "3.10"))
    tea, jam = told.reward.lines
    assert (tea.exact_points, tea.points, tea.rate) == ("9.2", 9, "0.02")
    assert (jam.exact_points, jam.points) == ("6.2", 6)
    assert told.reward.reward_amount == eur("0.15")
    assert await casino.balance(cash.player) == 15


async def test_without_a_wallet_in_the_programs_currency_there_is_no_cash(
    loyalty: Loyalty,
) -> None:
    await loyalty.program(currency_code="USD", reward_mode=WALLET_CASH, wallet_cash_rate="0.5")
    with refused("WALLET_NOT_FOUND"):
        await loyalty.order(total_paid=money("1.00", "USD", 2))


async def test_a_wallet_that_cannot_hold_it_refuses_it(loyalty: Loyalty, casino: Client) -> None:
    await loyalty.program(reward_mode=WALLET_CASH, wallet_cash_rate="1")
    rich = money(str(2**63 - 1), "EUR", 0)
    await casino.deposit(loyalty.player, rich)
    with refused("AMOUNT_RANGE"):
        await loyalty.issue("1.00", "c1")
    await casino.withdraw(loyalty.player, rich)
    assert not (await loyalty.issue("1.00", "c1")).replayed


async def test_cash_that_no_wallet_can_hold_waits_until_it_can(
    loyalty: Loyalty, casino: Client
) -> None:
    await loyalty.program(reward_mode=WALLET_CASH, wallet_cash_rate="1")
    await loyalty.issue("1.00", return_window_days=1, transaction_time=soon(1.0, days=1))
    rich = money(str(2**63 - 50), "EUR", 0)
    await casino.deposit(loyalty.player, rich)
    await asyncio.sleep(2.5)
    assert await casino.balance(loyalty.player) == rich.minor_units
    await casino.withdraw(loyalty.player, rich)
    await until_paid(casino, loyalty.player, 100)


async def test_many_rewards_that_are_due_at_once_are_paid_once_by_two_servers(
    cash: Loyalty, casino: Client, second_server: PurserProcess
) -> None:
    when = soon(3.0, days=1)
    async with beside(cash.client, second_server) as other:
        there = Loyalty(other, cash.player, cash.operator_id)
        told = await together(
            where.issue("50.00", return_window_days=1, transaction_time=when)
            for where in (cash, there) * 60
        )
        assert len(answers(told)) == 120
        # Whoever looks at the player pays as well.
        await asyncio.sleep(2.5)
        await together(where.balance() for where in (cash, there) * 20)
    await until_paid(casino, cash.player, 120 * 100)
    await asyncio.sleep(1.5)
    assert await casino.balance(cash.player) == 120 * 100


async def test_cashback_is_no_game_result_and_no_game_undoes_it(
    cash: Loyalty, casino: Client
) -> None:
    await cash.issue("100.00", "c1", transaction_time=ago(seconds=1))
    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await casino.rollback(cash.player, "c1")
    assert await casino.balance(cash.player) == 200
