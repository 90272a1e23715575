"""Refunds: the money that goes back, and the points that were paid instead of money."""

from __future__ import annotations

import pytest

from purser_server.domain.earning import Reward
from purser_server.domain.errors import Reason
from purser_server.domain.programs import LinesMissingPolicy
from purser_server.domain.refunding import RefundLineItem
from purser_server.domain.reversals import order_value
from tests.unit.money import eur
from tests.unit.returns import Returns, of
from tests.unit.shop import earns, item, order, program

MATS_AND_BOTTLES = order(item("mat", "10.00", "3"), item("bottle", "5.00", "2"))

# -- money --------------------------------------------------------------------------------------


def test_parts_of_a_line_sum_to_what_was_paid_for_it() -> None:
    returns = Returns(earns(order(item("x", "10.00", "3", discount="5.00", tax="1.00"))))

    assert [returns.refund(of("x")).money for _ in range(3)] == [866, 867, 867]


def test_discount_of_the_order_is_not_given_back() -> None:
    returns = Returns(earns(order(item("a", "30.00"), item("b", "70.00"), paid="80.00")))

    assert returns.refund(of("a")).money == eur("24.00")
    assert returns.refund().money == eur("56.00")


def test_lower_amount_is_a_fee_that_is_not_refundable_later() -> None:
    returns = Returns(earns(MATS_AND_BOTTLES))

    done = returns.refund(of("mat"), amount="8.00")

    assert (done.points, done.money, done.remaining_amount) == (10, eur("8.00"), eur("30.00"))
    assert returns.refund().money == eur("30.00")
    assert returns.points == 40


def test_higher_amount_is_refused_but_for_the_rounding_of_a_minor_unit() -> None:
    returns = Returns(earns(order(item("x", "10.00", "3", discount="5.00"), item("y", "5.00"))))

    refusal = returns.refuses(of("x"), amount="8.35")
    assert (refusal.reason, refusal.metadata) == (
        Reason.REFUND_EXCEEDS_ORDER,
        {"line": "", "remaining": "834"},
    )
    assert [returns.refund(of("x"), amount="8.34").money for _ in range(2)] == [834, 834]
    assert returns.refund(of("x"), of("y")).money == 1332


def test_fee_after_rounded_amounts_is_no_more_than_what_is_left() -> None:
    returns = Returns(earns(order(item("x", "10.00", "3", discount="5.00"))))
    for amount in ("8.34", "8.34", "8.00"):
        returns.refund(of("x"), amount=amount)

    assert returns.refunded.value == order_value(returns.reward)
    assert returns.refund().money == 0


def test_too_high_an_amount_is_told_what_is_left_of_the_order() -> None:
    returns = Returns(earns(order(item("toy", "15.00"), item("ball", "5.00"))))
    returns.refund(amount="15.00")

    assert returns.refuses(of("toy"), amount="15.01").metadata["remaining"] == "500"


def test_quantities_may_be_fractions() -> None:
    returns = Returns(earns(order(item("cheese", "10.00", "1.5"))))

    done = returns.refund(of("cheese", "0.25"))

    assert (done.points, done.money) == (2, eur("2.50"))
    assert returns.refuses(of("cheese", "1.251")).metadata == {"line": "1", "remaining": "1.25"}


# -- the shipping as a part of the amount -------------------------------------------------------

SHIPPED = order(item("a", "10.00", "3"), shipping="5.00")


def test_amount_of_lines_includes_the_shipping() -> None:
    returns = Returns(earns(SHIPPED))

    done = returns.refund(of("a"), amount="12.50", shipping="2.50")

    assert (done.points, done.money, done.remaining_amount) == (10, eur("12.50"), eur("22.50"))
    assert returns.refund(of("a"), shipping="2.50").money == eur("12.50")


def test_amount_may_be_no_more_than_lines_and_shipping_together() -> None:
    returns = Returns(earns(SHIPPED))

    refusal = returns.refuses(of("a"), amount="12.51", shipping="2.50")

    assert refusal.reason is Reason.REFUND_EXCEEDS_ORDER
    assert refusal.metadata == {"line": "", "remaining": "1250"}
    # Without its shipping the line comes to less.
    assert returns.refuses(of("a"), amount="10.01").metadata["remaining"] == "1000"


