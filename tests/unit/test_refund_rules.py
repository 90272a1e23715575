"""Refunds: the points and the money of returned lines, of amounts, and of all that is left."""

from __future__ import annotations

import pytest

from purser_server.domain.errors import Reason
from purser_server.domain.programs import LinesMissingPolicy, Program
from purser_server.domain.refunding import (
    RefundDecision,
    RefundLineItem,
    RefundRequest,
    decide_refund,
)
from purser_server.domain.reversals import Refunded, nothing_refunded
from tests.unit.money import eur
from tests.unit.returns import Returns, asks, of
from tests.unit.shop import campaign, cash, earns, earns_by_amount, item, order, program, times

MATS_AND_BOTTLES = order(item("mat", "10.00", "3"), item("bottle", "5.00", "2"))


def by(policy: LinesMissingPolicy) -> Program:
    return program(lines_missing_policy=policy)


# -- the documented cases -----------------------------------------------------------------------


def test_sarah_returns_her_shoes() -> None:
    sarah = Returns(earns(order(item("shoes001", "12.50"))))

    done = sarah.refund(of("shoes001", price="12.50"), amount="12.50")

    assert (done.points, done.money) == (12, eur("12.50"))
    assert (done.base_points, done.campaign_points) == (12, 0)
    assert (done.remaining_points, done.remaining_amount) == (0, 0)


def test_john_returns_his_console_with_its_triple_points() -> None:
    john = Returns(earns(order(item("console001", "25.00")), times("3")))

    done = john.refund(of("console001", price="25.00"), amount="25.00")

    assert (done.points, done.base_points, done.campaign_points) == (75, 25, 50)


def test_emma_names_no_lines_and_keeps_her_points() -> None:
    emma = Returns(earns(order(item("toy", "15.00")), times("2")))

    done = emma.refund(amount="15.00")

    assert (done.points, done.money, done.points_not_attributed) == (0, eur("15.00"), 30)
    assert (done.lines, done.remaining_amount, done.remaining_points) == ((), 0, 30)


def test_lisa_returns_two_of_three_mats() -> None:
    lisa = Returns(earns(MATS_AND_BOTTLES, times("2")))

    done = lisa.refund(of("mat", "2", "10.00"), amount="20.00")

    assert (done.points, done.base_points, done.campaign_points) == (40, 20, 20)
    (line,) = done.lines
    assert (line.line_id, line.product_id, line.points) == ("1", "mat", 40)
    assert (line.refunded_quantity_total, line.remaining_quantity) == (2000, 1000)
    assert (done.remaining_points, done.remaining_amount) == (40, eur("20.00"))


# -- the table of cumulative quantities ---------------------------------------------------------


def test_two_of_12_50_take_12_and_13() -> None:
    returns = Returns(earns(order(item("shoes", "12.50", "2"))))

    assert [returns.take(of("shoes")) for _ in range(2)] == [12, 13]


def test_three_plain_lines_of_0_99_take_0_and_1_and_1() -> None:
    returns = Returns(earns(order(item("a", "0.99"), item("b", "0.99"), item("c", "0.99"))))

    assert [returns.take(of(product)) for product in "bca"] == [0, 1, 1]


def test_mats_and_bottles_at_double_points() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES, times("2")))

    assert returns.take(of("mat")) == 20
    assert returns.take(of("bottle")) == 10
    refusal = returns.refuses(of("mat", "3"))
    assert refusal.reason is Reason.REFUND_EXCEEDS_ORDER
    assert refusal.metadata == {"line": "1", "remaining": "2"}
    assert returns.take(of("mat", "2"), of("bottle")) == 50


def test_seven_bottles_at_one_and_a_half_times() -> None:
    returns = Returns(earns(order(item("bottle", "1.45", "7")), times("1.5")))

    assert [returns.take(of("bottle")) for _ in range(7)] == [2, 2, 2, 2, 2, 3, 2]
    assert returns.refuses(of("bottle")).metadata == {"line": "1", "remaining": "0"}
    assert returns.money == eur("10.15")


def test_discounted_line_takes_16_and_17_and_17() -> None:
    returns = Returns(earns(order(item("x", "10.00", "3", discount="5.00")), times("2")))

    assert [returns.take(of("x")) for _ in range(3)] == [16, 17, 17]


def test_cheese_bread_and_milk() -> None:
    shopping = order(item("cheese", "7.75", "2"), item("bread", "2.25", "3"), item("milk", "1.80"))
    returns = Returns(earns(shopping, [campaign("cheese-week", "5", "cheese")]))

    parts = [of("bread"), of("cheese"), of("bread", "2"), of("milk"), of("cheese")]
    assert [returns.take(part) for part in parts] == [2, 38, 4, 2, 39]
    assert returns.money == eur("24.05")


