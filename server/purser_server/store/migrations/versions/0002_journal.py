"""The journal: an operator's transactions in commit order."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JOURNAL_ENDS = """
CREATE TABLE journal_ends (
    operator_no integer PRIMARY KEY,
    last_position bigint NOT NULL
) WITH (fillfactor = 50)
"""

_JOURNAL = """
CREATE TABLE journal (
    operator_no integer NOT NULL,
    last_position bigint NOT NULL,
    size integer NOT NULL,
    numbers_from bigint NOT NULL,
    numbers_to bigint NOT NULL,
    PRIMARY KEY (operator_no, last_position)
)
"""

# What was written before the journal began: positions by number, which is an order of commits
# as good as any for transactions that nobody could follow then.
_HISTORY_SO_FAR = """
INSERT INTO journal (operator_no, last_position, size, numbers_from, numbers_to)
SELECT operator_no, row_number() OVER (PARTITION BY operator_no ORDER BY transaction_no), 1,
       transaction_no, transaction_no
FROM transactions
"""

_ENDS_SO_FAR = """
INSERT INTO journal_ends (operator_no, last_position)
SELECT operator_no, max(last_position) FROM journal GROUP BY operator_no
"""


def upgrade() -> None:
    """Create the journal, with what the history holds already."""
    for statement in (_JOURNAL_ENDS, _JOURNAL, _HISTORY_SO_FAR, _ENDS_SO_FAR):
        op.execute(statement)


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
