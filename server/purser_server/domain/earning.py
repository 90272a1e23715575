"""Earning: what a paid amount or an order earns, and when it may be spent.

What is earned counts in whole points; in WALLET_CASH mode everything here that speaks of points
counts in minor units of cash instead. Between the rounding steps all arithmetic is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from purser_server.domain.decimals import QUANTITY_ONE, RATE_ONE, RATE_PLACES, decimal_text
from purser_server.domain.errors import Refusal, invalid_field
from purser_server.domain.money import amount_range, fits
from purser_server.domain.orders import (
    LineItem,
    Order,
    PricedLine,
    Split,
    price_lines,
    redeemed_amount_of,
    refuse_currency,
    refuse_negative,
    refuse_order,
    split,
)
from purser_server.domain.programs import (
    Campaign,
    LinesMissingPolicy,
    NegativeBalancePolicy,
    Program,
    RewardMode,
    Subject,
    refuse_window,
    strongest,
)
from purser_server.domain.shares import shares
from purser_server.domain.values import value

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future a transaction's time may lie."""


@value
class Timing:
    """When a transaction took place and when it is rewarded; None: the program's window."""

    transaction_time: datetime
    now: datetime
    return_window_days: int | None = None


@value
class RewardLine:
    """What a line earned. The shipping, where it earns, is a line without ids.

    `net` is the money that earned and `worth` what a return gives back, in minor units; rate and
    multiplier are in millionths, the quantity in thousandths. `exact_points` is a decimal. Of a
    line without a campaign, `points` is a share of what such lines earned together.
    """

    line_id: str
    product_id: str
    quantity: int
    price: int
    net: int
    worth: int
    rate: int
    multiplier: int
    campaign_id: str
    exact_points: str
    points: int

    @property
    def is_shipping(self) -> bool:
        """Whether this is the order's shipping: lines of products have ids."""
        return not self.line_id


@value
class Reward:
    """What an amount or an order earned, with all that its refunds will have to know.

    Amounts are minor units, rates millionths. `points` is what was earned, and `reward_amount`
    its value; in WALLET_CASH mode both are the cash. A reward without lines was earned by the
    bare `earning_amount`. `total_paid` and `redeemed_amount` are what refunds can give back, as
    money and as redeemed points; `shipping` is the part of it that was paid for the shipping.
    """

    currency_code: str
    exponent: int
    program_version: int
    reward_mode: RewardMode
    rate: int
    point_value: int
    negative_balance_policy: NegativeBalancePolicy
    lines_missing_policy: LinesMissingPolicy
    transaction_time: datetime
    available_time: datetime
    expire_time: datetime | None
    earning_amount: int
    exact_points: str
    points: int
    reward_amount: int
    total_paid: int
    shipping: int = 0
    shipping_earns: bool = False
    redeemed_points: int = 0
    redeemed_amount: int = 0
    lines: tuple[RewardLine, ...] = ()

    @property
    def reward_equivalent_points(self) -> int:
        """What was earned in points: none in WALLET_CASH mode."""
        return 0 if self.reward_mode is RewardMode.WALLET_CASH else self.points


def reward_of_amount(
    program: Program, timing: Timing, currency_code: str, amount: int, exponent: int
) -> Reward | Refusal:
    """Return what a bare amount earns; campaigns do not count."""
    refusal = (
        refuse_timing(timing)
        or refuse_currency("amount", currency_code, program.currency_code)
        or refuse_negative("amount", amount)
    )
    if refusal:
        return refusal
    order = Order(currency_code, total_paid=amount)
    return _reward_of_paid(program, timing, order, exponent, amount)


def reward_of_order(
    program: Program,
    campaigns: Iterable[Campaign],
    timing: Timing,
    order: Order,
    exponent: int,
) -> Reward | Refusal:
    """Return what an order earns: by its lines, or by what was paid if it has none."""
    refusal = (
        refuse_timing(timing)
        or refuse_currency("total_paid", order.currency_code, program.currency_code)
        or refuse_order(order)
    )
    if refusal:
        return refusal
    if not order.line_items:
        amount = _earning_amount(program, split(order, order.total_paid))
        return _reward_of_paid(program, timing, order, exponent, amount)
    on = [each for each in campaigns if each.is_on(timing.transaction_time)]
    return _reward_of_lines(program, on, timing, order, exponent)


