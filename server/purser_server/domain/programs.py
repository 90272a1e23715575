"""Programs and campaigns: what an operator's players earn, and when something earns more.

A program has versions, of which exactly one counts for a transaction: by its time. A campaign
multiplies what the lines that it matches earn. Rates and multipliers are in millionths, quantities
in thousandths (`decimals`), amounts in minor units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from purser_server.domain.decimals import RATE_ONE, parse_rate, rate_text
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import id_problem, quoted
from purser_server.domain.money import is_currency_code
from purser_server.domain.values import Number, value

MOST_CAMPAIGNS = 1_000
"""How many campaigns of one operator may be on or to come."""

MAX_WINDOW_DAYS = 3_650
"""The longest return window: ten years."""

MAX_LIFE_DAYS = 36_500
"""The longest life of points: a hundred years."""

MAX_RATE = 1_000_000 * RATE_ONE
MAX_MULTIPLIER = 1_000 * RATE_ONE

DEFAULT_POINTS_PER_UNIT = "1"
DEFAULT_POINT_VALUE = "0.10"


class RewardMode(Number):
    """What a reward is paid in; the numbers are those of the contract and of the store."""

    POINTS = 1
    WALLET_CASH = 2


class NegativeBalancePolicy(Number):
    """How far a reversal of points goes; the numbers are those of the contract and of the store."""

    ALLOW = 1
    """All the way: what the player does not have becomes debt."""
    WITHIN_BALANCE = 2
    """As far as available points reach."""
    PENDING_ONLY = 3
    """As far as the order's own pending points reach."""


class LinesMissingPolicy(Number):
    """What a refund of an order's amount takes that names no lines; numbers as in the contract."""

    CASHBACK_ONLY = 1
    """Wallet cashback in proportion, and no points."""
    BASE_PRO_RATA = 2
    """In proportion of what was earned without campaigns."""
    ALL_PRO_RATA = 3
    """In proportion of all that was earned."""
    REJECT = 4
    """Nothing: lines must be named."""


@value
class Program:
    """One version of what an operator's players earn.

    `since_time` is None for the first version, which reaches back without limit.
    `points_per_unit` is points per unit of the currency, `point_value` units of the currency per
    point, `wallet_cash_rate` cash per unit paid. 0 days of life: points never expire.
    """

    version: int
    since_time: datetime | None
    currency_code: str
    points_per_unit: int = parse_rate(DEFAULT_POINTS_PER_UNIT)
    point_value: int = parse_rate(DEFAULT_POINT_VALUE)
    reward_mode: RewardMode = RewardMode.POINTS
    wallet_cash_rate: int = 0
    return_window_days: int = 0
    points_expire_after_days: int = 0
    negative_balance_policy: NegativeBalancePolicy = NegativeBalancePolicy.ALLOW
    lines_missing_policy: LinesMissingPolicy = LinesMissingPolicy.CASHBACK_ONLY
    reward_shipping: bool = False
    reward_tax: bool = False

    @property
    def rate(self) -> int:
        """What a unit of the currency earns: points, or units of cash."""
        is_cash = self.reward_mode is RewardMode.WALLET_CASH
        return self.wallet_cash_rate if is_cash else self.points_per_unit


@value
class WrittenProgram:
    """A version with its decimals as the operator wrote them, and when it was made, if ever."""

    program: Program
    points_per_unit: str = DEFAULT_POINTS_PER_UNIT
    point_value: str = DEFAULT_POINT_VALUE
    wallet_cash_rate: str = ""
    update_time: datetime | None = None


def no_program() -> WrittenProgram:
    """Return what an operator has that never set a program: version 0, without a currency."""
    return WrittenProgram(Program(version=0, since_time=None, currency_code=""))


def says_the_same(one: Program, other: Program) -> bool:
    """Tell whether two versions are alike in all that a version sets."""
    return one == replace(other, version=one.version, since_time=one.since_time)


def program_at(versions: Iterable[Program], time: datetime) -> Program | None:
    """Return the version that counts for a transaction of this time; None if there is none yet."""
    counting = (each for each in versions if each.since_time is None or each.since_time <= time)
    return max(counting, key=lambda each: each.version, default=None)


def refuse_program(program: Program) -> Refusal | None:
    """Refuse a program with a figure that no program may have."""
    if not is_currency_code(program.currency_code):
        return invalid_field("program.currency_code", "must be 1 to 16 of A-Z, a-z, 0-9, _ and -")
    return (
        _refuse_rate("program.points_per_unit", program.points_per_unit, MAX_RATE)
        or _refuse_nothing("program.point_value", program.point_value)
        or _refuse_rate("program.point_value", program.point_value, MAX_RATE)
        or _refuse_cash_rate(program)
        or refuse_window("program.return_window_days", program.return_window_days)
        or _refuse_days(
            "program.points_expire_after_days", program.points_expire_after_days, MAX_LIFE_DAYS
        )
    )


def refuse_window(path: str, days: int) -> Refusal | None:
    """Refuse a return window that is negative or longer than ten years."""
    return _refuse_days(path, days, MAX_WINDOW_DAYS)


def _refuse_days(path: str, days: int, at_most: int) -> Refusal | None:
    return None if 0 <= days <= at_most else invalid_field(path, f"must be between 0 and {at_most}")


