"""What the shop of this story rewards: its rules, its campaigns, and who buys what.

The four orders are plain data, so that whatever is told later of them, such as their refunds, can
name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1.cashback_service_pb2 import QuoteOrderRequest, RewardOrderRequest
from purser.loyalty.v1.loyalty_pb2 import (
    REWARD_MODE_POINTS,
    REWARD_MODE_WALLET_CASH,
    Campaign,
    LineItem,
    Program,
)
from purser.type.v1.money_pb2 import Money
from purser_server.demo.money import CURRENCY, eur

BOUGHT = datetime(2024, 12, 8, 12, 0, tzinfo=UTC)
"""When the four orders were made: a week before anything of them is returned."""

POINTS_PROGRAM = Program(
    currency_code=CURRENCY,
    reward_mode=REWARD_MODE_POINTS,
    points_per_unit="1",
    point_value="0.10",
    return_window_days=14,
)
"""A point for each euro, worth ten cents, to be spent once the order cannot be returned."""

CASH_PROGRAM = Program(
    currency_code=CURRENCY, reward_mode=REWARD_MODE_WALLET_CASH, wallet_cash_rate="1"
)
"""All that was paid comes back as money: a good day for the customers."""


def at(moment: datetime) -> Timestamp:
    """Return a time as messages carry it."""
    told = Timestamp()
    told.FromDatetime(moment)
    return told


CAMPAIGNS = (
    Campaign(
        campaign_id="triple-games",
        name="Triple points on consoles",
        multiplier="3",
        start_time=at(datetime(2024, 12, 1, tzinfo=UTC)),
        end_time=at(datetime(2025, 1, 1, tzinfo=UTC)),
        product_ids=["console001"],
    ),
    Campaign(
        campaign_id="double-health",
        name="Double points on all that keeps you well",
        multiplier="2",
        start_time=at(datetime(2024, 12, 1, tzinfo=UTC)),
        end_time=at(datetime(2025, 1, 1, tzinfo=UTC)),
        categories=["health"],
    ),
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """An order of one customer, paid in full with money, and what each of its lines earns."""

    transaction_id: str
    player: str
    lines: tuple[LineItem, ...]
    earns: tuple[int, ...]

    @property
    def points(self) -> int:
        """What the order earns."""
        return sum(self.earns)


def item(product: str, quantity: str, price: str, *categories: str) -> LineItem:
    """Return a line of an order: `item("yoga_mat001", "3", "10.00")`."""
    return LineItem(product_id=product, quantity=quantity, price=eur(price), categories=categories)


PURCHASES: Mapping[str, Purchase] = {
    "Sarah": Purchase(
        "ORDER-54321", "cust_sarah01", (item("shoes001", "1", "12.50", "shoes"),), earns=(12,)
    ),
    "John": Purchase(
        "ORDER-98765", "cust_john02", (item("console001", "1", "25.00", "games"),), earns=(75,)
    ),
    "Emma": Purchase(
        "ORDER-11111", "cust_emma03", (item("juicer001", "1", "15.00", "health"),), earns=(30,)
    ),
    "Lisa": Purchase(
        "ORDER-56789",
        "cust_lisa04",
        (
            item("yoga_mat001", "3", "10.00", "health"),
            item("bottle001", "2", "5.00", "health"),
        ),
        earns=(60, 20),
    ),
}
"""The four customers' orders by their first names."""


def order_of(purchase: Purchase) -> RewardOrderRequest:
    """Return the request that rewards an order."""
    return RewardOrderRequest(
        transaction_id=purchase.transaction_id,
        player_id=purchase.player,
        transaction_time=at(BOUGHT),
        total_paid=total(purchase),
        line_items=purchase.lines,
    )


def quote_of(purchase: Purchase) -> QuoteOrderRequest:
    """Return the request that asks what an order would earn."""
    return QuoteOrderRequest(
        player_id=purchase.player,
        transaction_time=at(BOUGHT),
        total_paid=total(purchase),
        line_items=purchase.lines,
    )


def total(purchase: Purchase) -> Money:
    """Return what the lines of an order come to."""
    cents = sum(Decimal(line.quantity) * line.price.minor_units for line in purchase.lines)
    return Money(currency_code=CURRENCY, minor_units=int(cents))
