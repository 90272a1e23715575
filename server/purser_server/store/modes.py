"""Modes of operators, as they are and as they change: implements `usecases.ports.ModeStore`.

A change binds every process at once, and never comes in the midst of play. Each flush locks the
operator's journal end before it commits, and is not written when the mode is another than it was
decided in. So whoever holds that row sees all that was done, and nothing is done beside.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.accounts import AccountKind
from purser_server.domain.callbacks import CallbackSettings, CallbackTls
from purser_server.domain.errors import RefusedError
from purser_server.domain.operators import mode_change_blocked, mode_of
from purser_server.store.engine import again_when_cut, reading
from purser_server.store.tables import (
    accounts,
    journal_ends,
    operators,
    pending,
    players,
    rounds,
)
from purser_server.usecases.ports import Seamless


class PostgresModes:
    """Tells the modes of operators."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def seamless(self, operator: int) -> Seamless | None:
        """Return an operator's id and callback settings, or None in transfer mode."""
        query = select(operators.c.operator_id, operators.c.callback).where(
            operators.c.operator_no == operator
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
        callback = callback_from_json(row.callback) if row is not None else None
        if row is None or callback is None or not callback.is_seamless:
            return None
        return Seamless(row.operator_id, callback)


def callback_from_json(stored: dict[str, Any] | None) -> CallbackSettings | None:
    """Return callback settings as they were stored."""
    if stored is None:
        return None
    tls = CallbackTls(**stored["tls"]) if stored["tls"] is not None else None
    return CallbackSettings(**{**stored, "tls": tls})


async def guard_mode_change(
    connection: AsyncConnection, operator_id: str, to: CallbackSettings
) -> None:
    """Hold up an operator's movements until COMMIT, if these settings change its mode.

    Raises RefusedError: MODE_CHANGE_BLOCKED.
    """
    query = (
        select(operators.c.operator_no, operators.c.callback)
        .where(operators.c.operator_id == operator_id)
        .with_for_update()
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return
    stored = callback_from_json(row.callback)
    is_seamless = stored is not None and stored.is_seamless
    if is_seamless == to.is_seamless:
        return
    # Once without the lock, so that a refusal that takes long holds nobody up.
    await _require_quiet(connection, row.operator_no, is_seamless)
    await connection.execute(
        insert(journal_ends)
        .values(operator_no=row.operator_no, last_position=0, mode_changes=1)
        .on_conflict_do_update(
            index_elements=["operator_no"],
            set_={"mode_changes": journal_ends.c.mode_changes + 1},
        )
    )
    await _require_quiet(connection, row.operator_no, is_seamless)


async def _require_quiet(connection: AsyncConnection, operator: int, is_seamless: bool) -> None:
    """Raise RefusedError for the first thing that is in the way, and name one such."""
    mine = players.c.operator_no == operator
    checks = {
        "OPEN_ROUND": select(players.c.player_id, rounds.c.game_id, rounds.c.round_id).where(
            rounds.c.operator_no == operator,
            rounds.c.closers == 0,
            rounds.c.bets > 0,
            mine,
            players.c.player_no == rounds.c.player_no,
        ),
        "PENDING_CALLBACK": select(pending.c.transaction_id).where(
            pending.c.operator_no == operator
        ),
    }
    if not is_seamless:
        checks["WALLET_NOT_ZERO"] = select(players.c.player_id, accounts.c.unit).where(
            accounts.c.operator_no == operator,
            accounts.c.kind == AccountKind.PLAYER_CASH,
            accounts.c.balance != 0,
            mine,
            players.c.player_no == accounts.c.player_no,
        )
    for blocked_by, check in checks.items():
        found = (await connection.execute(check.limit(1))).first()
        if found is not None:
            raise RefusedError(mode_change_blocked(mode_of(is_seamless), blocked_by, tuple(found)))