# -- bare amounts -------------------------------------------------------------------------------


def test_bare_amount_is_reversed_in_proportion_and_never_beyond() -> None:
    returns = Returns(earns_by_amount("100.00"))

    done = [returns.refund(amount=amount) for amount in ("20.00", "20.00", "100.00", "5.00")]

    assert [each.points for each in done] == [20, 20, 60, 0]
    assert [each.money for each in done] == [eur("20.00"), eur("20.00"), eur("60.00"), 0]
    assert [each.points_not_attributed for each in done] == [0, 0, 0, 0]


def test_bare_amount_counts_cumulatively() -> None:
    returns = Returns(earns_by_amount("3.00", program("0.5")))

    assert [returns.take(amount="1.00") for _ in range(3)] == [0, 1, 0]


def test_bare_amount_of_cash_is_reversed_to_the_minor_unit() -> None:
    returns = Returns(earns_by_amount("150.75", cash("0.015")))

    assert [returns.take(amount="50.25") for _ in range(3)] == [75, 75, 76]


def test_bare_amount_is_reversed_although_lines_are_wanted() -> None:
    returns = Returns(earns_by_amount("100.00", by(LinesMissingPolicy.REJECT)))

    assert returns.take(amount="40.00") == 40


def test_rest_of_a_bare_amount_needs_no_amount() -> None:
    returns = Returns(earns_by_amount("12.50"))
    returns.refund(amount="5.00")

    done = returns.refund()

    assert (done.points, done.money) == (7, eur("7.50"))
    assert returns.refund().points == 0


def test_bare_amount_has_no_lines() -> None:
    refusal = Returns(earns_by_amount("12.50")).refuses(of("shoes"), amount="12.50")

    assert refusal.reason is Reason.REFUND_LINE_UNKNOWN


def test_shipping_of_a_bare_order_takes_points_only_where_it_earned() -> None:
    bare = order(shipping="5.00", paid="105.00")
    plain, rewarded = Returns(earns(bare)), Returns(earns(bare, by=program(reward_shipping=True)))

    assert [plain.take(shipping="5.00"), rewarded.take(shipping="5.00")] == [0, 5]
    assert [plain.take(), rewarded.take()] == [100, 100]
    assert plain.money == rewarded.money == eur("105.00")


def test_free_order_has_nothing_to_take() -> None:
    returns = Returns(earns(order(paid="0")))

    assert (returns.take(amount="1.00"), returns.take(), returns.money) == (0, 0, 0)


# -- amounts of orders with lines ---------------------------------------------------------------


def test_line_named_later_takes_what_the_amount_left() -> None:
    returns = Returns(earns(order(item("toy", "15.00")), times("2")))
    returns.refund(amount="15.00")

    done = returns.refund(of("toy"), amount="0")

    assert (done.points, done.money) == (30, 0)


def test_line_without_an_amount_gives_no_more_money_than_is_left() -> None:
    returns = Returns(earns(order(item("toy", "15.00"), item("ball", "5.00"))))
    returns.refund(amount="15.00")

    done = returns.refund(of("toy"))

    assert (done.points, done.money, done.remaining_amount) == (15, eur("5.00"), 0)


def test_amount_that_is_attributed_later_is_no_fee() -> None:
    returns = Returns(earns(order(item("toy", "15.00"), item("ball", "25.00"))))
    returns.refund(amount="14.00")
    returns.refund(of("toy"), amount="0.50")

    done = returns.refund(of("ball"))

    # Of the 15.00 for the toy, 14.00 had gone back before and 0.50 is the fee.
    assert (done.points, done.money, done.remaining_amount) == (25, eur("25.00"), 0)
    assert returns.money == eur("39.50")


def test_amount_is_attributed_only_once() -> None:
    returns = Returns(earns(order(item("toy", "15.00"), item("ball", "25.00"))))
    returns.refund(amount="15.00")
    returns.refund(of("toy"), amount="0")

    done = returns.refund(of("ball"), amount="20.00")

    assert (done.money, done.remaining_amount) == (eur("20.00"), 0)


