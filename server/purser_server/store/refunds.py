"""Refunds as they are read: implements `usecases.loyalty_ports.RefundStore`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import TextualSelect, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.refunds import StoredRefund, refund_of
from purser_server.domain.transactions import TransactionState, TransactionType
from purser_server.store import lists
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.rows import transaction_from_row
from purser_server.store.statements import TRANSACTION_COLUMNS, TRANSACTION_JOINS
from purser_server.usecases.loyalty_ports import RefundFilter

PAGE_BYTES = 8 * 1024 * 1024
"""How much text a page of refunds begins at most: an answer must fit into a message."""

_ONE = text(f"""
SELECT {TRANSACTION_COLUMNS}
FROM transactions t {TRANSACTION_JOINS}
WHERE t.operator_no = :operator AND t.transaction_id = :transaction_id
  AND t.type = {int(TransactionType.CASHBACK_REVERSAL)}
  AND t.state = {int(TransactionState.COMPLETED)}
""").columns(detail=JSONB)


class PostgresRefunds:
    """Reads refunds; they are made in the write path."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def refund(self, operator: int, transaction_id: str) -> StoredRefund | None:
        """Return a refund that was carried out."""
        values = {"operator": operator, "transaction_id": transaction_id}
        async with reading(self._engine) as connection:
            row = (await connection.execute(_ONE, values)).mappings().first()
        return refund_of(transaction_from_row(row)) if row is not None else None

    @again_when_cut
    async def refunds(
        self, operator: int, only: RefundFilter, before: int | None, limit: int
    ) -> tuple[Sequence[StoredRefund], bool]:
        """Return refunds, newest first, from before a number, and whether there are more."""
        where, values = lists.filtered(operator, _conditions(only, before))
        values["limit"] = limit
        async with reading(self._engine) as connection:
            found = await connection.execute(_page(where), values)
            rows = found.mappings().all()
        more = bool(rows) and rows[0]["found"] > len(rows)
        return [refund_of(transaction_from_row(row)) for row in rows], more


def _conditions(only: RefundFilter, before: int | None) -> Iterator[lists.Condition]:
    yield from lists.of_player("f", only.player_id)
    if only.reverse_transaction_id:
        reward = "SELECT reward_no FROM rewards WHERE operator_no = :operator"
        condition = f"f.reward_no = ({reward} AND transaction_id = :reversed_id)"
        yield condition, "reversed_id", only.reverse_transaction_id
    yield from lists.before("f.refund_no", before)


def _page(where: str) -> TextualSelect:
    """Select a page, and in `found` whether one more than `limit` was there."""
    return text(f"""
WITH page AS (
    SELECT f.refund_no, octet_length((t.detail #> '{{loyalty,refund}}')::text) AS size
    FROM refunds f
    JOIN transactions t ON t.operator_no = f.operator_no AND t.transaction_no = f.refund_no
    WHERE f.operator_no = :operator{where}
    ORDER BY f.refund_no DESC LIMIT :limit + 1
), sized AS (
    SELECT refund_no, count(*) OVER () AS found,
           sum(size) OVER (ORDER BY refund_no DESC) - size AS bytes_before
    FROM page
)
SELECT sized.found, {TRANSACTION_COLUMNS}
FROM sized
JOIN transactions t ON t.operator_no = :operator AND t.transaction_no = sized.refund_no
{TRANSACTION_JOINS}
WHERE sized.bytes_before < {PAGE_BYTES}
ORDER BY sized.refund_no DESC LIMIT :limit
""").columns(detail=JSONB)
