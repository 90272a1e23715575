"""Rewards, what is owed of cashback, and which order a redemption paid."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # A reward whose cash waits to be paid has a due_time.
    """
    CREATE TABLE rewards (
        operator_no integer NOT NULL,
        transaction_id text NOT NULL,
        reward_no bigint NOT NULL,
        player_no bigint NOT NULL,
        create_time timestamp with time zone NOT NULL,
        due_time timestamp with time zone,
        redemption_id text NOT NULL,
        expired bigint NOT NULL DEFAULT 0,
        expired_told bigint NOT NULL,
        collected bigint NOT NULL,
        refunded jsonb NOT NULL,
        reward jsonb NOT NULL,
        PRIMARY KEY (operator_no, transaction_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE UNIQUE INDEX rewards_by_number ON rewards (operator_no, reward_no)",
    """
    CREATE INDEX rewards_unpaid ON rewards (player_no, operator_no, due_time)
    WHERE due_time IS NOT NULL
    """,
    "CREATE INDEX rewards_due ON rewards (due_time) WHERE due_time IS NOT NULL",
    """
    CREATE TABLE owed_cashback (
        operator_no integer NOT NULL,
        player_no bigint NOT NULL,
        currency_code text NOT NULL,
        owed bigint NOT NULL,
        PRIMARY KEY (operator_no, player_no, currency_code)
    )
    """,
    """
    ALTER TABLE redemptions
        ADD COLUMN redemption_no bigint,
        ADD COLUMN player_no bigint,
        ADD COLUMN points bigint,
        ADD COLUMN currency_code text,
        ADD COLUMN amount bigint,
        ADD COLUMN hold_id text,
        ADD COLUMN order_id text NOT NULL DEFAULT ''
    """,
    """
    UPDATE redemptions r
    SET redemption_no = t.transaction_no, player_no = t.player_no, points = t.amount,
        currency_code = coalesce(t.detail -> 'loyalty' -> 'value' ->> 0, ''),
        amount = coalesce((t.detail -> 'loyalty' -> 'value' ->> 1)::bigint, 0),
        hold_id = coalesce(t.detail -> 'loyalty' ->> 'hold_id', '')
    FROM transactions t
    WHERE t.operator_no = r.operator_no AND t.transaction_id = r.transaction_id
    """,
    """
    ALTER TABLE redemptions
        ALTER COLUMN redemption_no SET NOT NULL,
        ALTER COLUMN player_no SET NOT NULL,
        ALTER COLUMN points SET NOT NULL,
        ALTER COLUMN currency_code SET NOT NULL,
        ALTER COLUMN amount SET NOT NULL,
        ALTER COLUMN hold_id SET NOT NULL,
        ALTER COLUMN order_id DROP DEFAULT
    """,
)


def upgrade() -> None:
    """Make the tables and fill the columns."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
