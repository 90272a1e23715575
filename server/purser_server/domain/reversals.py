"""Reversals: how much of a reward is taken back in all, given what was refunded in all.

Every figure here depends on cumulative quantities and amounts alone, so that however a return is
split or ordered, the total is the same; what one refund takes is the difference that it makes. As
in a reward, points are minor units of cash in WALLET_CASH mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from purser_server.domain.decimals import QUANTITY_ONE, RATE_ONE
from purser_server.domain.earning import Reward, RewardLine
from purser_server.domain.programs import LinesMissingPolicy, RewardMode
from purser_server.domain.shares import shares
from purser_server.domain.values import value

_NOTHING = Fraction(0)


@value
class Refunded:
    """What was refunded of an order so far, in all.

    `quantities` stands beside the reward's lines, in thousandths (that of the shipping stays 0);
    the rest is minor units. `amount` was refunded without naming lines, and `attributed` is the
    part of it that later refunds of lines accounted for. `value` is what is gone of the order's
    value: returned as `money` or as redeemed points (`restored_amount`), or kept as a fee.
    """

    quantities: tuple[int, ...] = ()
    shipping: int = 0
    amount: int = 0
    attributed: int = 0
    value: int = 0
    money: int = 0
    restored_amount: int = 0

    @property
    def asks_nothing(self) -> bool:
        """Whether no points are asked for: no line, no shipping and no amount was refunded."""
        return not (self.amount or self.shipping or any(self.quantities))


def returned_quantities(reward: Reward, refunded: Refunded) -> tuple[int, ...]:
    """Return how much of each line was returned; of the shipping, as a part of one."""
    part = refunded.shipping * QUANTITY_ONE // reward.shipping if reward.shipping else 0
    lines = zip(reward.lines, refunded.quantities, strict=True)
    return tuple(part if line.is_shipping else returned for line, returned in lines)


def nothing_refunded(reward: Reward) -> Refunded:
    """Return the beginning: an order of which nothing was refunded."""
    return Refunded(quantities=(0,) * len(reward.lines))


# -- points -------------------------------------------------------------------------------------


def reversed_points(reward: Reward, refunded: Refunded) -> int:
    """Return what is taken back in all: the larger of what lines and what amounts ask."""
    if refunded.asks_nothing:
        # The fractions come to the same, but most rewards are told while nothing is refunded.
        return 0
    if not reward.lines:
        return _points_of_bare_amount(reward, refunded.amount)
    return max(_by_lines(reward, refunded), _by_amounts(reward, refunded))


def reversed_base_points(reward: Reward, refunded: Refunded) -> int:
    """Return how many of the reversed points had been earned without campaigns."""
    if not reward.lines:
        return reversed_points(reward, refunded)
    by_lines, by_amounts = _by_lines(reward, refunded), _by_amounts(reward, refunded)
    if by_lines >= by_amounts:
        return sum(_base_by_line(reward, refunded))
    if reward.lines_missing_policy is LinesMissingPolicy.BASE_PRO_RATA:
        return by_amounts
    return int(by_amounts * _exact_base(reward) / _exact_all(reward))


def unattributed_points(reward: Reward, refunded: Refunded) -> int:
    """Return what refunds without lines have left, had they taken all in proportion."""
    of_goods = int(_exact_all(reward) * _part_by_amount(reward, refunded.amount))
    asked = min(of_goods + _of_shipping(reward, refunded), reward.points)
    return max(0, asked - reversed_points(reward, refunded))


def reversed_by_line(reward: Reward, refunded: Refunded) -> tuple[int, ...]:
    """Return what the refunded quantities ask of each line of the reward.

    A line under a campaign is rounded down by itself, the plain ones in their sum.
    """
    if refunded.asks_nothing:
        return (0,) * len(reward.lines)
    exact = _exact_refunded(reward, refunded)
    return _rounded(reward, exact, _plain_points(reward, exact))


def taken_by_line(
    reward: Reward, before: Refunded, after: Refunded, points: int
) -> tuple[int, ...]:
    """Divide what one refund takes among the lines of the reward that it returns."""
    was, now = _exact_refunded(reward, before), _exact_refunded(reward, after)
    plain = _plain_points(reward, now) - _plain_points(reward, was)
    returned = [new - old for new, old in zip(now, was, strict=True)]
    # Where amounts have taken the more, shipping counts beside them and not in the sum of lines.
    of_shipping = _of_shipping(reward, after) - _of_shipping(reward, before)
    asked = [
        max(
            share if _is_plain(line) else int(new) - int(old),
            of_shipping if line.is_shipping else 0,
        )
        for line, share, new, old in zip(
            reward.lines, _rounded(reward, returned, plain), now, was, strict=True
        )
    ]
    # Less is taken than the lines ask where refunds of amounts have taken some of it before, and
    # more where this one is of an amount: that is no line's.
    return shares(min(points, sum(asked)), asked, _ties(reward))


def _points_of_bare_amount(reward: Reward, amount: int) -> int:
    if not reward.earning_amount:
        return 0
    exact = Fraction(reward.exact_points) * amount / reward.earning_amount
    return min(int(exact), reward.points)


def _by_lines(reward: Reward, refunded: Refunded) -> int:
    """Return what the refunded quantities ask in all."""
    exact = _exact_refunded(reward, refunded)
    lines = zip(reward.lines, exact, strict=True)
    of_campaigns = sum(int(part) for line, part in lines if not _is_plain(line))
    return of_campaigns + _plain_points(reward, exact)


def _by_amounts(reward: Reward, refunded: Refunded) -> int:
    """Return what refunds without lines ask, and the shipping that lines do not ask for."""
    asked = _by_policy(reward, refunded.amount) + _of_shipping(reward, refunded)
    return min(asked, reward.points)


def _by_policy(reward: Reward, amount: int) -> int:
    if not amount:
        return 0
    part = _part_by_amount(reward, amount)
    match reward.lines_missing_policy:
        case LinesMissingPolicy.ALL_PRO_RATA:
            return int(_exact_all(reward) * part)
        case LinesMissingPolicy.BASE_PRO_RATA:
            return int(_exact_base(reward) * part)
        case LinesMissingPolicy.CASHBACK_ONLY:
            is_cash = reward.reward_mode is RewardMode.WALLET_CASH
            return int(_exact_all(reward) * part) if is_cash else 0
        case LinesMissingPolicy.REJECT:
            return 0


def _of_shipping(reward: Reward, refunded: Refunded) -> int:
    if not refunded.shipping:
        return 0
    part = Fraction(refunded.shipping, reward.shipping)
    return int(sum(Fraction(line.exact_points) * part for line in reward.lines if line.is_shipping))


def _part_by_amount(reward: Reward, amount: int) -> Fraction:
    """Return which part of the goods an amount pays for."""
    worth = sum(line.worth for line in _goods(reward))
    return min(Fraction(amount, worth), Fraction(1)) if worth else Fraction(0)


def _exact_all(reward: Reward) -> Fraction:
    return sum((Fraction(line.exact_points) for line in _goods(reward)), Fraction(0))


def _exact_base(reward: Reward) -> Fraction:
    return sum((_without_campaign(line) for line in _goods(reward)), Fraction(0))


def _without_campaign(line: RewardLine) -> Fraction:
    return Fraction(line.exact_points) * Fraction(RATE_ONE, line.multiplier)


def _goods(reward: Reward) -> list[RewardLine]:
    return [line for line in reward.lines if not line.is_shipping]


def _base_by_line(reward: Reward, refunded: Refunded) -> list[int]:
    """Return, of what each line asks, what it had earned without its campaign."""
    lines = zip(reward.lines, reversed_by_line(reward, refunded), strict=True)
    return [points * RATE_ONE // line.multiplier for line, points in lines]


def _exact_refunded(reward: Reward, refunded: Refunded) -> list[Fraction]:
    """Return the exact points of what was returned of each line."""
    lines = zip(reward.lines, refunded.quantities, strict=True)
    # Of most lines of a long order nothing was returned, and fractions take their time.
    return [
        Fraction(line.exact_points) * Fraction(of, whole) if of else _NOTHING
        for line, quantity in lines
        for of, whole in (_returned_part(reward, refunded, line, quantity),)
    ]


def _returned_part(
    reward: Reward, refunded: Refunded, line: RewardLine, quantity: int
) -> tuple[int, int]:
    """Return how much of a line was returned, and of how much."""
    if line.is_shipping:
        return refunded.shipping, reward.shipping
    return quantity, line.quantity


def _is_plain(line: RewardLine) -> bool:
    return not line.campaign_id


def _plain_points(reward: Reward, exact: Sequence[Fraction]) -> int:
    """Round what the plain lines ask: once, in their sum."""
    lines = zip(reward.lines, exact, strict=True)
    return int(sum(part for line, part in lines if _is_plain(line)))


def _rounded(reward: Reward, exact: Sequence[Fraction], plain_points: int) -> tuple[int, ...]:
    """Return whole points: each campaign line's own, and shares of what the plain lines ask."""
    lines = list(zip(reward.lines, exact, strict=True))
    weights = [part if _is_plain(line) else Fraction(0) for line, part in lines]
    shown = shares(plain_points, weights, _ties(reward))
    return tuple(
        share if _is_plain(line) else int(part)
        for (line, part), share in zip(lines, shown, strict=True)
    )


