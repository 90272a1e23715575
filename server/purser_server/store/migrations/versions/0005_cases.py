"""Cases, open and ended, and the history by time."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE ended_cases (
        operator_no integer NOT NULL,
        intent_no bigint NOT NULL,
        transaction_id text NOT NULL,
        type smallint NOT NULL,
        player_no bigint NOT NULL,
        currency_code text NOT NULL,
        amount bigint NOT NULL,
        create_time timestamp with time zone NOT NULL,
        attempts integer NOT NULL,
        last_error text NOT NULL,
        end_time timestamp with time zone NOT NULL,
        decision smallint,
        note text NOT NULL,
        PRIMARY KEY (operator_no, intent_no)
    )
    """,
    "CREATE INDEX pending_cases ON pending (operator_no, intent_no) WHERE is_case",
    "CREATE INDEX transactions_by_time ON transactions USING brin (create_time)"
    " WITH (pages_per_range = 32, autosummarize = on)",
)


def upgrade() -> None:
    """Make the table and the indexes."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
