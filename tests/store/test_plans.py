"""The write path's statements find their rows by key, also when planned on small tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_server.ledger.ports import Request
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.rpc.from_proto import command_of
from purser_server.store import points_rows, prize_rows, reward_rows, statements
from purser_server.store.loyalty_tables import metadata
from purser_server.store.writer import WRITER_SETTINGS, PostgresWriter
from tests.support.databases import connected, database_of_its_own

FLUSH_STATEMENTS = (
    "LOCK_WALLETS",
    "KNOWN_TRANSACTIONS",
    "FLUSH_AND_ROUNDS",
    "SETTLERS",
    "SESSIONS",
    "PENDING_OF",
    "HOUSE_ACCOUNTS",
    "SAVE",
    "SAVE_PENDING",
)
POINTS_STATEMENTS = (
    "POINTS_ACCOUNTS",
    "LOTS_OF",
    "HOLDS_OF",
    "REDEMPTIONS",
    "PROGRAMS",
    "SAVE_POINTS",
)
REWARD_STATEMENTS = ("REWARDS_OF", "OWED_BY", "CAMPAIGNS_ON", "COUNT_EXPIRED", "SAVE_REWARDS")
ALL_STATEMENTS = {
    **{name: getattr(statements, name) for name in FLUSH_STATEMENTS},
    **{name: getattr(points_rows, name) for name in POINTS_STATEMENTS},
    **{name: getattr(reward_rows, name) for name in REWARD_STATEMENTS},
    "PRIZES": prize_rows.PRIZES,
    "SAVE_PRIZES": prize_rows.SAVE_PRIZES,
}
WITH_FEW_ROWS_PER_OPERATOR = (
    *("operators_pkey", "journal_ends_pkey", "programs_pkey"),
    *("campaigns_pkey", "campaigns_by_number"),
)


CASINOS = 3


async def add_rows(connection: asyncpg.Connection, count: int) -> None:
    """Add players of a few casinos, and for each a wallet and a round."""
    await connection.execute(
        "INSERT INTO operators (operator_id, display_name, created_as) "
        f"SELECT 'o' || i, '', '{{}}' FROM generate_series(1, {CASINOS}) i"
    )
    await connection.execute(
        "INSERT INTO players (operator_no, player_id, status, created_as) "
        f"SELECT 1 + i % {CASINOS}, 'p' || i, 1, '{{}}' FROM generate_series(1, {count}) i"
    )
    await connection.execute(
        "INSERT INTO accounts (operator_no, kind, player_no, unit) "
        "SELECT operator_no, 1, player_no, 'EUR' FROM players"
    )
    await connection.execute(
        "INSERT INTO rounds (operator_no, round_no, player_no, game_id, round_id, opened, "
        "currency_code, bets, wins, total_bet, total_win, closers, covered_to) "
        "SELECT operator_no, player_no, player_no, 'slots', 'r' || player_no, true, 'EUR', "
        "1, 0, 100, 0, 0, 0 FROM players"
    )
    await connection.execute(
        "INSERT INTO lots SELECT operator_no, player_no, player_no, player_no, 10, now() "
        "FROM players"
    )
    await connection.execute(
        "INSERT INTO holds SELECT operator_no, 'h' || player_no, player_no, 1, now(), '{}' "
        "FROM players"
    )
    await connection.execute(
        "INSERT INTO rewards SELECT operator_no, 'w' || player_no, player_no, player_no, now(), "
        "now(), '', 0, 0, 0, '{}', '{}' FROM players"
    )
    await connection.execute(
        "INSERT INTO owed_cashback SELECT operator_no, player_no, 'EUR', 1 FROM players"
    )
    await connection.execute(
        "INSERT INTO redemptions SELECT operator_no, 'd' || player_no, '[]', player_no, player_no, "
        "1, '', 0, '', '' FROM players"
    )
    await connection.execute(
        "INSERT INTO prizes SELECT operator_no, 'p' || player_no, player_no, player_no, '', 'EUR', "
        "100, now(), NULL, 1, '' FROM players"
    )


@pytest.fixture(scope="module", params=[0, 1, 150, 300, 1_000], ids="{} rows".format)
async def filled(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, migrated: str
) -> AsyncIterator[str]:
    """A database with rows that PostgreSQL has no statistics of, and gets none of meanwhile."""
    async with database_of_its_own(postgres.url, migrated) as url:
        async with connected(url) as connection:
            for table in metadata.tables:
                await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            await add_rows(connection, request.param)
        yield url


@pytest.fixture
async def writer(filled: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        filled, server_settings=WRITER_SETTINGS, statement_cache_size=0
    )
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", ALL_STATEMENTS)
async def test_statement_reads_no_table_whole(writer: asyncpg.Connection, name: str) -> None:
    statement = ALL_STATEMENTS[name]
    marks = max(int(mark) for mark in re.findall(r"\$(\d+)", statement))
    await writer.execute(f"PREPARE flush AS {statement}")

    plan = await writer.fetch(f"EXPLAIN (COSTS OFF) EXECUTE flush ({', '.join(['NULL'] * marks)})")

    lines = [row[0] for row in plan]
    assert not [line for line in lines if "Seq Scan" in line or "Bitmap" in line], lines
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if "Index" in line and "Scan using" in line:
            assert "Index Cond" in following, lines
            if any(index in line for index in WITH_FEW_ROWS_PER_OPERATOR):
                continue
            # The operator alone would be the whole table of a casino.
            assert following.count(" = ") >= 2, lines


async def test_plans_follow_tables_that_grow(own_database: str) -> None:
    # ANALYZE tells PostgreSQL that the tables are empty: whatever reads them is as good.
    rows = 2_000
    bet = pb.BetRequest(transaction_id="t", player_id="p3", game_id="slots", round_id="r3")
    bet.amount.currency_code, bet.amount.minor_units = "EUR", 100
    writer = PostgresWriter(own_database)
    await writer.connect(0.0)

    async def flushes(count: int) -> None:
        for _ in range(count):
            await writer.begin()
            await writer.load([Request(1, command_of(bet))])
            await writer.rollback()

    async with connected(own_database) as connection:
        await connection.execute("ANALYZE")
        await flushes(3)
        await add_rows(connection, rows)
        await flushes(1)
        before = await _entries_read(connection)
        await flushes(20)
        await writer.close()

        assert await _entries_read(connection) - before < rows


async def _entries_read(connection: asyncpg.Connection) -> int:
    """Return how many index entries scans have read; a backend tells it at its end at last."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    return await connection.fetchval("SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes")
