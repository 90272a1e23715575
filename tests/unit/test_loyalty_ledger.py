"""Rewards and points within flushes, with a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser_server.domain.accounts import POINTS
from purser_server.domain.decimals import QUANTITY_ONE, parse_rate
from purser_server.domain.decisions import Answer, HoldAnswer, RewardAnswer
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.orders import LineItem, Order
from purser_server.domain.points import TakenFrom
from purser_server.domain.points_commands import (
    AdjustPoints,
    Ask,
    HoldPoints,
    PointsCommand,
    PostDue,
    RedeemPoints,
    RefundRedemption,
    ReleaseHold,
)
from purser_server.domain.programs import Campaign, NegativeBalancePolicy, Program, RewardMode
from purser_server.domain.refunds import take_cash
from purser_server.domain.rewards import EarnReward, RewardState, given_up, payment_of
from purser_server.domain.transactions import TransactionType
from tests.unit.loyalty_ledger import EUR, NOON, PLAYER, LoyaltyLedger

FOR_POINTS = Program(
    1, None, EUR, point_value=parse_rate("0.5"), return_window_days=2, points_expire_after_days=5
)
FOR_CASH = replace(
    FOR_POINTS, reward_mode=RewardMode.WALLET_CASH, wallet_cash_rate=parse_rate("0.1")
)


def issue(ledger: LoyaltyLedger, transaction_id: str, cents: int, **more: Any) -> EarnReward:
    """Return the reward of an amount that was paid just now."""
    order = Order(EUR, cents)
    return EarnReward(transaction_id, PLAYER, ledger.now, order, 2, is_bare=True, **more)


def test_points_wait_are_available_and_expire_exactly_then() -> None:
    ledger = LoyaltyLedger(FOR_POINTS)
    (told,) = ledger.execute(issue(ledger, "c1", 1_000))
    available = NOON + timedelta(days=2)
    assert told.rewarded.state(available - timedelta(microseconds=1)) is RewardState.PENDING
    assert told.rewarded.state(available) is RewardState.AVAILABLE

    ledger.now = available - timedelta(microseconds=1)
    (refused,) = ledger.execute(RedeemPoints("r1", PLAYER, Ask(4)))
    assert isinstance(refused, Refusal) and refused.reason is Reason.INSUFFICIENT_POINTS
    ledger.now = available
    assert isinstance(ledger.execute(RedeemPoints("r2", PLAYER, Ask(4)))[0], Answer)
    ledger.now = available + timedelta(days=5) - timedelta(microseconds=1)
    assert isinstance(ledger.execute(RedeemPoints("r3", PLAYER, Ask(1)))[0], Answer)
    ledger.wait(microseconds=1)
    assert isinstance(ledger.execute(RedeemPoints("r4", PLAYER, Ask(1)))[0], Refusal)

    ledger.assert_sound()
    assert (ledger.wallets[POINTS].balance, ledger.rewards["c1"].expired) == (0, 5)


def test_what_could_not_come_back_counts_as_expired_of_its_reward() -> None:
    ledger = LoyaltyLedger(replace(FOR_POINTS, return_window_days=0))
    ledger.execute(issue(ledger, "c1", 1_000), RedeemPoints("r1", PLAYER, Ask(7)))
    ledger.wait(days=5)
    (back,) = ledger.execute(RefundRedemption("f1", PLAYER, "r1"))
    assert back.transaction.change == 0
    assert ledger.rewards["c1"].expired == 10
    ledger.assert_sound()


def test_cash_is_paid_by_whoever_looks_first() -> None:
    ledger = LoyaltyLedger(FOR_CASH)
    ledger.execute(issue(ledger, "c1", 1_000))
    ledger.wait(days=2, microseconds=-1)
    ledger.execute(PostDue(PLAYER))
    assert ledger.wallets[EUR].balance == 0
    ledger.wait(microseconds=1)
    ledger.execute(PostDue(PLAYER), PostDue(PLAYER))
    ledger.execute(PostDue(PLAYER))
    assert ledger.wallets[EUR].balance == 100
    paid = [of for of in ledger.history if of.change]
    assert [of.type for of in paid] == [TransactionType.CASHBACK]
    ledger.assert_sound()


def test_what_is_owed_is_paid_from_cashback_first() -> None:
    ledger = LoyaltyLedger(replace(FOR_CASH, return_window_days=0))
    ledger.owed[EUR] = 130
    ledger.execute(issue(ledger, "c1", 1_000), issue(ledger, "c2", 1_000))
    assert (ledger.wallets[EUR].balance, ledger.owed[EUR]) == (70, 0)
    assert [ledger.rewards[id_].collected for id_ in ("c1", "c2")] == [100, 30]
    ledger.assert_sound()


@pytest.mark.parametrize(
    ("owed", "paid", "collected", "left"), [(0, 100, 0, 0), (30, 70, 30, 0), (130, 0, 100, 30)]
)
def test_a_payment_is_what_is_earned_less_what_is_owed(
    owed: int, paid: int, collected: int, left: int
) -> None:
    ledger = LoyaltyLedger(FOR_CASH)
    (told,) = ledger.execute(issue(ledger, "c1", 1_000))
    payment = payment_of(told.rewarded, owed)
    assert (payment.amount, payment.collected, payment.owed) == (paid, collected, left)


@pytest.mark.parametrize(
    ("policy", "rest"),
    [
        (NegativeBalancePolicy.ALLOW, {"available": 10, "debt": 20}),
        (NegativeBalancePolicy.WITHIN_BALANCE, {"available": 10, "shortfall": 20}),
        (NegativeBalancePolicy.PENDING_ONLY, {"shortfall": 30}),
    ],
    ids=["allow", "within balance", "pending only"],
)
def test_cash_that_is_given_up_pays_what_is_owed_and_is_cancelled_by_refunds(
    policy: NegativeBalancePolicy, rest: dict[str, int]
) -> None:
    ledger = LoyaltyLedger(replace(FOR_CASH, negative_balance_policy=policy))
    (told,) = ledger.execute(issue(ledger, "c1", 1_000))
    paid = replace(told.rewarded, is_paid=True, collected=5)

    after, still_owed = given_up(paid, 95, 25)

    assert (after.collected, after.unpaid, still_owed) == (30, 70, 0)
    assert given_up(paid, 95, 200)[1] == 105
    assert take_cash(after, 60, 10) == TakenFrom(pending=60)
    assert take_cash(after, 100, 10) == TakenFrom(pending=70, **rest)


def test_a_quote_records_nothing() -> None:
    ledger = LoyaltyLedger(FOR_POINTS)
    ledger.execute(AdjustPoints("a1", PLAYER, 50, "a gift"))
    exponents = {EUR: 2}
    ledger.execute(HoldPoints("h1", PLAYER, Ask(0, EUR, 1_000, exponents)))
    before = (len(ledger.history), dict(ledger.lots), dict(ledger.holds))
    order = Order(EUR, 1_000, (LineItem("mat", 2 * QUANTITY_ONE, 1_000),))
    quote = EarnReward("", PLAYER, NOON, order, 2, hold_id="h1", is_quote=True)
    (told,) = ledger.execute(quote)
    assert isinstance(told, RewardAnswer) and told.rewarded.reward.points == 10
    assert before == (len(ledger.history), dict(ledger.lots), dict(ledger.holds))
    assert not ledger.rewards


# -- whatever happens -----------------------------------------------------------------------------

WORDS = st.one_of(
    st.tuples(st.just("issue"), st.integers(1, 5_000), st.integers(0, 4)),
    st.tuples(st.just("order"), st.integers(1, 9), st.integers(1, 999)),
    st.tuples(st.just("pay with a hold"), st.integers(1, 9), st.integers(1, 999)),
    st.tuples(st.just("hold"), st.integers(1, 40), st.integers(1, 4)),
    st.tuples(st.just("release"), st.integers(0, 3)),
    st.tuples(st.just("redeem"), st.integers(1, 40)),
    st.tuples(st.just("redeem hold"), st.integers(0, 3)),
    st.tuples(st.just("give back"), st.integers(0, 3), st.integers(1, 40)),
    st.tuples(st.just("adjust"), st.integers(-40, 40).filter(bool)),
    st.tuples(st.just("look")),
)


class Story:
    """Turns words into commands of a player."""

    def __init__(self, ledger: LoyaltyLedger) -> None:
        self.ledger = ledger
        self.told = 0

    def command(self, words: tuple[Any, ...]) -> PointsCommand:
        self.told += 1
        id_ = f"t{self.told}"
        match words:
            case ("issue", cents, days):
                return issue(self.ledger, id_, cents, return_window_days=days)
            case ("order", units, cents):
                return self._order(id_, units, cents, "")
            case ("pay with a hold", units, cents):
                return self._order(id_, units, cents, f"h{self.told % 5}")
            case ("hold", points, days):
                return HoldPoints(f"h{self.told % 5}", PLAYER, Ask(points), timedelta(days=days))
            case ("release", hold):
                return ReleaseHold(f"h{hold}", PLAYER)
            case ("redeem", points):
                return RedeemPoints(id_, PLAYER, Ask(points, exponents={EUR: 2}))
            case ("redeem hold", hold):
                return RedeemPoints(id_, PLAYER, Ask(), f"h{hold}")
            case ("give back", place, points):
                redeemed = sorted(self.ledger.redemptions)[place:] or [""]
                return RefundRedemption(id_, PLAYER, redeemed[0], points)
            case ("adjust", points):
                return AdjustPoints(id_, PLAYER, points, "because")
        return PostDue(PLAYER)

    def _order(self, id_: str, units: int, cents: int, hold_id: str) -> EarnReward:
        items = (LineItem("tea", units * QUANTITY_ONE, cents), LineItem("jam", QUANTITY_ONE, 199))
        order = Order(EUR, (units * cents + 199) // (2 if hold_id else 1), items)
        return EarnReward(id_, PLAYER, self.ledger.now, order, 2, hold_id=hold_id)


@given(
    program=st.sampled_from((FOR_POINTS, FOR_CASH)),
    days=st.lists(
        st.tuples(st.lists(WORDS, min_size=1, max_size=4), st.integers(0, 3)), max_size=9
    ),
)
def test_lots_less_debt_are_the_balance_and_the_ledgers(
    program: Program, days: list[tuple[list[tuple[Any, ...]], int]]
) -> None:
    campaign = Campaign("double", "", parse_rate("2"), product_ids=("tea",))
    ledger = LoyaltyLedger(program, campaigns=[campaign])
    story = Story(ledger)
    for words, later in days:
        usable = {
            number
            for number, lot in ledger.lots.items()
            if lot.available_time <= ledger.now < lot.expire_time
        }
        before = dict(ledger.lots)
        results = ledger.execute(*(story.command(each) for each in words))
        ledger.assert_sound()
        for result in results:
            assert isinstance(result, Answer | HoldAnswer | RewardAnswer | Refusal)
            if isinstance(result, Refusal):
                assert result.reason is not Reason.INTERNAL_ERROR
        _assert_only_usable_lots_were_spent(ledger, before, usable)
        ledger.wait(days=later, hours=7)
    ledger.wait(days=4_000)
    ledger.execute(PostDue(PLAYER))
    ledger.assert_sound()
    # What was given by hand never expires; what was earned did, or was spent.
    earned = sum(of.reward.points for of in ledger.rewards.values() if not of.is_cash)
    expired = sum(of.expired for of in ledger.rewards.values())
    assert 0 <= expired <= earned
    if program is FOR_CASH:
        paid = sum(of.change for of in ledger.history if of.currency_code == EUR)
        assert paid == sum(of.reward.points for of in ledger.rewards.values())


def _assert_only_usable_lots_were_spent(
    ledger: LoyaltyLedger, before: dict[int, Any], usable: set[int]
) -> None:
    """No lot that was there shrinks before its time; after it, it goes whole."""
    for number, lot in before.items():
        after = ledger.lots.get(number)
        left = after.points if after else 0
        if number in usable or left >= lot.points:
            continue
        assert lot.expire_time <= ledger.now and not left


# -- more than a flush may post ------------------------------------------------------------------


@pytest.fixture
def few_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a flush post no more than three things that nobody asked for."""
    monkeypatch.setattr("purser_server.ledger.loyalty_book.UNASKED_PER_FLUSH", 3)


