"""The history of transactions and rounds: implements `usecases.ports.HistoryStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction, TransactionState
from purser_server.store import lists
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.rows import pending_from_row, round_from_row, transaction_from_row
from purser_server.store.statements import (
    LISTED_COLUMNS,
    PENDING_COLUMNS,
    PENDING_JOIN,
    TRANSACTION_JOINS,
)
from purser_server.store.tables import players, rounds
from purser_server.usecases.ports import HistoryFilter


class PostgresHistory:
    """Reads the history; nothing here writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def transaction(self, operator: int, transaction_id: str) -> Transaction | None:
        """Return a transaction by the client's id."""
        values = {"operator": operator, "id": transaction_id}
        async with reading(self._engine) as connection:
            # What is pending may become part of the history between two looks.
            return (
                await _final(connection, values)
                or await _waiting(connection, values)
                or await _final(connection, values)
            )

    @again_when_cut
    async def transactions(
        self, operator: int, only: HistoryFilter, before: int | None, limit: int
    ) -> Sequence[Transaction]:
        """Return transactions, newest first, from before the number `before`."""
        async with reading(self._engine) as connection:
            # What is pending first: meanwhile it may become part of the history, never the reverse.
            waiting = await _newest_waiting(connection, operator, only, before, limit)
            final = await _newest_final(connection, operator, only, before, limit)
        return lists.with_waiting(final, waiting, lambda transaction: transaction, limit)

    @again_when_cut
    async def round(
        self, operator: int, player_id: str, game_id: str, round_id: str
    ) -> Round | None:
        """Return a round, if a bet has opened it."""
        query = (
            select(rounds)
            .join(
                players,
                (players.c.operator_no == rounds.c.operator_no)
                & (players.c.player_no == rounds.c.player_no),
            )
            .where(
                rounds.c.operator_no == operator,
                rounds.c.round_id == round_id,
                rounds.c.game_id == game_id,
                players.c.player_id == player_id,
                rounds.c.opened,
            )
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).mappings().first()
            return round_from_row(row, player_id) if row is not None else None


async def _final(connection: AsyncConnection, values: Mapping[str, Any]) -> Transaction | None:
    rows = await connection.execute(_ONE_FINAL, values)
    row = rows.mappings().first()
    return transaction_from_row(row) if row is not None else None


async def _waiting(connection: AsyncConnection, values: Mapping[str, Any]) -> Transaction | None:
    row = (await connection.execute(_ONE_WAITING, values)).mappings().first()
    return pending_from_row(row).transaction if row is not None else None


async def _newest_final(
    connection: AsyncConnection,
    operator: int,
    only: HistoryFilter,
    before: int | None,
    limit: int,
) -> list[Transaction]:
    """Return the newest transactions with an outcome that fit the filter."""
    conditions = [
        *lists.of_player("t", only.player_id),
        *lists.is_any("t.type", "types", only.types),
        *lists.is_any(_STATE, "states", only.states),
        *lists.within("t.create_time", only.start_time, only.end_time),
        *lists.before("t.transaction_no", before),
    ]
    if only.round_id:
        rounds_ = "SELECT round_no FROM rounds WHERE operator_no = :operator"
        named = f"t.round_no IN ({rounds_} AND round_id = :round_id)"
        conditions.append((named, "round_id", only.round_id))
    query, values = lists.newest(_FINAL, "t.transaction_no", operator, limit, conditions)
    rows = await connection.execute(text(query).columns(detail=JSONB), values)
    return [transaction_from_row(row) for row in rows.mappings()]


async def _newest_waiting(
    connection: AsyncConnection,
    operator: int,
    only: HistoryFilter,
    before: int | None,
    limit: int,
) -> list[Transaction]:
    """Return the newest movements without an outcome that fit the filter."""
    if only.states and TransactionState.PENDING not in only.states:
        return []
    conditions = [
        *lists.of_player("p", only.player_id),
        *lists.is_any("p.type", "types", only.types),
        *lists.within("p.create_time", only.start_time, only.end_time),
        *lists.before("p.intent_no", before),
    ]
    if only.round_id:
        conditions.append(("p.round_id = :round_id", "round_id", only.round_id))
    query, values = lists.newest(_WAITING, "p.intent_no", operator, limit, conditions)
    rows = await connection.execute(text(query), values)
    return [pending_from_row(row).transaction for row in rows.mappings()]


_STATE = (
    f"(CASE WHEN v.rollback_no IS NULL THEN t.state ELSE {int(TransactionState.ROLLED_BACK)} END)"
)

_FINAL = f"""
SELECT {LISTED_COLUMNS} FROM transactions t {TRANSACTION_JOINS}
WHERE t.operator_no = :operator
"""

_WAITING = f"""
SELECT {PENDING_COLUMNS} FROM pending p {PENDING_JOIN}
WHERE p.operator_no = :operator
"""

_ONE_FINAL = text(f"{_FINAL} AND t.transaction_id = :id").columns(detail=JSONB)
_ONE_WAITING = text(f"{_WAITING} AND p.transaction_id = :id")
