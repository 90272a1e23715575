"""Points within a flush: each command decided by the rules, and recorded with what it moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from purser_server.domain.accounts import POINTS
from purser_server.domain.decisions import Answer, HoldAnswer, PointsResult
from purser_server.domain.errors import Refusal
from purser_server.domain.players import PlayerStatus, player_not_found
from purser_server.domain.points import Hold, HoldState, Part, release, settle
from purser_server.domain.points_commands import (
    AdjustPoints,
    Ask,
    ExpirePoints,
    HoldPoints,
    PointsCommand,
    PointsMoved,
    RedeemPoints,
    RefundRedemption,
    ReleaseHold,
    Worth,
    decide_adjust,
    decide_capture,
    decide_hold,
    decide_redeem,
    decide_refund,
    hold_not_active,
    hold_not_found,
    worth_of,
)
from purser_server.domain.programs import program_at
from purser_server.domain.replay import first_difference_of, id_reused, replay_content
from purser_server.domain.rollbacks import transaction_not_found
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.ledger.loyalty_state import LoyaltyState
from purser_server.ledger.ports import StoredHold
from purser_server.ledger.state import State

Movement = RedeemPoints | RefundRedemption | AdjustPoints

_TYPES: Mapping[type, TransactionType] = {
    RedeemPoints: TransactionType.REDEMPTION,
    RefundRedemption: TransactionType.REDEMPTION_REFUND,
    AdjustPoints: TransactionType.ADJUSTMENT,
}


class LoyaltyRules:
    """The rules, each with the state it needs."""

    def __init__(self, state: State, loyalty: LoyaltyState) -> None:
        self._state = state
        self._loyalty = loyalty

    def decide(self, operator: int, command: PointsCommand) -> PointsResult:
        """Carry a command out, refuse it, or tell what it was answered before."""
        if isinstance(command, Movement):
            known = self._state.known.get((operator, command.transaction_id))
            if known is not None:
                kind = _TYPES[type(command)]
                answer = replay_content(known, kind, command.player_id, command.content)
                return answer if isinstance(answer, Refusal) else Answer(answer, replayed=True)
        if (operator, command.player_id) not in self._state.players:
            return player_not_found(command.player_id)
        self._settle(operator, command.player_id)
        return _DECIDE[type(command)](self, operator, command)

    # -- time --------------------------------------------------------------------------------

    def _settle(self, operator: int, player_id: str) -> None:
        """Let happen what is due, and post what has expired."""
        key = (operator, player_id)
        settled = settle(self._loyalty.points[key], self._state.now)
        self._loyalty.points[key] = settled.points
        for lapsed in settled.lapsed:
            self._keep_hold(operator, lapsed)
        for part in settled.expired:
            self._post_expiry(operator, player_id, part)

    def _post_expiry(self, operator: int, player_id: str, part: Part) -> None:
        number = self._state.take_number()
        expiry = self._transaction(
            TransactionType.POINTS_EXPIRY, f"purser-expiry-{number}", player_id, number
        )
        detail = {"expire_time": part.expire_time.isoformat(), "earned_by": part.earned_by}
        expiry = replace(expiry, amount=part.points, change=-part.points, loyalty=detail)
        self._state.record_posting(operator, expiry)

    def _expire(self, operator: int, command: ExpirePoints) -> PointsResult:
        """All that was due has been settled already."""
        wallet = self._state.wallets[operator, command.player_id, POINTS]
        number = self._state.take_number()
        nothing = self._transaction(TransactionType.POINTS_EXPIRY, "", wallet.player_id, number)
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
        stored = self._loyalty.holds.get((operator, command.hold_id))
        if stored is None or stored.refusal or stored.player_id != command.player_id:
            return hold_not_found(command.hold_id)
        held, key = stored.hold, (operator, command.player_id)
        if held.state is HoldState.RELEASED:
            return HoldAnswer(held, replayed=True)
        if held.state is not HoldState.ACTIVE:
            return hold_not_active(held)
        points = release(self._loyalty.points[key], command.hold_id, self._state.now)
        self._loyalty.points[key] = points
        released = replace(held, state=HoldState.RELEASED)
        self._keep_hold(operator, released)
        # What was past its time while it was held expires now.
        self._settle(operator, command.player_id)
        return HoldAnswer(released, replayed=False)

    def _keep_hold(self, operator: int, after: Hold) -> None:
        stored = self._loyalty.holds[operator, after.hold_id]
        self._loyalty.keep_hold(operator, replace(stored, hold=after))

    # -- movements ---------------------------------------------------------------------------

    def _redeem(self, operator: int, command: RedeemPoints) -> PointsResult:
        decided, worth = self._decide_redeem(operator, command)
        if isinstance(decided, PointsMoved):
            self._loyalty.keep_left((operator, command.transaction_id), decided.parts)
            if decided.hold is not None:
                self._keep_hold(operator, decided.hold)
        detail = {"hold_id": command.hold_id, "value": [worth.currency_code, worth.amount]}
        return self._moved(operator, command, decided, detail)

    def _decide_redeem(
        self, operator: int, command: RedeemPoints
    ) -> tuple[PointsMoved | Refusal, Worth]:
        points = self._loyalty.points[operator, command.player_id]
        status = self._status(operator, command.player_id)
        if command.hold_id:
            stored = self._loyalty.holds.get((operator, command.hold_id))
            is_theirs = stored and stored.player_id == command.player_id and not stored.refusal
            held = stored.hold if stored and is_theirs else None
            worth = Worth(held.points, held.currency_code, held.amount) if held else Worth(0)
            return decide_capture(command, points, held, status), worth
        asked = self._worth(operator, command.ask)
        if isinstance(asked, Refusal):
            return asked, Worth(0)
        return decide_redeem(command, asked, points, status, self._state.now), asked

    def _refund(self, operator: int, command: RefundRedemption) -> PointsResult:
        key = (operator, command.redemption_transaction_id)
        redemption = self._state.known.get(key)
        if redemption is None or not _is_redemption_of(redemption, command.player_id):
            return transaction_not_found(command.redemption_transaction_id)
        left = self._loyalty.left[key]
        numbers = [self._state.take_number() for _ in left] or [0]
        points = self._loyalty.points[operator, command.player_id]
        decided = decide_refund(command, points, left, self._state.now, numbers[0])
        detail = {}
        if isinstance(decided, PointsMoved):
            self._loyalty.keep_left(key, decided.parts)
            detail = {"forfeited": decided.forfeited}
        return self._moved(operator, command, decided, detail, redemption.transaction_id)

    def _adjust(self, operator: int, command: AdjustPoints) -> PointsResult:
        points = self._loyalty.points[operator, command.player_id]
        number = self._state.take_number()
        decided = decide_adjust(command, points, self._state.now, number)
        return self._moved(operator, command, decided, {"reason": command.reason})

    def _moved(
        self,
        operator: int,
        command: Movement,
        decided: PointsMoved | Refusal,
        detail: Mapping[str, Any],
        related_id: str = "",
    ) -> PointsResult:
        """Record a movement of points, or the refusal of one."""
        transaction = replace(
            self._transaction(
                _TYPES[type(command)],
                command.transaction_id,
                command.player_id,
                self._state.take_number(),
            ),
            related_transaction_id=related_id,
            loyalty={"content": command.content, **detail},
        )
        if isinstance(decided, Refusal):
            if decided.is_final:
                refused = replace(
                    transaction, state=TransactionState.REFUSED, currency_code="", refusal=decided
                )
                self._state.record(operator, refused, None)
            return decided
        key = (operator, command.player_id)
        change = decided.points.total - self._loyalty.points[key].total
        self._loyalty.points[key] = decided.points
        moved = replace(transaction, amount=abs(change), change=change)
        return Answer(self._state.record_posting(operator, moved), replayed=False)

    # -- what is looked up -------------------------------------------------------------------

    def _status(self, operator: int, player_id: str) -> PlayerStatus:
        return self._state.wallets[operator, player_id, POINTS].player_status

    def _worth(self, operator: int, ask: Ask) -> Worth | Refusal:
        versions = self._loyalty.programs.get(operator, ())
        return worth_of(ask, program_at(versions, self._state.now))

    def _transaction(
        self, kind: TransactionType, transaction_id: str, player_id: str, number: int
    ) -> Transaction:
        return Transaction(
            number,
            transaction_id,
            kind,
            TransactionState.COMPLETED,
            player_id,
            self._state.now,
            POINTS,
        )


_DECIDE: Mapping[type, Callable[[LoyaltyRules, int, Any], PointsResult]] = {
    HoldPoints: LoyaltyRules._hold,
    ReleaseHold: LoyaltyRules._release,
    RedeemPoints: LoyaltyRules._redeem,
    RefundRedemption: LoyaltyRules._refund,
    AdjustPoints: LoyaltyRules._adjust,
    ExpirePoints: LoyaltyRules._expire,
}


def _is_redemption_of(known: Transaction, player_id: str) -> bool:
    return (
        known.type is TransactionType.REDEMPTION
        and known.state is TransactionState.COMPLETED
        and known.player_id == player_id
    )


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
