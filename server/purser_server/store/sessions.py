"""Game sessions: implements `usecases.ports.SessionStore`."""

from __future__ import annotations

from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.decisions import Session
from purser_server.store.engine import again_when_cut, writing
from purser_server.store.tables import game_sessions, players


class PostgresSessions:
    """Game sessions by operator and id."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, operator: int, session: Session) -> None:
        """Store an open session."""
        row = select(
            players.c.operator_no,
            literal(session.session_id),
            players.c.player_no,
            literal(session.game_id),
            literal(session.currency_code),
        ).where(players.c.operator_no == operator, players.c.player_id == session.player_id)
        columns = ["operator_no", "session_id", "player_no", "game_id", "currency_code"]
        async with writing(self._engine) as connection:
            await connection.execute(insert(game_sessions).from_select(columns, row))

    @again_when_cut
    async def close(self, operator: int, session_id: str) -> bool:
        """Close a session, perhaps again; False when there is none."""
        closing = (
            update(game_sessions)
            .where(
                game_sessions.c.operator_no == operator,
                game_sessions.c.session_id == session_id,
            )
            .values(close_time=func.coalesce(game_sessions.c.close_time, func.clock_timestamp()))
        )
        async with writing(self._engine) as connection:
            return (await connection.execute(closing)).rowcount == 1