def test_fee_is_what_the_amount_leaves_of_the_lines() -> None:
    returns = Returns(earns(SHIPPED))

    done = returns.refund(of("a"), amount="10.00", shipping="5.00")

    assert (done.points, done.money, done.remaining_amount) == (10, eur("10.00"), eur("20.00"))


@pytest.mark.parametrize("lines", [(), (of("a"),)], ids=["no lines", "a line"])
def test_shipping_is_never_more_than_the_amount(lines: tuple[RefundLineItem, ...]) -> None:
    refusal = Returns(earns(SHIPPED)).refuses(*lines, amount="2.00", shipping="2.01")

    assert refusal.reason is Reason.INVALID_FIELD
    assert refusal.metadata == {"field": "refund_shipping.minor_units"}


def test_amount_that_is_all_shipping_asks_for_no_goods() -> None:
    rewarded = program(reward_shipping=True, lines_missing_policy=LinesMissingPolicy.REJECT)
    returns = Returns(earns(SHIPPED, by=rewarded))

    done = returns.refund(amount="5.00", shipping="5.00")

    assert (done.points, done.money, done.points_not_attributed) == (5, eur("5.00"), 0)
    (line,) = done.lines
    assert (line.is_shipping, line.quantity, line.remaining_quantity) == (True, 1_000, 0)
    assert (line.line_id, line.points) == ("", 5)


def test_amount_of_a_bare_order_is_reversed_but_for_its_shipping() -> None:
    returns = Returns(earns(order(shipping="5.00", paid="105.00")))

    done = returns.refund(amount="55.00", shipping="5.00")

    assert (done.points, done.money) == (50, eur("55.00"))


# -- orders paid partly with points -------------------------------------------------------------


def partly_paid_with_points(**fields: str) -> Reward:
    """Two at 50.00, of which 200 points paid 20.00."""
    return earns(
        order(
            item("a", "50.00", "2"), paid="80.00", redeemed="20.00", redeemed_points=200, **fields
        )
    )


def test_money_comes_back_first_and_then_the_points() -> None:
    returns = Returns(partly_paid_with_points())

    first, second = returns.refund(of("a")), returns.refund(of("a"))

    assert [(each.money, each.restored_points) for each in (first, second)] == [
        (eur("50.00"), 0),
        (eur("30.00"), 200),
    ]
    assert [first.points, second.points] == [40, 40]
    assert [first.remaining_amount, second.remaining_amount] == [eur("30.00"), 0]


def test_amount_of_the_request_is_the_total_value() -> None:
    returns = Returns(partly_paid_with_points())

    done = [returns.refund(amount=amount) for amount in ("85.00", "0.05", "99.00")]

    assert [each.money for each in done] == [eur("80.00"), 0, 0]
    assert [each.restored_points for each in done] == [50, 0, 150]


def test_full_refund_gives_back_money_and_points() -> None:
    returns = Returns(partly_paid_with_points())

    done = returns.refund()

    assert (done.money, done.restored_points, done.points) == (eur("80.00"), 200, 80)


def test_fee_is_kept_from_money_before_points() -> None:
    returns = Returns(partly_paid_with_points())

    first = returns.refund(of("a"), amount="40.00")
    second = returns.refund(of("a"))

    assert (first.money, first.remaining_amount) == (eur("40.00"), eur("30.00"))
    assert (second.money, second.restored_points) == (eur("30.00"), 200)


def test_points_that_were_worth_a_little_more_come_back_whole() -> None:
    rounded = order(item("a", "10.05"), paid="0", redeemed="10.10", redeemed_points=101)

    assert Returns(earns(rounded)).refund(of("a")).restored_points == 101


def test_bare_order_paid_partly_with_points_is_reversed_by_its_money() -> None:
    returns = Returns(earns(order(paid="80.00", redeemed="20.00", redeemed_points=200)))

    done = [returns.refund(amount=amount) for amount in ("50.00", "50.00")]

    assert [each.points for each in done] == [50, 30]
    assert [each.restored_points for each in done] == [0, 200]
