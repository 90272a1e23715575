"""The verification finds damage in the books and names it; an intact ledger has no findings."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from purser_server.app import prepare
from purser_server.domain.verification import Finding, FindingKind, Verification
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.store.api_keys import PostgresKeys
from purser_server.store.engine import make_engine
from purser_server.store.operators import PostgresOperators
from purser_server.store.verification import PostgresVerification
from purser_server.usecases.operators import Operators
from purser_server.usecases.verification import LedgerVerification
from tests.support.client import Installation, eur, refused
from tests.support.databases import connected, database_of_its_own
from tests.support.process import PurserProcess

ZERO_SUM = FindingKind.ZERO_SUM_BROKEN
BALANCE = FindingKind.BALANCE_MISMATCH
SEQUENCE = FindingKind.SEQUENCE_GAP
CHAIN = FindingKind.POSTING_CHAIN_BROKEN
NEGATIVE = FindingKind.NEGATIVE_BALANCE
ROUND = FindingKind.ROUND_TOTALS_MISMATCH
MALFORMED = FindingKind.TRANSACTION_MALFORMED
REVERSAL = FindingKind.REVERSAL_MISMATCH

OF_ANN = "player_no = (SELECT player_no FROM players WHERE player_id = 'ann') AND kind = 1"
OF_BOB = "player_no = (SELECT player_no FROM players WHERE player_id = 'bob') AND kind = 1"
OF_THE_HOUSE = (
    "account_no = (SELECT contra_account_no FROM transactions WHERE transaction_id = 'bet')"
)


@pytest.fixture(scope="module")
async def books(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database with the story of two casinos, that nobody is connected to."""
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        # One writer, and so one house account of each kind.
        one_lane = {"PURSER_LANES": "1"}
        async with PurserProcess("--database-url", url, env=one_lane) as server:
            installation = Installation(server.address)
            await tell_the_story(installation)
            await installation.assert_consistent()
            await installation.close()
        yield url


async def tell_the_story(installation: Installation) -> None:
    neighbour = await installation.new_casino(operator_id="neighbour")
    await neighbour.new_player(player_id="cid", money=eur("7.00"))
    casino = await installation.new_casino(operator_id="casino")
    await casino.new_player(player_id="ann")
    await casino.new_player(player_id="bob")
    await casino.deposit("ann", eur("100.00"), "deposit")
    await casino.bet("ann", eur("10.00"), "r", "bet")
    await casino.win("ann", eur("25.00"), "r", "bet", "win")
    await casino.bet("ann", eur("5.00"), "undone", "bet-undone")
    await casino.rollback("ann", "bet-undone", "undo")
    await casino.bet("ann", eur("1.00"), "r", "last")
    await casino.deposit("bob", eur("10.00"), "bobs-deposit")
    with refused("INSUFFICIENT_FUNDS"):
        await casino.bet("bob", eur("99.00"), "r", "refused")


@pytest.fixture
async def ledger(postgres: EmbeddedPostgres, books: str) -> AsyncIterator[str]:
    """A copy of the books, to be damaged."""
    async with database_of_its_own(postgres.url, template=books) as url:
        yield url


async def verify(url: str, operator_id: str = "") -> Verification:
    engine = make_engine(url)
    try:
        operators = Operators(PostgresOperators(engine), PostgresKeys(engine))
        verification = LedgerVerification(PostgresVerification(engine), operators)
        return await verification.verify(operator_id)
    finally:
        await engine.dispose()


async def damage(url: str, statement: str) -> None:
    """Change the books behind the back of the wall around the history."""
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(statement)


def named(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.kind,
        finding.player_id,
        finding.transaction_id,
        finding.round_id,
        # The numbers of transactions depend on how the calls met.
        re.sub(r"number \d+", "number N", finding.expected),
        re.sub(r"number \d+", "number N", finding.found),
    )


