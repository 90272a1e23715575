"""Prizes, and what is pending of their returns."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE prizes (
        operator_no integer NOT NULL,
        prize_id text NOT NULL,
        prize_no bigint NOT NULL,
        player_no bigint NOT NULL,
        name text NOT NULL,
        currency_code text NOT NULL,
        cash_value bigint NOT NULL,
        create_time timestamp with time zone NOT NULL,
        expire_time timestamp with time zone,
        state smallint NOT NULL,
        return_id text NOT NULL,
        PRIMARY KEY (operator_no, prize_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE UNIQUE INDEX prizes_by_number ON prizes (operator_no, prize_no)",
    "CREATE INDEX prizes_by_player ON prizes (player_no, operator_no, prize_no)",
    # Among all that games do, the few cashbacks of prizes are found by this alone.
    "CREATE INDEX transactions_of_prizes ON transactions (operator_no, transaction_no)"
    " WHERE type = 9",
    "ALTER TABLE pending ADD COLUMN prize_id text NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    """Make the table, its indexes and the column."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
