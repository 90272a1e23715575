"""Points within a flush: held, spent, given back, corrected, recorded with what moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from purser_server.domain.accounts import POINTS
from purser_server.domain.decisions import Answer, HoldAnswer, PointsResult
from purser_server.domain.errors import Refusal
from purser_server.domain.players import PlayerStatus
from purser_server.domain.points import Hold, HoldState, release
from purser_server.domain.points_commands import (
    AdjustPoints,
    Ask,
    HoldPoints,
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
from purser_server.domain.replay import first_difference_of, id_reused
from purser_server.domain.transactions import Transaction, TransactionType, transaction_not_found
from purser_server.ledger.loyalty_book import LoyaltyBook
from purser_server.ledger.ports import StoredHold

Movement = RedeemPoints | RefundRedemption | AdjustPoints

MOVEMENT_TYPES: Mapping[type, TransactionType] = {
    RedeemPoints: TransactionType.REDEMPTION,
    RefundRedemption: TransactionType.REDEMPTION_REFUND,
    AdjustPoints: TransactionType.ADJUSTMENT,
}


class PointsRules:
    """The rules, each with the state it needs."""

    def __init__(self, book: LoyaltyBook) -> None:
        self._book = book
        self._state = book.state
        self._loyalty = book.loyalty

    def post_due(self, _operator: int, command: PostDue) -> PointsResult:
        """All that was due has happened already; nobody waits for an answer."""
        nothing = self._book.transaction(TransactionType.POINTS_EXPIRY, "", command.player_id)
        return Answer(nothing, replayed=True)

    # -- holds -------------------------------------------------------------------------------

    def hold(self, operator: int, command: HoldPoints) -> PointsResult:
        """Hold points for an order to come, or tell the hold again."""
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

    def release(self, operator: int, command: ReleaseHold) -> PointsResult:
        """Give held points back to what the player can spend."""
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
        self._book.catch_up(operator, command.player_id)
        return HoldAnswer(released, replayed=False)

    # -- movements ---------------------------------------------------------------------------

    def redeem(self, operator: int, command: RedeemPoints) -> PointsResult:
        """Spend points, or those that a hold kept."""
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

    def refund_redemption(self, operator: int, command: RefundRedemption) -> PointsResult:
        """Give back what a redemption spent, in part or whole."""
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

    def adjust(self, operator: int, command: AdjustPoints) -> PointsResult:
        """Correct a balance by hand."""
        points = self._book.points(operator, command.player_id)
        asked = self._asked(command)
        decided = decide_adjust(command, points, self._state.now, asked.number)
        if isinstance(decided, Refusal):
            return self._book.refuse(operator, asked, decided)
        return self._moved(operator, asked, decided, reason=command.reason)

    def _asked(self, command: Movement, **more: Any) -> Transaction:
        """Make the transaction that a command asks for, as it counts for replay."""
        return self._book.transaction(
            MOVEMENT_TYPES[type(command)],
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