def test_amounts_tell_base_and_campaign_points_apart() -> None:
    mixed = order(item("mat", "10.00", "3"), item("bottle", "10.00"))

    def halves(policy: LinesMissingPolicy) -> list[tuple[int, int]]:
        returns = Returns(earns(mixed, [campaign("c", "3", "mat")], by(policy)))
        done = [returns.refund(amount="20.00") for _ in range(2)]
        return [(each.base_points, each.campaign_points) for each in done]

    assert halves(LinesMissingPolicy.BASE_PRO_RATA) == [(20, 0), (20, 0)]
    assert halves(LinesMissingPolicy.ALL_PRO_RATA) == [(20, 30), (20, 30)]


def test_amount_beyond_the_goods_takes_no_more_than_the_goods_earned() -> None:
    shipped = order(item("a", "10.00"), shipping="5.00")
    returns = Returns(earns(shipped, times("3"), by(LinesMissingPolicy.BASE_PRO_RATA)))

    assert returns.take(amount="15.00") == 10
    bare = Returns(earns(order(shipping="5.00", paid="105.00")))
    assert bare.take(amount="105.00") == 100


def test_points_of_the_shipping_are_not_counted_as_the_amounts() -> None:
    shipped = order(item("a", "10.00"), shipping="5.00")
    returns = Returns(earns(shipped, by=program(reward_shipping=True)))
    returns.refund(shipping="5.00")

    assert returns.refund(amount="10.00").points_not_attributed == 10


@pytest.mark.parametrize(
    ("policy", "points", "left"),
    [
        (LinesMissingPolicy.CASHBACK_ONLY, [0, 0], [20, 30]),
        (LinesMissingPolicy.BASE_PRO_RATA, [8, 12], [12, 18]),
        (LinesMissingPolicy.ALL_PRO_RATA, [20, 30], [0, 0]),
    ],
)
def test_policy_tells_what_an_amount_takes(
    policy: LinesMissingPolicy, points: list[int], left: list[int]
) -> None:
    # 30.00 at triple points and 10.00 plain earn 100; 40.00 of them without the campaign.
    mixed = order(item("mat", "10.00", "3"), item("bottle", "10.00"))
    returns = Returns(earns(mixed, [campaign("c", "3", "mat")], by(policy)))
    assert returns.reward.points == 100

    done = [returns.refund(amount=amount) for amount in ("8.00", "12.00")]

    assert [each.points for each in done] == points
    assert [each.points_not_attributed for each in done] == left


def test_reject_wants_lines_but_lets_full_refunds_pass() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES, by=by(LinesMissingPolicy.REJECT)))

    refusal = returns.refuses(amount="8.00")
    assert (refusal.reason, refusal.metadata) == (Reason.REFUND_LINES_REQUIRED, {})
    assert returns.take(of("mat"), amount="8.00") == 10
    assert returns.take() == 30


def test_lines_true_up_what_amounts_took() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES, times("2"), by(LinesMissingPolicy.ALL_PRO_RATA)))

    assert returns.take(amount="20.00") == 40
    first = returns.refund(of("mat"), amount="0")
    assert (first.points, [line.points for line in first.lines]) == (0, [0])
    assert returns.take(of("mat", "2"), amount="0") == 20
    assert returns.take(of("bottle", "2")) == 20
    assert (returns.points, returns.money) == (80, eur("30.00"))
    assert returns.refund().money == eur("10.00")


def test_lines_for_an_amount_of_zero_take_points_alone() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES))

    done = returns.refund(of("mat", "3"), amount="0")

    assert (done.points, done.money, done.remaining_amount) == (30, 0, eur("40.00"))
    assert (returns.refund().money, returns.points) == (eur("40.00"), 40)


def test_cash_of_lines_is_reversed_in_proportion() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES, times("2"), cash("0.05")))
    assert returns.reward.reward_amount == eur("4.00")

    done = returns.refund(amount="10.00")

    assert (done.points, done.points_not_attributed) == (eur("1.00"), 0)
    assert returns.take(of("mat", "3"), amount="0") == eur("2.00")
    assert returns.take() == eur("1.00")


# -- all that is left ---------------------------------------------------------------------------


def test_full_refund_takes_all_shipping_included() -> None:
    shipped = order(item("a", "10.00", "3"), shipping="5.00")
    returns = Returns(earns(shipped, by=program(reward_shipping=True)))
    returns.refund(of("a"))

    done = returns.refund()

    assert (done.points, done.money) == (25, eur("25.00"))
    goods, shipping = done.lines
    assert (goods.quantity, goods.remaining_quantity, goods.points) == (2_000, 0, 20)
    assert (shipping.is_shipping, shipping.points) == (True, 5)
    assert returns.refuses(of("a")).reason is Reason.REFUND_EXCEEDS_ORDER
    assert (returns.take(), returns.money) == (0, eur("35.00"))


