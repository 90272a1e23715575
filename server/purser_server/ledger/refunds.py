"""Refunds within a flush: what was earned is taken back, and what points paid is given back."""

from __future__ import annotations

from dataclasses import replace

from purser_server.domain.decisions import PointsResult, RefundAnswer
from purser_server.domain.errors import Refusal
from purser_server.domain.points import Points, Restored, TakenFrom, restore
from purser_server.domain.redemptions import Redemption
from purser_server.domain.refunding import RefundDecision
from purser_server.domain.refunds import (
    RefundPurchase,
    StoredRefund,
    after_refund,
    decide_purchase_refund,
    figures_of,
    refund_of,
    take_cash,
    take_points,
)
from purser_server.domain.rewards import StoredReward, order_not_found
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.domain.values import value
from purser_server.ledger.loyalty_book import LoyaltyBook
from purser_server.ledger.own_ids import own_id


@value
class _Effect:
    """What a refund does: `points` are the player's once earned ones are taken.

    `back` is what then comes back of `redemption`, if points had paid a part of the order.
    """

    decision: RefundDecision
    points: Points
    taken: TakenFrom
    redemption: Redemption | None = None
    back: Restored | None = None


class RefundRules:
    """The rules, each with the state it needs."""

    def __init__(self, book: LoyaltyBook) -> None:
        self._book = book
        self._state = book.state
        self._loyalty = book.loyalty

    def told_again(self, known: Transaction) -> RefundAnswer:
        """Tell a refund again as it was answered first."""
        return RefundAnswer(refund_of(known), replayed=True)

    def refund(self, operator: int, command: RefundPurchase) -> PointsResult:
        """Reverse a purchase, or tell what that would do."""
        reversed_id = command.reverse_transaction_id
        rewarded = self._loyalty.rewards.get((operator, reversed_id))
        if rewarded is None or rewarded.player_id != command.player_id:
            return order_not_found(reversed_id)
        asked = self._book.transaction(
            TransactionType.CASHBACK_REVERSAL,
            command.transaction_id,
            command.player_id,
            related_transaction_id=reversed_id,
            loyalty={"content": command.content},
        )
        decision = decide_purchase_refund(command, rewarded, self._state.now)
        if isinstance(decision, Refusal):
            return decision if command.is_quote else self._book.refuse(operator, asked, decision)
        effect = self._effect(operator, rewarded, decision)
        refund = _refund(command, asked, rewarded, effect)
        if not command.is_quote:
            self._carry_out(operator, asked, rewarded, effect, refund)
        return RefundAnswer(refund, replayed=False)

    # -- what it does ------------------------------------------------------------------------

    def _effect(self, operator: int, rewarded: StoredReward, decision: RefundDecision) -> _Effect:
        """Return what a refund does: points are taken first, and then others come back."""
        points, wanted = self._book.points(operator, rewarded.player_id), decision.points
        if rewarded.is_cash:
            taken = take_cash(rewarded, wanted, self._in_wallet(operator, rewarded))
        else:
            points, taken = take_points(rewarded, wanted, points, self._state.now)
        redemption = self._book.redemption_of(
            operator, rewarded.player_id, rewarded.redemption_transaction_id
        )
        if redemption is None:
            return _Effect(decision, points, taken)
        # RefundRedemption may have given some of them back before.
        comes_back = min(decision.restored_points, redemption.points_left)
        back = restore(points, redemption.left, comes_back, self._state.now)
        return _Effect(decision, points, taken, redemption, back)

    def _in_wallet(self, operator: int, rewarded: StoredReward) -> int:
        """Return how much a refund may take from the wallet; the casino keeps its own."""
        if self._book.is_at_casino(operator):
            return 0
        key = (operator, rewarded.player_id, rewarded.reward.currency_code)
        return self._state.wallets[key].balance

    # -- records -----------------------------------------------------------------------------

    def _carry_out(
        self,
        operator: int,
        asked: Transaction,
        rewarded: StoredReward,
        effect: _Effect,
        refund: StoredRefund,
    ) -> None:
        told = replace(asked, loyalty={**(asked.loyalty or {}), "refund": figures_of(refund)})
        if rewarded.is_cash:
            self._take_cash(operator, told, refund)
        else:
            self._book.move_points(operator, told, effect.points)
        after = after_refund(rewarded, effect.decision, effect.taken)
        self._loyalty.keep_reward(operator, after)
        self._loyalty.keep_refund(operator, refund, rewarded.number)
        if effect.redemption is not None and effect.back is not None:
            self._give_back(operator, refund, effect.redemption, effect.back)

    def _take_cash(self, operator: int, told: Transaction, refund: StoredRefund) -> None:
        taken, unit = refund.taken, refund.currency_code
        self._book.record_cash(
            operator,
            replace(told, currency_code=unit, amount=taken.available, change=-taken.available),
        )
        if taken.debt:
            key = (operator, refund.player_id, unit)
            self._loyalty.keep_owed(key, self._loyalty.owed.get(key, 0) + taken.debt)

    def _give_back(
        self, operator: int, refund: StoredRefund, redemption: Redemption, back: Restored
    ) -> None:
        """Give redeemed points back, in a transaction of its own beside the reversal."""
        if not (back.restored or back.forfeited):
            return
        gives = self._book.transaction(
            TransactionType.REDEMPTION_REFUND,
            own_id(),
            refund.player_id,
            related_transaction_id=redemption.transaction_id,
            loyalty={"told_id": refund.transaction_id, "forfeited": back.forfeited},
        )
        self._book.move_points(operator, gives, back.points)
        self._loyalty.keep_redemption(operator, replace(redemption, left=back.left))
        self._book.count_forfeited(operator, back.gone)


def _refund(
    command: RefundPurchase, asked: Transaction, rewarded: StoredReward, effect: _Effect
) -> StoredRefund:
    decision, back = effect.decision, effect.back
    return StoredRefund(
        asked.number,
        asked.transaction_id,
        asked.player_id,
        asked.create_time,
        asked.related_transaction_id,
        command.transaction_time,
        rewarded.reward.reward_mode,
        rewarded.reward.currency_code,
        decision.money,
        decision.points,
        decision.base_points,
        decision.campaign_points,
        decision.points_not_attributed,
        effect.taken,
        back.restored if back is not None else 0,
        back.forfeited if back is not None else 0,
        decision.lines,
        decision.remaining_amount,
        decision.remaining_points,
    )
