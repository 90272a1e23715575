"""The history of transactions and rounds: implements `usecases.ports.HistoryStore`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import TextualSelect, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction, TransactionState
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.rows import pending_from_row, round_from_row, transaction_from_row
from purser_server.store.statements import (
    LISTED_COLUMNS,
    PENDING_COLUMNS,
    TRANSACTION_JOINS,
)
from purser_server.store.tables import pending, players, rounds
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
        conditions = ["t.operator_no = :operator"]
        values: dict[str, Any] = {"operator": operator, "limit": limit}
        for condition, name, value in _conditions(only, before):
            conditions.append(condition)
            values[name] = value
        query = _transactions(
            " AND ".join(conditions), "ORDER BY t.transaction_no DESC LIMIT :limit"
        )
        async with reading(self._engine) as connection:
            # What is pending first: meanwhile it may become part of the history, never the reverse.
            waiting = await _pending(connection, operator, only, before, limit)
            rows = (await connection.execute(query, values)).mappings()
            found = [transaction_from_row(row) for row in rows]
        stored = {transaction.transaction_id for transaction in found}
        found += [waits for waits in waiting if waits.transaction_id not in stored]
        return sorted(found, key=lambda transaction: -transaction.number)[:limit]

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


def _transactions(where: str, tail: str = "") -> TextualSelect:
    # Every part is a constant of this module or of `statements`; values come as parameters.
    sql = f"SELECT {LISTED_COLUMNS} FROM transactions t {TRANSACTION_JOINS} WHERE {where} {tail}"
    return text(sql).columns(detail=JSONB)


async def _final(connection: AsyncConnection, values: Mapping[str, Any]) -> Transaction | None:
    rows = await connection.execute(_ONE_TRANSACTION, values)
    row = rows.mappings().first()
    return transaction_from_row(row) if row is not None else None


async def _waiting(connection: AsyncConnection, values: Mapping[str, Any]) -> Transaction | None:
    row = (await connection.execute(_ONE_PENDING, values)).mappings().first()
    return pending_from_row(row).transaction if row is not None else None


_ONE_PENDING = text(f"""
SELECT {PENDING_COLUMNS} FROM pending p
JOIN players l ON l.operator_no = p.operator_no AND l.player_no = p.player_no
WHERE p.operator_no = :operator AND p.transaction_id = :id
""")


async def _pending(
    connection: AsyncConnection,
    operator: int,
    only: HistoryFilter,
    before: int | None,
    limit: int,
) -> list[Transaction]:
    """Return the newest movements without an outcome that fit the filter."""
    if only.states and TransactionState.PENDING not in only.states:
        return []
    query = (
        select(pending, players.c.player_id)
        .join(
            players,
            (players.c.operator_no == pending.c.operator_no)
            & (players.c.player_no == pending.c.player_no),
        )
        .where(pending.c.operator_no == operator)
        .order_by(pending.c.intent_no.desc())
        .limit(limit)
    )
    if only.player_id:
        query = query.where(players.c.player_id == only.player_id)
    if only.round_id:
        query = query.where(pending.c.round_id == only.round_id)
    if only.types:
        query = query.where(pending.c.type.in_(only.types))
    if only.start_time is not None:
        query = query.where(pending.c.create_time >= only.start_time)
    if only.end_time is not None:
        query = query.where(pending.c.create_time < only.end_time)
    if before is not None:
        query = query.where(pending.c.intent_no < before)
    rows = (await connection.execute(query)).mappings()
    return [pending_from_row(row).transaction for row in rows]


def _conditions(only: HistoryFilter, before: int | None) -> Iterator[tuple[str, str, Any]]:
    """Yield, for each filter that is set, its condition, its parameter's name and value."""
    if only.player_id:
        # By number, so that the player's own index serves.
        number = (
            "t.player_no = (SELECT player_no FROM players"
            " WHERE operator_no = :operator AND player_id = :player_id)"
        )
        yield number, "player_id", only.player_id
    if only.round_id:
        named = (
            "t.round_no IN (SELECT round_no FROM rounds"
            " WHERE operator_no = :operator AND round_id = :round_id)"
        )
        yield named, "round_id", only.round_id
    if only.types:
        yield "t.type = ANY(:types)", "types", [int(kind) for kind in only.types]
    if only.states:
        yield _STATE_IS_ANY, "states", [int(state) for state in only.states]
    if only.start_time is not None:
        yield "t.create_time >= :start_time", "start_time", only.start_time
    if only.end_time is not None:
        yield "t.create_time < :end_time", "end_time", only.end_time
    if before is not None:
        yield "t.transaction_no < :before", "before", before


_STATE_IS_ANY = (
    "(CASE WHEN v.rollback_no IS NULL THEN t.state"
    f" ELSE {int(TransactionState.ROLLED_BACK)} END) = ANY(:states)"
)

_ONE_TRANSACTION = _transactions("t.operator_no = :operator AND t.transaction_id = :id")
