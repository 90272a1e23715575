"""Earning: the points of amounts and orders, to the last fraction, and when they may be spent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purser_server.domain.decimals import RATE_ONE
from purser_server.domain.earning import Timing, reward_of_amount, reward_of_order
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.money import MAX_MINOR
from purser_server.domain.orders import LineItem, Order
from purser_server.domain.programs import Campaign, Program
from tests.unit.money import EUR, eur
from tests.unit.shop import (
    BOUGHT,
    DAY,
    NOON,
    campaign,
    cash,
    earns,
    earns_by_amount,
    item,
    line_of,
    order,
    points_of,
    program,
    times,
)
from tests.unit.shop_strategies import campaign_lists, items, orders

often = settings(max_examples=200, deadline=None)

# -- bare amounts -------------------------------------------------------------------------------


def test_amount_earns_points_rounded_down() -> None:
    reward = earns_by_amount("150.75", program(point_value="0.10"))

    assert (reward.points, reward.reward_equivalent_points) == (150, 150)
    assert reward.reward_amount == eur("15.00")
    assert (reward.exact_points, reward.lines) == ("150.75", ())


def test_amount_earns_cash_in_wallet_cash_mode() -> None:
    reward = earns_by_amount("150.75", cash("1"))

    assert (reward.reward_amount, reward.reward_equivalent_points) == (eur("150.75"), 0)


def test_cash_is_rounded_down_to_the_minor_unit() -> None:
    assert earns_by_amount("150.75", cash("0.015")).reward_amount == eur("2.26")


def test_five_points_per_ten_give_six_for_12_50() -> None:
    assert earns_by_amount("12.50", program("0.5")).points == 6
    assert earns(order(item("bread", "12.50")), by=program("0.5")).points == 6


def test_value_of_points_is_rounded_down() -> None:
    assert earns_by_amount("3.00", program(point_value="0.015")).reward_amount == eur("0.04")


def test_order_without_lines_earns_by_what_was_paid_for_goods() -> None:
    bare = order(shipping="5.00", tax="20.00", paid="125.00")

    assert earns(bare, times("3")).points == 100
    assert earns(bare, by=program(reward_shipping=True)).points == 105
    assert earns(bare, by=program(reward_tax=True)).points == 120
    assert earns(bare, by=program(reward_shipping=True, reward_tax=True)).points == 125


def test_amount_in_another_currency_is_refused() -> None:
    refused = reward_of_amount(program(), BOUGHT, "USD", 100, 2)
    assert isinstance(refused, Refusal)
    assert refused.metadata == {"field": "amount.currency_code"}
    refused = reward_of_order(program(), (), BOUGHT, Order("USD", 100), 2)
    assert isinstance(refused, Refusal)
    assert refused.metadata == {"field": "total_paid.currency_code"}


def test_negative_amount_and_impossible_order_are_refused() -> None:
    refused = reward_of_amount(program(), BOUGHT, EUR, -1, 2)
    assert isinstance(refused, Refusal)
    assert refused.metadata == {"field": "amount.minor_units"}
    refused = reward_of_order(program(), (), BOUGHT, Order(EUR, 1, (item("a", "0"),)), 2)
    assert isinstance(refused, Refusal)
    assert refused.metadata == {"field": "total_paid.minor_units"}


@pytest.mark.parametrize(
    "mode", [program("1000000", point_value="0"), program(point_value="999999999")]
)
def test_rewards_beyond_64_bits_are_refused(mode: Program) -> None:
    refused = reward_of_amount(mode, BOUGHT, EUR, MAX_MINOR, 2)

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.AMOUNT_RANGE


def test_base_points_fit_too_where_a_multiplier_is_below_one() -> None:
    ordered = order(item("x", "9000000000000000.00"))
    once, million = times("0.000001"), program("1000000")

    refused = reward_of_order(million, once, BOUGHT, ordered, exponent=2)

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.AMOUNT_RANGE
    assert earns(ordered, once).points == 9_000_000_000


# -- orders -------------------------------------------------------------------------------------


def test_lines_under_campaigns_are_rounded_down_each() -> None:
    both = [campaign("double", "2", "a"), campaign("triple", "3", "b")]

    assert points_of(earns(order(item("a", "2.30"), item("b", "3.10")), both)) == [4, 9]


def test_plain_lines_are_summed_before_they_are_rounded_down() -> None:
    three = order(item("a", "0.99"), item("b", "0.99"), item("c", "0.99"))

    assert earns(three).points == 2
    assert earns(three, times("2")).points == 3
    assert earns(three, times("1")).points == 0


def test_exact_points_are_kept_of_what_is_rounded() -> None:
    reward = earns(order(item("bottle", "1.45", "7")), times("1.5"))
    (line,) = reward.lines

    assert (line.exact_points, line.points) == ("15.225", 15)
    assert (line.net, line.rate, line.multiplier) == (eur("10.15"), RATE_ONE, RATE_ONE * 3 // 2)
    assert (reward.exact_points, reward.points) == ("15.225", 15)


def test_cheese_at_five_times_and_the_rest_plain() -> None:
    shopping = order(item("cheese", "7.75", "2"), item("bread", "2.25", "3"), item("milk", "1.80"))

    reward = earns(shopping, [campaign("cheese-week", "5", "cheese")])

    assert line_of(reward, "cheese").points == 77
    assert [line_of(reward, each).points for each in ("bread", "milk")] == [6, 2]
    assert reward.points == 77 + 8


def test_campaigns_multiply_what_was_paid_and_no_cent_more() -> None:
    three = order(item("a", "10.00"), item("b", "10.00"), item("c", "10.00"), paid="20.00")

    reward = earns(three, times("100"))

    assert reward.points == 2000
    assert sum(line.net for line in reward.lines) == eur("20.00")


@pytest.mark.parametrize(
    ("ordered", "campaigns", "points"),
    [
        (order(item("shoes", "12.50")), (), 12),
        (order(item("console", "25.00")), times("3"), 75),
        (order(item("mat", "10.00", "3"), item("bottle", "5.00", "2")), times("2"), 80),
        (order(item("x", "10.00", "3", discount="5.00")), times("2"), 50),
    ],
    ids=["sarah", "john", "lisa", "discounted"],
)
def test_documented_orders_earn_what_is_documented(
    ordered: Order, campaigns: list[Campaign], points: int
) -> None:
    assert earns(ordered, campaigns).points == points


def test_what_was_paid_with_points_earns_nothing() -> None:
    ordered = order(item("a", "100.00"), paid="80.00", redeemed="20.00", redeemed_points=200)

    reward = earns(ordered)

    assert reward.points == 80
    assert (reward.total_paid, reward.redeemed_amount) == (eur("80.00"), eur("20.00"))
    assert (reward.redeemed_points, reward.lines[0].worth) == (200, eur("100.00"))


def test_tax_of_a_line_earns_where_the_program_says_so() -> None:
    taxed = order(item("a", "10.00", tax="2.00"))

    assert earns(taxed).points == 10
    assert earns(taxed, by=program(reward_tax=True)).points == 12
    assert earns(taxed, by=program(reward_tax=True)).lines[0].net == eur("12.00")


def test_shipping_earns_as_a_line_of_its_own() -> None:
    shipped = order(item("a", "10.00"), shipping="5.00")

    assert [line.is_shipping for line in earns(shipped).lines] == [False]
    reward = earns(shipped, by=program(reward_shipping=True))
    assert [(line.line_id, line.points) for line in reward.lines] == [("1", 10), ("", 5)]
    assert (reward.lines[1].is_shipping, reward.shipping) == (True, eur("5.00"))
    free = order(item("a", "10.00"))
    assert points_of(earns(free, by=program(reward_shipping=True))) == [10]


def test_campaign_of_products_leaves_the_shipping_alone() -> None:
    shipped, rewarded = order(item("a", "10.00"), shipping="5.00"), program(reward_shipping=True)

    assert points_of(earns(shipped, [campaign("c", "2", "a")], rewarded)) == [20, 5]
    assert points_of(earns(shipped, times("2"), rewarded)) == [20, 10]
    assert points_of(earns(shipped, [campaign("c", "2", min_amount="15")], rewarded)) == [10, 5]


def test_order_in_wallet_cash_mode_counts_minor_units() -> None:
    ordered = order(item("a", "1.99"), item("b", "2.99"), item("c", "0.99"))

    reward = earns(ordered, [campaign("double", "2", "a")], cash("0.05"))

    assert reward.reward_amount == 19 + 19  # 19.9 alone, 14.95 and 4.95 together
    assert reward.reward_equivalent_points == 0
    assert points_of(reward) == [19, 14, 5]
    assert [line.exact_points for line in reward.lines] == ["19.9", "14.95", "4.95"]


def test_currency_without_minor_units_counts_alike() -> None:
    reward = reward_of_amount(replace(program(), currency_code="JPY"), BOUGHT, "JPY", 250, 0)

    assert not isinstance(reward, Refusal)
    assert (reward.points, reward.reward_amount) == (250, 25)


# -- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_program", "of_request", "bought", "available"),
    [
        (0, None, NOON - 3 * DAY, NOON),
        (7, None, NOON - 3 * DAY, NOON + 4 * DAY),
        (7, 2, NOON - DAY, NOON + DAY),
        (7, 0, NOON - DAY, NOON),
        (7, None, NOON - 7 * DAY, NOON),
        (7, None, NOON - 400 * DAY, NOON),
        (0, None, NOON + DAY / 1440, NOON),
    ],
)
def test_window_counts_from_the_transaction(
    of_program: int, of_request: int | None, bought: datetime, available: datetime
) -> None:
    timing = Timing(bought, NOON, of_request)

    reward = earns_by_amount("1.00", program(return_window_days=of_program), timing)

    assert (reward.transaction_time, reward.available_time) == (bought, available)


def test_expiry_counts_from_availability() -> None:
    lasting = program(return_window_days=7, points_expire_after_days=30)

    assert earns_by_amount("1.00", lasting).expire_time == NOON + 37 * DAY
    late = Timing(NOON - 400 * DAY, NOON)
    assert earns_by_amount("1.00", lasting, late).expire_time == NOON + 30 * DAY


def test_without_days_and_in_cash_nothing_expires() -> None:
    assert earns_by_amount("1.00").expire_time is None
    assert earns_by_amount("1.00", cash(points_expire_after_days=30)).expire_time is None


@pytest.mark.parametrize(
    ("timing", "path"),
    [
        (Timing(NOON + DAY / 287, NOON), "transaction_time"),
        (Timing(NOON, NOON, -1), "return_window_days"),
        (Timing(NOON, NOON, 36_501), "return_window_days"),
    ],
)
def test_future_and_negative_windows_are_refused(timing: Timing, path: str) -> None:
    for refused in (
        reward_of_amount(program(), timing, EUR, 100, 2),
        reward_of_order(program(), (), timing, Order(EUR, 100), 2),
    ):
        assert isinstance(refused, Refusal)
        assert refused.metadata == {"field": path}


def test_five_minutes_of_skew_are_accepted() -> None:
    earns_by_amount("1.00", timing=Timing(NOON + DAY / 288, NOON))


# -- for every order ----------------------------------------------------------------------------


@often
@given(orders(), campaign_lists(), st.randoms(use_true_random=False), st.booleans())
def test_points_never_depend_on_the_order_of_lines(
    ordered: Order, campaigns: list[Campaign], random: object, in_cash: bool
) -> None:
    by = cash("0.07") if in_cash else program("1.3", reward_tax=True)
    shuffled = list(ordered.line_items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one = earns(ordered, campaigns, by)
    other = earns(replace(ordered, line_items=tuple(shuffled)), campaigns[::-1], by)

    assert (one.points, one.reward_amount) == (other.points, other.reward_amount)
    assert one.exact_points == other.exact_points
    assert sorted((line.product_id, line.net, line.worth, line.points) for line in one.lines) == (
        sorted((line.product_id, line.net, line.worth, line.points) for line in other.lines)
    )


@often
@given(orders())
def test_shares_of_a_discount_sum_exactly(ordered: Order) -> None:
    reward = earns(ordered)
    goods = max(0, ordered.total_paid - ordered.total_shipping - ordered.tax)

    assert sum(line.net for line in reward.lines) == goods
    for line, each in zip(reward.lines, ordered.line_items, strict=True):
        assert 0 <= line.net <= each.value
        assert 0 <= line.worth <= each.value + each.tax
    # All that lines and shipping are worth was paid, in money or points; the rest is other tax.
    given_back = sum(line.worth for line in reward.lines) + reward.shipping
    assert given_back <= reward.total_paid + reward.redeemed_amount
    if ordered.total_tax is None:
        assert given_back == reward.total_paid + reward.redeemed_amount


@often
@given(orders(), campaign_lists())
def test_points_agree_with_the_plainest_reading(ordered: Order, campaigns: list[Campaign]) -> None:
    reward = earns(ordered, campaigns, program("1.3"))

    exact = [
        Fraction(line.net, 100) * Fraction("1.3") * Fraction(line.multiplier, RATE_ONE)
        for line in reward.lines
    ]
    under = [each for each, line in zip(exact, reward.lines, strict=True) if line.campaign_id]
    plain = [each for each, line in zip(exact, reward.lines, strict=True) if not line.campaign_id]
    assert reward.points == sum(map(int, under)) + int(sum(plain))
    assert reward.points == sum(points_of(reward))
    assert [Fraction(line.exact_points) for line in reward.lines] == exact
    assert Fraction(reward.exact_points) == sum(exact)


@often
@given(items())
def test_one_plain_line_earns_as_its_value_does(line: LineItem) -> None:
    bare = order(paid=f"{line.value // 100}.{line.value % 100:02}")

    assert earns(order(replace(line, tax=0))).points == earns(bare).points == line.value // 100
