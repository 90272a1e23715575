"""Wins are paid: of a named bet, of a round, or of neither."""

from __future__ import annotations

import pytest

from purser_server.domain.commands import Win
from purser_server.domain.errors import Reason
from purser_server.domain.rounds import RoundState
from purser_server.domain.transactions import TransactionState, TransactionType, WinType
from tests.unit.casino import Casino
from tests.unit.commands import POKER, PROMOTIONS, SPIN, bet, rollback, win
from tests.unit.money import MOST, USD, eur


@pytest.fixture
def placed(casino: Casino) -> Casino:
    """Anna has 7.50 left: she bet 2.50 as b1."""
    casino.player("anna", eur="10.00", usd="10.00")
    casino.player("ben", eur="10.00")
    casino.bet("b1", "2.50")
    return casino


def is_settled(casino: Casino, bet_id: str) -> bool:
    """Tell whether a bet is settled, by asking for its rollback and undoing that."""
    (result,) = casino.flush(rollback(f"is {bet_id} settled?", of=bet_id))
    reason = getattr(result, "reason", None)
    assert reason in (None, Reason.BET_ALREADY_SETTLED)
    return reason is not None


# -- of a named bet -----------------------------------------------------------------------------


def test_win_pays_and_settles_the_bet_it_names(placed: Casino) -> None:
    done = placed.win("w1", "5.00", of="b1")

    assert (done.type, done.state) == (TransactionType.WIN, TransactionState.COMPLETED)
    assert (done.balance_before, done.balance_after) == (eur("7.50"), eur("12.50"))
    assert (done.related_transaction_id, done.win_type) == ("b1", WinType.REGULAR)
    round_ = placed.round()
    assert round_ is not None
    assert (round_.wins, round_.total_win, round_.state) == (1, eur("5.00"), RoundState.OPEN)
    assert is_settled(placed, "b1")


def test_win_settles_no_bet_but_the_one_it_names(placed: Casino) -> None:
    placed.bet("b2", "1.00")
    placed.win("w1", "5.00", of="b2")

    assert is_settled(placed, "b2")
    assert not is_settled(placed, "b1")


def test_win_of_zero_settles_a_lost_bet_and_posts_nothing(placed: Casino) -> None:
    done = placed.win("w1", "0", of="b1")

    assert (done.balance_before, done.balance_after) == (eur("7.50"), eur("7.50"))
    assert done.wallet_sequence == 0
    assert is_settled(placed, "b1")


def test_settled_bet_takes_further_wins_while_the_round_is_open(placed: Casino) -> None:
    placed.win("w1", "1.00", of="b1")
    placed.win("w2", "2.00", of="b1")
    placed.win("w3", "3.00")

    assert placed.balance() == eur("13.50")


def test_settled_bet_takes_no_further_win_once_the_round_is_closed(placed: Casino) -> None:
    placed.win("w1", "1.00", of="b1", close_round=True)

    refusal = placed.refuses(win("w2", "2.00", of="b1"))

    assert refusal.reason is Reason.ROUND_CLOSED
    assert refusal.metadata == {"transaction_id": "w2", "round_id": SPIN}


@pytest.mark.parametrize("win_type", WinType)
@pytest.mark.parametrize(
    "elsewhere",
    [
        {"of": "b9"},
        {"of": "b1", "round_": "spin-2"},
        {"of": "b1", "game": POKER},
        {"of": "b1", "player": "ben"},
        {"of": "opening anna EUR"},
    ],
    ids=["unknown", "another round", "another game", "another player", "no bet at all"],
)
def test_win_of_a_bet_that_is_not_there_is_refused(
    placed: Casino, elsewhere: dict[str, str], win_type: WinType
) -> None:
    refusal = placed.refuses(win("w1", "5.00", win_type=win_type, **elsewhere))

    assert refusal.reason is Reason.BET_NOT_FOUND
    assert elsewhere["of"] in refusal.metadata.values()
    assert placed.balance() == eur("7.50")


@pytest.mark.parametrize("win_type", WinType)
@pytest.mark.parametrize("of", ["w0", "r0", "c0"])
def test_only_a_bet_can_be_won(placed: Casino, of: str, win_type: WinType) -> None:
    placed.bet("b0", "1.00")
    placed.rollback("r0", of="b0")
    placed.win("w0", "1.00")
    placed.close_round("c0")

    refusal = placed.refuses(win("w1", "5.00", of=of, win_type=win_type))

    assert refusal.reason is Reason.BET_NOT_FOUND


def test_win_of_a_bet_in_another_existing_round_is_refused(placed: Casino) -> None:
    placed.bet("b2", "1.00", round_="spin-2")

    assert placed.refuses(win("w1", "5.00", of="b1", round_="spin-2")).reason is (
        Reason.BET_NOT_FOUND
    )


