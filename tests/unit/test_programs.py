"""Programs and campaigns: which version counts, and which campaign."""

from __future__ import annotations

from dataclasses import replace

import pytest

from purser_server.domain.errors import Reason
from purser_server.domain.orders import Branch, Merchant
from purser_server.domain.programs import (
    Campaign,
    LinesMissingPolicy,
    NegativeBalancePolicy,
    Program,
    RewardMode,
    Subject,
    no_program,
    program_at,
    refuse_campaign,
    refuse_program,
    strongest,
)
from tests.unit.shop import DAY, NOON, PLAIN, campaign, earns, item, order, points_of, program

# -- programs -----------------------------------------------------------------------------------


def version(number: int, since: int | None) -> Program:
    """A version given so many days after noon."""
    return replace(
        program(), version=number, since_time=None if since is None else NOON + since * DAY
    )


def test_numbers_are_those_of_the_contract() -> None:
    assert [(mode.name, mode.value) for mode in RewardMode] == [("POINTS", 1), ("WALLET_CASH", 2)]
    assert [policy.name for policy in NegativeBalancePolicy] == [
        *("ALLOW", "WITHIN_BALANCE", "PENDING_ONLY"),
    ]
    assert [policy.name for policy in LinesMissingPolicy] == [
        *("CASHBACK_ONLY", "BASE_PRO_RATA", "ALL_PRO_RATA", "REJECT"),
    ]
    assert [policy.value for policy in LinesMissingPolicy] == [1, 2, 3, 4]


def test_first_version_reaches_back_without_limit() -> None:
    versions = [version(1, None), version(2, 1), version(3, 2)]

    def counting(days: int) -> int:
        found = program_at(versions, NOON + days * DAY)
        assert found is not None
        return found.version

    assert [counting(days) for days in (-9000, 0, 1, 2, 9000)] == [1, 1, 2, 3, 3]


def test_later_version_counts_from_the_moment_of_its_update() -> None:
    versions = [version(2, 1), version(1, None)]
    moment = NOON + DAY

    before = program_at(versions, moment - DAY / 10**9)
    at = program_at(versions, moment)

    assert before is not None
    assert at is not None
    assert (before.version, at.version) == (1, 2)


def test_without_versions_nothing_counts() -> None:
    assert program_at([], NOON) is None
    default = no_program().program
    assert (default.version, default.since_time, default.currency_code) == (0, None, "")
    assert default.reward_mode is RewardMode.POINTS


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"currency_code": ""}, "program.currency_code"),
        ({"return_window_days": -1}, "program.return_window_days"),
        ({"return_window_days": 3_651}, "program.return_window_days"),
        ({"points_expire_after_days": -1}, "program.points_expire_after_days"),
    ],
)
def test_program_with_an_impossible_figure_is_refused(fields: dict[str, object], path: str) -> None:
    refusal = refuse_program(replace(program(), **fields))  # type: ignore[arg-type]

    assert refusal is not None
    assert refusal.metadata == {"field": path}
    assert refuse_program(program()) is None


# -- which lines a campaign matches -------------------------------------------------------------

CHEESE = Subject("cheese", ("dairy", "fresh"), ("summer",), "north", "north-1")


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({}, True),
        ({"product_ids": ("bread", "cheese")}, True),
        ({"product_ids": ("bread",)}, False),
        ({"categories": ("fresh",)}, True),
        ({"categories": ("bakery", "dairy")}, True),
        ({"categories": ("bakery",)}, False),
        ({"collections": ("summer",)}, True),
        ({"collections": ("winter",)}, False),
        ({"merchant_ids": ("north",)}, True),
        ({"merchant_ids": ("south",)}, False),
        ({"branch_ids": ("north-1",)}, True),
        ({"branch_ids": ("north-2",)}, False),
        ({"product_ids": ("cheese",), "branch_ids": ("north-1",)}, True),
        ({"product_ids": ("cheese",), "branch_ids": ("north-2",)}, False),
    ],
)
def test_every_kind_of_filter_that_is_set_must_know_one_value(
    filters: dict[str, tuple[str, ...]], matches: bool
) -> None:
    campaign = Campaign("c", "C", PLAIN, **filters)  # type: ignore[arg-type]
    assert campaign.matcher()(CHEESE) is matches


