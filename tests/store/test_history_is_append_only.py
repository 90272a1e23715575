"""The wall around the history: PostgreSQL itself refuses to change what happened."""

from __future__ import annotations

import asyncpg
import pytest

from tests.support.databases import connected

ROWS = """
INSERT INTO transactions (operator_no, transaction_no, transaction_id, type, state, player_no,
                          amount, change, sequence, win_type, flags, outcome, create_time)
VALUES (1, 1, 't', 1, 1, 1, 0, 0, 0, 1, 0, 0, now());
INSERT INTO reversals (operator_no, original_no, rollback_no) VALUES (1, 1, 2);
"""


@pytest.mark.parametrize("table", ["transactions", "reversals"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET operator_no = operator_no",
        "UPDATE {table} SET operator_no = 2 WHERE false",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT (operator_no, {key})"
        " DO UPDATE SET operator_no = 2",
    ],
)
async def test_history_can_be_added_to_and_never_changed(
    own_database: str, table: str, statement: str
) -> None:
    key = {"transactions": "transaction_no", "reversals": "original_no"}[table]
    async with connected(own_database) as connection:
        await connection.execute(ROWS)
        before = await connection.fetch(f"SELECT * FROM {table}")
        with pytest.raises(asyncpg.RaiseError, match="never updated or deleted"):
            await connection.execute(statement.format(table=table, key=key))
        assert await connection.fetch(f"SELECT * FROM {table}") == before
