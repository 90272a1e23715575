"""Damage to rewards, refunds and what is owed is found and named; a sound shop has no findings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from purser_server.app import prepare
from purser_server.domain.verification import FindingKind
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.store.test_verification import damage, verify
from tests.support.client import LOYALTY, Installation, eur
from tests.support.databases import database_of_its_own
from tests.support.loyalty import WALLET_CASH, Loyalty, ago, back, item
from tests.support.process import PurserProcess

MALFORMED = FindingKind.TRANSACTION_MALFORMED
BALANCE = FindingKind.BALANCE_MISMATCH


@pytest.fixture(scope="module")
async def books(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database with the story of a shop, that nobody is connected to."""
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        async with PurserProcess("--database-url", url) as server:
            installation = Installation(server.address)
            await tell_the_story(installation)
            await installation.assert_consistent()
            await installation.close()
        yield url


async def tell_the_story(installation: Installation) -> None:
    casino = await installation.new_casino(operator_id="casino")
    client = await installation.new_client("casino", LOYALTY)
    ann = Loyalty(client, await casino.new_player(player_id="ann"), "casino")
    await ann.program()
    await ann.order(item("mat", "3", "10.00"), transaction_id="order")
    await ann.issue("20.00", "bare")
    await ann.redeem("spent", points=45)
    await ann.give_back("order", back("mat"), transaction_id="return")
    await ann.give_back("bare", amount="5.00", transaction_id="refund")
    await ann.program(reward_mode=WALLET_CASH, wallet_cash_rate="0.10")
    bob = Loyalty(client, await casino.new_player(player_id="bob"), "casino")
    now = {"transaction_time": ago(seconds=0)}
    await bob.issue("10.00", "cash", **now)
    await casino.withdraw(bob.player, eur("0.40"))
    await bob.give_back("cash", transaction_id="cash-refund", **now)
    await bob.issue("3.00", "collected", **now)
    assert [of.minor_units for of in (await bob.balance()).cashback_owed] == [10]


@pytest.fixture
async def ledger(postgres: EmbeddedPostgres, books: str) -> AsyncIterator[str]:
    """A copy of the books, to be damaged."""
    async with database_of_its_own(postgres.url, template=books) as url:
        yield url


def number(transaction_id: str) -> str:
    return f"(SELECT transaction_no FROM transactions WHERE transaction_id = '{transaction_id}')"


def told(transaction_id: str, path: str, figure: int) -> str:
    return (
        f"UPDATE transactions SET detail = jsonb_set(detail, '{{loyalty,refund,{path}}}', "
        f"'{figure}') WHERE transaction_id = '{transaction_id}'"
    )


POINTS = "(points)"

DAMAGE: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "a reward of more points than were posted": (
        "UPDATE rewards SET reward = jsonb_set(reward, '{points}', '31') "
        "WHERE transaction_id = 'order'",
        [(BALANCE, "ann", POINTS, "order", "31", "30")],
    ),
    "a reward that is gone": (
        "DELETE FROM rewards WHERE transaction_id = 'bare'",
        [
            (MALFORMED, "ann", POINTS, "bare", "a reward", "no reward"),
            (MALFORMED, "ann", POINTS, "refund", "a refund of bare", "no refund"),
        ],
    ),
    "a reward of another transaction": (
        f"UPDATE rewards SET reward_no = {number('spent')} WHERE transaction_id = 'collected'",
        [
            (MALFORMED, "bob", "EUR", "collected", "CASHBACK collected", "REDEMPTION spent"),
            (MALFORMED, "bob", "EUR", "collected", "a reward", "no reward"),
        ],
    ),
    "a refund that is not listed": (
        f"DELETE FROM refunds WHERE refund_no = {number('return')}",
        [
            (BALANCE, "ann", POINTS, "order", "0", "1000"),
            (MALFORMED, "ann", POINTS, "return", "a refund of order", "no refund"),
        ],
    ),
    "a refund that is listed under another order": (
        f"UPDATE refunds SET reward_no = {number('bare')} WHERE refund_no = {number('return')}",
        [
            (BALANCE, "ann", POINTS, "bare", "1500", "500"),
            (BALANCE, "ann", POINTS, "order", "0", "1000"),
            (MALFORMED, "ann", POINTS, "return", "a refund of order", "a refund of bare"),
        ],
    ),
    "a refund that is listed and none": (
        f"INSERT INTO refunds SELECT operator_no, {number('spent')}, player_no, reward_no "
        "FROM rewards WHERE transaction_id = 'cash'",
        [(MALFORMED, "bob", "", "spent", "a refund", "REDEMPTION spent")],
    ),
    "a refund that told another source": (
        told("return", "taken,available", 4),
        [
            (BALANCE, "ann", POINTS, "return", "-9", "-10"),
            (BALANCE, "ann", POINTS, "return", "10", "9"),
        ],
    ),
    "a refund that told of expired points": (
        told("return", "taken,expired", 3),
        [
            (BALANCE, "ann", POINTS, "order", "3", "0"),
            (BALANCE, "ann", POINTS, "return", "10", "13"),
        ],
    ),
    "refunds that told more points than were earned": (
        told("refund", "points", 21),
        [
            (BALANCE, "ann", POINTS, "bare", "at most 20", "21"),
            (BALANCE, "ann", POINTS, "refund", "21", "5"),
        ],
    ),
    "money that the reward does not remember": (
        "UPDATE rewards SET refunded = jsonb_set(refunded, '{money}', '1') "
        "WHERE transaction_id = 'order'",
        [(BALANCE, "ann", POINTS, "order", "1000", "1")],
    ),
    "a debt that is forgotten": (
        "DELETE FROM owed_cashback",
        [(BALANCE, "bob", "EUR", "", "10", "0")],
    ),
    "a debt that nobody made": (
        "INSERT INTO owed_cashback SELECT operator_no, player_no, 'USD', 7 "
        "FROM players WHERE player_id = 'ann'",
        [(BALANCE, "ann", "USD", "", "0", "7")],
    ),
    "cash that was collected and is not remembered": (
        "UPDATE rewards SET collected = 0 WHERE transaction_id = 'collected'",
        [(BALANCE, "bob", "EUR", "", "40", "10")],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_to_rewards_and_refunds_is_found(ledger: str, name: str) -> None:
    statement, expected = DAMAGE[name]
    await damage(ledger, statement)

    found = (await verify(ledger, "casino")).findings

    told_of = [
        (of.kind, of.player_id, of.currency_code, of.transaction_id, of.expected, of.found)
        for of in found
    ]
    assert sorted(told_of) == sorted(expected)
    assert (await verify(ledger)).findings == found
