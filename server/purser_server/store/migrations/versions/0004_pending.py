"""Movements whose outcome at the casino is not known, and a guard for changes of mode."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE pending (
        operator_no integer NOT NULL,
        transaction_id text NOT NULL,
        intent_no bigint NOT NULL,
        type smallint NOT NULL,
        player_no bigint NOT NULL,
        currency_code text NOT NULL,
        amount bigint NOT NULL,
        game_id text NOT NULL,
        round_id text NOT NULL,
        related_id text NOT NULL,
        win_type smallint NOT NULL,
        flags smallint NOT NULL,
        original_type smallint NOT NULL,
        undo_id text NOT NULL,
        create_time timestamp with time zone NOT NULL,
        phase smallint NOT NULL,
        due_time timestamp with time zone NOT NULL,
        attempts integer NOT NULL,
        is_case boolean NOT NULL,
        last_error text NOT NULL,
        PRIMARY KEY (operator_no, transaction_id)
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX pending_by_player ON pending (player_no, operator_no)",
    "CREATE INDEX pending_by_due_time ON pending (due_time)",
    "ALTER TABLE journal_ends ADD COLUMN mode_changes integer NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    """Make the table and the column."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
