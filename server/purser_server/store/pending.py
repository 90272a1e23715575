"""Movements whose outcome is not known: implements `usecases.ports.PendingStore`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.pending import Pending
from purser_server.store.engine import again_when_cut, reading, writing
from purser_server.store.operators import callback_from_json
from purser_server.store.rows import pending_from_row
from purser_server.store.statements import PENDING_COLUMNS
from purser_server.store.tables import operators
from purser_server.usecases.ports import Seamless

# Whoever takes an intent holds it for an attempt and a margin, by PostgreSQL's clock.
_TAKE = text(f"""
WITH due AS (
  SELECT operator_no, transaction_id FROM pending
  WHERE due_time <= clock_timestamp()
  ORDER BY due_time LIMIT :limit FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE pending p
  SET due_time = clock_timestamp() + make_interval(
        secs => coalesce((o.callback ->> 'deadline_ms')::int, 2000) / 1000.0 + 3)
  FROM due, operators o
  WHERE p.operator_no = due.operator_no AND p.transaction_id = due.transaction_id
    AND o.operator_no = p.operator_no
  RETURNING p.*
)
SELECT {PENDING_COLUMNS}
FROM taken p
JOIN players l ON l.operator_no = p.operator_no AND l.player_no = p.player_no
""")


class PostgresPending:
    """Hands out intents that are due, each to one taker at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take_due(self, limit: int) -> Sequence[tuple[int, Pending]]:
        """Take intents that are due, with their operators; nobody else gets them meanwhile."""
        async with writing(self._engine) as connection:
            rows = (await connection.execute(_TAKE, {"limit": limit})).mappings()
            return [(row["operator_no"], pending_from_row(row)) for row in rows]

    async def hold(self, operator: int, transaction_id: str, seconds: float) -> None:
        """Hold an intent for so many seconds from now."""
        async with writing(self._engine) as connection:
            await connection.execute(
                _HOLD, {"operator": operator, "id": transaction_id, "seconds": seconds}
            )

    @again_when_cut
    async def settings(self, operator: int) -> Seamless | None:
        """Return an operator's id and callback settings, or None in transfer mode."""
        query = select(operators.c.operator_id, operators.c.callback).where(
            operators.c.operator_no == operator
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        callback: CallbackSettings | None = callback_from_json(row.callback)
        if callback is None or not callback.target:
            return None
        return Seamless(row.operator_id, callback)


_HOLD = text("""
UPDATE pending SET due_time = clock_timestamp() + make_interval(secs => :seconds)
WHERE operator_no = :operator AND transaction_id = :id
""")
