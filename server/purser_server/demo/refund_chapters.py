"""The chapters of refunds: four customers return what they bought, and points go back.

The payloads are those of the tutorial that RefundService was built after, and so are the points.
The orders are those of `loyalty_orders`, rewarded in chapters before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1.loyalty_pb2 import Refund, RefundLineItem
from purser.loyalty.v1.refund_service_pb2 import QuoteRefundRequest, RefundRequest
from purser_server.demo.loyalty_chapters import Shop
from purser_server.demo.loyalty_orders import PURCHASES, at
from purser_server.demo.money import eur, shown
from purser_server.demo.stage import expect


@dataclass(frozen=True)
class Case:
    """What a customer returns of an order, and what must come of that."""

    name: str
    title: str
    explanation: str
    refund: str
    hour: tuple[int, int]
    amount: str
    returned: tuple[tuple[str, str, str], ...]
    """Products, each with its quantity and its price."""
    points: int
    base: int
    told: str


CASES = (
    Case(
        "Sarah",
        "A refund for one product",
        "Sarah returns the shoes: they earned a point per euro, rounded down to 12.",
        "txn_sarah001",
        (10, 30),
        "12.50",
        (("shoes001", "1", "12.50"),),
        points=12,
        base=12,
        told="€ 12.50 x 1 = 12.5 points, rounded down to 12",
    ),
    Case(
        "John",
        "A refund of a campaign's product",
        "John's console earned triple points, and all of them go with it.",
        "txn_john002",
        (11, 0),
        "25.00",
        (("console001", "1", "25.00"),),
        points=75,
        base=25,
        told="€ 25.00 x 1 x 3 = 75 points: 25 base and 50 by the campaign",
    ),
    Case(
        "Emma",
        "A refund without line items",
        "Emma's refund names no lines: the money goes back, and her points stay.",
        "txn_emma003",
        (13, 0),
        "15.00",
        (),
        points=0,
        base=0,
        told="no lines, no points: to name them would take 30",
    ),
    Case(
        "Lisa",
        "A refund of a part of the quantity",
        "Lisa keeps one of three yoga mats, bought at double points, and the bottles.",
        "txn_lisa004",
        (14, 0),
        "20.00",
        (("yoga_mat001", "2", "10.00"),),
        points=40,
        base=20,
        told="2 x € 10.00 x 1 x 2 = 40 points: 20 base and 20 by the campaign",
    ),
)


def play(shop: Shop) -> None:
    """Play the four cases."""
    for case in CASES:
        _give_back(shop, case)


def _give_back(shop: Shop, case: Case) -> None:
    """Ask what the refund would do, and do it."""
    narrator, loyalty, purchase = shop.narrator, shop.loyalty, PURCHASES[case.name]
    narrator.chapter(case.title, case.explanation)
    narrator.remark(_payload(case))
    items = [
        RefundLineItem(product_id=product, quantity=quantity, price=eur(price))
        for product, quantity, price in case.returned
    ]
    time, amount = _on_the_day(case.hour), eur(case.amount)
    quote = QuoteRefundRequest(
        player_id=purchase.player,
        reverse_transaction_id=purchase.transaction_id,
        transaction_time=time,
        refund_amount=amount,
        line_items=items,
    )
    _check(case, loyalty.call(loyalty.refunds.QuoteRefund, quote).refund)
    narrator.step("QuoteRefund", case.name, f"would take {case.points} points")
    request = RefundRequest(
        player_id=purchase.player,
        refund_transaction_id=case.refund,
        reverse_transaction_id=purchase.transaction_id,
        transaction_time=time,
        refund_amount=amount,
        line_items=items,
    )
    refund = loyalty.call(loyalty.refunds.Refund, request).refund
    _check(case, refund)
    left = purchase.points - case.points
    expect(f"the points of {case.name}", shop.points(purchase.player).total, left)
    points = refund.refund_equivalent_points
    told = f"{points} points and {shown(refund.refund_amount)}, {left} points stay"
    narrator.step("Refund", case.name, told)
    narrator.remark(case.told)


def _payload(case: Case) -> str:
    """Return what the refund's request says, in short."""
    lines = ", ".join(
        f"{quantity} {product} at {shown(eur(price))}" for product, quantity, price in case.returned
    )
    order, amount = PURCHASES[case.name].transaction_id, shown(eur(case.amount))
    return f"{case.refund} reverses {order}: {amount}{' for ' + lines if lines else ', no lines'}"


def _check(case: Case, refund: Refund) -> None:
    purchase = PURCHASES[case.name]
    points, left = refund.refund_equivalent_points, refund.order_remaining_points
    expect(f"the points of {case.refund}", points, case.points)
    expect(f"the base points of {case.refund}", refund.base_points, case.base)
    expect(f"the money of {case.refund}", refund.refund_amount, eur(case.amount))
    expect(f"the points that {purchase.transaction_id} keeps", left, purchase.points - points)


def _on_the_day(hour: tuple[int, int]) -> Timestamp:
    """Return a time of the day of the tutorial's refunds."""
    return at(datetime(2024, 12, 15, *hour, tzinfo=UTC))
