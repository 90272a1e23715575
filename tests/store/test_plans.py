"""The write path's statements find their rows by key, also when planned on empty tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from purser_server.app import prepare
from purser_server.store import statements
from purser_server.store.writer import WRITER_SETTINGS

FLUSH_STATEMENTS = (
    "LOCK_WALLETS",
    "KNOWN_TRANSACTIONS",
    "ROUNDS",
    "SETTLERS",
    "SESSIONS",
    "HOUSE_ACCOUNTS",
    "SAVE",
)


@pytest.fixture
async def writer(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    await prepare(own_database)
    connection = await asyncpg.connect(
        own_database, server_settings=WRITER_SETTINGS, statement_cache_size=0
    )
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", FLUSH_STATEMENTS)
async def test_statement_reads_no_table_whole(writer: asyncpg.Connection, name: str) -> None:
    statement = getattr(statements, name)
    marks = max(int(mark) for mark in re.findall(r"\$(\d+)", statement))
    await writer.execute(f"PREPARE flush AS {statement}")

    plan = await writer.fetch(f"EXPLAIN (COSTS OFF) EXECUTE flush ({', '.join(['NULL'] * marks)})")

    lines = [row[0] for row in plan]
    assert not [line for line in lines if "Seq Scan" in line or "Bitmap" in line], lines
    for at, line in enumerate(lines):
        if "Index" in line and "Scan using" in line:
            condition = lines[at + 1]
            assert "Index Cond" in condition, lines
            # The operator alone would be the whole table of a casino.
            assert condition.count(" = ") >= 2, lines
