"""Movements whose outcome is not known: implements `usecases.ports.PendingStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.callbacks import LEASE_MARGIN
from purser_server.domain.pending import Pending
from purser_server.store.engine import again_when_cut, reading, writing
from purser_server.store.rows import pending_from_row
from purser_server.store.statements import PENDING_COLUMNS, PENDING_JOIN

_LOOKED_AT = 5_000
"""How many due intents a look ranks; behind so many of one operator's others wait for a look."""

# Whoever takes an intent holds it for an attempt and a margin, by PostgreSQL's clock. Of each
# operator only a few are taken, so that one whose casino hangs does not keep the others waiting.
_TAKE = text(f"""
WITH looked_at AS (
  SELECT operator_no, transaction_id, due_time FROM pending
  WHERE due_time <= clock_timestamp() AND operator_no <> ALL (:busy)
  ORDER BY due_time LIMIT {_LOOKED_AT}
), ranked AS (
  SELECT operator_no, transaction_id,
         row_number() OVER (PARTITION BY operator_no ORDER BY due_time) AS place
  FROM looked_at
), due AS (
  SELECT p.operator_no, p.transaction_id
  FROM ranked r
  JOIN pending p ON p.operator_no = r.operator_no AND p.transaction_id = r.transaction_id
  WHERE r.place <= :each AND p.due_time <= clock_timestamp()
  LIMIT :limit FOR UPDATE OF p SKIP LOCKED
), taken AS (
  UPDATE pending p
  SET due_time = clock_timestamp() + :margin
        + coalesce((o.callback ->> 'deadline_ms')::int, 0) * interval '1 millisecond'
  FROM due, operators o
  WHERE p.operator_no = due.operator_no AND p.transaction_id = due.transaction_id
    AND o.operator_no = p.operator_no
  RETURNING p.*
)
SELECT {PENDING_COLUMNS}
FROM taken p
{PENDING_JOIN}
""").bindparams(bindparam("margin", LEASE_MARGIN, Interval))


class PostgresPending:
    """Hands out intents that are due, each to one taker at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take_due(
        self, limit: int, each: int, busy: Sequence[int]
    ) -> Sequence[tuple[int, Pending]]:
        """Take intents that are due, with their operators; nobody else gets them meanwhile.

        At most `each` of one operator, and none of the operators that are `busy`.
        """
        values = {"limit": limit, "each": each, "busy": list(busy)}
        async with writing(self._engine) as connection:
            rows = (await connection.execute(_TAKE, values)).mappings()
            return [(row["operator_no"], pending_from_row(row)) for row in rows]

    async def hold(self, operator: int, transaction_id: str, seconds: float) -> None:
        """Hold an intent for so many seconds from now."""
        async with writing(self._engine) as connection:
            await connection.execute(
                _HOLD, {"operator": operator, "id": transaction_id, "seconds": seconds}
            )

    @again_when_cut
    async def waiting(self) -> Mapping[str, tuple[int, int, float]]:
        """Return what waits, by operator id: intents, those that are cases, seconds of the oldest.

        Operators with none are left out.
        """
        async with reading(self._engine) as connection:
            return {row[0]: (row[1], row[2], row[3]) for row in await connection.execute(_WAITING)}


_HOLD = text("""
UPDATE pending SET due_time = clock_timestamp() + make_interval(secs => :seconds)
WHERE operator_no = :operator AND transaction_id = :id
""")

_WAITING = text("""
SELECT o.operator_id, count(*), count(*) FILTER (WHERE p.is_case),
       extract(epoch FROM clock_timestamp() - min(p.create_time))::float
FROM pending p JOIN operators o ON o.operator_no = p.operator_no
GROUP BY 1
""")
