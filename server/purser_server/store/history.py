"""The history of transactions and rounds: implements `usecases.ports.HistoryStore`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import TextualSelect, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction, TransactionState
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.rows import round_from_row, transaction_from_row
from purser_server.store.statements import TRANSACTION_COLUMNS, TRANSACTION_JOINS
from purser_server.store.tables import players, rounds
from purser_server.usecases.ports import HistoryFilter


class PostgresHistory:
    """Reads the history; nothing here writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def transaction(self, operator: int, transaction_id: str) -> Transaction | None:
        """Return a transaction by the client's id."""
        query = _transactions("t.operator_no = :operator AND t.transaction_id = :id")
        async with reading(self._engine) as connection:
            found = await connection.execute(query, {"operator": operator, "id": transaction_id})
            row = found.mappings().first()
            return transaction_from_row(row) if row is not None else None

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
            rows = (await connection.execute(query, values)).mappings()
            return [transaction_from_row(row) for row in rows]

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
    sql = (
        f"SELECT {TRANSACTION_COLUMNS} FROM transactions t {TRANSACTION_JOINS} WHERE {where} {tail}"
    )
    return text(sql).columns(detail=JSONB)


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
