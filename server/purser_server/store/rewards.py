"""Rewards as they are read: implements `usecases.loyalty_ports.RewardStore`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.rewards import StoredReward
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.reward_rows import REWARD_COLUMNS, reward_from_row

_REWARD = text(f"""
SELECT {REWARD_COLUMNS}, clock_timestamp() AS now
FROM rewards r JOIN players p ON p.operator_no = r.operator_no AND p.player_no = r.player_no
WHERE r.operator_no = :operator AND r.transaction_id = :transaction_id
""").columns(reward=JSONB, refunded=JSONB)


class PostgresRewards:
    """Reads rewards; they change in the write path."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def reward(
        self, operator: int, transaction_id: str
    ) -> tuple[StoredReward, datetime] | None:
        """Return a reward, and PostgreSQL's time."""
        values = {"operator": operator, "transaction_id": transaction_id}
        async with reading(self._engine) as connection:
            row = (await connection.execute(_REWARD, values)).mappings().first()
        return (reward_from_row(row), row["now"]) if row is not None else None
