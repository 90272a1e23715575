"""Reversals: what is taken back in all, by what was refunded in all."""

from __future__ import annotations

import pytest

from purser_server.domain.earning import Reward
from purser_server.domain.programs import LinesMissingPolicy
from purser_server.domain.reversals import (
    Refunded,
    most_for_lines,
    nothing_refunded,
    reversed_base_points,
    reversed_by_line,
    reversed_points,
    value_of_lines,
)
from tests.unit.returns import Returns, of
from tests.unit.shop import campaign, earns, earns_by_amount, item, order, program, times

BOTTLES = earns(order(item("bottle", "1.45", "7")), times("1.5"))
DISCOUNTED = earns(order(item("x", "10.00", "3", discount="5.00")), times("2"))
SHOES = earns(order(item("shoes", "12.50", "2")))


@pytest.mark.parametrize(
    ("reward", "totals"),
    [
        (SHOES, [0, 12, 25]),
        (BOTTLES, [0, 2, 4, 6, 8, 10, 13, 15]),
        (DISCOUNTED, [0, 16, 33, 50]),
    ],
    ids=["shoes", "bottles", "discounted"],
)
def test_total_of_a_line_follows_from_its_quantity(reward: Reward, totals: list[int]) -> None:
    returned = [Refunded(quantities=(1000 * units,)) for units in range(len(totals))]

    assert [reversed_points(reward, each) for each in returned] == totals


def test_plain_lines_are_rounded_in_their_sum_and_others_each() -> None:
    ordered = order(item("a", "1.99"), item("b", "1.99"), item("c", "1.99"), item("d", "1.99"))
    reward = earns(ordered, [campaign("once", "1", "c", "d")])

    assert reversed_points(reward, Refunded(quantities=(1000, 0, 1000, 0))) == 1 + 1
    assert reversed_points(reward, Refunded(quantities=(1000, 1000, 0, 0))) == 3
    assert reversed_points(reward, Refunded(quantities=(0, 0, 1000, 1000))) == 2
    everything = Refunded(quantities=(1000,) * 4)
    assert sum(reversed_by_line(reward, everything)) == reward.points == 5
    assert reversed_by_line(reward, everything) == tuple(line.points for line in reward.lines)


def test_base_points_are_those_without_the_campaign() -> None:
    assert reversed_base_points(DISCOUNTED, Refunded(quantities=(3000,))) == 25
    assert reversed_base_points(SHOES, Refunded(quantities=(1000,))) == 12
    bare = earns_by_amount("100.00")
    assert reversed_base_points(bare, Refunded(amount=2050)) == 20


def test_nothing_is_reversed_at_the_beginning() -> None:
    for reward in (SHOES, BOTTLES, earns_by_amount("100.00")):
        assert reversed_points(reward, nothing_refunded(reward)) == 0
        assert not any(reversed_by_line(reward, nothing_refunded(reward)))


def test_the_least_that_is_refunded_is_not_taken_for_nothing() -> None:
    ship = earns(order(item("x", "1.00", "1"), shipping="9.00"), by=program(reward_shipping=True))
    assert reversed_points(ship, Refunded(quantities=(0, 0), shipping=100)) == 1
    assert reversed_points(SHOES, Refunded(quantities=(80,))) == 1
    assert reversed_points(earns_by_amount("100.00"), Refunded(amount=100)) == 1


def test_shipping_is_shown_with_its_own_points_beside_those_of_an_amount() -> None:
    everything = program(reward_shipping=True, lines_missing_policy=LinesMissingPolicy.ALL_PRO_RATA)
    returns = Returns(earns(order(item("x", "40.00"), shipping="2.00"), by=everything))

    done = returns.refund(amount="21.00", shipping="1.00")

    assert [(line.is_shipping, line.points) for line in done.lines] == [(True, 1)]
    assert done.points == 20 + 1


def test_shipping_that_amounts_have_not_taken_is_shown_with_its_points() -> None:
    all_pro_rata = LinesMissingPolicy.ALL_PRO_RATA
    by = program("0.33", reward_shipping=True, lines_missing_policy=all_pro_rata)
    returns = Returns(earns(order(item("a", "0.60"), item("b", "17.40"), shipping="3.43"), by=by))
    returns.refund(of("a"))
    returns.refund(amount="4.41")
    returns.refund(shipping="3.01")

    # In the sum of lines it makes no whole point yet: 0.198 + 1.0164.
    done = returns.refund(shipping="0.07")

    assert (done.points, [line.points for line in done.lines]) == (1, [1])


def test_money_of_parts_is_cumulative_and_may_be_asked_rounded_up() -> None:
    worths = [value_of_lines(DISCOUNTED, (1000 * units,)) for units in range(4)]

    assert worths == [0, 833, 1666, 2500]
    assert most_for_lines(DISCOUNTED, (0,), (1000,)) == 834
    assert most_for_lines(DISCOUNTED, (0,), (3000,)) == 2500