def test_win_of_a_refused_bet_is_refused(placed: Casino) -> None:
    placed.refuses(bet("b2", "500.00"))

    assert placed.refuses(win("w1", "5.00", of="b2")).reason is Reason.BET_NOT_FOUND


def test_win_of_a_refused_bet_is_refused_also_after_its_rollback(placed: Casino) -> None:
    placed.refuses(bet("b2", "500.00"))
    placed.rollback("r1", of="b2")

    assert placed.refuses(win("w1", "5.00", of="b2")).reason is Reason.BET_NOT_FOUND


def test_win_after_rollback_is_refused(placed: Casino) -> None:
    placed.rollback("r1", of="b1")

    refusal = placed.refuses(win("w1", "5.00", of="b1"))

    assert refusal.reason is Reason.TRANSACTION_ROLLED_BACK
    assert refusal.metadata == {"transaction_id": "b1", "round_id": SPIN}
    assert placed.balance() == eur("10.00")


@pytest.mark.parametrize("win_type", WinType)
def test_win_of_a_tombstoned_bet_is_refused(placed: Casino, win_type: WinType) -> None:
    placed.rollback("r1", of="b2")

    refusal = placed.refuses(win("w1", "5.00", of="b2", win_type=win_type))

    assert refusal.reason is Reason.TRANSACTION_ROLLED_BACK


def test_refusal_of_a_win_is_final_though_its_bet_arrives(placed: Casino) -> None:
    placed.refuses(win("w1", "5.00", of="b2"))
    placed.bet("b2", "1.00")

    assert placed.refuses_again(win("w1", "5.00", of="b2")).reason is Reason.BET_NOT_FOUND
    placed.win("w2", "5.00", of="b2")


# -- of a round ---------------------------------------------------------------------------------


def test_win_of_a_round_settles_all_its_open_bets(placed: Casino) -> None:
    placed.bet("b2", "1.00")
    placed.win("w1", "5.00")

    assert is_settled(placed, "b1")
    assert is_settled(placed, "b2")


def test_win_of_a_round_does_not_settle_a_bet_that_comes_after_it(placed: Casino) -> None:
    placed.win("w1", "5.00")
    placed.bet("b2", "1.00")

    assert not is_settled(placed, "b2")


@pytest.mark.parametrize("in_one_flush", [True, False])
def test_win_of_a_round_covers_the_bets_before_it_in_any_flush(
    placed: Casino, in_one_flush: bool
) -> None:
    results = placed.story(
        bet("b2", "1.00"),
        win("w1", "1.00"),
        bet("b3", "1.00"),
        rollback("r2", of="b2"),
        rollback("r3", of="b3"),
        in_one_flush=in_one_flush,
    )

    assert results[3].reason is Reason.BET_ALREADY_SETTLED
    assert results[4].transaction.balance_after == eur("7.50")


def test_regular_win_needs_a_bet_in_its_round(placed: Casino) -> None:
    refusal = placed.refuses(win("w1", "5.00", round_="spin-2"))

    assert refusal.reason is Reason.BET_NOT_FOUND
    assert refusal.metadata["round_id"] == "spin-2"
    assert placed.round("spin-2") is None


def test_regular_win_needs_a_bet_that_was_not_refused(placed: Casino) -> None:
    placed.refuses(bet("b2", "500.00", round_="spin-2"))

    assert placed.refuses(win("w1", "5.00", round_="spin-2")).reason is Reason.BET_NOT_FOUND


def test_regular_win_needs_a_bet_that_still_stands(placed: Casino) -> None:
    placed.rollback("r1", of="b1")

    assert placed.refuses(win("w1", "5.00")).reason is Reason.BET_NOT_FOUND


def test_one_standing_bet_is_enough_for_a_regular_win(placed: Casino) -> None:
    placed.bet("b2", "1.00")
    placed.rollback("r1", of="b1")

    placed.win("w1", "5.00")

    assert placed.balance() == eur("14.00")


def test_regular_win_may_come_when_all_bets_are_settled(placed: Casino) -> None:
    placed.win("w1", "5.00", of="b1")

    placed.win("w2", "5.00")


def test_closed_round_refuses_regular_wins(placed: Casino) -> None:
    placed.close_round("c1")

    assert placed.refuses(win("w1", "5.00")).reason is Reason.ROUND_CLOSED
    assert placed.refuses(win("w2", "5.00", of="b1")).reason is Reason.ROUND_CLOSED
    assert placed.refuses(win("w3", "0")).reason is Reason.ROUND_CLOSED


