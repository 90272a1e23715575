"""Programs and campaigns: what an operator's players earn, and when something earns more.

A program has versions, of which exactly one counts for a transaction: by its time. A campaign
multiplies what the lines that it matches earn. Rates and multipliers are in millionths, quantities
in thousandths (`decimals`), amounts in minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from purser_server.domain.decimals import RATE_ONE, parse_rate
from purser_server.domain.errors import Refusal, invalid_field
from purser_server.domain.ids import id_problem
from purser_server.domain.money import is_currency_code
from purser_server.domain.values import Number, value

MAX_DAYS = 36_500
"""The longest window and the longest life of points: a hundred years."""


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
    points_per_unit: int = RATE_ONE
    point_value: int = parse_rate("0.10")
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


def default_program(currency_code: str) -> Program:
    """Return what counts until an operator gives its first version: a point per unit."""
    return Program(version=0, since_time=None, currency_code=currency_code)


def program_at(versions: Iterable[Program], time: datetime) -> Program | None:
    """Return the version that counts for a transaction of this time; None if there is none yet."""
    counting = (each for each in versions if each.since_time is None or each.since_time <= time)
    return max(counting, key=lambda each: each.version, default=None)


def refuse_program(program: Program) -> Refusal | None:
    """Refuse a program with a figure that no program may have."""
    if not is_currency_code(program.currency_code):
        return invalid_field("program.currency_code", "must be 1 to 16 of A-Z, a-z, 0-9, _ and -")
    return refuse_days("program.return_window_days", program.return_window_days) or refuse_days(
        "program.points_expire_after_days", program.points_expire_after_days
    )


def refuse_days(path: str, days: int) -> Refusal | None:
    """Refuse a number of days that is negative or beyond a hundred years."""
    if 0 <= days <= MAX_DAYS:
        return None
    return invalid_field(path, f"must be between 0 and {MAX_DAYS}")


# -- campaigns ----------------------------------------------------------------------------------


@value
class Subject:
    """What the filters of a campaign look at: a line's product and the order's merchant."""

    product_id: str = ""
    categories: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    merchant_id: str = ""
    branch_id: str = ""


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

    def is_on(self, time: datetime) -> bool:
        """Tell whether a transaction of this time lies in the campaign."""
        has_begun = self.start_time is None or self.start_time <= time
        return has_begun and (self.end_time is None or time < self.end_time)

    def matches(self, subject: Subject) -> bool:
        """Tell whether every filter that is set knows a value of the subject."""
        return (
            _allows(self.product_ids, (subject.product_id,))
            and _allows(self.categories, subject.categories)
            and _allows(self.collections, subject.collections)
            and _allows(self.merchant_ids, (subject.merchant_id,))
            and _allows(self.branch_ids, (subject.branch_id,))
        )

    def is_reached(self, quantity: int, amount: int, currency_code: str) -> bool:
        """Tell whether an order's matching lines are enough, after their discounts."""
        if self.min_amount and self.currency_code != currency_code:
            return False
        return quantity >= self.min_quantity and amount >= self.min_amount


def _allows(wanted: tuple[str, ...], found: tuple[str, ...]) -> bool:
    return not wanted or not set(wanted).isdisjoint(found)


def strongest(campaigns: Sequence[Campaign]) -> Campaign | None:
    """Return the campaign that counts alone: the highest multiplier, then the lowest id."""
    return min(campaigns, key=lambda each: (-each.multiplier, each.campaign_id), default=None)


def ended(campaign: Campaign, now: datetime) -> Campaign:
    """Return the campaign as it is once it is ended; one that is over stays as it was."""
    if campaign.end_time is not None and campaign.end_time <= now:
        return campaign
    return replace(campaign, end_time=now)


def refuse_campaign(campaign: Campaign) -> Refusal | None:
    """Refuse a campaign with a figure that no campaign may have."""
    problem = id_problem(campaign.campaign_id)
    if problem:
        return invalid_field("campaign.campaign_id", problem)
    if campaign.multiplier <= 0:
        return invalid_field("campaign.multiplier", "must be greater than zero")
    if campaign.min_amount < 0:
        return invalid_field("campaign.min_amount.minor_units", "must not be negative")
    starts, ends = campaign.start_time, campaign.end_time
    if starts is not None and ends is not None and ends <= starts:
        return invalid_field("campaign.end_time", "must be after start_time")
    return None
