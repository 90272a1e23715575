"""The book of a flush's loyalty rules: what is known of a player, and records of what was decided.

The rules stand in `points`, `rewards` and `refunds`; they share this.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

from purser_server.domain.accounts import POINTS
from purser_server.domain.decisions import PointsResult
from purser_server.domain.errors import Refusal
from purser_server.domain.points import Hold, Part, Points, catch_up, put_back
from purser_server.domain.redemptions import Redemption
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.ledger.loyalty_state import LoyaltyState
from purser_server.ledger.own_ids import own_id
from purser_server.ledger.ports import UNASKED_PER_FLUSH
from purser_server.ledger.state import State


class LoyaltyBook:
    """Looks up and records, on the working state of a flush.

    `seamless` are the operators whose casinos keep the money.
    """

    def __init__(self, state: State, loyalty: LoyaltyState, seamless: Container[int]) -> None:
        self.state = state
        self.loyalty = loyalty
        self._seamless = seamless
        self._unasked = UNASKED_PER_FLUSH

    def points(self, operator: int, player_id: str) -> Points:
        """Return a player's points as they are now."""
        return self.loyalty.points[operator, player_id]

    def hold_of(self, operator: int, player_id: str, hold_id: str) -> Hold | None:
        """Return a hold of the player's, whatever became of it."""
        stored = self.loyalty.holds.get((operator, hold_id))
        is_theirs = stored and stored.player_id == player_id and not stored.refusal
        return stored.hold if stored and is_theirs else None

    def redemption_of(
        self, operator: int, player_id: str, transaction_id: str
    ) -> Redemption | None:
        """Return a redemption of the player's."""
        found = self.loyalty.redemptions.get((operator, transaction_id))
        return found if found and found.player_id == player_id else None

    def is_at_casino(self, operator: int) -> bool:
        """Tell whether players' money is at the operator's casino, and not here."""
        return operator in self._seamless

    # -- time --------------------------------------------------------------------------------

    def catch_up(self, operator: int, player_id: str) -> bool:
        """Let happen what is due of a player's points, and post what has expired.

        False when more has expired than this flush may post: nothing else may be decided for the
        player then, and the next flush goes on.
        """
        caught_up = catch_up(self.points(operator, player_id), self.state.now)
        at_once = caught_up.expired[: max(self._unasked, 0)]
        later = caught_up.expired[len(at_once) :]
        self.loyalty.points[operator, player_id] = put_back(caught_up.points, later)
        for lapsed in caught_up.lapsed:
            self.keep_hold(operator, lapsed)
        for part in at_once:
            self._post_expiry(operator, player_id, part)
        self._unasked -= len(at_once)
        return not later

    def may_post(self) -> bool:
        """Tell whether this flush may post one more thing that nobody asked for, and count it."""
        self._unasked -= 1
        return self._unasked >= 0

    def _post_expiry(self, operator: int, player_id: str, part: Part) -> None:
        expiry = self.transaction(
            TransactionType.POINTS_EXPIRY,
            own_id(),
            player_id,
            amount=part.points,
            change=-part.points,
            loyalty={"expire_time": part.expire_time.isoformat(), "earned_by": part.earned_by},
        )
        self.state.record_posting(operator, expiry)
        self.loyalty.count_expired(operator, part.earned_by, part.points)

    def count_forfeited(self, operator: int, gone: Iterable[Part]) -> None:
        """Remember what could not come back, for it was past its expiry."""
        for part in gone:
            self.loyalty.count_expired(operator, part.earned_by, part.points)

    def keep_hold(self, operator: int, after: Hold) -> None:
        """Store a hold that is known, as it is now."""
        stored = self.loyalty.holds[operator, after.hold_id]
        self.loyalty.keep_hold(operator, replace(stored, hold=after))

    # -- records -----------------------------------------------------------------------------

    def transaction(
        self,
        kind: TransactionType,
        transaction_id: str,
        player_id: str,
        *,
        unit: str = POINTS,
        **more: Any,
    ) -> Transaction:
        """Make a transaction of now; it takes a number unless it is given one."""
        number = more.pop("number", None) or self.state.take_number()
        completed = TransactionState.COMPLETED
        return Transaction(
            number, transaction_id, kind, completed, player_id, self.state.now, unit, **more
        )

    def move_points(self, operator: int, moves: Transaction, after: Points) -> Transaction:
        """Record a transaction that changes a player's points to these."""
        change = after.total - self.points(operator, moves.player_id).total
        self.loyalty.points[operator, moves.player_id] = after
        moved = replace(moves, amount=abs(change), change=change)
        return self.state.record_posting(operator, moved)

    def record_cash(self, operator: int, moves: Transaction) -> None:
        """Record what a transaction does to a wallet; of one at a casino no balance is known."""
        if self.is_at_casino(operator):
            self.state.record(operator, replace(moves, at_casino=True), None)
        else:
            self.state.record_posting(operator, moves)

    def refuse(self, operator: int, asked: Transaction, refusal: Refusal) -> PointsResult:
        """Refuse what a transaction was asked for; a final refusal is stored with it."""
        if refusal.is_final:
            refused = replace(
                asked, state=TransactionState.REFUSED, currency_code="", refusal=refusal
            )
            self.state.record(operator, refused, None)
        return refusal
