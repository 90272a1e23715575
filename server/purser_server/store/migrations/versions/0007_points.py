"""Points: lots, holds, and what may come back of redemptions."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE lots (
        operator_no integer NOT NULL,
        lot_no bigint NOT NULL,
        player_no bigint NOT NULL,
        earned_no bigint NOT NULL,
        points bigint NOT NULL,
        available_time timestamp with time zone NOT NULL,
        expire_time timestamp with time zone,
        PRIMARY KEY (operator_no, lot_no)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX lots_by_player ON lots (player_no, operator_no)",
    "CREATE INDEX lots_by_expire_time ON lots (expire_time) WHERE expire_time IS NOT NULL",
    """
    CREATE TABLE holds (
        operator_no integer NOT NULL,
        hold_id text NOT NULL,
        player_no bigint NOT NULL,
        state smallint NOT NULL,
        expire_time timestamp with time zone NOT NULL,
        detail jsonb NOT NULL,
        PRIMARY KEY (operator_no, hold_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX holds_by_player ON holds (player_no, operator_no, state)",
    "CREATE INDEX holds_by_expire_time ON holds (expire_time) WHERE state = 1",
    """
    CREATE TABLE redemptions (
        operator_no integer NOT NULL,
        transaction_id text NOT NULL,
        parts jsonb NOT NULL,
        PRIMARY KEY (operator_no, transaction_id)
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
