"""Refunds as they are carried out and kept: what is taken back, and what is told for ever after.

What a refund asks back is decided in `refunding`, and where points come from in `points`. Here both
meet a reward that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from purser_server.domain.earning import Timing, refuse_timing
from purser_server.domain.errors import Refusal
from purser_server.domain.orders import refuse_currency
from purser_server.domain.points import Claim, Points, TakenFrom, take_back
from purser_server.domain.points_commands import Content, PointsCommand
from purser_server.domain.programs import NegativeBalancePolicy, RewardMode
from purser_server.domain.refunding import (
    RefundDecision,
    RefundedLine,
    RefundRequest,
    decide_refund,
)
from purser_server.domain.rewards import StoredReward
from purser_server.domain.transactions import Transaction
from purser_server.domain.values import value


@value
class RefundPurchase(PointsCommand):
    """Reverse a rewarded order or cashback, in whole or in part.

    `currencies` are those of the amounts of the request, each with the amount's path. `is_quote`:
    it is only asked what the refund would do.
    """

    transaction_id: str
    player_id: str
    reverse_transaction_id: str
    transaction_time: datetime
    request: RefundRequest
    currencies: tuple[tuple[str, str], ...] = ()
    is_quote: bool = False
    content: Content = ()


@value
class StoredRefund:
    """A refund as it was answered; none of its figures ever changes.

    Amounts are minor units. `points` and the figures below that count points are minor units of
    cash where the reward was cash. `number` is that of its transaction.
    """

    number: int
    transaction_id: str
    player_id: str
    create_time: datetime
    reverse_transaction_id: str
    transaction_time: datetime
    reward_mode: RewardMode
    currency_code: str
    money: int
    points: int
    base_points: int
    campaign_points: int
    points_not_attributed: int
    taken: TakenFrom
    restored: int
    forfeited: int
    lines: tuple[RefundedLine, ...]
    remaining_amount: int
    remaining_points: int

    @property
    def is_cash(self) -> bool:
        """Whether what it reversed was earned as cash."""
        return self.reward_mode is RewardMode.WALLET_CASH


# -- the rules ----------------------------------------------------------------------------------


def decide_purchase_refund(
    command: RefundPurchase, rewarded: StoredReward, now: datetime
) -> RefundDecision | Refusal:
    """Return what a refund asks back of a reward, and gives back."""
    refusal = refuse_timing(Timing(command.transaction_time, now))
    for path, code in command.currencies:
        refusal = refusal or refuse_currency(path, code, rewarded.reward.currency_code)
    return refusal or decide_refund(rewarded.reward, rewarded.refunded, command.request)


def take_points(
    rewarded: StoredReward, wanted: int, points: Points, now: datetime
) -> tuple[Points, TakenFrom]:
    """Take back points that a reward earned, as far as its policy goes."""
    claim = Claim(rewarded.number, wanted, rewarded.expired - rewarded.expired_told)
    return take_back(points, claim, rewarded.reward.negative_balance_policy, now)


def take_cash(rewarded: StoredReward, wanted: int, in_wallet: int) -> TakenFrom:
    """Return where reversed cash comes from, as far as the reward's policy goes (RefundService).

    What was not paid, yet or ever, is cancelled. Of the rest no more is taken than `in_wallet`, in
    minor units; what is left is owed, or falls short.
    """
    if not rewarded.is_paid:
        return TakenFrom(pending=wanted)
    cancelled = min(wanted, rewarded.unpaid)
    paid = wanted - cancelled
    policy = rewarded.reward.negative_balance_policy
    if policy is NegativeBalancePolicy.PENDING_ONLY:
        return TakenFrom(pending=cancelled, shortfall=paid)
    available = min(paid, in_wallet)
    if policy is NegativeBalancePolicy.ALLOW:
        return TakenFrom(pending=cancelled, available=available, debt=paid - available)
    return TakenFrom(pending=cancelled, available=available, shortfall=paid - available)


def after_refund(
    rewarded: StoredReward, decision: RefundDecision, taken: TakenFrom
) -> StoredReward:
    """Return a reward as a refund leaves it."""
    told = rewarded.expired_told + taken.expired
    unpaid = max(0, rewarded.unpaid - taken.pending)
    after = replace(rewarded, refunded=decision.refunded, expired_told=told, unpaid=unpaid)
    # Cash that was cancelled as a whole is not waited for any more.
    return after if after.points_left else replace(after, is_paid=True)


# -- what is kept -------------------------------------------------------------------------------

_OF_THE_TRANSACTION = (
    "number",
    "transaction_id",
    "player_id",
    "create_time",
    "reverse_transaction_id",
)
"""What a refund's transaction tells by itself."""


def figures_of(refund: StoredRefund) -> Mapping[str, Any]:
    """Return what a refund's transaction does not tell by itself, as JSON can hold it."""
    return {
        **_fields_of(refund, without=_OF_THE_TRANSACTION),
        "transaction_time": refund.transaction_time.isoformat(),
        "taken": _fields_of(refund.taken),
        "lines": [_fields_of(line) for line in refund.lines],
    }


def refund_of(transaction: Transaction) -> StoredRefund:
    """Return the refund that a transaction was answered with."""
    assert transaction.loyalty is not None, "a refund keeps its figures"
    figures: Mapping[str, Any] = transaction.loyalty["refund"]
    told = {
        **figures,
        "transaction_time": datetime.fromisoformat(figures["transaction_time"]),
        "reward_mode": RewardMode(figures["reward_mode"]),
        "taken": TakenFrom(**figures["taken"]),
        "lines": tuple(RefundedLine(**line) for line in figures["lines"]),
    }
    return StoredRefund(
        transaction.number,
        transaction.transaction_id,
        transaction.player_id,
        transaction.create_time,
        transaction.related_transaction_id,
        **told,
    )


def _fields_of(of: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    names = (field.name for field in fields(of))
    return {name: getattr(of, name) for name in names if name not in without}
