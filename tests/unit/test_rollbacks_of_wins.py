"""A win that is rolled back goes, with all that it alone had settled and closed."""

from __future__ import annotations

import pytest

from purser_server.domain.errors import Reason
from purser_server.domain.rounds import RoundState
from purser_server.domain.transactions import RollbackOutcome, TransactionState, WinType
from tests.unit.casino import Casino
from tests.unit.commands import PROMOTIONS, bet, rollback, win
from tests.unit.money import EUR, eur


@pytest.fixture
def placed(casino: Casino) -> Casino:
    """Anna has 6.50 left: she bet 2.50 as b1 and 1.00 as b2."""
    casino.player("anna", eur="10.00")
    casino.bet("b1", "2.50")
    casino.bet("b2", "1.00")
    return casino


def can_be_rolled_back(casino: Casino, bet_id: str) -> bool:
    """Tell whether a bet is open, by rolling it back."""
    (result,) = casino.flush(rollback(f"undo {bet_id}", of=bet_id))
    reason = getattr(result, "reason", None)
    assert reason in (None, Reason.BET_ALREADY_SETTLED)
    return reason is None


def test_rollback_takes_the_win_back(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")

    done = placed.rollback("r1", of="w1")

    assert done.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert (done.amount, done.related_transaction_id) == (eur("5.00"), "w1")
    assert (done.balance_before, done.balance_after) == (eur("11.50"), eur("6.50"))
    stored = placed.transaction("w1")
    assert stored is not None
    assert stored.state is TransactionState.ROLLED_BACK
    round_ = placed.round()
    assert round_ is not None
    assert (round_.wins, round_.total_win) == (0, 0)


def test_win_that_is_spent_cannot_be_taken_back(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")
    placed.withdraw("o1", "6.51")

    refusal = placed.refuses(rollback("r1", of="w1"))

    assert refusal.reason is Reason.INSUFFICIENT_FUNDS
    assert refusal.metadata == {"balance": "499", "required": "500", "currency_code": EUR}
    assert placed.balance() == eur("4.99")
    stored = placed.transaction("w1")
    assert stored is not None
    assert stored.state is TransactionState.COMPLETED


def test_refused_rollback_of_a_win_is_final_and_another_one_may_succeed(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")
    placed.withdraw_all("o1")
    placed.refuses(rollback("r1", of="w1"))
    placed.deposit("d1", "5.00")

    again = placed.refuses_again(rollback("r1", of="w1"))
    placed.rollback("r2", of="w1")

    assert again.reason is Reason.INSUFFICIENT_FUNDS
    assert placed.balance() == 0


def test_win_of_zero_is_rolled_back_on_an_empty_wallet(placed: Casino) -> None:
    placed.win("w1", "0", of="b1")
    placed.withdraw_all("o1")

    done = placed.rollback("r1", of="w1")

    assert (done.balance_after, done.wallet_sequence) == (0, 0)
    assert can_be_rolled_back(placed, "b1")


def test_second_rollback_of_a_win_moves_nothing_again(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")
    placed.rollback("r1", of="w1")

    second = placed.rollback("r2", of="w1")

    assert second.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert second.wallet_sequence == 0
    assert placed.balance() == eur("6.50")


def test_bet_that_only_this_win_named_is_open_again(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")

    placed.rollback("r1", of="w1")

    assert can_be_rolled_back(placed, "b1")


def test_bet_stays_settled_while_another_win_names_it(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")
    placed.win("w2", "1.00", of="b1", win_type=WinType.JACKPOT)

    placed.rollback("r1", of="w1")
    assert placed.refuses(rollback("r2", of="b1")).reason is Reason.BET_ALREADY_SETTLED

    placed.rollback("r3", of="w2")
    assert can_be_rolled_back(placed, "b1")


def test_bets_that_only_this_win_covered_are_open_again(placed: Casino) -> None:
    placed.win("w1", "5.00")

    placed.rollback("r1", of="w1")

    assert can_be_rolled_back(placed, "b1")
    assert can_be_rolled_back(placed, "b2")


def test_bets_stay_settled_while_another_win_covers_them(placed: Casino) -> None:
    placed.win("w1", "5.00")
    placed.win("w2", "1.00")

    placed.rollback("r1", of="w1")

    assert not can_be_rolled_back(placed, "b1")
    placed.rollback("r2", of="w2")
    placed.rollback("r3", of="b1")


def test_earlier_covering_win_still_covers_what_was_before_it_and_no_more(
    placed: Casino,
) -> None:
    placed.win("w1", "1.00")
    placed.bet("b3", "1.00")
    placed.win("w2", "1.00")

    placed.rollback("r1", of="w2")

    assert not can_be_rolled_back(placed, "b1")
    assert can_be_rolled_back(placed, "b3")


def test_later_covering_win_still_covers_all_before_it(placed: Casino) -> None:
    placed.win("w1", "1.00")
    placed.bet("b3", "1.00")
    placed.win("w2", "1.00")

    placed.rollback("r1", of="w1")

    assert not can_be_rolled_back(placed, "b1")
    assert not can_be_rolled_back(placed, "b3")


def test_named_bet_stays_settled_when_the_covering_win_goes(placed: Casino) -> None:
    placed.win("w1", "1.00", of="b1")
    placed.win("w2", "1.00")

    placed.rollback("r1", of="w2")

    assert not can_be_rolled_back(placed, "b1")
    assert can_be_rolled_back(placed, "b2")


def test_covered_bet_stays_settled_when_the_win_that_names_it_goes(placed: Casino) -> None:
    placed.win("w1", "1.00", of="b1")
    placed.win("w2", "1.00")

    placed.rollback("r1", of="w1")

    assert not can_be_rolled_back(placed, "b1")


@pytest.mark.parametrize("in_one_flush", [True, False])
def test_settling_is_undone_in_one_flush_as_in_many(placed: Casino, in_one_flush: bool) -> None:
    results = placed.story(
        win("w1", "1.00", of="b1"),
        win("w2", "1.00"),
        rollback("r1", of="w2"),
        rollback("r2", of="b1"),
        rollback("r3", of="b2"),
        rollback("r4", of="w1"),
        rollback("r5", of="b1"),
        in_one_flush=in_one_flush,
    )

    assert results[3].reason is Reason.BET_ALREADY_SETTLED
    assert [result.transaction.change for result in results[4:]] == [
        eur("1.00"),
        -eur("1.00"),
        eur("2.50"),
    ]
    assert placed.balance() == eur("10.00")


def test_closing_win_gives_back_the_bets_that_were_lost_by_it(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1", close_round=True)

    placed.rollback("r1", of="w1")

    round_ = placed.round()
    assert round_ is not None
    assert round_.state is RoundState.OPEN
    assert can_be_rolled_back(placed, "b1")
    assert can_be_rolled_back(placed, "b2")


def test_round_reopened_by_a_rollback_takes_bets_and_wins(placed: Casino) -> None:
    placed.win("w1", "5.00", close_round=True)
    placed.rollback("r1", of="w1")

    placed.bet("b3", "1.00")
    placed.win("w2", "2.00", of="b1")

    assert placed.balance() == eur("7.50")


def test_win_that_did_not_close_leaves_the_round_closed(placed: Casino) -> None:
    placed.win("w1", "1.00", of="b1")
    placed.win("w2", "1.00", of="b2", close_round=True)

    placed.rollback("r1", of="w1")

    assert placed.refuses(bet("b3", "1.00")).reason is Reason.ROUND_CLOSED
    assert not can_be_rolled_back(placed, "b1")


def test_win_in_a_closed_round_can_be_rolled_back(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")
    placed.close_round("c1")

    placed.rollback("r1", of="w1")

    assert placed.balance() == eur("6.50")
    assert not can_be_rolled_back(placed, "b1")


@pytest.mark.parametrize("win_type", PROMOTIONS)
@pytest.mark.parametrize(
    "place",
    [{"game": "", "round_": ""}, {"round_": ""}, {"round_": "spin-9"}, {}],
    ids=["no game and no round", "a game alone", "an unknown round", "a round with bets"],
)
def test_promotion_can_be_rolled_back_wherever_it_was_paid(
    placed: Casino, win_type: WinType, place: dict[str, str]
) -> None:
    placed.win("w1", "5.00", win_type=win_type, **place)

    done = placed.rollback("r1", of="w1")

    assert done.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert placed.balance() == eur("6.50")


def test_promotion_paid_before_the_round_opened_is_no_part_of_its_sums(placed: Casino) -> None:
    placed.win("w1", "5.00", win_type=WinType.FREE_ROUND, round_="spin-2")
    placed.bet("b3", "1.00", round_="spin-2")

    placed.rollback("r1", of="w1")

    round_ = placed.round("spin-2")
    assert round_ is not None
    assert (round_.bets, round_.wins, round_.total_win) == (1, 0, 0)


def test_late_win_is_refused_when_its_rollback_came_first(placed: Casino) -> None:
    placed.rollback("r1", of="w1")

    refusal = placed.refuses(win("w1", "5.00", of="b1"))

    assert refusal.reason is Reason.TRANSACTION_ROLLED_BACK
    assert can_be_rolled_back(placed, "b1")
