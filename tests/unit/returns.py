"""A player's returns: one reward, and what is refunded of it in turn."""

from __future__ import annotations

from typing import Any

from purser_server.domain.decimals import parse_quantity
from purser_server.domain.earning import Reward
from purser_server.domain.errors import Refusal
from purser_server.domain.refunding import (
    RefundDecision,
    RefundLineItem,
    RefundRequest,
    decide_refund,
)
from purser_server.domain.reversals import nothing_refunded
from tests.unit.money import eur


def of(
    product_id: str, quantity: str = "1", price: str | None = None, **ids: str
) -> RefundLineItem:
    """Return so many of a product."""
    asked = None if price is None else eur(price)
    return RefundLineItem(parse_quantity(quantity), product_id, price=asked, **ids)


def asks(*lines: RefundLineItem, amount: str | None = None, shipping: str = "0") -> RefundRequest:
    """Return a request for lines and an amount, or for all that is left."""
    return RefundRequest(lines, None if amount is None else eur(amount), eur(shipping))


class Returns:
    """What was rewarded, and what was refunded of it so far."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.refunded = nothing_refunded(reward)
        self.points = 0
        self.money = 0
        self.restored = 0

    def refund(self, *lines: RefundLineItem, **asked: Any) -> RefundDecision:
        """Refund what must not be refused."""
        decision = decide_refund(self.reward, self.refunded, asks(*lines, **asked))
        assert not isinstance(decision, Refusal), decision
        self.refunded = decision.refunded
        self.points += decision.points
        self.money += decision.money
        self.restored += decision.restored_points
        assert decision.base_points + decision.campaign_points == decision.points
        assert decision.remaining_points == self.reward.points - self.points
        return decision

    def take(self, *lines: RefundLineItem, **asked: Any) -> int:
        """Return the points of a refund that must not be refused."""
        return self.refund(*lines, **asked).points

    def refuses(self, *lines: RefundLineItem, **asked: Any) -> Refusal:
        """Return the refusal of a refund."""
        refusal = decide_refund(self.reward, self.refunded, asks(*lines, **asked))
        assert isinstance(refusal, Refusal), refusal
        return refusal