def test_filter_of_merchants_matches_no_order_without_one() -> None:
    here = campaign("c", "2", merchant_ids=("north",), branch_ids=("north-1",))
    bread = item("bread", "10.00")

    assert earns(order(bread), [here]).points == 10
    north = Merchant("north", branch=Branch("north-1"))
    assert earns(order(bread, merchant=north), [here]).points == 20
    assert earns(order(bread, merchant=Merchant("north")), [here]).points == 10


def test_campaign_holds_from_its_start_to_just_before_its_end() -> None:
    on = campaign("c", "2", start_time=NOON, end_time=NOON + DAY)
    instant = DAY / 10**9

    assert [on.is_on(NOON + each) for each in (-instant, 0 * DAY, DAY - instant, DAY)] == [
        *(False, True, True, False),
    ]
    assert campaign("c", "2").is_on(NOON - 9000 * DAY)


def test_campaigns_of_other_times_do_not_count() -> None:
    bread = order(item("bread", "10.00"))

    assert earns(bread, [campaign("past", "2", end_time=NOON)]).points == 10
    assert earns(bread, [campaign("next", "2", start_time=NOON + DAY)]).points == 10


# -- minimums -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("least", "points"), [("5", 34), ("5.001", 17)])
def test_min_quantity_counts_all_matching_lines_of_the_order(least: str, points: int) -> None:
    many = campaign("many", "2", "mat", min_quantity=least)
    mats = (item("mat", "3.00", "4"), item("mat", "5.00", "1"))

    assert earns(order(*mats), [many]).points == points


@pytest.mark.parametrize(("least", "points"), [("18.00", [36, 5]), ("18.01", [18, 5])])
def test_min_amount_counts_matching_lines_after_their_discounts(
    least: str, points: list[int]
) -> None:
    dear = campaign("dear", "2", "mat", min_amount=least)
    ordered = order(item("mat", "10.00", "2", discount="2.00"), item("bread", "5.00"))

    assert points_of(earns(ordered, [dear])) == points


def test_min_amount_asks_before_the_discount_of_the_whole_order() -> None:
    dear = campaign("dear", "2", min_amount="20.00")

    assert earns(order(item("mat", "20.00"), paid="15.00"), [dear]).points == 30


def test_min_amount_in_another_currency_is_never_reached() -> None:
    dollars = campaign("dear", "2", min_amount="1.00", currency_code="USD")

    assert earns(order(item("mat", "20.00")), [dollars]).points == 20


# -- which campaign counts ----------------------------------------------------------------------


def test_of_two_campaigns_on_a_line_the_higher_counts_alone() -> None:
    both = [campaign("double", "2"), campaign("triple", "3", "bread")]

    (line,) = earns(order(item("bread", "10.00")), both).lines

    assert (line.points, line.campaign_id) == (30, "triple")


def test_of_equal_campaigns_the_lowest_id_counts() -> None:
    found = strongest([campaign("b", "2"), campaign("a", "2"), campaign("c", "1.5")])

    assert found is not None
    assert found.campaign_id == "a"
    assert strongest([]) is None


def test_campaign_may_multiply_by_less_than_one() -> None:
    assert earns(order(item("bread", "10.00")), [campaign("half", "0.5")]).points == 5


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"campaign_id": ""}, "campaign.campaign_id"),
        ({"multiplier": 0}, "campaign.multiplier"),
        ({"min_amount": -1}, "campaign.min_amount.minor_units"),
        ({"start_time": NOON, "end_time": NOON}, "campaign.end_time"),
    ],
)
def test_campaign_with_an_impossible_figure_is_refused(
    changed: dict[str, object], path: str
) -> None:
    refusal = refuse_campaign(replace(campaign("c", "2"), **changed))  # type: ignore[arg-type]

    assert refusal is not None
    assert (refusal.reason, refusal.metadata) == (Reason.INVALID_FIELD, {"field": path})
    assert refuse_campaign(campaign("c", "2", start_time=NOON, end_time=NOON + DAY)) is None
