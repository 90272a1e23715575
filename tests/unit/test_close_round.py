"""CloseRound ends a round: what is open in it is lost."""

from __future__ import annotations

import pytest

from purser_server.domain.errors import Reason
from purser_server.domain.rounds import RoundState
from purser_server.domain.transactions import TransactionState, TransactionType, WinType
from tests.unit.casino import Casino
from tests.unit.commands import POKER, ROULETTE, SPIN, bet, close_round, rollback, win
from tests.unit.money import EUR, eur


@pytest.fixture
def placed(casino: Casino) -> Casino:
    """Anna has 7.50 left: she bet 2.50 as b1."""
    casino.player("anna", eur="10.00")
    casino.player("ben", eur="10.00")
    casino.bet("b1", "2.50")
    return casino


def test_close_round_answers_with_the_closed_round(placed: Casino) -> None:
    placed.win("w1", "4.00")

    done = placed.close_round("c1")

    assert (done.type, done.state) == (TransactionType.CLOSE_ROUND, TransactionState.COMPLETED)
    assert (done.game_id, done.round_id) == (ROULETTE, SPIN)
    assert done.round is not None
    assert (done.round.state, done.round.currency_code) == (RoundState.CLOSED, EUR)
    assert (done.round.bets, done.round.total_bet) == (1, eur("2.50"))
    assert (done.round.wins, done.round.total_win) == (1, eur("4.00"))


def test_close_round_moves_no_money(placed: Casino) -> None:
    done = placed.close_round("c1")

    assert (done.amount, done.change, done.wallet_sequence) == (0, 0, 0)
    assert (placed.balance(), placed.sequence()) == (eur("7.50"), 2)


def test_close_round_settles_what_is_open_as_lost(placed: Casino) -> None:
    placed.close_round("c1")

    refusal = placed.refuses(rollback("r1", of="b1"))

    assert refusal.reason is Reason.BET_ALREADY_SETTLED
    assert refusal.metadata == {"transaction_id": "b1", "round_id": SPIN}


def test_close_round_refuses_later_bets_and_regular_wins(placed: Casino) -> None:
    placed.close_round("c1")

    assert placed.refuses(bet("b2", "1.00")).reason is Reason.ROUND_CLOSED
    assert placed.refuses(win("w1", "1.00")).reason is Reason.ROUND_CLOSED
    assert placed.refuses(win("w2", "1.00", of="b1")).reason is Reason.ROUND_CLOSED
    placed.bet("b3", "1.00", round_="spin-2")


def test_closing_twice_with_two_ids_answers_with_the_closed_round(placed: Casino) -> None:
    first = placed.close_round("c1")
    second = placed.close_round("c2")

    assert first.round is not None
    assert second.round is not None
    assert second.round.state is RoundState.CLOSED
    assert second.round.total_bet == first.round.total_bet


def test_closing_twice_with_one_id_is_a_replay(placed: Casino) -> None:
    first = placed.close_round("c1")

    assert placed.replays(close_round("c1")) == first


@pytest.mark.parametrize(
    "elsewhere",
    [{"round_": "spin-2"}, {"game": POKER}, {"player": "ben"}],
    ids=["another round", "another game", "another player"],
)
def test_unknown_round_cannot_be_closed(placed: Casino, elsewhere: dict[str, str]) -> None:
    refusal = placed.refuses(close_round("c1", **elsewhere))

    assert refusal.reason is Reason.ROUND_NOT_FOUND
    assert refusal.metadata["round_id"] == elsewhere.get("round_", SPIN)
    assert placed.transaction("c1") is None


def test_round_known_only_by_a_refused_bet_cannot_be_closed(placed: Casino) -> None:
    placed.refuses(bet("b2", "500.00", round_="spin-2"))

    refusal = placed.refuses(close_round("c1", round_="spin-2"))

    assert refusal.reason is Reason.ROUND_NOT_FOUND


def test_round_known_only_by_a_promotion_cannot_be_closed(placed: Casino) -> None:
    placed.win("w1", "5.00", round_="spin-2", win_type=WinType.JACKPOT)

    refusal = placed.refuses(close_round("c1", round_="spin-2"))

    assert refusal.reason is Reason.ROUND_NOT_FOUND


def test_round_that_was_not_found_may_be_closed_by_the_same_id_later(placed: Casino) -> None:
    placed.refuses(close_round("c1", round_="spin-2"))
    placed.bet("b2", "1.00", round_="spin-2")

    placed.close_round("c1", round_="spin-2")


def test_round_whose_only_bet_was_rolled_back_can_be_closed(placed: Casino) -> None:
    placed.rollback("r1", of="b1")

    done = placed.close_round("c1")

    assert done.round is not None
    assert (done.round.bets, done.round.total_bet) == (0, 0)


def test_unknown_player_cannot_close(placed: Casino) -> None:
    assert placed.refuses(close_round("c1", player="nobody")).reason is Reason.PLAYER_NOT_FOUND


# -- what closes stands by itself ---------------------------------------------------------------


def test_round_is_open_again_when_the_win_that_closed_it_is_rolled_back(placed: Casino) -> None:
    placed.win("w1", "5.00", close_round=True)

    placed.rollback("r1", of="w1")

    round_ = placed.round()
    assert round_ is not None
    assert round_.state is RoundState.OPEN
    placed.bet("b2", "1.00")


def test_later_close_round_stands_when_the_win_that_closed_is_rolled_back(placed: Casino) -> None:
    placed.win("w1", "5.00", close_round=True)
    placed.close_round("c1")

    placed.rollback("r1", of="w1")

    round_ = placed.round()
    assert round_ is not None
    assert round_.state is RoundState.CLOSED
    assert placed.refuses(bet("b2", "1.00")).reason is Reason.ROUND_CLOSED
    assert placed.refuses(rollback("r2", of="b1")).reason is Reason.BET_ALREADY_SETTLED


def test_earlier_close_round_stands_when_a_promotion_that_closed_too_is_rolled_back(
    placed: Casino,
) -> None:
    placed.close_round("c1")
    placed.win("w1", "5.00", win_type=WinType.PROMO, close_round=True)

    placed.rollback("r1", of="w1")

    assert placed.refuses(bet("b2", "1.00")).reason is Reason.ROUND_CLOSED


def test_each_closing_win_must_be_rolled_back_before_the_round_is_open(placed: Casino) -> None:
    placed.win("w1", "5.00", close_round=True)
    placed.win("w2", "1.00", win_type=WinType.JACKPOT, close_round=True)

    placed.rollback("r1", of="w1")
    assert placed.refuses(bet("b2", "1.00")).reason is Reason.ROUND_CLOSED

    placed.rollback("r2", of="w2")
    placed.bet("b3", "1.00")
