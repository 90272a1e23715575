"""Points within a flush: each command decided by the rules, and recorded with what it moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from purser_server.domain.accounts import POINTS
from purser_server.domain.decisions import Answer, HoldAnswer, PointsResult
from purser_server.domain.errors import Refusal, overloaded
from purser_server.domain.players import PlayerStatus, player_not_found
from purser_server.domain.points import Hold, HoldState, release
from purser_server.domain.points_commands import (
    AdjustPoints,
    Ask,
    HoldPoints,
    PointsCommand,
    PointsMoved,
    PostDue,
    RedeemPoints,
    RefundRedemption,
    ReleaseHold,
    Worth,
    decide_adjust,
    decide_capture,
    decide_hold,
    decide_redeem,
    decide_redemption_refund,
    hold_not_active,
    hold_not_found,
    worth_of,
)
from purser_server.domain.programs import program_at
from purser_server.domain.redemptions import Redemption
from purser_server.domain.refunding import RefundPurchase
from purser_server.domain.replay import first_difference_of, id_reused, replay_content
from purser_server.domain.rewards import EarnReward
from purser_server.domain.rollbacks import transaction_not_found
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.ledger.loyalty_book import LoyaltyBook
from purser_server.ledger.ports import StoredHold
from purser_server.ledger.refunds import RefundRules
from purser_server.ledger.rewards import RewardRules

Movement = RedeemPoints | RefundRedemption | AdjustPoints

_TYPES: Mapping[type, TransactionType] = {
    RedeemPoints: TransactionType.REDEMPTION,
    RefundRedemption: TransactionType.REDEMPTION_REFUND,
    AdjustPoints: TransactionType.ADJUSTMENT,
    EarnReward: TransactionType.CASHBACK,
    RefundPurchase: TransactionType.CASHBACK_REVERSAL,
}


class LoyaltyRules:
    """The rules, each with the state it needs."""

    def __init__(self, book: LoyaltyBook, rewards: RewardRules, refunds: RefundRules) -> None:
        self._book = book
        self._state = book.state
        self._loyalty = book.loyalty
        self._rewards = rewards
        self._refunds = refunds

    def decide(self, operator: int, command: PointsCommand) -> PointsResult:
        """Carry a command out, refuse it, or tell what it was answered before."""
        kind = _TYPES.get(type(command))
        if kind is not None:
            known = self._state.known.get((operator, command.transaction_id))
            if known is not None:
                return self._replay(operator, known, kind, command)
            if self._state.intents.find(operator, command.transaction_id) is not None:
                # What a casino is still asked about was never points.
                return id_reused(command.transaction_id, "type")
        if (operator, command.player_id) not in self._state.players:
            return player_not_found(command.player_id)
        if not self._book.settle(operator, command.player_id) and not isinstance(command, PostDue):
            return overloaded("expiry")
        self._rewards.pay_due(operator, command.player_id)
        return _DECIDE[type(command)](self, operator, command)

    def _replay(
        self, operator: int, known: Transaction, kind: TransactionType, command: Any
    ) -> PointsResult:
        answer = replay_content(known, kind, command.player_id, command.content)
        if isinstance(answer, Refusal):
            return answer
        if isinstance(command, EarnReward):
            return self._rewards.told_again(operator, command)
        if isinstance(command, RefundPurchase):
            return self._refunds.told_again(answer)
        return Answer(answer, replayed=True)

    def _earn(self, operator: int, command: EarnReward) -> PointsResult:
        return self._rewards.earn(operator, command)

    def _refund_purchase(self, operator: int, command: RefundPurchase) -> PointsResult:
        return self._refunds.refund(operator, command)

    def _post_due(self, _operator: int, command: PostDue) -> PointsResult:
        """All that was due has been settled already; nobody waits for an answer."""
        nothing = self._book.transaction(TransactionType.POINTS_EXPIRY, "", command.player_id)
        return Answer(nothing, replayed=True)

    # -- holds -------------------------------------------------------------------------------

    def _hold(self, operator: int, command: HoldPoints) -> PointsResult:
        key = (operator, command.player_id)
        stored = self._loyalty.holds.get((operator, command.hold_id))
        if stored is not None:
            return _hold_again(command, stored)
        worth = self._worth(operator, command.ask)
        if isinstance(worth, Refusal):
            return worth
        points, status = self._loyalty.points[key], self._status(operator, command.player_id)
        decided = decide_hold(command, worth, points, status, self._state.now)
        if isinstance(decided, Refusal):
            if decided.is_final:
                refused = Hold(command.hold_id, (), self._state.now, self._state.now)
                kept = StoredHold(command.player_id, refused, command.content, decided)
                self._loyalty.keep_hold(operator, kept)
            return decided
        assert decided.hold is not None, "who holds points has a hold"
        self._loyalty.points[key] = decided.points
        new = StoredHold(command.player_id, decided.hold, command.content)
        self._loyalty.keep_hold(operator, new)
        return HoldAnswer(decided.hold, replayed=False)

    def _release(self, operator: int, command: ReleaseHold) -> PointsResult:
        held = self._book.hold_of(operator, command.player_id, command.hold_id)
        if held is None:
            return hold_not_found(command.hold_id)
        if held.state is HoldState.RELEASED:
            return HoldAnswer(held, replayed=True)
        if held.state is not HoldState.ACTIVE:
            return hold_not_active(held)
        key = (operator, command.player_id)
        points = release(self._loyalty.points[key], command.hold_id, self._state.now)
        self._loyalty.points[key] = points
        released = replace(held, state=HoldState.RELEASED)
        self._book.keep_hold(operator, released)
        # What was past its time while it was held expires now.
        self._book.settle(operator, command.player_id)
        return HoldAnswer(released, replayed=False)

    # -- movements ---------------------------------------------------------------------------

    def _redeem(self, operator: int, command: RedeemPoints) -> PointsResult:
        decided, worth = self._decide_redeem(operator, command)
        asked = self._asked(command)
        if isinstance(decided, Refusal):
            return self._book.refuse(operator, asked, decided)
        if decided.hold is not None:
            self._book.keep_hold(operator, decided.hold)
        redemption = Redemption(
            command.transaction_id,
            asked.number,
            command.player_id,
            worth.points,
            worth.currency_code,
            worth.amount,
            decided.parts,
            command.hold_id,
        )
        self._loyalty.keep_redemption(operator, redemption)
        return self._moved(operator, asked, decided, hold_id=command.hold_id)

    def _decide_redeem(
        self, operator: int, command: RedeemPoints
    ) -> tuple[PointsMoved | Refusal, Worth]:
        points = self._book.points(operator, command.player_id)
        status = self._status(operator, command.player_id)
        if command.hold_id:
            held = self._book.hold_of(operator, command.player_id, command.hold_id)
            worth = Worth(held.points, held.currency_code, held.amount) if held else Worth(0)
            return decide_capture(command, points, held, status), worth
        asked = self._worth(operator, command.ask)
        if isinstance(asked, Refusal):
            return asked, Worth(0)
        return decide_redeem(command, asked, points, status, self._state.now), asked

    def _refund(self, operator: int, command: RefundRedemption) -> PointsResult:
        redemption = self._book.redemption_of(
            operator, command.player_id, command.redemption_transaction_id
        )
        if redemption is None:
            return transaction_not_found(command.redemption_transaction_id)
        points = self._book.points(operator, command.player_id)
        decided = decide_redemption_refund(command, points, redemption.left, self._state.now)
        asked = self._asked(command, related_transaction_id=redemption.transaction_id)
        if isinstance(decided, Refusal):
            return self._book.refuse(operator, asked, decided)
        self._loyalty.keep_redemption(operator, replace(redemption, left=decided.parts))
        self._book.count_forfeited(operator, decided.gone)
        return self._moved(operator, asked, decided, forfeited=decided.forfeited)

    def _adjust(self, operator: int, command: AdjustPoints) -> PointsResult:
        points = self._book.points(operator, command.player_id)
        asked = self._asked(command)
        decided = decide_adjust(command, points, self._state.now, asked.number)
        if isinstance(decided, Refusal):
            return self._book.refuse(operator, asked, decided)
        return self._moved(operator, asked, decided, reason=command.reason)

    def _asked(self, command: Movement, **more: Any) -> Transaction:
        """Make the transaction that a command asks for, as it counts for replay."""
        return self._book.transaction(
            _TYPES[type(command)],
            command.transaction_id,
            command.player_id,
            loyalty={"content": command.content},
            **more,
        )

    def _moved(
        self, operator: int, asked: Transaction, decided: PointsMoved, **detail: Any
    ) -> PointsResult:
        """Record a movement of points."""
        told = replace(asked, loyalty={**(asked.loyalty or {}), **detail})
        return Answer(self._book.move_points(operator, told, decided.points), replayed=False)

    # -- what is looked up -------------------------------------------------------------------

    def _status(self, operator: int, player_id: str) -> PlayerStatus:
        return self._state.wallets[operator, player_id, POINTS].player_status

    def _worth(self, operator: int, ask: Ask) -> Worth | Refusal:
        versions = self._loyalty.programs.get(operator, ())
        return worth_of(ask, program_at(versions, self._state.now))


_DECIDE: Mapping[type, Callable[[LoyaltyRules, int, Any], PointsResult]] = {
    HoldPoints: LoyaltyRules._hold,
    ReleaseHold: LoyaltyRules._release,
    RedeemPoints: LoyaltyRules._redeem,
    RefundRedemption: LoyaltyRules._refund,
    AdjustPoints: LoyaltyRules._adjust,
    PostDue: LoyaltyRules._post_due,
    EarnReward: LoyaltyRules._earn,
    RefundPurchase: LoyaltyRules._refund_purchase,
}


def _hold_again(command: HoldPoints, stored: StoredHold) -> PointsResult:
    """Tell a hold again whose id is known, if its content is the same."""
    if stored.player_id != command.player_id:
        return id_reused(command.hold_id, "player_id")
    differs = first_difference_of(stored.content, command.content)
    if differs:
        return id_reused(command.hold_id, differs)
    if stored.refusal is not None:
        return stored.refusal.told_again()
    return HoldAnswer(stored.hold, replayed=True)