def refuse_timing(timing: Timing) -> Refusal | None:
    """Refuse a time in the future, or a window that is negative."""
    if timing.transaction_time > timing.now + MAX_CLOCK_SKEW:
        return invalid_field("transaction_time", "must not lie in the future")
    return refuse_window("return_window_days", timing.return_window_days or 0)


def available_time(program: Program, timing: Timing) -> datetime:
    """Return when a reward becomes available: at the end of its window, or at once.

    What is available at once is so from now on, whenever the transaction was: it has its whole
    life before it.
    """
    days = timing.return_window_days
    if days is None:
        days = program.return_window_days
    if days == 0:
        return timing.now
    return max(timing.transaction_time + timedelta(days=days), timing.now)


def expire_time(program: Program, available: datetime) -> datetime | None:
    """Return when points expire that are available from a time on; None: never, as cash does."""
    if program.reward_mode is RewardMode.WALLET_CASH or not program.points_expire_after_days:
        return None
    return available + timedelta(days=program.points_expire_after_days)


def value_of_points(points: int, point_value: int, exponent: int) -> int:
    """Return what points are worth, in minor units, rounded down."""
    minor_units: int = points * point_value * 10**exponent // RATE_ONE
    return minor_units


# -- the reward ---------------------------------------------------------------------------------


def _reward_of_paid(
    program: Program, timing: Timing, order: Order, exponent: int, amount: int
) -> Reward | Refusal:
    """Return what an amount earns that is paid for no lines."""
    exact = amount * program.rate * RATE_ONE
    points = exact // 10 ** _places(program, exponent)
    return _reward(program, timing, order, exponent, _Earned(amount, exact, points))


def _reward_of_lines(
    program: Program,
    campaigns: Sequence[Campaign],
    timing: Timing,
    order: Order,
    exponent: int,
) -> Reward | Refusal:
    earning = _earning_lines(program, order, campaigns)
    places = _places(program, exponent)
    points = _whole_points(earning, 10**places)
    lines = tuple(
        _reward_line(program, line, places, whole)
        for line, whole in zip(earning, points, strict=True)
    )
    net = sum(line.net for line in earning)
    earned = _Earned(net, sum(line.exact for line in earning), sum(points), lines)
    return _reward(program, timing, order, exponent, earned)


@value
class _Earned:
    """The figures of a reward; `exact` in as many decimal places as `_places` tells."""

    amount: int
    exact: int
    points: int
    lines: tuple[RewardLine, ...] = ()


def _reward(
    program: Program, timing: Timing, order: Order, exponent: int, earned: _Earned
) -> Reward | Refusal:
    is_cash = program.reward_mode is RewardMode.WALLET_CASH
    points = earned.points
    amount = points if is_cash else value_of_points(points, program.point_value, exponent)
    # A multiplier below 1 takes away from the base, of which refunds will tell.
    base = earned.amount * program.rate // 10 ** (_places(program, exponent) - RATE_PLACES)
    if not fits(points) or not fits(amount) or not fits(base):
        return amount_range(order.currency_code)
    redeemed = redeemed_amount_of(order)
    available = available_time(program, timing)
    return Reward(
        currency_code=order.currency_code,
        exponent=exponent,
        program_version=program.version,
        reward_mode=program.reward_mode,
        rate=program.rate,
        point_value=program.point_value,
        negative_balance_policy=program.negative_balance_policy,
        lines_missing_policy=program.lines_missing_policy,
        transaction_time=timing.transaction_time,
        available_time=available,
        expire_time=expire_time(program, available),
        earning_amount=earned.amount,
        exact_points=decimal_text(earned.exact, _places(program, exponent)),
        points=points,
        reward_amount=amount,
        total_paid=order.total_paid,
        shipping=split(order, order.total_paid + redeemed).shipping,
        shipping_earns=program.reward_shipping,
        redeemed_points=order.redeemed_points,
        redeemed_amount=redeemed,
        lines=earned.lines,
    )


