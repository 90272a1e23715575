"""The history in commit order: implements `usecases.ports.FeedStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.transactions import Transaction
from purser_server.ledger.ports import NUMBERS_PER_FLUSH
from purser_server.store.engine import reading
from purser_server.store.rows import transaction_from_row
from purser_server.store.statements import LISTED_COLUMNS, TRANSACTION_JOINS
from purser_server.store.tables import journal_ends

# The flushes that reach into the page, and their transactions. A flush's transactions have its
# positions in the order of their numbers, the last of them `last_position`.
_PAGE = text(f"""
SELECT t.last_position + 1 - row_number() OVER (
         PARTITION BY t.last_position ORDER BY t.transaction_no DESC
       ) AS position, {LISTED_COLUMNS}
FROM (
  SELECT j.last_position, t.*
  FROM (
    SELECT * FROM journal
    WHERE operator_no = :operator AND last_position > :after
      AND last_position < :after + :limit + {NUMBERS_PER_FLUSH}
      AND last_position - size < :after + :limit
    ORDER BY last_position LIMIT :limit
  ) AS j
  JOIN transactions t ON t.operator_no = j.operator_no
                     AND t.transaction_no BETWEEN j.numbers_from AND j.numbers_to
) AS t
{TRANSACTION_JOINS}
ORDER BY position
""").columns(detail=JSONB)


class PostgresFeed:
    """Reads the journal; nothing here writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self, operator: int, after: int, limit: int
    ) -> Sequence[tuple[int, Transaction]]:
        """Return the transactions behind position `after`, with their positions, in order."""
        values = {"operator": operator, "after": after, "limit": limit}
        async with reading(self._engine) as connection:
            rows = (await connection.execute(_PAGE, values)).mappings()
            page = [(row["position"], row) for row in rows if row["position"] > after]
            return [(position, transaction_from_row(row)) for position, row in page[:limit]]

    async def last_positions(self, operators: Sequence[int]) -> Mapping[int, int]:
        """Return the position of each operator's last transaction; those without are left out."""
        query = select(journal_ends.c.operator_no, journal_ends.c.last_position).where(
            journal_ends.c.operator_no.in_(operators)
        )
        async with reading(self._engine) as connection:
            return {row.operator_no: row.last_position for row in await connection.execute(query)}
