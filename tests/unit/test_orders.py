"""Orders: what was paid for each line, and which orders cannot be."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from purser_server.domain.errors import Reason
from purser_server.domain.money import MAX_MINOR
from purser_server.domain.orders import (
    LineItem,
    Order,
    PricedLine,
    line_ids,
    price_lines,
    refuse_currency,
    refuse_order,
)
from tests.unit.money import EUR, eur
from tests.unit.shop import item, order


def nets(ordered: Order) -> list[int]:
    assert refuse_order(ordered) is None
    return [line.net for line in price_lines(ordered)]


def worths(ordered: Order) -> list[int]:
    assert refuse_order(ordered) is None
    return [line.worth for line in price_lines(ordered)]


# -- nets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (item("bread", "2.25", "3"), "6.75"),
        (item("bread", "10.00", "3", discount="5.00"), "25.00"),
        (item("cheese", "0.99", "0.5"), "0.50"),
        (item("cheese", "0.99", "1.505"), "1.49"),
        (item("cheese", "0.01", "0.499"), "0"),
    ],
)
def test_value_is_price_times_quantity_rounded_half_up_less_discount(
    line: LineItem, value: str
) -> None:
    assert line.value == eur(value)


def test_discount_of_the_order_is_spread_by_net_value() -> None:
    ordered = order(item("a", "30.00"), item("b", "70.00"), paid="80.00")

    assert nets(ordered) == [eur("24.00"), eur("56.00")]


def test_shipping_and_tax_are_no_part_of_the_nets() -> None:
    ordered = order(item("a", "30.00"), item("b", "70.00"), paid="105.00", shipping="5", tax="20")

    assert nets(ordered) == [eur("24.00"), eur("56.00")]


def test_largest_remainder_gets_what_is_left() -> None:
    # 0.05 over 1, 1 and 2: 1.25, 1.25 and 2.5 cents.
    ordered = order(item("a", "1.00"), item("b", "1.00"), item("c", "2.00"), paid="3.95")

    assert nets(ordered) == [99, 99, 197]


def test_ties_go_by_content_and_never_by_position() -> None:
    a, b, c = item("a", "1.00"), item("b", "1.00"), item("c", "1.00")

    for items in permutations((a, b, c)):
        found = {line.item.product_id: line.net for line in price_lines(order(*items, paid="2.00"))}
        assert found == {"a": 66, "b": 67, "c": 67}


def test_order_of_categories_is_no_content() -> None:
    first = item("a", "1.00", categories=("x", "y"), collections=("p", "q"))
    second = item("a", "1.00", categories=("y", "x"), collections=("q", "p"))

    assert first.content == second.content
    assert first.content != item("a", "1.00", categories=("x",), collections=("p", "q")).content


def test_free_lines_take_no_part_of_the_gap() -> None:
    assert nets(order(item("gift", "0"), item("a", "1.00"), paid="0.40")) == [0, 40]
    assert nets(order(item("gift", "0"), paid="0")) == [0]


def test_order_paid_for_less_than_its_shipping_has_nets_of_zero() -> None:
    ordered = order(item("a", "10.00", tax="2.00"), shipping="5.00", paid="6.00")
    (line,) = price_lines(ordered)

    assert (line.net, line.tax, line.worth) == (0, eur("1.00"), eur("1.00"))


# -- worth --------------------------------------------------------------------------------------


def test_worth_of_a_line_is_what_was_paid_for_it_tax_included() -> None:
    ordered = order(item("a", "30.00", tax="6.00"), item("b", "70.00", tax="14.00"), paid="100.00")

    assert nets(ordered) == [eur("24.00"), eur("56.00")]
    assert worths(ordered) == [eur("30.00"), eur("70.00")]


def test_points_pay_for_lines_as_money_does() -> None:
    ordered = order(
        item("a", "30.00"), item("b", "70.00"), paid="80.00", redeemed="20.00", redeemed_points=200
    )

    assert nets(ordered) == [eur("24.00"), eur("56.00")]
    assert worths(ordered) == [eur("30.00"), eur("70.00")]


def test_points_pay_for_no_more_than_was_left_to_pay() -> None:
    ordered = order(item("a", "10.05"), paid="0", redeemed="10.10", redeemed_points=101)

    assert worths(ordered) == [eur("10.05")]


# -- ids ----------------------------------------------------------------------------------------


def test_missing_line_ids_are_the_places() -> None:
    ordered = order(item("a", "1"), item("b", "1", line_id="x"), item("c", "1"))

    assert line_ids(ordered) == ("1", "x", "3")


@pytest.mark.parametrize(("ids", "place"), [(("x", "x"), 1), (("2", ""), 1), (("", "", "1"), 2)])
def test_repeated_line_id_is_refused(ids: tuple[str, ...], place: int) -> None:
    refusal = refuse_order(order(*(item("a", "1", line_id=each) for each in ids)))

    assert refusal is not None
    assert refusal.metadata == {"field": f"line_items[{place}].line_id"}


# -- what cannot be -----------------------------------------------------------------------------

GOOD = order(item("a", "10.00", "2"), item("b", "5.00", tax="1.00"), shipping="3.00")


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"total_paid": -1}, "total_paid.minor_units"),
        ({"total_paid": eur("29.01")}, "total_paid.minor_units"),
        ({"total_discount": -1}, "total_discount.minor_units"),
        ({"total_shipping": -1}, "total_shipping.minor_units"),
        ({"total_tax": -1}, "total_tax.minor_units"),
        ({"total_tax": 99}, "total_tax.minor_units"),
    ],
)
def test_impossible_total_is_refused(changed: dict[str, int], path: str) -> None:
    refusal = refuse_order(replace(GOOD, **changed))  # type: ignore[arg-type]

    assert refusal is not None
    assert (refusal.reason, refusal.metadata) == (Reason.INVALID_FIELD, {"field": path})


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"line_id": "a\n"}, "line_id"),
        ({"product_id": ""}, "product_id"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1000}, "quantity"),
        ({"price": -1}, "price.minor_units"),
        ({"discount": -1}, "discount.minor_units"),
        ({"discount": 2001}, "discount.minor_units"),
        ({"tax": -1}, "tax.minor_units"),
    ],
)
def test_impossible_line_is_refused_by_its_place(changed: dict[str, object], path: str) -> None:
    first, second = GOOD.line_items
    wrong = replace(first, **changed)  # type: ignore[arg-type]

    refusal = refuse_order(replace(GOOD, line_items=(second, wrong)))

    assert refusal is not None
    assert (refusal.reason, refusal.metadata) == (
        Reason.INVALID_FIELD,
        {"field": f"line_items[1].{path}"},
    )


def test_sound_order_passes() -> None:
    assert refuse_order(GOOD) is None
    assert refuse_order(replace(GOOD, line_items=())) is None
    assert refuse_order(replace(GOOD, total_paid=0)) is None


def test_sums_beyond_64_bits_are_refused() -> None:
    dear = LineItem("a", 1000, MAX_MINOR)

    refusal = refuse_order(Order(EUR, 0, (dear, dear)))

    assert refusal is not None
    assert refusal.reason is Reason.AMOUNT_RANGE


def test_other_currency_is_refused_by_the_path_of_its_amount() -> None:
    assert refuse_currency("total_tax", EUR, EUR) is None
    refusal = refuse_currency("line_items[2].price", "USD", EUR)
    assert refusal is not None
    assert refusal.metadata == {"field": "line_items[2].price.currency_code"}


def test_prices_are_told_in_the_order_of_the_lines() -> None:
    found: tuple[PricedLine, ...] = price_lines(order(item("b", "2.00"), item("a", "1.00")))

    assert [(line.item.product_id, line.line_id) for line in found] == [("b", "1"), ("a", "2")]