def _places(program: Program, exponent: int) -> int:
    """Return the decimal places of an exact figure: those of net, rate and multiplier together.

    Cash is counted in minor units, like the net that earns it.
    """
    is_cash = program.reward_mode is RewardMode.WALLET_CASH
    return 2 * RATE_PLACES + (0 if is_cash else exponent)


# -- what earns ---------------------------------------------------------------------------------


@value
class _EarningLine:
    """A line with the money that earns, its campaign, and what it earns exactly."""

    priced: PricedLine
    campaign: Campaign | None
    net: int
    exact: int

    @property
    def multiplier(self) -> int:
        return RATE_ONE if self.campaign is None else self.campaign.multiplier


def _earning_amount(program: Program, paid: Split) -> int:
    """Return what earns of an order without lines."""
    shipping = paid.shipping if program.reward_shipping else 0
    tax = paid.tax if program.reward_tax else 0
    return paid.goods + shipping + tax


def _earning_lines(
    program: Program, order: Order, campaigns: Sequence[Campaign]
) -> list[_EarningLine]:
    priced = price_lines(order)
    reached = [each for each in campaigns if _is_reached(each, order)]
    if program.reward_shipping and order.total_shipping:
        priced = (*priced, _shipping_line(order))
    return [_earning_line(program, order, reached, line) for line in priced]


def _earning_line(
    program: Program, order: Order, campaigns: Sequence[Campaign], line: PricedLine
) -> _EarningLine:
    subject = _subject(order, line.item)
    campaign = strongest([each for each in campaigns if each.matches(subject)])
    net = line.net + (line.tax if program.reward_tax else 0)
    multiplier = RATE_ONE if campaign is None else campaign.multiplier
    return _EarningLine(line, campaign, net, exact=net * program.rate * multiplier)


def _is_reached(campaign: Campaign, order: Order) -> bool:
    """Tell whether the order has enough of what the campaign matches; the shipping is not asked."""
    matching = [each for each in order.line_items if campaign.matches(_subject(order, each))]
    quantity = sum(item.quantity for item in matching)
    amount = sum(item.value for item in matching)
    return campaign.is_reached(quantity, amount, order.currency_code)


def _subject(order: Order, item: LineItem) -> Subject:
    merchant = order.merchant
    branch = None if merchant is None else merchant.branch
    return Subject(
        item.product_id,
        item.categories,
        item.collections,
        "" if merchant is None else merchant.unique_id,
        "" if branch is None else branch.unique_id,
    )


def _shipping_line(order: Order) -> PricedLine:
    """Return the shipping as a line of its own, of no product and without an id."""
    item = LineItem(product_id="", quantity=QUANTITY_ONE, price=order.total_shipping)
    paid = split(order, order.total_paid).shipping
    worth = split(order, order.total_paid + redeemed_amount_of(order)).shipping
    return PricedLine(item, line_id="", net=paid, tax=0, worth=worth)


def _whole_points(lines: Sequence[_EarningLine], one: int) -> tuple[int, ...]:
    """Round what lines earn: each under a campaign by itself, the plain ones in their sum."""
    plain = [line for line in lines if line.campaign is None]
    total = sum(line.exact for line in plain) // one
    ties = [line.priced.item.content for line in plain]
    shown = iter(shares(total, [line.net for line in plain], ties))
    return tuple(next(shown) if line.campaign is None else line.exact // one for line in lines)


def _reward_line(program: Program, line: _EarningLine, places: int, points: int) -> RewardLine:
    item = line.priced.item
    return RewardLine(
        line_id=line.priced.line_id,
        product_id=item.product_id,
        quantity=item.quantity,
        price=item.price,
        net=line.net,
        worth=line.priced.worth,
        rate=program.rate,
        multiplier=line.multiplier,
        campaign_id="" if line.campaign is None else line.campaign.campaign_id,
        exact_points=decimal_text(line.exact, places),
        points=points,
    )