async def test_an_intact_ledger_has_no_findings_and_tells_what_was_read(ledger: str) -> None:
    result = await verify(ledger)
    assert result.consistent
    assert result.findings == ()
    assert not result.truncated
    assert result.counts["operators"] == 2
    assert result.counts["players"] == result.counts["wallets"] == 3
    # The neighbour's deposit; seven movements that took place, and one that was refused.
    assert result.counts["transactions"] == 9
    assert result.counts["postings"] == 8
    assert result.counts["rounds"] == 2
    assert result.counts["house_accounts"] >= 4
    alone = await verify(ledger, "neighbour")
    assert alone.consistent
    assert (alone.counts["operators"], alone.counts["transactions"]) == (1, 1)


DAMAGE: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "a wallet that holds a cent too much": (
        f"UPDATE accounts SET balance = balance + 1 WHERE {OF_ANN}",
        [
            (ZERO_SUM, "", "", "", "0", "1"),
            (BALANCE, "ann", "", "", "11400", "11401"),
        ],
    ),
    "a house account that holds a cent too little": (
        f"UPDATE accounts SET balance = balance - 1 WHERE {OF_THE_HOUSE}",
        [
            (ZERO_SUM, "", "", "", "0", "-1"),
            (BALANCE, "", "", "", "-1400", "-1401"),
        ],
    ),
    "a cent that went from one wallet to another": (
        f"UPDATE accounts SET balance = balance + CASE WHEN {OF_ANN} THEN 1 ELSE -1 END"
        f" WHERE ({OF_ANN}) OR ({OF_BOB})",
        [
            (BALANCE, "ann", "", "", "11400", "11401"),
            (BALANCE, "bob", "", "", "1000", "999"),
        ],
    ),
    "a posting that is gone": (
        "DELETE FROM transactions WHERE transaction_id = 'bet'",
        [
            (BALANCE, "", "", "", "-2400", "-1400"),
            (BALANCE, "ann", "", "", "12400", "11400"),
            (SEQUENCE, "ann", "win", "", "2", "3"),
            (CHAIN, "ann", "win", "", "10000", "9000"),
            (
                *(ROUND, "ann", "", "r"),
                "1 bets 100 1 wins 2500 0 closers",
                "2 bets 1100 1 wins 2500 0 closers",
            ),
            # It had given the round its number, and a win names it.
            (ROUND, "ann", "", "r", "transaction number N", "transaction number N"),
            (MALFORMED, "ann", "win", "r", "bet bet", "nothing"),
        ],
    ),
    "the latest posting that is gone": (
        "DELETE FROM transactions WHERE transaction_id = 'last'",
        [
            (BALANCE, "", "", "", "-1500", "-1400"),
            (BALANCE, "ann", "", "", "11500", "11400"),
            (SEQUENCE, "ann", "", "", "5", "6"),
            (
                *(ROUND, "ann", "", "r"),
                "1 bets 1000 1 wins 2500 0 closers",
                "2 bets 1100 1 wins 2500 0 closers",
            ),
        ],
    ),
    "a sequence number that is not the next": (
        "UPDATE transactions SET sequence = 9 WHERE transaction_id = 'last'",
        [
            (SEQUENCE, "ann", "", "", "9", "6"),
            (SEQUENCE, "ann", "last", "", "6", "9"),
        ],
    ),
    "a sequence number that stands twice": (
        "UPDATE transactions SET sequence = 1, balance_before = 0"
        " WHERE transaction_id = 'bobs-deposit'"
        "; UPDATE accounts SET sequence = 2 WHERE " + OF_BOB,
        [(SEQUENCE, "bob", "", "", "1", "2")],
    ),
    "a balance before that was not there": (
        "UPDATE transactions SET balance_before = balance_before + 1 WHERE transaction_id = 'last'",
        [(CHAIN, "ann", "last", "", "11500", "11501")],
    ),
    "a first posting that does not begin with nothing": (
        "UPDATE transactions SET balance_before = 500 WHERE transaction_id = 'bobs-deposit'",
        [(CHAIN, "bob", "bobs-deposit", "", "0", "500")],
    ),
    "a posting that moved another amount": (
        "UPDATE transactions SET change = change + 1 WHERE transaction_id = 'bobs-deposit'",
        [
            (BALANCE, "", "", "", "-11001", "-11000"),
            (BALANCE, "bob", "", "", "1001", "1000"),
            (MALFORMED, "bob", "bobs-deposit", "", "1001", "1000"),
        ],
    ),
    "a round that sums up more wins than it has": (
        "UPDATE rounds SET total_win = total_win + 1 WHERE round_id = 'r' AND opened",
        [
            (
                *(ROUND, "ann", "", "r"),
                "2 bets 1100 1 wins 2500 0 closers",
                "2 bets 1100 1 wins 2501 0 closers",
            )
        ],
    ),
    "a round that counts a bet too few": (
        "UPDATE rounds SET bets = bets - 1 WHERE round_id = 'r' AND opened",
        [
            (
                *(ROUND, "ann", "", "r"),
                "2 bets 1100 1 wins 2500 0 closers",
                "1 bets 1100 1 wins 2500 0 closers",
            )
        ],
    ),
    "a round that nothing closed": (
        "UPDATE rounds SET closers = 1 WHERE round_id = 'r' AND opened",
        [
            (
                *(ROUND, "ann", "", "r"),
                "2 bets 1100 1 wins 2500 0 closers",
                "2 bets 1100 1 wins 2500 1 closers",
            )
        ],
    ),
    "a reversal that is gone": (
        "DELETE FROM reversals",
        [
            (
                *(ROUND, "ann", "", "undone"),
                "1 bets 500 0 wins 0 0 closers",
                "0 bets 0 0 wins 0 0 closers",
            ),
            (REVERSAL, "ann", "bet-undone", "undone", "rolled back by undo", "not rolled back"),
        ],
    ),
    "a wallet below zero": (
        "ALTER TABLE accounts DROP CONSTRAINT accounts_wallet_not_negative"
        f"; UPDATE accounts SET balance = -1 WHERE {OF_BOB}",
        [
            (ZERO_SUM, "", "", "", "0", "-1001"),
            (BALANCE, "bob", "", "", "1000", "-1"),
            (NEGATIVE, "bob", "", "", "at least 0", "-1"),
        ],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damage_is_found_and_named(ledger: str, what: str) -> None:
    statement, expected = DAMAGE[what]
    await damage(ledger, statement)
    result = await verify(ledger)
    assert not result.consistent
    found = {named(finding) for finding in result.findings}
    assert set(expected) <= found, found
    assert {finding.operator_id for finding in result.findings} == {"casino"}
    assert {finding.currency_code for finding in result.findings} <= {"EUR", ""}
    assert all(finding.message for finding in result.findings)
    assert (await verify(ledger, "casino")).findings == result.findings
    assert (await verify(ledger, "neighbour")).consistent, "the neighbour's books are sound"


async def test_an_account_that_is_gone_is_found(ledger: str) -> None:
    await damage(ledger, f"DELETE FROM accounts WHERE {OF_BOB}")
    result = await verify(ledger)
    found = [(each.kind, each.operator_id, each.found) for each in result.findings]
    assert (BALANCE, "casino", "no account") in found


async def test_more_findings_than_are_listed_are_told(ledger: str) -> None:
    await damage(
        ledger,
        "INSERT INTO accounts (operator_no, kind, player_no, stripe, unit, balance)"
        " SELECT operator_no, 2, 0, stripe, 'EUR', 1 FROM operators,"
        " generate_series(2000, 3100) AS stripe WHERE operator_id = 'casino'",
    )
    result = await verify(ledger)
    assert len(result.findings) == 1_000
    assert result.truncated