def _refuse_cash_rate(program: Program) -> Refusal | None:
    path = "program.wallet_cash_rate"
    if program.reward_mode is RewardMode.WALLET_CASH and not program.wallet_cash_rate:
        return invalid_field(path, "must be given in mode WALLET_CASH")
    return _refuse_rate(path, program.wallet_cash_rate, RATE_ONE)


def _refuse_rate(path: str, rate: int, at_most: int) -> Refusal | None:
    return None if rate <= at_most else invalid_field(path, f"must be at most {rate_text(at_most)}")


def _refuse_nothing(path: str, rate: int) -> Refusal | None:
    return None if rate > 0 else invalid_field(path, "must be greater than zero")


# -- campaigns ----------------------------------------------------------------------------------


@value
class Subject:
    """What the filters of a campaign look at: a line's product and the order's merchant."""

    product_id: str = ""
    categories: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    merchant_id: str = ""
    branch_id: str = ""


Matcher = Callable[[Subject], bool]
"""What tells whether a campaign matches a line."""


@value
class Campaign:
    """A time in which what it matches earns a multiple.

    It holds in [start_time, end_time); None is without limit. A filter without values matches
    everything. `min_quantity` and `min_amount` ask for that much on all of an order's matching
    lines together; `min_amount` counts in `currency_code` alone.
    """

    campaign_id: str
    name: str
    multiplier: int
    start_time: datetime | None = None
    end_time: datetime | None = None
    product_ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    merchant_ids: tuple[str, ...] = ()
    branch_ids: tuple[str, ...] = ()
    min_quantity: int = 0
    min_amount: int = 0
    currency_code: str = ""

    @property
    def content(self) -> Campaign:
        """The campaign with its filters as sets: what a repeated request is compared by."""
        return replace(
            self,
            product_ids=_distinct(self.product_ids),
            categories=_distinct(self.categories),
            collections=_distinct(self.collections),
            merchant_ids=_distinct(self.merchant_ids),
            branch_ids=_distinct(self.branch_ids),
        )

    def is_on(self, time: datetime) -> bool:
        """Tell whether a transaction of this time lies in the campaign."""
        has_begun = self.start_time is None or self.start_time <= time
        return has_begun and (self.end_time is None or time < self.end_time)

    def matcher(self) -> Matcher:
        """Return what tells whether every filter that is set knows a value of a subject.

        It is made once for an order, for both a filter and an order may be very long.
        """
        filters = [
            (frozenset(wanted), of)
            for wanted, of in zip(_filters_of(self), _VALUES, strict=True)
            if wanted
        ]
        return lambda subject: all(not wanted.isdisjoint(of(subject)) for wanted, of in filters)

    def is_reached(self, quantity: int, amount: int, currency_code: str) -> bool:
        """Tell whether an order's matching lines are enough, after their discounts."""
        if self.min_amount and self.currency_code != currency_code:
            return False
        return quantity >= self.min_quantity and amount >= self.min_amount


@value
class WrittenCampaign:
    """A campaign with its decimals as the operator wrote them, and when it was created, if ever."""

    campaign: Campaign
    multiplier: str
    min_quantity: str = ""
    create_time: datetime | None = None


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


_filters_of: Callable[[Campaign], tuple[tuple[str, ...], ...]] = attrgetter(
    "product_ids", "categories", "collections", "merchant_ids", "branch_ids"
)

_VALUES: Sequence[Callable[[Subject], tuple[str, ...]]] = (
    lambda subject: (subject.product_id,),
    lambda subject: subject.categories,
    lambda subject: subject.collections,
    lambda subject: (subject.merchant_id,),
    lambda subject: (subject.branch_id,),
)
"""What each filter looks at, in the order of `_filters_of`."""


def strongest(campaigns: Sequence[Campaign]) -> Campaign | None:
    """Return the campaign that counts alone: the highest multiplier, then the lowest id."""
    return min(campaigns, key=lambda each: (-each.multiplier, each.campaign_id), default=None)


def refuse_campaign(campaign: Campaign) -> Refusal | None:
    """Refuse a campaign with a figure that no campaign may have."""
    problem = id_problem(campaign.campaign_id)
    if problem:
        return invalid_field("campaign.campaign_id", problem)
    path = "campaign.multiplier"
    refusal = _refuse_nothing(path, campaign.multiplier) or _refuse_rate(
        path, campaign.multiplier, MAX_MULTIPLIER
    )
    if refusal:
        return refusal
    if campaign.min_amount < 0:
        return invalid_field("campaign.min_amount.minor_units", "must not be negative")
    starts, ends = campaign.start_time, campaign.end_time
    if starts is not None and ends is not None and ends <= starts:
        return invalid_field("campaign.end_time", "must be after start_time")
    return None


def campaign_exists(campaign_id: str) -> Refusal:
    """Refuse because the campaign was created before with another content."""
    return Refusal(
        Reason.CAMPAIGN_EXISTS,
        f"campaign {quoted(campaign_id)} was created with other content",
        {"campaign_id": campaign_id},
    )


def too_many_campaigns() -> Refusal:
    """Refuse a campaign beside so many that are on or to come: each order has to look at all."""
    return invalid_field(
        "campaign", f"would be one of more than {MOST_CAMPAIGNS} that have not ended: end others"
    )


def campaign_not_found(campaign_id: str) -> Refusal:
    """Refuse because there is no such campaign."""
    return Refusal(
        Reason.CAMPAIGN_NOT_FOUND,
        f"there is no campaign {quoted(campaign_id)}",
        {"campaign_id": campaign_id},
    )