def test_only_refund_of_shipping_takes_its_points() -> None:
    shipped = order(item("a", "10.00"), shipping="5.00")
    returns = Returns(earns(shipped, by=program(reward_shipping=True)))

    assert returns.take(of("a")) == 10
    half = returns.refund(shipping="2.50")
    assert (half.points, half.money) == (2, eur("2.50"))
    (line,) = half.lines
    assert (line.is_shipping, line.quantity, line.remaining_quantity) == (True, 500, 500)
    assert returns.take(shipping="2.50") == 3
    refusal = returns.refuses(shipping="0.01")
    assert (refusal.reason, refusal.metadata) == (
        Reason.REFUND_EXCEEDS_ORDER,
        {"line": "", "remaining": "0"},
    )


def test_shipping_that_earned_nothing_is_refunded_as_money() -> None:
    returns = Returns(earns(order(item("a", "10.00"), shipping="5.00")))

    done = returns.refund(of("a"), shipping="5.00")

    assert (done.points, done.money) == (10, eur("15.00"))


def test_shipping_takes_its_points_beside_those_of_amounts() -> None:
    shipped = order(item("a", "10.00"), shipping="5.00")
    rewarded = program(reward_shipping=True, lines_missing_policy=LinesMissingPolicy.ALL_PRO_RATA)
    returns = Returns(earns(shipped, by=rewarded))

    assert returns.take(amount="10.00") == 10
    assert returns.take(shipping="5.00") == 5


# -- which line ---------------------------------------------------------------------------------

TWO_PRICES = order(
    item("mat", "10.00", "2"), item("mat", "8.00", "2"), item("mat", "8.00", line_id="gift")
)


def test_product_on_two_lines_is_found_by_price_or_id() -> None:
    returns = Returns(earns(TWO_PRICES))

    assert returns.take(of("mat", price="10.00")) == 10
    assert returns.take(of("mat", line_id="2")) == 8
    assert returns.take(of("", line_id="gift")) == 8


@pytest.mark.parametrize("price", [None, "8.00", "9.00"])
def test_product_that_price_does_not_tell_is_ambiguous(price: str | None) -> None:
    refusal = Returns(earns(TWO_PRICES)).refuses(of("mat", price=price))

    assert (refusal.reason, refusal.metadata) == (Reason.REFUND_LINE_AMBIGUOUS, {"line": "mat"})


def test_price_is_otherwise_not_compared() -> None:
    assert Returns(earns(order(item("mat", "10.00")))).take(of("mat", price="99.00")) == 10


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (of("bread"), "bread"),
        (of("mat", line_id="9"), "9"),
        (of("bread", line_id="1"), "1"),
    ],
)
def test_unknown_line_is_refused(line: RefundLineItem, named: str) -> None:
    refusal = Returns(earns(order(item("mat", "10.00")))).refuses(line)

    assert (refusal.reason, refusal.metadata) == (Reason.REFUND_LINE_UNKNOWN, {"line": named})


def test_shipping_is_no_line_that_can_be_named() -> None:
    shipped = order(item("mat", "10.00", "2"), shipping="5.00")
    returns = Returns(earns(shipped, by=program(reward_shipping=True)))

    assert returns.take(of("mat")) == 10


def test_line_that_is_named_twice_counts_twice() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES))

    assert returns.refuses(of("mat", "2"), of("mat", "2")).metadata == {
        "line": "1",
        "remaining": "3",
    }
    done = returns.refund(of("mat"), of("mat", "2"))
    assert (done.points, len(done.lines)) == (30, 1)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (asks(of("mat", "0")), "line_items[0].quantity"),
        (asks(of("mat"), of("")), "line_items[1].product_id"),
        (asks(amount="-0.01"), "refund_amount.minor_units"),
        (asks(amount="0"), "refund_amount.minor_units"),
        (asks(shipping="-0.01"), "refund_shipping.minor_units"),
    ],
)
def test_impossible_refund_is_refused(request_: RefundRequest, path: str) -> None:
    reward = earns(MATS_AND_BOTTLES)

    refusal = decide_refund(reward, nothing_refunded(reward), request_)

    assert not isinstance(refusal, RefundDecision)
    assert (refusal.reason, refusal.metadata) == (Reason.INVALID_FIELD, {"field": path})


def test_state_is_made_of_plain_numbers() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES))
    returns.refund(of("mat", "2"))

    assert returns.refunded == Refunded(quantities=(2000, 0), value=2000, money=2000)
