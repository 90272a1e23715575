"""What of a reward's cash will never be paid, for a person has given it up."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column."""
    op.execute("ALTER TABLE rewards ADD COLUMN unpaid bigint NOT NULL DEFAULT 0")


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
