"""Each kind of damage, planted alone in a rich history, is found and named; undone, it is gone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from purser_server.domain.verification import Finding, FindingKind
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.store.test_verification_history import rich_books, verify  # noqa: F401
from tests.support.databases import connected, database_of_its_own

TABLES = ("operators", "players", "accounts", "rounds", "transactions", "reversals")

KINDS = {
    FindingKind.BALANCE_MISMATCH: "BALANCE",
    FindingKind.SEQUENCE_GAP: "SEQUENCE",
    FindingKind.POSTING_CHAIN_BROKEN: "CHAIN",
    FindingKind.ROUND_TOTALS_MISMATCH: "ROUND",
    FindingKind.TRANSACTION_MALFORMED: "MALFORMED",
    FindingKind.REVERSAL_MISMATCH: "REVERSAL",
    FindingKind.PLAYER_MISMATCH: "PLAYER",
}

Damage = dict[str, tuple[str, list[str]]]
"""What is damaged: how, and what is found."""


@pytest.fixture(scope="module")
async def ledger(postgres: EmbeddedPostgres, rich_books: str) -> AsyncIterator[str]:  # noqa: F811
    """A copy of the rich books, which keeps another copy of every table to undo damage."""
    async with database_of_its_own(postgres.url, template=rich_books) as url:
        async with connected(url) as connection:
            await connection.execute("CREATE SCHEMA sound")
            for table in TABLES:
                await connection.execute(f"CREATE TABLE sound.{table} AS TABLE {table}")
        yield url


async def damage(connection: asyncpg.Connection, statement: str) -> None:
    """Change the books behind the back of the wall around the history; of `casino` alone."""
    await connection.execute("SET session_replication_role = replica")
    before = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
    await connection.execute(statement)
    assert await connection.fetchval("SELECT pg_current_wal_insert_lsn()") != before, "no row"


async def undo(connection: asyncpg.Connection) -> None:
    for table in TABLES:
        await connection.execute(f"DELETE FROM {table}")
        await connection.execute(
            f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM sound.{table}"
        )


async def assert_found(url: str, statement: str, expected: list[str]) -> None:
    """Assert that this damage is found, all of it and no more, and that nothing remains."""
    async with connected(url) as connection:
        await damage(connection, statement)
        try:
            result, of_the_casino = await verify(url), await verify(url, "casino")
            assert (await verify(url, "neighbour")).consistent
        finally:
            await undo(connection)
    assert sorted(map(told, result.findings)) == sorted(expected)
    assert {finding.operator_id for finding in result.findings} == {"casino"}
    assert all(finding.message for finding in result.findings)
    assert of_the_casino.findings == result.findings
    assert (await verify(url)).findings == ()


def t(transaction_id: str) -> str:
    return f"operator_no = 1 AND transaction_id = '{transaction_id}'"


def number(transaction_id: str) -> str:
    return f"(SELECT transaction_no FROM sound.transactions WHERE {t(transaction_id)})"


def player(player_id: str) -> str:
    return (
        f"(SELECT player_no FROM sound.players WHERE operator_no = 1 AND player_id = '{player_id}')"
    )


def r(player_id: str, round_id: str) -> str:
    return (
        f"operator_no = 1 AND game_id = 'slots' AND round_id = '{round_id}'"
        f" AND player_no = {player(player_id)}"
    )


def account(kind: int, unit: str, owner: str = "", operator: int = 1) -> str:
    whose = player(owner) if owner else "0"
    return (
        f"(SELECT account_no FROM sound.accounts WHERE operator_no = {operator} AND kind = {kind}"
        f" AND unit = '{unit}' AND player_no = {whose} ORDER BY 1 LIMIT 1)"
    )


def told(finding: Finding) -> str:
    """Return a finding in a line: kind, player, currency, transaction/round: expected | found."""
    where = (finding.player_id, finding.currency_code, finding.transaction_id)
    line = (
        f"{KINDS[finding.kind]} {' '.join(each or '-' for each in where)}/{finding.round_id}:"
        f" {finding.expected} | {finding.found}"
    )
    # Transaction and account numbers depend on how the calls met.
    return re.sub(r"number \d+", "number N", line)


DAMAGE: Damage = {
    # -- rounds ------------------------------------------------------------------------------
    "a round that is gone": (
        f"DELETE FROM rounds WHERE {r('cid', 'reopened')}",
        [
            "ROUND cid EUR again-1/: a round | no round",
        ],
    ),
    "a name of a round that is gone": (
        f"DELETE FROM rounds WHERE {r('bob', 'only-a-name')}",
        [
            "ROUND bob - promo-named/: a round | no round",
        ],
    ),
    "a round that nothing names": (
        "INSERT INTO rounds SELECT operator_no, round_no + 100000000, player_no, game_id, 'made',"
        " false, '', 0, 0, 0, 0, 0, 0"
        f" FROM sound.rounds WHERE {r('ann', 'r')}",
        [
            "ROUND ann - -/made: no round | a round",
        ],
    ),
    "a round that is not covered": (
        f"UPDATE rounds SET covered_to = 0 WHERE {r('ann', 'r')}",
        [
            "ROUND ann EUR -/r: transaction number N | none",
        ],
    ),
    "a round that is covered too far": (
        f"UPDATE rounds SET covered_to = {number('covers-2')} WHERE {r('cid', 'reopened')}",
        [
            "ROUND cid EUR -/reopened: none | transaction number N",
        ],
    ),
    "a round in another currency": (
        f"UPDATE rounds SET currency_code = 'GOLD' WHERE {r('ann', 'r')}",
        [
            "ROUND ann EUR -/r: EUR | GOLD",
        ],
    ),
    "a mere name with a currency": (
        f"UPDATE rounds SET currency_code = 'EUR' WHERE {r('cid', 'unknown')}",
        [
            "ROUND cid EUR -/unknown:  | EUR",
        ],
    ),
    "a round whose only bet was undone, not opened": (
        f"UPDATE rounds SET opened = false WHERE {r('cid', 'undone')}",
        [
            "ROUND cid EUR -/undone: opened | not opened",
        ],
    ),
    "a mere name, opened": (
        f"UPDATE rounds SET opened = true WHERE {r('cid', 'unknown')}",
        [
            "ROUND cid - -/unknown: not opened | opened",
        ],
    ),
    "a round that counts too much": (
        f"UPDATE rounds SET closers = closers + 1 WHERE {r('ann', 'closed')}",
        [
            "ROUND ann EUR -/closed: 1 bets 100 0 wins 0 2 closers | 1 bets 100 0 wins 0 3 closers",
        ],
    ),
    "a closed round under another name": (
        f"UPDATE rounds SET round_id = 'renamed' WHERE {r('ann', 'closed')}",
        [
            "ROUND ann EUR close-1/renamed: slots closed | slots renamed",
            "ROUND ann EUR close-2/renamed: slots closed | slots renamed",
        ],
    ),
    "a round of another player": (
        f"UPDATE rounds SET player_no = {player('dan')} WHERE {r('ann', 'closed')}",
        [
            "PLAYER ann EUR bet-closed/closed: player number N | player number N",
            "PLAYER ann EUR close-1/closed: player number N | player number N",
            "PLAYER ann EUR close-2/closed: player number N | player number N",
        ],
    ),
    "the refused bet that first named a round, gone": (
        f"DELETE FROM transactions WHERE {t('bet-refused')}",
        [
            "ROUND ann EUR -/refused: transaction number N | transaction number N",
        ],
    ),
    # -- reversals ---------------------------------------------------------------------------
    "a bet's reversal that is gone": (
        f"DELETE FROM reversals WHERE original_no = {number('undone')}",
        [
            "ROUND cid EUR -/undone: 1 bets 600 0 wins 0 0 closers | 0 bets 0 0 wins 0 0 closers",
            "REVERSAL cid EUR undone/undone: rolled back by undone-first | not rolled back",
        ],
    ),
    "a free bet's reversal that is gone": (
        f"DELETE FROM reversals WHERE original_no = {number('undone-free')}",
        [
            (
                "ROUND cid EUR -/undone-free:"
                " 1 bets 0 0 wins 0 0 closers | 0 bets 0 0 wins 0 0 closers"
            ),
            (
                "REVERSAL cid EUR undone-free/undone-free:"
                " rolled back by undone-free-first | not rolled back"
            ),
        ],
    ),
    "a promotion's reversal that is gone": (
        f"DELETE FROM reversals WHERE original_no = {number('bonus-free')}",
        [
            "REVERSAL cid EUR bonus-free/: rolled back by undo-bonus-free | not rolled back",
        ],
    ),
    "a reversal of what stands": (
        f"INSERT INTO reversals VALUES (1, {number('bet-1')}, {number('undone-first')})",
        [
            (
                "ROUND ann EUR -/r:"
                " 2 bets 200 4 wins 1200 1 closers | 3 bets 300 4 wins 1200 1 closers"
            ),
            "REVERSAL ann EUR bet-1/r: not rolled back | rolled back by undone-first",
        ],
    ),
    "a reversal of what is not there": (
        f"INSERT INTO reversals VALUES (1, 5, {number('undone-first')})",
        [
            "REVERSAL cid - undone-first/: not rolled back | rolled back by undone-first",
        ],
    ),
    "a reversal by the second rollback": (
        f"UPDATE reversals SET rollback_no = {number('undone-second')}"
        f" WHERE original_no = {number('undone')}",
        [
            "REVERSAL cid EUR undone-first/undone: 0 | 600",
            "REVERSAL cid EUR undone-second/undone: 600 | 0",
            (
                "REVERSAL cid EUR undone/undone:"
                " rolled back by undone-first | rolled back by undone-second"
            ),
        ],
    ),
    "a reversal by what is not there": (
        f"UPDATE reversals SET rollback_no = 5 WHERE original_no = {number('undone')}",
        [
            "REVERSAL cid EUR undone-first/undone: 0 | 600",
            (
                "REVERSAL cid EUR undone/undone:"
                " rolled back by undone-first | rolled back by what is not there"
            ),
        ],
    ),
    "a rollback that moved more than its original": (
        f"UPDATE transactions SET amount = 700, change = 700 WHERE {t('undone-first')}",
        [
            "BALANCE - EUR -/: -700 | -600",
            "BALANCE cid EUR -/: 9900 | 9800",
            "CHAIN cid EUR undone-second/: 10100 | 10000",
            "REVERSAL cid EUR undone-first/undone: 600 | 700",
        ],
    ),
    "a second rollback that moved money": (
        f"UPDATE transactions SET amount = 1, change = 1 WHERE {t('undone-second')}",
        [
            "BALANCE cid EUR -/: 9801 | 9800",
            "BALANCE - - -/: -1 | no account",
            "SEQUENCE cid EUR undone-second/: 1 | 0",
            "CHAIN cid EUR undone-third/: 10001 | 10000",
            (
                "MALFORMED cid EUR undone-second/undone:"
                " two accounts, a balance before and a sequence number"
                " | change 1 sequence 0 balance before 10000 contra account absent"
            ),
            "REVERSAL cid EUR undone-second/undone: 0 | 1",
        ],
    ),
    "a rollback that names nothing": (
        f"UPDATE transactions SET related_id = 'nobody' WHERE {t('undone-second')}",
        [
            "REVERSAL cid EUR undone-second/undone: COMPLETED bet or win nobody | nothing",
        ],
    ),
    "a rollback that names another bet": (
        f"UPDATE transactions SET related_id = 'again-1' WHERE {t('undone-first')}",
        [
            "REVERSAL cid EUR undone-first/undone: round number N | round number N",
            "REVERSAL cid EUR again-1/reopened: rolled back by undone-first | not rolled back",
            (
                "REVERSAL cid EUR undone/undone:"
                " rolled back by undone-second | rolled back by undone-first"
            ),
        ],
    ),
    "a rollback in another wallet": (
        f"UPDATE transactions SET account_no = {account(1, 'GOLD', 'cid')}"
        f" WHERE {t('undone-free-first')}",
        [
            "CHAIN cid GOLD undone-free-first/: 50 | 10000",
            "REVERSAL cid GOLD undone-free-first/undone-free: account number N | account number N",
        ],
    ),
    "a tombstone that is gone": (
        f"DELETE FROM transactions WHERE {t('lost')}",
        [
            "REVERSAL cid - bury-1/: TOMBSTONE lost | nothing",
            "REVERSAL cid - bury-2/: TOMBSTONE lost | nothing",
        ],
    ),
    "a tombstone whose rollback is gone": (
        f"DELETE FROM transactions WHERE {t('bury-1')}",
        [
            "REVERSAL cid - lost/: rollback bury-1 | nothing",
        ],
    ),
    "a refused bet that is gone, and a rollback tells of it": (
        f"DELETE FROM transactions WHERE {t('poor')}",
        [
            "ROUND cid - -/poor: transaction number N | transaction number N",
            "REVERSAL cid EUR undo-poor/poor: REFUSED bet or win poor | nothing",
        ],
    ),
    # -- players -----------------------------------------------------------------------------
    "a wallet that copies another status": (
        f"UPDATE accounts SET player_status = 1 WHERE account_no = {account(1, 'KWD', 'dan')}",
        [
            "PLAYER dan KWD -/: CLOSED | ACTIVE",
        ],
    ),
    "a player with another status than its wallets": (
        "UPDATE players SET status = 2 WHERE operator_no = 1 AND player_id = 'bob'",
        [
            "PLAYER bob KWD -/: SUSPENDED | ACTIVE",
            "PLAYER bob GOLD -/: SUSPENDED | ACTIVE",
            "PLAYER bob EUR -/: SUSPENDED | ACTIVE",
        ],
    ),
    "a house account with a player": (
        f"UPDATE accounts SET player_no = {player('bob')} WHERE account_no = {account(3, 'EUR')}",
        [
            "PLAYER bob EUR -/: no player | player number N",
        ],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damage_is_found_named_and_gone_when_undone(ledger: str, what: str) -> None:
    await assert_found(ledger, *DAMAGE[what])


async def test_a_player_who_is_gone(ledger: str) -> None:
    """Everything of that player is found; nobody knows the name any more."""
    async with connected(ledger) as connection:
        await damage(connection, f"DELETE FROM players WHERE player_no = {player('dan')}")
        try:
            found = [told(finding) for finding in (await verify(ledger)).findings]
        finally:
            await undo(connection)
    assert {
        "PLAYER - GOLD dan-gold/: a player with the number N | no player",
        "PLAYER - EUR win-while-closed/empty: a player with the number N | no player",
        "PLAYER - USD -/: a player with the number N | no player",
        "PLAYER - EUR -/empty: a player with the number N | no player",
    } <= set(found)
    assert all(line.startswith("PLAYER -") for line in found)
    assert (await verify(ledger)).findings == ()
