"""Orders and campaigns of every kind, for properties that hold for all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from purser_server.domain.orders import LineItem, Order
from purser_server.domain.programs import Campaign
from tests.unit.money import EUR

PRODUCTS = ("bread", "cheese", "milk")
CATEGORIES = ("dairy", "fresh")


@st.composite
def items(draw: st.DrawFn) -> LineItem:
    """Draw a line; quantities are whole, or down to the thousandth."""
    price = draw(st.integers(0, 2_000))
    quantity = draw(st.integers(1, 7).map(lambda n: n * 1000) | st.integers(1, 3_000))
    full = LineItem("bread", quantity, price).value
    return LineItem(
        product_id=draw(st.sampled_from(PRODUCTS)),
        quantity=quantity,
        price=price,
        discount=draw(st.just(0) | st.integers(0, full)),
        tax=draw(st.just(0) | st.integers(0, 300)),
        categories=tuple(draw(st.lists(st.sampled_from(CATEGORIES), unique=True))),
    )


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Draw a sound order: paid in full or in part, perhaps with points."""
    lines = tuple(draw(st.lists(items(), min_size=1, max_size=5)))
    shipping = draw(st.just(0) | st.integers(0, 500))
    full = Order(EUR, 0, lines, total_shipping=shipping)
    total_tax = draw(st.none() | st.integers(full.tax_of_lines, full.tax_of_lines + 200))
    full = Order(EUR, 0, lines, total_shipping=shipping, total_tax=total_tax)
    paid = draw(st.just(full.full_value) | st.integers(0, full.full_value))
    redeemed_points = draw(st.just(0) | st.integers(0, 200))
    return Order(
        EUR,
        paid,
        lines,
        total_shipping=shipping,
        total_tax=total_tax,
        redeemed_points=redeemed_points,
        redeemed_amount=10 * redeemed_points,
    )


@st.composite
def campaign_lists(draw: st.DrawFn) -> list[Campaign]:
    """Draw up to three campaigns, some of which need much to be reached."""
    return [
        Campaign(
            campaign_id,
            campaign_id,
            multiplier=draw(st.sampled_from([500_000, 1_000_000, 1_500_000, 3_000_000, 7])),
            product_ids=tuple(draw(st.sets(st.sampled_from(PRODUCTS), max_size=2))),
            categories=tuple(draw(st.sets(st.sampled_from(CATEGORIES), max_size=1))),
            min_quantity=draw(st.sampled_from([0, 0, 4_000])),
            min_amount=draw(st.sampled_from([0, 0, 1_000])),
            currency_code=EUR,
        )
        for campaign_id in draw(st.sets(st.sampled_from("abc")))
    ]
