"""Sums of what was played: implements `usecases.ports.GameResultStore`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.game_result import Played
from purser_server.domain.transactions import TransactionType
from purser_server.store.engine import again_when_cut, reading

_GAMES = (TransactionType.BET, TransactionType.WIN, TransactionType.ROLLBACK)

# A movement of zero may have no account; its currency stands in its detail. A rollback that found
# nothing to roll back has no currency at all.
_PLAYED = text("""
SELECT t.type, coalesce(a.unit, t.detail ->> 'currency_code') AS currency_code,
       count(*) AS played, sum(t.change) AS change
FROM transactions t
LEFT JOIN accounts a ON a.operator_no = t.operator_no AND a.account_no = t.account_no
WHERE t.operator_no = :operator AND t.type = ANY (:types) AND t.state = 1
  AND t.create_time >= coalesce(cast(:start AS timestamptz), '-infinity')
  AND t.create_time < coalesce(cast(:end AS timestamptz), 'infinity')
  AND coalesce(a.unit, t.detail ->> 'currency_code') IS NOT NULL
GROUP BY 1, 2
""")


class PostgresGameResults:
    """Reads the history; nothing here writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def played(
        self, operator: int, start: datetime | None, end: datetime | None
    ) -> Sequence[Played]:
        """Return what was played from `start` on and before `end`; None leaves a side open."""
        values = {
            "operator": operator,
            "types": [int(kind) for kind in _GAMES],
            "start": start,
            "end": end,
        }
        async with reading(self._engine) as connection:
            rows = await connection.execute(_PLAYED, values)
            return [
                Played(TransactionType(row.type), row.currency_code, row.played, int(row.change))
                for row in rows
            ]