@pytest.mark.usefixtures("few_unasked")
def test_what_expires_beyond_a_flush_is_posted_by_the_next_before_anything_else() -> None:
    ledger = LoyaltyLedger(FOR_POINTS)
    for number in range(7):
        expires = NOON + timedelta(days=1, seconds=number)
        ledger.execute(AdjustPoints(f"a{number}", PLAYER, 10, "a gift", expires))
    ledger.execute(AdjustPoints("last", PLAYER, 5, "a gift"))
    ledger.wait(days=2)
    redeem = RedeemPoints("r", PLAYER, Ask(1))

    found = []
    for _ in range(3):
        found += ledger.execute(redeem, redeem)
        ledger.assert_sound()

    waits = [isinstance(one, Refusal) and one.reason is Reason.OVERLOADED for one in found]
    assert waits == [True, True, True, True, False, False]
    assert ledger.wallets[POINTS].balance == 4
    expiries = [of for of in ledger.history if of.type is TransactionType.POINTS_EXPIRY]
    assert [of.change for of in expiries] == [-10] * 7
    assert [of.loyalty["expire_time"] for of in expiries if of.loyalty] == sorted(
        of.loyalty["expire_time"] for of in expiries if of.loyalty
    )


@pytest.mark.usefixtures("few_unasked")
def test_cash_that_is_due_beyond_a_flush_is_paid_by_the_next() -> None:
    ledger = LoyaltyLedger(FOR_CASH)
    ledger.execute(*(issue(ledger, f"c{number}", 1_000) for number in range(5)))
    ledger.wait(days=2)

    paid = []
    for _ in range(3):
        ledger.execute(PostDue(PLAYER))
        ledger.assert_sound()
        paid.append(ledger.wallets[EUR].balance)

    assert paid == [300, 500, 500]