def _ties(reward: Reward) -> list[tuple[str, str]]:
    return [(line.product_id, line.line_id) for line in reward.lines]


# -- money --------------------------------------------------------------------------------------


def order_value(reward: Reward) -> int:
    """Return all that refunds of an order can give back: money, and the value of its points."""
    return reward.total_paid + reward.redeemed_amount


def value_left(reward: Reward, refunded: Refunded) -> int:
    """Return what refunds can still give back."""
    return order_value(reward) - refunded.value


def money_left(reward: Reward, refunded: Refunded) -> int:
    """Return the money that refunds can still give back; points come after all of it."""
    return max(0, reward.total_paid - refunded.value)


def value_of_lines(reward: Reward, quantities: Sequence[int]) -> int:
    """Return what the returned quantities are worth in all, each line rounded down.

    Rounding the whole and not each part, the parts of a line sum to what was paid for it.
    """
    lines = zip(reward.lines, quantities, strict=True)
    return sum(line.worth * quantity // line.quantity for line, quantity in lines)


def most_for_lines(reward: Reward, before: Sequence[int], after: Sequence[int]) -> int:
    """Return the most that may be asked for the quantities of one refund: all rounded up."""
    lines = zip(reward.lines, before, after, strict=True)
    # The negative of a quotient that is rounded down is one that is rounded up.
    return sum(-(line.worth * (old - new) // line.quantity) for line, old, new in lines)


def restored_points(reward: Reward, refunded: Refunded) -> int:
    """Return how many redeemed points came back in all."""
    if not reward.redeemed_amount:
        return 0
    return reward.redeemed_points * refunded.restored_amount // reward.redeemed_amount
