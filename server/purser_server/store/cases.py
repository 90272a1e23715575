"""Cases, open and ended: implements `usecases.ports.CaseStore`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.cases import Case, CaseDecision
from purser_server.domain.outcomes import Phase
from purser_server.domain.pending import Pending
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.rows import Row, pending_from_row
from purser_server.store.statements import PENDING_COLUMNS, PENDING_JOIN

_JOINS = f"""
{PENDING_JOIN}
JOIN operators o ON o.operator_no = p.operator_no
"""

_OPEN = f"SELECT o.operator_id, {PENDING_COLUMNS} FROM pending p {_JOINS} WHERE p.is_case"

_OPEN_ONE = text(f"{_OPEN} AND p.operator_no = :operator AND p.intent_no = :number")

_OPEN_OF_ONE = text(f"""
{_OPEN} AND p.operator_no = :operator AND p.intent_no > :after
ORDER BY p.intent_no LIMIT :limit
""")

_OPEN_OF_ALL = text(f"{_OPEN} AND p.intent_no > :after ORDER BY p.intent_no LIMIT :limit")

_ENDED_ONE = text(f"""
SELECT p.*, o.operator_id, l.player_id FROM ended_cases p {_JOINS}
WHERE p.operator_no = :operator AND p.intent_no = :number
""")


class PostgresCases:
    """Reads cases; they end in the write path."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def case(self, operator: int, number: int) -> Case | None:
        """Return the case of an intent's number, open or ended."""
        values = {"operator": operator, "number": number}
        async with reading(self._engine) as connection:
            # An open one may end between two looks.
            row = (await connection.execute(_OPEN_ONE, values)).mappings().first()
            return _open_from_row(row) if row else await _ended(connection, values)

    @again_when_cut
    async def open_cases(self, operator: int | None, after: int, limit: int) -> Sequence[Case]:
        """Return open cases of one operator, or of all, oldest first, from behind a number."""
        values = {"after": after, "limit": limit}
        query = _OPEN_OF_ALL
        if operator is not None:
            query, values["operator"] = _OPEN_OF_ONE, operator
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query, values)).mappings()
            return [_open_from_row(row) for row in rows]


async def _ended(connection: AsyncConnection, values: dict[str, int]) -> Case | None:
    row = (await connection.execute(_ENDED_ONE, values)).mappings().first()
    return _ended_from_row(row) if row else None


def _open_from_row(row: Row) -> Case:
    return Case(row["operator_no"], row["operator_id"], pending_from_row(row))


def _ended_from_row(row: Row) -> Case:
    of = Transaction(
        number=row["intent_no"],
        transaction_id=row["transaction_id"],
        type=TransactionType(row["type"]),
        state=TransactionState.PENDING,
        player_id=row["player_id"],
        create_time=row["create_time"],
        currency_code=row["currency_code"],
        amount=row["amount"],
        at_casino=True,
    )
    pending = Pending(
        of, Phase.SENDING, "", row["end_time"], row["attempts"], True, row["last_error"]
    )
    decision = row["decision"]
    return Case(
        row["operator_no"],
        row["operator_id"],
        pending,
        row["end_time"],
        CaseDecision(decision) if decision is not None else None,
        row["note"],
    )
