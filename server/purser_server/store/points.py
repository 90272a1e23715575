"""Points as they are read: implements `usecases.loyalty_ports.PointsStore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.accounts import AccountKind
from purser_server.domain.points import Hold, HoldState, points_of
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.store import lists
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.points_rows import (
    REDEMPTION_COLUMNS,
    hold_from_row,
    lot_from_row,
    redemption_from_row,
)
from purser_server.store.rows import transaction_from_row
from purser_server.store.statements import LISTED_COLUMNS, TRANSACTION_JOINS
from purser_server.usecases.loyalty_ports import PlayerPoints, PointsFilter, Redeemed

_KIND = int(AccountKind.PLAYER_POINTS)
_ACTIVE = int(HoldState.ACTIVE)

# Points expire at their time, however much later that is posted.
_TOOK_PLACE = f"""
CASE t.type WHEN {int(TransactionType.POINTS_EXPIRY)}
     THEN (t.detail #>> '{{loyalty,expire_time}}')::timestamptz ELSE t.create_time END
"""

_PLAYER = text(f"""
SELECT p.player_no, clock_timestamp() AS now, coalesce(a.balance, 0) AS balance
FROM players p
LEFT JOIN accounts a ON a.operator_no = p.operator_no AND a.player_no = p.player_no
                    AND a.kind = {_KIND}
WHERE p.operator_no = :operator AND p.player_id = :player_id
""")

_LOTS = text("""
SELECT l.lot_no, l.earned_no, l.points, l.available_time, l.expire_time, t.transaction_id
FROM lots l
JOIN transactions t ON t.operator_no = l.operator_no AND t.transaction_no = l.earned_no
WHERE l.player_no = :player AND l.operator_no = :operator ORDER BY l.lot_no
""")

_OWED = text("""
SELECT currency_code, owed FROM owed_cashback
WHERE operator_no = :operator AND player_no = :player AND owed > 0 ORDER BY currency_code
""")

_HOLDS = text(f"""
SELECT hold_id, '' AS player_id, state, expire_time, detail FROM holds
WHERE player_no = :player AND operator_no = :operator AND state = {_ACTIVE}
""").columns(detail=JSONB)

_HOLD = text("""
SELECT h.hold_id, p.player_id, h.state, h.expire_time, h.detail
FROM holds h JOIN players p ON p.operator_no = h.operator_no AND p.player_no = h.player_no
WHERE h.operator_no = :operator AND h.hold_id = :hold_id AND h.state <> 0
""").columns(detail=JSONB)

_REDEMPTION = text(f"""
SELECT {REDEMPTION_COLUMNS}, t.create_time
FROM redemptions r
JOIN players p ON p.operator_no = r.operator_no AND p.player_no = r.player_no
JOIN transactions t ON t.operator_no = r.operator_no AND t.transaction_no = r.redemption_no
WHERE r.operator_no = :operator AND r.transaction_id = :transaction_id
""").columns(parts=JSONB)

_DUE = text(f"""
SELECT DISTINCT o.operator_no, p.player_id FROM (
    (SELECT operator_no, player_no FROM lots
     WHERE expire_time <= clock_timestamp() ORDER BY expire_time LIMIT :limit)
    UNION ALL
    (SELECT operator_no, player_no FROM holds
     WHERE state = {_ACTIVE} AND expire_time <= clock_timestamp()
     ORDER BY expire_time LIMIT :limit)
    UNION ALL
    (SELECT operator_no, player_no FROM rewards
     WHERE due_time <= clock_timestamp() ORDER BY due_time LIMIT :limit)
) AS o
JOIN players p ON p.operator_no = o.operator_no AND p.player_no = o.player_no
LIMIT :limit
""")


class PostgresPoints:
    """Reads points; they change in the write path."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def points(self, operator: int, player_id: str) -> PlayerPoints | None:
        """Return a player's points as they are stored, and PostgreSQL's time; None: no player."""
        async with reading(self._engine) as connection:
            # Balance, lots and holds as of one moment.
            await connection.execution_options(isolation_level="REPEATABLE READ")
            values: dict[str, Any] = {"operator": operator, "player_id": player_id}
            found = (await connection.execute(_PLAYER, values)).first()
            if found is None:
                return None
            return await _points(connection, operator, found)

    @again_when_cut
    async def history(
        self, operator: int, only: PointsFilter, before: int | None, limit: int
    ) -> Sequence[Transaction]:
        """Return what changed a player's points, newest first, from before a number."""
        conditions = (
            *lists.of_player("t", only.player_id),
            *lists.is_any("t.type", "types", only.types),
            *lists.within(_TOOK_PLACE, only.start_time, only.end_time),
            *lists.before("t.transaction_no", before),
        )
        sql, values = lists.newest(_HISTORY, "t.transaction_no", operator, limit, conditions)
        query = text(sql).columns(detail=JSONB)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query, values)).mappings()
            return [_change_from_row(row) for row in rows]

    @again_when_cut
    async def hold(self, operator: int, hold_id: str) -> tuple[str, Hold] | None:
        """Return a hold with its player's id."""
        values = {"operator": operator, "hold_id": hold_id}
        async with reading(self._engine) as connection:
            row = (await connection.execute(_HOLD, values)).mappings().first()
        if row is None:
            return None
        stored = hold_from_row(row)
        return stored.player_id, stored.hold

    @again_when_cut
    async def redemption(self, operator: int, transaction_id: str) -> Redeemed | None:
        """Return a redemption, and what may still come back of it."""
        values = {"operator": operator, "transaction_id": transaction_id}
        async with reading(self._engine) as connection:
            row = (await connection.execute(_REDEMPTION, values)).mappings().first()
        return Redeemed(redemption_from_row(row), row["create_time"]) if row else None

    @again_when_cut
    async def due(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return players whose lots have expired, holds lapsed or cash is to be paid."""
        async with reading(self._engine) as connection:
            rows = await connection.execute(_DUE, {"limit": limit})
            return [(row.operator_no, row.player_id) for row in rows]


# With what had brought the points that expired.
_HISTORY = f"""
SELECT {LISTED_COLUMNS}, e.transaction_id AS earned_id
FROM transactions t {TRANSACTION_JOINS}
LEFT JOIN transactions e
  ON e.operator_no = t.operator_no
 AND e.transaction_no = (t.detail -> 'loyalty' ->> 'earned_by')::bigint
WHERE a.kind = {_KIND} AND t.change <> 0 AND t.operator_no = :operator
"""


def _change_from_row(row: Any) -> Transaction:
    change = transaction_from_row(row)
    return replace(change, related_transaction_id=row["earned_id"] or change.related_transaction_id)


async def _points(connection: AsyncConnection, operator: int, player: Any) -> PlayerPoints:
    values = {"operator": operator, "player": player.player_no}
    lots = (await connection.execute(_LOTS, values)).mappings().all()
    holds = (await connection.execute(_HOLDS, values)).mappings()
    active = [hold_from_row(row).hold for row in holds]
    assert all(hold.state is HoldState.ACTIVE for hold in active)
    points = points_of([lot_from_row(row) for row in lots], active, player.balance)
    owed = {row.currency_code: row.owed for row in await connection.execute(_OWED, values)}
    earned_by = {row["earned_no"]: row["transaction_id"] for row in lots}
    return PlayerPoints(points, player.now, earned_by, owed)
