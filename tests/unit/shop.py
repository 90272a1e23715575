"""A shop's words: programs, campaigns, lines and orders, with money in human terms."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from purser_server.domain.decimals import RATE_ONE, parse_quantity, parse_rate
from purser_server.domain.earning import (
    Reward,
    RewardLine,
    Timing,
    reward_of_amount,
    reward_of_order,
)
from purser_server.domain.errors import Refusal
from purser_server.domain.orders import LineItem, Order
from purser_server.domain.programs import Campaign, Program, RewardMode
from tests.unit.money import EUR, eur

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
"""When everything in these stories takes place, unless they say otherwise."""

BOUGHT = Timing(NOON, NOON)

DAY = timedelta(days=1)


def program(points_per_unit: str = "1", **fields: Any) -> Program:
    """Return a program in euros; rates among the fields are decimals."""
    for name in ("point_value", "wallet_cash_rate"):
        if name in fields:
            fields[name] = parse_rate(fields[name])
    return Program(1, None, EUR, parse_rate(points_per_unit), **fields)


def cash(rate: str = "1", **fields: Any) -> Program:
    """Return a program that pays cash into the wallet."""
    return program(reward_mode=RewardMode.WALLET_CASH, wallet_cash_rate=rate, **fields)


def campaign(campaign_id: str, multiplier: str, *product_ids: str, **fields: Any) -> Campaign:
    """Return a campaign for these products, or for everything."""
    if "min_quantity" in fields:
        fields["min_quantity"] = parse_quantity(fields["min_quantity"])
    if "min_amount" in fields:
        fields = {"currency_code": EUR, **fields, "min_amount": eur(fields["min_amount"])}
    rate = parse_rate(multiplier)
    return Campaign(campaign_id, campaign_id.title(), rate, product_ids=product_ids, **fields)


def times(multiplier: str) -> list[Campaign]:
    """Return the one campaign that matches everything."""
    return [campaign("happy-day", multiplier)]


def item(product_id: str, price: str, quantity: str = "1", **fields: Any) -> LineItem:
    """Return a line of so many at that price."""
    money: dict[str, Any] = {
        name: eur(fields.pop(name)) for name in ("discount", "tax") if name in fields
    }
    return LineItem(product_id, parse_quantity(quantity), eur(price), **money, **fields)


def order(*items: LineItem, **fields: Any) -> Order:
    """Return an order that is paid in full, unless `paid` says otherwise."""
    names = {"shipping": "total_shipping", "tax": "total_tax", "redeemed": "redeemed_amount"}
    money: dict[str, Any] = {names[name]: eur(fields.pop(name)) for name in names if name in fields}
    paid = fields.pop("paid", None)
    full = Order(EUR, 0, items, **money, **fields)
    total = full.full_value if paid is None else eur(paid)
    return Order(EUR, total, items, **money, **fields)


def earns(
    ordered: Order,
    campaigns: Iterable[Campaign] = (),
    by: Program | None = None,
    timing: Timing = BOUGHT,
) -> Reward:
    """Return the reward of an order that must not be refused."""
    result = reward_of_order(by or program(), campaigns, timing, ordered, exponent=2)
    assert not isinstance(result, Refusal), result
    return result


def earns_by_amount(amount: str, by: Program | None = None, timing: Timing = BOUGHT) -> Reward:
    """Return the reward of a bare amount that must not be refused."""
    result = reward_of_amount(by or program(), timing, EUR, eur(amount), exponent=2)
    assert not isinstance(result, Refusal), result
    return result


def points_of(reward: Reward) -> list[int]:
    """Return the whole points of each line."""
    return [line.points for line in reward.lines]


def line_of(reward: Reward, product_id: str) -> RewardLine:
    """Return the one line of a product."""
    (line,) = [line for line in reward.lines if line.product_id == product_id]
    return line


PLAIN = RATE_ONE
"""The multiplier of a line without a campaign."""