def test_win_in_another_currency_than_the_rounds_is_refused_and_not_stored(
    placed: Casino,
) -> None:
    refusal = placed.refuses(win("w1", "5.00", currency=USD))

    assert refusal.reason is Reason.INVALID_FIELD
    assert refusal.metadata == {"field": "amount.currency_code"}
    assert placed.transaction("w1") is None


def test_win_beyond_64_bits_is_refused_and_not_stored(placed: Casino) -> None:
    assert placed.refuses(win("w1", MOST)).reason is Reason.AMOUNT_RANGE
    assert placed.transaction("w1") is None


def test_win_that_closes_the_round_settles_it(placed: Casino) -> None:
    placed.bet("b2", "1.00")

    placed.win("w1", "5.00", of="b1", close_round=True)

    round_ = placed.round()
    assert round_ is not None
    assert round_.state is RoundState.CLOSED
    assert is_settled(placed, "b2")


# -- of neither ---------------------------------------------------------------------------------


@pytest.mark.parametrize("win_type", PROMOTIONS)
@pytest.mark.parametrize(
    "place",
    [
        {"game": "", "round_": ""},
        {"round_": ""},
        {"round_": "spin-2"},
        {},
    ],
    ids=["no game and no round", "a game alone", "an unknown round", "a round with a bet"],
)
def test_promotion_needs_no_bet(placed: Casino, win_type: WinType, place: dict[str, str]) -> None:
    done = placed.win("w1", "5.00", win_type=win_type, **place)

    assert done.balance_after == eur("12.50")
    assert done.win_type is win_type
    assert not is_settled(placed, "b1")


@pytest.mark.parametrize("win_type", PROMOTIONS)
def test_promotion_may_come_when_the_round_is_closed(placed: Casino, win_type: WinType) -> None:
    placed.close_round("c1")

    placed.win("w1", "5.00", win_type=win_type)
    placed.win("w2", "1.00", win_type=win_type, of="b1")

    round_ = placed.round()
    assert round_ is not None
    assert (round_.wins, round_.total_win) == (2, eur("6.00"))
    assert round_.state is RoundState.CLOSED


@pytest.mark.parametrize("win_type", PROMOTIONS)
def test_promotion_may_come_when_no_bet_stands(placed: Casino, win_type: WinType) -> None:
    placed.rollback("r1", of="b1")

    placed.win("w1", "5.00", win_type=win_type)


@pytest.mark.parametrize("win_type", PROMOTIONS)
def test_promotion_that_names_a_bet_settles_it(placed: Casino, win_type: WinType) -> None:
    placed.win("w1", "5.00", win_type=win_type, of="b1")

    assert is_settled(placed, "b1")


def test_promotion_does_not_create_its_round(placed: Casino) -> None:
    placed.win("w1", "5.00", win_type=WinType.JACKPOT, round_="spin-2")

    assert placed.round("spin-2") is None
    assert placed.refuses(win("w2", "1.00", round_="spin-2")).reason is Reason.BET_NOT_FOUND


def test_promotion_before_the_first_bet_does_not_fix_the_currency(placed: Casino) -> None:
    placed.win("w1", "5.00", win_type=WinType.FREE_ROUND, round_="spin-2", currency=USD)

    placed.bet("b2", "1.00", round_="spin-2")

    round_ = placed.round("spin-2")
    assert round_ is not None
    assert (round_.wins, round_.total_win, round_.bets) == (0, 0, 1)


def test_promotion_of_zero_is_a_transaction_all_the_same(placed: Casino) -> None:
    done = placed.win("w1", "0", win_type=WinType.PROMO, game="", round_="")

    assert (done.wallet_sequence, done.balance_after) == (0, eur("7.50"))
    assert placed.transaction("w1") == done


@pytest.mark.parametrize("win_type", PROMOTIONS)
def test_promotion_closes_a_round_that_exists(placed: Casino, win_type: WinType) -> None:
    placed.win("w1", "5.00", win_type=win_type, close_round=True)

    assert placed.refuses(bet("b2", "1.00")).reason is Reason.ROUND_CLOSED


@pytest.mark.parametrize(
    "roundless",
    [
        win("w1", "5.00", win_type=WinType.PROMO, close_round=True, round_="spin-2"),
        win("w1", "5.00", win_type=WinType.PROMO, close_round=True, game="", round_=""),
    ],
    ids=["unknown round", "no round"],
)
def test_close_round_needs_a_round(placed: Casino, roundless: Win) -> None:
    refusal = placed.refuses(roundless)

    assert refusal.reason is Reason.INVALID_FIELD
    assert refusal.metadata == {"field": "close_round"}
    assert placed.transaction("w1") is None
