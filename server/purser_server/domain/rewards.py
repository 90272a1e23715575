"""Rewards as they are kept: what a purchase earned, what was taken back of it, where it stands.

What is earned is calculated in `earning`; here it meets the program of its time, and the points
that paid a part of the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from purser_server.domain.earning import Reward, Timing, reward_of_amount, reward_of_order
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import quoted
from purser_server.domain.orders import Order
from purser_server.domain.points_commands import Content, PointsCommand
from purser_server.domain.programs import Campaign, Program, RewardMode, program_at
from purser_server.domain.redemptions import Redemption
from purser_server.domain.reversals import Refunded, reversed_points
from purser_server.domain.values import Number, value


@value
class EarnReward(PointsCommand):
    """Reward an order, or (`is_bare`) an amount, which is an order of nothing but `total_paid`.

    A part of the order may be paid with a hold, which is captured, or with a redemption.
    `is_quote`: it is only asked what would be earned.
    """

    transaction_id: str
    player_id: str
    transaction_time: datetime
    order: Order
    exponent: int
    is_bare: bool = False
    hold_id: str = ""
    redemption_transaction_id: str = ""
    return_window_days: int | None = None
    is_quote: bool = False
    content: Content = ()


class RewardState(Number):
    """Where a reward stands; the numbers are those of the contract."""

    PENDING = 1
    AVAILABLE = 2
    REVERSED = 3


@value
class StoredReward:
    """A reward and all that happened to it since. `number` is that of its transaction.

    `expired` of its points have expired unspent, of which refunds have told `expired_told`. Cash
    that is to be paid when the reward becomes available is not paid (`is_paid`) before; `collected`
    of it went to what the player owed, and `unpaid` of it will never be paid: a person gave it up.
    """

    number: int
    transaction_id: str
    player_id: str
    create_time: datetime
    reward: Reward
    refunded: Refunded
    redemption_transaction_id: str = ""
    expired: int = 0
    expired_told: int = 0
    is_paid: bool = True
    collected: int = 0
    unpaid: int = 0

    @property
    def is_cash(self) -> bool:
        """Whether it was earned as cash."""
        return self.reward.reward_mode is RewardMode.WALLET_CASH

    @property
    def points_left(self) -> int:
        """How many points, or minor units of cash, are not taken back."""
        return self.reward.points - reversed_points(self.reward, self.refunded)

    def state(self, now: datetime) -> RewardState:
        """Tell where it stands: it becomes available exactly at its time."""
        if self.reward.points and not self.points_left:
            return RewardState.REVERSED
        is_pending = now < self.reward.available_time
        return RewardState.PENDING if is_pending else RewardState.AVAILABLE


@value
class Payment:
    """What a cash reward pays when its time has come, and what is still owed afterwards."""

    amount: int
    collected: int
    owed: int


def payment_of(rewarded: StoredReward, owed: int) -> Payment:
    """Return what is paid of a cash reward: what a player owes is paid from it first."""
    collected = min(rewarded.points_left, owed)
    return Payment(rewarded.points_left - collected, collected, owed - collected)


def given_up(rewarded: StoredReward, amount: int, owed: int) -> tuple[StoredReward, int]:
    """Return a reward whose payment of an amount never was, and what is still owed afterwards.

    It pays what the player owes first, as any payment does: refunds may have been asked meanwhile
    for what the player never got.
    """
    collected = min(amount, owed)
    collected_in_all = rewarded.collected + collected
    after = replace(rewarded, collected=collected_in_all, unpaid=amount - collected)
    return after, owed - collected


def decide_reward(
    command: EarnReward,
    versions: Iterable[Program],
    campaigns: Iterable[Campaign],
    redeemed: Redemption | None,
    now: datetime,
) -> Reward | Refusal:
    """Return what a purchase earns under the program and the campaigns of its time."""
    field = "amount" if command.is_bare else "total_paid"
    program = program_at(versions, command.transaction_time)
    if program is None:
        return invalid_field(f"{field}.currency_code", "must be that of a program, first")
    timing = Timing(command.transaction_time, now, command.return_window_days)
    order, paid = command.order, command.order.total_paid
    if command.is_bare:
        code = order.currency_code
        return reward_of_amount(program, timing, code, paid, command.exponent)
    if redeemed is not None:
        refusal = _refuse_worth(command, redeemed)
        if refusal is not None:
            return refusal
        order = replace(
            order, redeemed_points=redeemed.points_left, redeemed_amount=redeemed.amount_left
        )
    return reward_of_order(program, campaigns, timing, order, command.exponent)


def _refuse_worth(command: EarnReward, redeemed: Redemption) -> Refusal | None:
    """Refuse points that do not pay in the order's currency, or that pay for another order."""
    field = "hold_id" if command.hold_id else "redemption_transaction_id"
    code = command.order.currency_code
    if redeemed.currency_code != code:
        return invalid_field(field, f"must be worth an amount in {code}")
    if redeemed.order_transaction_id not in ("", command.transaction_id):
        return invalid_field(field, f"pays for order {quoted(redeemed.order_transaction_id)}")
    return None


def order_not_found(transaction_id: str) -> Refusal:
    """Refuse because nothing was rewarded under this id, or it was another player's."""
    return Refusal(
        Reason.ORDER_NOT_FOUND,
        f"there is no rewarded order or cashback {quoted(transaction_id)}",
        {"transaction_id": transaction_id},
    )
