"""Refunds within flushes, with a clock that the test moves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser_server.domain.accounts import POINTS
from purser_server.domain.decimals import parse_rate
from purser_server.domain.decisions import RefundAnswer
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.orders import LineItem, Order
from purser_server.domain.points import TakenFrom
from purser_server.domain.points_commands import (
    AdjustPoints,
    Ask,
    PointsCommand,
    PostDue,
    RedeemPoints,
)
from purser_server.domain.programs import NegativeBalancePolicy, Program, RewardMode
from purser_server.domain.refunding import RefundLineItem, RefundRequest
from purser_server.domain.refunds import RefundPurchase, refund_of
from purser_server.domain.rewards import EarnReward, RewardState
from purser_server.domain.transactions import TransactionType
from tests.unit.loyalty_ledger import EUR, PLAYER, LoyaltyLedger

AT_ONCE = Program(1, None, EUR, point_value=parse_rate("1"), points_expire_after_days=5)
LATER = replace(AT_ONCE, return_window_days=2)
CASH = replace(LATER, reward_mode=RewardMode.WALLET_CASH, wallet_cash_rate=parse_rate("0.1"))
MATS = Order(EUR, 3_000, (LineItem("mat", 3_000, 1_000),))


def issue(ledger: LoyaltyLedger, id_: str, euros: int) -> EarnReward:
    """Return the reward of an amount that was paid just now."""
    return EarnReward(id_, PLAYER, ledger.now, Order(EUR, euros * 100), 2, is_bare=True)


def order(ledger: LoyaltyLedger, id_: str, **more: Any) -> EarnReward:
    """Return the reward of three mats."""
    return EarnReward(id_, PLAYER, ledger.now, MATS, 2, content=(("order", id_),), **more)


def refund(
    ledger: LoyaltyLedger, id_: str, of: str, euros: int | None = None, **more: Any
) -> RefundPurchase:
    """Return a refund of so many euros, or of all that is left."""
    request = RefundRequest(amount=None if euros is None else euros * 100)
    content = (("reverse_transaction_id", of), ("euros", euros or 0))
    fields = {"request": request, "content": content, **more}
    return RefundPurchase(id_, PLAYER, of, ledger.now, **fields)


def mats(count: int) -> RefundRequest:
    return RefundRequest((RefundLineItem(count * 1_000, "mat"),))


def taken(answer: Any) -> TakenFrom:
    assert isinstance(answer, RefundAnswer), answer
    return answer.refund.taken


# -- one flush -----------------------------------------------------------------------------------


def test_an_order_and_its_refunds_may_meet_in_one_flush() -> None:
    ledger = LoyaltyLedger(AT_ONCE)
    one = refund(ledger, "r1", "o", request=mats(1))

    _, quote, first, again, second, too_much = ledger.execute(
        order(ledger, "o"),
        replace(one, transaction_id="", is_quote=True),
        one,
        one,
        replace(one, transaction_id="r2"),
        refund(ledger, "r3", "o", request=mats(2)),
    )

    assert taken(first) == taken(second) == TakenFrom(available=10)
    assert again == replace(first, replayed=True)
    assert replace(quote.refund, number=0, transaction_id="") == replace(
        first.refund, number=0, transaction_id=""
    )
    assert isinstance(too_much, Refusal) and too_much.reason is Reason.REFUND_EXCEEDS_ORDER
    assert ledger.wallets[POINTS].balance == 10
    (told,) = ledger.execute(refund(ledger, "r3", "o", request=mats(2)))
    assert told.metadata["replayed"] == "true"
    ledger.assert_sound()


def test_an_order_paid_with_points_and_refunded_in_one_flush_gives_them_back() -> None:
    ledger = LoyaltyLedger(AT_ONCE)
    ledger.execute(AdjustPoints("gift", PLAYER, 20, "a gift"))
    paid = replace(MATS, total_paid=1_000)

    *_, back = ledger.execute(
        RedeemPoints("spent", PLAYER, Ask(20, exponents={EUR: 2})),
        replace(order(ledger, "o", redemption_transaction_id="spent"), order=paid),
        refund(ledger, "r", "o"),
    )

    assert (back.refund.points, back.refund.money, back.refund.restored) == (10, 1_000, 20)
    assert ledger.wallets[POINTS].balance == 20
    assert ledger.redemptions["spent"].points_left == 0
    kinds = [of.type for of in ledger.history[-2:]]
    assert kinds == [TransactionType.CASHBACK_REVERSAL, TransactionType.REDEMPTION_REFUND]
    ledger.assert_sound()


def test_what_is_stored_of_a_refund_survives_json() -> None:
    ledger = LoyaltyLedger(AT_ONCE)
    _, answer = ledger.execute(order(ledger, "o"), refund(ledger, "r", "o", request=mats(2)))
    stored = ledger.history[-1]
    assert stored.loyalty is not None

    read = refund_of(replace(stored, loyalty=json.loads(json.dumps(stored.loyalty))))

    assert read == answer.refund


# -- time ----------------------------------------------------------------------------------------


def test_points_are_pending_until_the_very_moment_of_their_availability() -> None:
    ledger = LoyaltyLedger(LATER)
    ledger.execute(issue(ledger, "c", 10))
    ledger.wait(days=2, microseconds=-1)
    assert taken(ledger.execute(refund(ledger, "r1", "c", 3))[0]) == TakenFrom(pending=3)
    ledger.wait(microseconds=1)
    assert taken(ledger.execute(refund(ledger, "r2", "c", 3))[0]) == TakenFrom(available=3)
    ledger.assert_sound()


def test_points_are_the_players_until_the_very_moment_of_their_expiry() -> None:
    ledger = LoyaltyLedger(AT_ONCE)
    ledger.execute(issue(ledger, "c", 10), RedeemPoints("spent", PLAYER, Ask(4)))
    ledger.wait(days=5, microseconds=-1)
    assert taken(ledger.execute(refund(ledger, "r1", "c", 1))[0]) == TakenFrom(available=1)
    ledger.wait(microseconds=1)

    # Of ten points four were spent, one taken back, and five have expired now.
    first, second = ledger.execute(refund(ledger, "r2", "c", 3), refund(ledger, "r3", "c"))

    assert taken(first) == TakenFrom(expired=3)
    assert taken(second) == TakenFrom(debt=4, expired=2)
    assert (ledger.rewards["c"].expired, ledger.rewards["c"].expired_told) == (5, 5)
    assert ledger.wallets[POINTS].balance == -4
    ledger.assert_sound()


def test_a_quote_lets_happen_what_is_due_and_nothing_else() -> None:
    ledger = LoyaltyLedger(AT_ONCE)
    ledger.execute(issue(ledger, "c", 10))
    ledger.wait(days=5)

    (quote,) = ledger.execute(refund(ledger, "", "c", is_quote=True))

    assert taken(quote) == TakenFrom(expired=10)
    assert [of.type for of in ledger.history[1:]] == [TransactionType.POINTS_EXPIRY]
    assert ledger.rewards["c"].expired_told == 0
    ledger.assert_sound()


def test_cash_is_cancelled_until_the_very_moment_of_its_payment() -> None:
    ledger = LoyaltyLedger(CASH)
    ledger.execute(issue(ledger, "c", 100), issue(ledger, "gone", 50))
    ledger.wait(days=2, microseconds=-1)
    part, whole = ledger.execute(refund(ledger, "r1", "c", 30), refund(ledger, "r2", "gone"))
    assert (taken(part), taken(whole)) == (TakenFrom(pending=300), TakenFrom(pending=500))
    assert ledger.rewards["gone"].state(ledger.now) is RewardState.REVERSED
    ledger.wait(microseconds=1)

    (paid,) = ledger.execute(refund(ledger, "r3", "c", 20))

    # It was paid first, for its time has come, and nothing is paid of what was cancelled.
    assert taken(paid) == TakenFrom(available=200)
    assert ledger.wallets[EUR].balance == 500
    assert [of.change for of in ledger.history if of.change] == [700, -200]
    ledger.wait(days=1)
    ledger.execute(PostDue(PLAYER))
    assert ledger.wallets[EUR].balance == 500
    ledger.assert_sound()


@pytest.mark.parametrize("ahead", [timedelta(minutes=5, microseconds=1), timedelta(days=9)])
def test_a_refund_of_the_future_is_refused(ahead: timedelta) -> None:
    ledger = LoyaltyLedger(AT_ONCE)
    ledger.execute(issue(ledger, "c", 10))
    early = replace(refund(ledger, "r", "c"), transaction_time=ledger.now + ahead)

    (refusal,) = ledger.execute(early)

    assert refusal.metadata == {"field": "transaction_time"}
    allowed = replace(early, transaction_time=ledger.now + timedelta(minutes=5))
    assert taken(ledger.execute(allowed)[0]) == TakenFrom(available=10)


# -- whatever happens ----------------------------------------------------------------------------

PURCHASES = ("c1", "c2", "c3")

ACTIONS = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(PURCHASES), st.integers(1, 60)),
    st.tuples(st.just("refund"), st.sampled_from(PURCHASES), st.integers(1, 40)),
    st.tuples(st.just("redeem"), st.just(""), st.integers(1, 40)),
    st.tuples(st.just("gift"), st.just(""), st.integers(1, 20)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 4)),
)


def command(
    ledger: LoyaltyLedger, number: int, what: str, of: str, size: int
) -> PointsCommand | None:
    match what:
        case "buy":
            return issue(ledger, of, size)
        case "refund":
            return refund(ledger, f"r{number}", of, size)
        case "redeem":
            return RedeemPoints(f"s{number}", PLAYER, Ask(size))
        case "gift":
            return AdjustPoints(f"g{number}", PLAYER, size, "a gift")
    ledger.wait(days=size)
    return None


@given(
    st.lists(ACTIONS, max_size=25),
    st.sampled_from(NegativeBalancePolicy),
    st.sampled_from([AT_ONCE, LATER, CASH]),
)
def test_never_more_is_taken_than_was_earned_and_all_when_all_is_returned(
    actions: list[tuple[str, str, int]], policy: NegativeBalancePolicy, program: Program
) -> None:
    ledger = LoyaltyLedger(replace(program, negative_balance_policy=policy))
    told: dict[str, list[TakenFrom]] = {of: [] for of in PURCHASES}

    def do(command: PointsCommand) -> None:
        (answer,) = ledger.execute(command)
        ledger.assert_sound()
        if isinstance(command, RefundPurchase) and isinstance(answer, RefundAnswer):
            told[command.reverse_transaction_id].append(answer.refund.taken)
            history = len(ledger.history)
            (again,) = ledger.execute(command)
            assert again == replace(answer, replayed=True)
            assert len(ledger.history) == history, "a repeated refund changes nothing"

    for number, (what, of, size) in enumerate(actions):
        asked = command(ledger, number, what, of, size)
        if asked is not None:
            do(asked)
    for of in ledger.rewards:
        do(refund(ledger, f"all of {of}", of))

    for of, rewarded in ledger.rewards.items():
        earned, parts = rewarded.reward.points, told[of]
        took = sum(part.pending + part.available + part.debt for part in parts)
        fell_short = sum(part.shortfall for part in parts)
        expired = sum(part.expired for part in parts)
        assert took + fell_short + expired == earned, "all is asked for"
        assert expired == rewarded.expired_told <= rewarded.expired
        if policy is NegativeBalancePolicy.ALLOW:
            assert fell_short == 0
        else:
            assert not any(part.debt for part in parts)
        assert rewarded.points_left == 0
