"""Prizes and their returns as they are read: implements `usecases.loyalty_ports.PrizeStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.outcomes import CallbackOutcome, Phase
from purser_server.domain.prize_cashbacks import PrizeCashback, PrizeCashbackState, cashback_of
from purser_server.domain.prizes import Prize, PrizeState
from purser_server.domain.transactions import TransactionState, TransactionType
from purser_server.store import lists
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.prize_rows import PRIZE_COLUMNS, prize_from_row
from purser_server.store.rows import pending_from_row, transaction_from_row
from purser_server.store.statements import (
    PENDING_COLUMNS,
    PENDING_JOIN,
    TRANSACTION_COLUMNS,
    TRANSACTION_JOINS,
)
from purser_server.store.tables import operators
from purser_server.usecases.loyalty_ports import PrizeCashbackFilter, PrizeFilter

_PRIZE = int(TransactionType.PRIZE_CASHBACK)

_PRIZES = f"""
SELECT {PRIZE_COLUMNS}, statement_timestamp() AS now
FROM prizes z JOIN players p ON p.operator_no = z.operator_no AND p.player_no = z.player_no
WHERE z.operator_no = :operator
"""

_STATE = (
    f"CASE WHEN z.state = {int(PrizeState.GRANTED)} AND z.expire_time <= statement_timestamp()"
    f" THEN {int(PrizeState.EXPIRED)} ELSE z.state END"
)

_FINAL = f"""
SELECT {TRANSACTION_COLUMNS} FROM transactions t {TRANSACTION_JOINS}
WHERE t.type = {_PRIZE} AND t.operator_no = :operator
"""

_PENDING = f"""
SELECT {PENDING_COLUMNS}
FROM pending p {PENDING_JOIN}
WHERE p.type = {_PRIZE} AND p.operator_no = :operator
"""

_FINAL_ONE = text(f"{_FINAL} AND t.transaction_id = :id").columns(detail=JSONB)
_PENDING_ONE = text(f"{_PENDING} AND p.transaction_id = :id")

# As `domain.prize_cashbacks` tells the state of one.
_FINAL_STATE = f"""
CASE WHEN t.state = {int(TransactionState.COMPLETED)} THEN {int(PrizeCashbackState.CONFIRMED)}
     WHEN t.state = {int(TransactionState.REFUSED)}
          AND t.detail #>> '{{refusal,0}}' <> 'CASINO_UNREACHABLE'
          AND t.detail #>> '{{refusal,2,outcome}}'
              IS DISTINCT FROM '{CallbackOutcome.NOTHING_TO_ROLL_BACK.name}'
     THEN {int(PrizeCashbackState.DENIED)} ELSE {int(PrizeCashbackState.FAILED)} END
"""
_PENDING_STATE = (
    f"CASE WHEN p.phase = {int(Phase.UNDOING)} THEN {int(PrizeCashbackState.FAILED)}"
    f" ELSE {int(PrizeCashbackState.PENDING)} END"
)


class PostgresPrizes:
    """Reads prizes; they change in the write path."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def prize(self, operator: int, prize_id: str) -> tuple[Prize, datetime] | None:
        """Return a prize, and PostgreSQL's time."""
        query = text(f"{_PRIZES} AND z.prize_id = :prize_id")
        values = {"operator": operator, "prize_id": prize_id}
        async with reading(self._engine) as connection:
            row = (await connection.execute(query, values)).mappings().first()
            return (prize_from_row(row), row["now"]) if row else None

    @again_when_cut
    async def prizes(
        self, operator: int, only: PrizeFilter, before: int | None, limit: int
    ) -> Sequence[tuple[Prize, datetime]]:
        """Return prizes, each with the time as of which it was read, newest first."""
        conditions = (
            *lists.of_player("z", only.player_id),
            *lists.is_any(_STATE, "states", only.states),
            *lists.before("z.prize_no", before),
        )
        query, values = lists.newest(_PRIZES, "z.prize_no", operator, limit, conditions)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(text(query), values)).mappings()
            return [(prize_from_row(row), row["now"]) for row in rows]

    @again_when_cut
    async def cashback(self, operator: int, transaction_id: str) -> PrizeCashback | None:
        """Return a request to return a prize."""
        values = {"operator": operator, "id": transaction_id}
        async with reading(self._engine) as connection:
            # What is pending may become part of the history between two looks.
            return (
                await _final_one(connection, values)
                or await _pending_one(connection, values)
                or await _final_one(connection, values)
            )

    @again_when_cut
    async def cashbacks(
        self, operator: int, only: PrizeCashbackFilter, before: int | None, limit: int
    ) -> Sequence[PrizeCashback]:
        """Return requests to return prizes, newest first, from before a number."""
        async with reading(self._engine) as connection:
            # What is pending first: meanwhile it may become part of the history, never the reverse.
            waiting = await _pending(connection, operator, only, before, limit)
            final = await _final(connection, operator, only, before, limit)
        return lists.with_waiting(final, waiting, lambda cashback: cashback.transaction, limit)

    @again_when_cut
    async def player_messages(self, operator: int) -> Mapping[str, str]:
        """Return the operator's own texts for players, by reason."""
        query = select(operators.c.player_messages).where(operators.c.operator_no == operator)
        async with reading(self._engine) as connection:
            found: Mapping[str, str] | None = await connection.scalar(query)
        return found or {}


async def _final_one(connection: AsyncConnection, values: dict[str, Any]) -> PrizeCashback | None:
    row = (await connection.execute(_FINAL_ONE, values)).mappings().first()
    return PrizeCashback(transaction_from_row(row)) if row else None


async def _pending_one(connection: AsyncConnection, values: dict[str, Any]) -> PrizeCashback | None:
    row = (await connection.execute(_PENDING_ONE, values)).mappings().first()
    return _as_pending(row) if row else None


async def _final(
    connection: AsyncConnection,
    operator: int,
    only: PrizeCashbackFilter,
    before: int | None,
    limit: int,
) -> list[PrizeCashback]:
    conditions = [
        *lists.of_player("t", only.player_id),
        *lists.is_any(_FINAL_STATE, "states", only.states),
        *lists.before("t.transaction_no", before),
    ]
    if only.prize_id:
        # Its player's own index serves.
        owner = "(SELECT player_no FROM prizes WHERE operator_no = :operator AND prize_id = :owned)"
        conditions.append((f"t.player_no = {owner}", "owned", only.prize_id))
        conditions.append(("t.detail ->> 'prize_id' = :prize_id", "prize_id", only.prize_id))
    query, values = lists.newest(_FINAL, "t.transaction_no", operator, limit, conditions)
    rows = await connection.execute(text(query).columns(detail=JSONB), values)
    return [PrizeCashback(transaction_from_row(row)) for row in rows.mappings()]


async def _pending(
    connection: AsyncConnection,
    operator: int,
    only: PrizeCashbackFilter,
    before: int | None,
    limit: int,
) -> list[PrizeCashback]:
    conditions = [
        *lists.of_player("p", only.player_id),
        *lists.is_any(_PENDING_STATE, "states", only.states),
        *lists.before("p.intent_no", before),
    ]
    if only.prize_id:
        conditions.append(("p.prize_id = :prize_id", "prize_id", only.prize_id))
    query, values = lists.newest(_PENDING, "p.intent_no", operator, limit, conditions)
    rows = await connection.execute(text(query), values)
    return [_as_pending(row) for row in rows.mappings()]


def _as_pending(row: Any) -> PrizeCashback:
    pending = pending_from_row(row)
    return cashback_of(pending.transaction, pending)
