"""Orders: what was bought, and what was paid in the end for each line.

Amounts are minor units of the order's one currency, quantities thousandths. What was paid is
told for the order as a whole; here it is spread over the lines, to the last minor unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from purser_server.domain.decimals import QUANTITY_ONE, rounded_half_up
from purser_server.domain.errors import Refusal, invalid_field
from purser_server.domain.ids import id_problem, quoted
from purser_server.domain.money import amount_range, fits
from purser_server.domain.shares import shares
from purser_server.domain.values import value


@value
class Branch:
    """A branch of a merchant."""

    unique_id: str
    name: str = ""


@value
class Merchant:
    """Who sold it, among the several merchants of one operator."""

    unique_id: str
    name: str = ""
    branch: Branch | None = None


@value
class LineItem:
    """A line as the shop tells it: `price` is of one unit, `discount` and `tax` of the line."""

    product_id: str
    quantity: int
    price: int
    line_id: str = ""
    discount: int = 0
    tax: int = 0
    categories: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()

    @property
    def value(self) -> int:
        """Price times quantity, rounded half up to the minor unit, less the line's discount."""
        return rounded_half_up(self.price * self.quantity, QUANTITY_ONE) - self.discount

    @property
    def content(self) -> tuple[Any, ...]:
        """What the line is, whatever its place in the order and the order of its categories."""
        return (
            self.product_id,
            self.price,
            self.quantity,
            self.discount,
            self.tax,
            sorted(self.categories),
            sorted(self.collections),
            self.line_id,
        )


@value
class Order:
    """What was bought and paid.

    `total_paid` is money alone; what was paid with points is `redeemed_points`, worth
    `redeemed_amount`. Without `total_tax` the tax is that of the lines. `total_discount` is told
    for the record: what it took off shows in `total_paid`.
    """

    currency_code: str
    total_paid: int
    line_items: tuple[LineItem, ...] = ()
    total_discount: int = 0
    total_shipping: int = 0
    total_tax: int | None = None
    merchant: Merchant | None = None
    redeemed_points: int = 0
    redeemed_amount: int = 0

    @property
    def tax(self) -> int:
        """The tax of the whole order."""
        return self.tax_of_lines if self.total_tax is None else self.total_tax

    @property
    def tax_of_lines(self) -> int:
        """The tax that the lines tell of."""
        return sum(item.tax for item in self.line_items)

    @property
    def value_of_lines(self) -> int:
        """The value of all lines, after their discounts and without tax."""
        return sum(item.value for item in self.line_items)

    @property
    def full_value(self) -> int:
        """What the order would have cost without a discount on the whole."""
        return self.value_of_lines + self.total_shipping + self.tax


@value
class Split:
    """An amount paid for an order, by what it was paid for."""

    goods: int
    shipping: int
    tax: int


@value
class PricedLine:
    """A line with its share of what was paid for the order.

    `net` is the money paid for it and `tax` the money paid for its tax. `worth` is what its
    return gives back, tax included: money, and the value of points where the order was partly
    paid with points.
    """

    item: LineItem
    line_id: str
    net: int
    tax: int
    worth: int


def split(order: Order, total: int) -> Split:
    """Tell what `total` paid for: shipping first, then tax, and the goods with the rest.

    The order of these matters only where less was paid than shipping and tax cost.
    """
    shipping = min(order.total_shipping, total)
    tax = min(order.tax, total - shipping)
    return Split(total - shipping - tax, shipping, tax)


def redeemed_amount_of(order: Order) -> int:
    """Return the value of the points that paid for the order, no more than they had to pay for.

    Points are whole, so their value may be a little above what they were redeemed for.
    """
    if not order.line_items:
        return order.redeemed_amount
    return min(order.redeemed_amount, order.full_value - order.total_paid)


