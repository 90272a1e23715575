"""What the rules decide over, and what they answer with: a decision to carry out, or a refusal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.pending import Pending
from purser_server.domain.players import PlayerStatus
from purser_server.domain.points import Hold
from purser_server.domain.prizes import Prize
from purser_server.domain.refunds import StoredRefund
from purser_server.domain.rewards import StoredReward
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import RollbackOutcome, Transaction
from purser_server.domain.values import value


@value
class Wallet:
    """A player's account in one currency, as locked for this decision. Minor units."""

    account_number: int
    player_id: str
    player_status: PlayerStatus
    currency_code: str
    balance: int
    sequence: int


@value
class Session:
    """A game session that a bet may name."""

    session_id: str
    player_id: str
    game_id: str
    currency_code: str
    is_open: bool


@value
class Answer:
    """A command that succeeded, now or (`replayed`) earlier.

    `pending` is its intent, when the casino must be asked before more can be said.
    """

    transaction: Transaction
    replayed: bool
    pending: Pending | None = None


@value
class HoldAnswer:
    """A hold as it is now: of holds and releases, which post nothing."""

    hold: Hold
    replayed: bool


@value
class RewardAnswer:
    """A reward as it is at `now`; in a quote one that is not stored."""

    rewarded: StoredReward
    now: datetime
    replayed: bool


@value
class PrizeAnswer:
    """A prize as it is `now`: of grants and shipments, which post nothing."""

    prize: Prize
    now: datetime
    replayed: bool


@value
class RefundAnswer:
    """A refund as it was answered first; in a quote one that is not stored."""

    refund: StoredRefund
    replayed: bool


Result = Answer | Refusal
"""What comes of one command that becomes a transaction."""

PointsResult = Answer | HoldAnswer | RewardAnswer | RefundAnswer | Refusal
"""What comes of one command that concerns points."""

PrizeResult = Answer | PrizeAnswer | Refusal
"""What comes of one command that concerns a prize; a return that is denied has an answer."""

AnyResult = Any
"""A `Result`, or of a command that concerns points or prizes theirs."""


def group_failed(index: int) -> Refusal:
    """Refuse a command of an atomic group because the one at `index` failed."""
    return Refusal(
        Reason.ATOMIC_GROUP_FAILED,
        f"operation {index} of the atomic group failed, so none was carried out",
        {"index": str(index)},
    )


@value
class Decision:
    """What an accepted command does.

    `amount` is what the transaction shows, `change` what its wallet gains, both minor units.
    `round` is the round afterwards, None when untouched.
    """

    currency_code: str
    amount: int
    change: int = 0
    round: Round | None = None
    counts_in_round: bool = False
    outcome: RollbackOutcome = RollbackOutcome.NONE
    reverses_original: bool = False
