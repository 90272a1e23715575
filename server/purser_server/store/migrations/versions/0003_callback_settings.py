"""How each operator's casino is called in seamless mode."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give operators a place for their callback settings."""
    op.execute("ALTER TABLE operators ADD COLUMN callback jsonb")


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