def price_lines(order: Order) -> tuple[PricedLine, ...]:
    """Spread what was paid over the lines of a sound order, in the order of the lines."""
    nets, taxes = _spread(order, order.total_paid)
    # Points paid for goods as money did: a returned line gives back its share of both.
    values, value_taxes = _spread(order, order.total_paid + redeemed_amount_of(order))
    return tuple(
        PricedLine(item, line_id, nets[i], taxes[i], worth=values[i] + value_taxes[i])
        for i, (item, line_id) in enumerate(zip(order.line_items, line_ids(order), strict=True))
    )


def _spread(order: Order, total: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return each line's share of what `total` paid for goods, and for the tax of lines."""
    paid = split(order, total)
    values = [item.value for item in order.line_items]
    ties = [item.content for item in order.line_items]
    gaps = shares(sum(values) - paid.goods, values, ties)
    taxes = [item.tax for item in order.line_items]
    taxes_paid = shares(min(sum(taxes), paid.tax), taxes, ties)
    return [full - gap for full, gap in zip(values, gaps, strict=True)], taxes_paid


def line_ids(order: Order) -> tuple[str, ...]:
    """Return the id of each line: its own, or its place: "1", "2", …."""
    return tuple(item.line_id or str(i) for i, item in enumerate(order.line_items, start=1))


# -- what an order must be ----------------------------------------------------------------------


def refuse_order(order: Order) -> Refusal | None:
    """Refuse an order that cannot be, by the field that is wrong."""
    return (
        _refuse_totals(order)
        or _refuse_items(order)
        or _refuse_repeated_ids(order)
        or _refuse_sums(order)
    )


def refuse_currency(path: str, found: str, expected: str) -> Refusal | None:
    """Refuse an amount in another currency than the rest; `path` is that of the amount."""
    if found == expected:
        return None
    return invalid_field(f"{path}.currency_code", f"must be {expected}, not {quoted(found)}")


def refuse_negative(path: str, amount: int) -> Refusal | None:
    """Refuse a negative amount; `path` is that of the amount."""
    if amount >= 0:
        return None
    return invalid_field(f"{path}.minor_units", "must not be negative")


def _refuse_totals(order: Order) -> Refusal | None:
    return (
        refuse_negative("total_paid", order.total_paid)
        or refuse_negative("total_discount", order.total_discount)
        or refuse_negative("total_shipping", order.total_shipping)
        or refuse_negative("total_tax", order.total_tax or 0)
    )


def _refuse_items(order: Order) -> Refusal | None:
    for i, item in enumerate(order.line_items):
        refusal = _refuse_item(f"line_items[{i}]", item)
        if refusal:
            return refusal
    return None


def _refuse_item(path: str, item: LineItem) -> Refusal | None:
    problem = id_problem(item.line_id) if item.line_id else None
    if problem:
        return invalid_field(f"{path}.line_id", problem)
    problem = id_problem(item.product_id)
    if problem:
        return invalid_field(f"{path}.product_id", problem)
    if item.quantity <= 0:
        return invalid_field(f"{path}.quantity", "must be greater than zero")
    refusal = (
        refuse_negative(f"{path}.price", item.price)
        or refuse_negative(f"{path}.discount", item.discount)
        or refuse_negative(f"{path}.tax", item.tax)
    )
    if refusal is None and item.value < 0:
        return invalid_field(f"{path}.discount.minor_units", "must not exceed price times quantity")
    return refusal


def _refuse_repeated_ids(order: Order) -> Refusal | None:
    seen = set()
    for i, line_id in enumerate(line_ids(order)):
        if line_id in seen:
            problem = f"must not be repeated: a line before is {quoted(line_id)}"
            return invalid_field(f"line_items[{i}].line_id", problem)
        seen.add(line_id)
    return None


def _refuse_sums(order: Order) -> Refusal | None:
    if not fits(order.full_value) or not fits(order.total_paid + order.redeemed_amount):
        return amount_range(order.currency_code)
    if order.tax < order.tax_of_lines:
        return invalid_field("total_tax.minor_units", "must not be less than the tax of the lines")
    if order.line_items and order.total_paid > order.full_value:
        problem = f"must not exceed lines, shipping and tax, which come to {order.full_value}"
        return invalid_field("total_paid.minor_units", problem)
    return None
