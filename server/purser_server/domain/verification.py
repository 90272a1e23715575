"""What a verification of the ledger finds."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime

from purser_server.domain.values import Number, value

MAX_FINDINGS = 1_000
"""A verification lists so many findings at the most, and says when there are more."""


class FindingKind(Number):
    """The kinds of damage; the numbers are those of the contract."""

    ZERO_SUM_BROKEN = 1
    BALANCE_MISMATCH = 2
    SEQUENCE_GAP = 3
    POSTING_CHAIN_BROKEN = 4
    NEGATIVE_BALANCE = 5
    ROUND_TOTALS_MISMATCH = 6
    TRANSACTION_MALFORMED = 7
    REVERSAL_MISMATCH = 8
    PLAYER_MISMATCH = 9
    PRIZE_MISMATCH = 10


@value
class Finding:
    """One inconsistency: where it is, what was expected, what was found."""

    kind: FindingKind
    operator_id: str
    message: str
    expected: str
    found: str
    player_id: str = ""
    currency_code: str = ""
    transaction_id: str = ""
    round_id: str = ""


@value
class Verification:
    """The result of a verification; consistent when nothing was found."""

    verify_time: datetime
    counts: dict[str, int]
    findings: tuple[Finding, ...] = field(default=())
    truncated: bool = False

    @property
    def consistent(self) -> bool:
        """Whether the ledger is whole."""
        return not self.findings
