"""Redemptions: points that were spent, and what may still come back of them."""

from __future__ import annotations

from purser_server.domain.points import Part
from purser_server.domain.values import value


@value
class Redemption:
    """Points that were spent, what they paid for, and what may still come back of them.

    `number` is that of the transaction that spent them; `amount` in minor units.
    """

    transaction_id: str
    number: int
    player_id: str
    points: int
    currency_code: str
    amount: int
    left: tuple[Part, ...]
    hold_id: str = ""
    order_transaction_id: str = ""

    @property
    def points_left(self) -> int:
        """How many points may still come back."""
        return sum(part.points for part in self.left)

    @property
    def amount_left(self) -> int:
        """What the points that may still come back pay for, rounded down."""
        return self.amount * self.points_left // self.points if self.points else 0
