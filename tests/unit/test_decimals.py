"""Quantities and rates: exact from text to text."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser_server.domain.decimals import (
    decimal_text,
    parse_quantity,
    parse_rate,
    quantity_problem,
    quantity_text,
    rate_problem,
    rate_text,
    rounded_half_up,
)
from purser_server.domain.shares import shares


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [("1", 1000), ("1.5", 1500), ("0.001", 1), ("1.500", 1500), ("0", 0), ("007", 7000)],
)
def test_quantities_are_read_to_the_thousandth(text: str, thousandths: int) -> None:
    assert quantity_problem(text) is None
    assert parse_quantity(text) == thousandths


def test_rates_are_read_to_the_millionth() -> None:
    assert [parse_rate(text) for text in ("1.5", "0.10", "0.000001")] == [1500000, 100000, 1]


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1.", ".5", "1,5", "1e3", " 1", "1\n", "1.2345", "\u0661", "½", "NaN", "1_0"],
)
def test_nothing_else_is_a_quantity(text: str) -> None:
    assert quantity_problem(text) is not None


def test_decimals_have_bounds() -> None:
    assert quantity_problem("999999999999.999") is None
    assert quantity_problem("1000000000000") is not None
    assert rate_problem("999999999.999999") is None
    assert rate_problem("0.0000001") is not None
    assert rate_problem("0" * 5000) is not None


@pytest.mark.parametrize(
    ("scaled", "places", "text"),
    [
        (1500, 3, "1.5"),
        (1000, 3, "1"),
        (0, 3, "0"),
        (1, 3, "0.001"),
        (-1, 2, "-0.01"),
        (10, 0, "10"),
        (15000000000000000000000, 14, "150000000"),
        (2175 * 10**11, 14, "2.175"),
    ],
)
def test_decimals_are_told_exactly_and_shortly(scaled: int, places: int, text: str) -> None:
    assert decimal_text(scaled, places) == text


@given(st.integers(0, 10**15 - 1))
def test_rates_survive_their_text(millionths: int) -> None:
    text = rate_text(millionths)

    assert rate_problem(text) is None
    assert parse_rate(text) == millionths
    assert Fraction(text) == Fraction(millionths, 10**6)


@given(st.integers(0, 10**12 - 1))
def test_quantities_survive_their_text(thousandths: int) -> None:
    assert parse_quantity(quantity_text(thousandths)) == thousandths


def test_halves_are_rounded_up() -> None:
    assert [rounded_half_up(n, 1000) for n in (499, 500, 1499, 1500, 2500)] == [0, 1, 1, 2, 3]


# -- shares -------------------------------------------------------------------------------------


def test_largest_remainders_get_what_is_left() -> None:
    assert shares(10, [1, 1, 1], [("a",), ("b",), ("c",)]) == (4, 3, 3)
    assert shares(10, [5, 3, 1], [("a",), ("b",), ("c",)]) == (6, 3, 1)
    assert shares(10, [1, 1, 1], [("c",), ("b",), ("a",)]) == (3, 3, 4)


def test_nothing_is_shared_among_no_weights() -> None:
    assert shares(0, [], []) == ()
    assert shares(0, [2, 1], [("a",), ("b",)]) == (0, 0)
    assert shares(5, [0, 0], [("a",), ("b",)]) == (0, 0)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_shares_sum_exactly_and_stay_near_their_due(total: int, weights: list[int]) -> None:
    weights = [*weights, 1]
    found = shares(total, weights, [(i,) for i in range(len(weights))])

    assert sum(found) == total
    for share, weight in zip(found, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
