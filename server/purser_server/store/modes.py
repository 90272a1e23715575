"""The change of an operator's mode: it binds every process at once, and never in the midst of play.

Each flush locks the operator's journal end before it commits, and is not written when the mode is
another than it was decided in. So whoever holds that row sees all that was done, and nothing is
done beside.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from purser_server.domain.accounts import AccountKind
from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.errors import RefusedError
from purser_server.domain.operators import mode_change_blocked, mode_of
from purser_server.store.tables import (
    accounts,
    journal_ends,
    operators,
    pending,
    players,
    rounds,
)


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
    is_seamless = bool(row.callback and row.callback["target"])
    if is_seamless == bool(to.target):
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
