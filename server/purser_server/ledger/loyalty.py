"""Loyalty within a flush: each command replayed, or decided by the rules it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from purser_server.domain.decisions import Answer, PointsResult
from purser_server.domain.errors import Refusal, overloaded
from purser_server.domain.players import player_not_found
from purser_server.domain.points_commands import (
    AdjustPoints,
    HoldPoints,
    PointsCommand,
    PostDue,
    RedeemPoints,
    RefundRedemption,
    ReleaseHold,
)
from purser_server.domain.refunds import RefundPurchase
from purser_server.domain.replay import id_reused, replay_content
from purser_server.domain.rewards import EarnReward
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.ledger.loyalty_book import LoyaltyBook
from purser_server.ledger.points import MOVEMENT_TYPES, PointsRules
from purser_server.ledger.refunds import RefundRules
from purser_server.ledger.rewards import RewardRules

_TYPES: Mapping[type, TransactionType] = {
    **MOVEMENT_TYPES,
    EarnReward: TransactionType.CASHBACK,
    RefundPurchase: TransactionType.CASHBACK_REVERSAL,
}


class LoyaltyRules:
    """The rules of points, rewards and refunds, each with its commands."""

    def __init__(self, book: LoyaltyBook, rewards: RewardRules, refunds: RefundRules) -> None:
        points = PointsRules(book)
        self._book = book
        self._state = book.state
        self._rewards = rewards
        self._refunds = refunds
        self._decide: Mapping[type, Callable[[int, Any], PointsResult]] = {
            HoldPoints: points.hold,
            ReleaseHold: points.release,
            RedeemPoints: points.redeem,
            RefundRedemption: points.refund_redemption,
            AdjustPoints: points.adjust,
            PostDue: points.post_due,
            EarnReward: rewards.earn,
            RefundPurchase: refunds.refund,
        }

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
            return self._without_player(operator, command)
        if not self._book.catch_up(operator, command.player_id) and not isinstance(
            command, PostDue
        ):
            return overloaded("expiry")
        self._rewards.pay_due(operator, command.player_id)
        return self._decide[type(command)](operator, command)

    def _without_player(self, operator: int, command: PointsCommand) -> Refusal:
        """Refuse a command for nobody; what is wrong with its id comes first."""
        holds = self._book.loyalty.holds
        if isinstance(command, HoldPoints) and (operator, command.hold_id) in holds:
            return id_reused(command.hold_id, "player_id")
        return player_not_found(command.player_id)

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
