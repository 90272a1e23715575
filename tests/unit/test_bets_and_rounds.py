"""Bets open rounds, and rounds take bets until they are closed."""

from __future__ import annotations

from purser_server.domain.errors import Reason
from purser_server.domain.rounds import RoundState
from purser_server.domain.transactions import TransactionState, TransactionType
from tests.unit.casino import Casino
from tests.unit.commands import POKER, ROULETTE, SPIN, bet, close_round, win
from tests.unit.money import EUR, MOST, USD, eur, usd


def test_bet_debits_the_wallet_and_opens_its_round(casino: Casino) -> None:
    casino.player("anna", eur="10.00")

    done = casino.bet("b1", "2.50")

    assert (done.type, done.state) == (TransactionType.BET, TransactionState.COMPLETED)
    assert (done.balance_before, done.balance_after) == (eur("10.00"), eur("7.50"))
    assert (done.game_id, done.round_id, done.wallet_sequence) == (ROULETTE, SPIN, 2)
    round_ = casino.round()
    assert round_ is not None
    assert (round_.state, round_.currency_code) == (RoundState.OPEN, EUR)
    assert (round_.bets, round_.total_bet, round_.wins, round_.total_win) == (1, eur("2.50"), 0, 0)


def test_round_takes_any_number_of_bets(casino: Casino) -> None:
    casino.player("anna", eur="10.00")

    for number in range(10):
        casino.bet(f"b{number}", "1.00")

    round_ = casino.round()
    assert round_ is not None
    assert (round_.bets, round_.total_bet) == (10, eur("10.00"))
    assert casino.balance() == 0


def test_bet_beyond_the_balance_is_refused_and_opens_no_round(casino: Casino) -> None:
    casino.player("anna", eur="2.49")

    refusal = casino.refuses(bet("b1", "2.50"))

    assert refusal.reason is Reason.INSUFFICIENT_FUNDS
    assert refusal.metadata == {"balance": "249", "required": "250", "currency_code": EUR}
    assert casino.round() is None
    assert casino.balance() == eur("2.49")


def test_refused_bet_is_stored_and_final(casino: Casino) -> None:
    casino.player("anna", eur="2.49")
    told = casino.refuses(bet("b1", "2.50"))
    casino.deposit("d1", "100.00")

    again = casino.refuses_again(bet("b1", "2.50"))

    stored = casino.transaction("b1")
    assert stored is not None
    assert (stored.state, stored.refusal) == (TransactionState.REFUSED, told)
    assert (again.reason, again.message) == (told.reason, told.message)
    assert casino.balance() == eur("102.49")


def test_bet_of_zero_posts_nothing_and_is_a_transaction_all_the_same(casino: Casino) -> None:
    casino.player("anna", eur="10.00")

    done = casino.bet("b1", "0")

    assert (done.balance_before, done.balance_after) == (eur("10.00"), eur("10.00"))
    assert done.wallet_sequence == 0
    assert casino.sequence() == 1
    round_ = casino.round()
    assert round_ is not None
    assert (round_.bets, round_.total_bet) == (1, 0)
    casino.win("w1", "5.00", of="b1")


def test_bet_of_zero_needs_no_money(casino: Casino) -> None:
    casino.player("anna", eur="0")

    assert casino.bet("b1", "0").balance_after == 0


def test_bet_in_another_currency_than_the_rounds_is_refused_and_not_stored(
    casino: Casino,
) -> None:
    casino.player("anna", eur="10.00", usd="10.00")
    casino.bet("b1", "2.50")

    refusal = casino.refuses(bet("b2", "1.00", currency=USD))

    assert refusal.reason is Reason.INVALID_FIELD
    assert refusal.metadata == {"field": "amount.currency_code"}
    assert casino.transaction("b2") is None
    casino.bet("b2", "1.00", currency=EUR)


def test_refused_bet_does_not_fix_the_rounds_currency(casino: Casino) -> None:
    casino.player("anna", eur="1.00", usd="10.00")
    casino.refuses(bet("b1", "2.50", currency=EUR))

    casino.bet("b2", "2.50", currency=USD)

    round_ = casino.round()
    assert round_ is not None
    assert round_.currency_code == USD


def test_currency_stays_fixed_when_the_first_bet_is_rolled_back(casino: Casino) -> None:
    casino.player("anna", eur="10.00", usd="10.00")
    casino.bet("b1", "2.50")
    casino.rollback("r1", of="b1")

    assert casino.refuses(bet("b2", "1.00", currency=USD)).reason is Reason.INVALID_FIELD


def test_rounds_differ_by_player_game_and_name(casino: Casino) -> None:
    casino.player("anna", eur="10.00", usd="10.00")
    casino.player("ben", usd="10.00")
    casino.bet("b1", "2.50")
    casino.close_round("c1")

    casino.bet("b2", "1.00", round_="spin-2", currency=USD)
    casino.bet("b3", "1.00", game=POKER, currency=USD)
    casino.bet("b4", "1.00", player="ben", currency=USD)

    assert casino.balance(currency=USD) == usd("8.00")
    assert casino.balance("ben", USD) == usd("9.00")


def test_closed_round_refuses_bets_for_good(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    casino.bet("b1", "2.50")
    casino.win("w1", "1.00", close_round=True)

    refusal = casino.refuses(bet("b2", "1.00"))
    casino.rollback("r1", of="w1")

    assert refusal.reason is Reason.ROUND_CLOSED
    assert refusal.metadata == {"transaction_id": "b2", "round_id": SPIN}
    assert casino.refuses_again(bet("b2", "1.00")).reason is Reason.ROUND_CLOSED
    casino.bet("b3", "1.00")


def test_closed_round_refuses_even_a_bet_of_zero(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    casino.bet("b1", "2.50")
    casino.close_round("c1")

    assert casino.refuses(bet("b2", "0")).reason is Reason.ROUND_CLOSED


def test_closed_round_is_told_before_missing_money(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    casino.bet("b1", "2.50")
    casino.close_round("c1")

    assert casino.refuses(bet("b2", "99.00")).reason is Reason.ROUND_CLOSED


def test_total_bet_beyond_64_bits_is_refused_and_not_stored(casino: Casino) -> None:
    casino.player("anna", eur=MOST)
    casino.bet("b1", MOST)
    casino.deposit("d1", "0.01")

    refusal = casino.refuses(bet("b2", "0.01"))

    assert refusal.reason is Reason.AMOUNT_RANGE
    assert casino.transaction("b2") is None
    casino.bet("b2", "0.01", round_="spin-2")


def test_total_win_beyond_64_bits_is_refused_and_not_stored(casino: Casino) -> None:
    casino.player("anna", eur="1.00")
    casino.bet("b1", "1.00")
    casino.win("w1", MOST)
    casino.withdraw_all("o1")

    assert casino.refuses(win("w2", "0.01")).reason is Reason.AMOUNT_RANGE
    assert casino.transaction("w2") is None


def test_bets_in_one_flush_see_each_other(casino: Casino) -> None:
    casino.player("anna", eur="10.00")

    first, second, third, closing, late = casino.flush(
        bet("b1", "6.00"),
        bet("b2", "6.00"),
        bet("b3", "4.00"),
        close_round("c1"),
        bet("b4", "0"),
    )

    assert first.transaction.balance_after == eur("4.00")
    assert second.reason is Reason.INSUFFICIENT_FUNDS
    assert (third.transaction.balance_before, third.transaction.balance_after) == (eur("4.00"), 0)
    assert (closing.transaction.round.bets, closing.transaction.round.total_bet) == (2, eur("10"))
    assert late.reason is Reason.ROUND_CLOSED
