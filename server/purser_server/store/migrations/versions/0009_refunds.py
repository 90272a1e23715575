"""Which transactions are refunds, to list them by player and by order."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE refunds (
        operator_no integer NOT NULL,
        refund_no bigint NOT NULL,
        player_no bigint NOT NULL,
        reward_no bigint NOT NULL,
        PRIMARY KEY (operator_no, refund_no)
    )
    """,
    "CREATE INDEX refunds_by_player ON refunds (operator_no, player_no, refund_no)",
    "CREATE INDEX refunds_by_reward ON refunds (operator_no, reward_no, refund_no)",
)


def upgrade() -> None:
    """Make the table."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
