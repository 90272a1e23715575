"""Programs and campaigns."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE programs (
        operator_no integer NOT NULL,
        version integer NOT NULL,
        since timestamp with time zone,
        settings jsonb NOT NULL,
        create_time timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (operator_no, version)
    )
    """,
    """
    CREATE TABLE campaigns (
        operator_no integer NOT NULL,
        campaign_id text NOT NULL,
        campaign_no bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
        content jsonb NOT NULL,
        start_time timestamp with time zone,
        end_time timestamp with time zone,
        create_time timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (operator_no, campaign_id)
    )
    """,
    "CREATE UNIQUE INDEX campaigns_by_number ON campaigns (operator_no, campaign_no)",
)


def upgrade() -> None:
    """Make the tables and the index."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
