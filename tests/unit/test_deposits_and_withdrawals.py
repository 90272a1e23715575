"""Money comes from the operator and goes back to it."""

from __future__ import annotations

from purser_server.domain.errors import Reason
from purser_server.domain.transactions import TransactionState, TransactionType
from tests.unit.casino import Casino
from tests.unit.commands import deposit, win, withdraw, withdraw_all
from tests.unit.money import EUR, MOST, USD, eur, usd


def test_deposit_credits_the_wallet(casino: Casino) -> None:
    casino.player("anna", eur="2.50")

    done = casino.deposit("d1", "10.00", metadata={"till": "4"})

    assert (done.type, done.state) == (TransactionType.DEPOSIT, TransactionState.COMPLETED)
    assert (done.balance_before, done.balance_after) == (eur("2.50"), eur("12.50"))
    assert (done.amount, done.currency_code, done.wallet_sequence) == (eur("10.00"), EUR, 2)
    assert done.metadata == {"till": "4"}
    assert casino.balance() == eur("12.50")


def test_withdrawal_debits_the_wallet(casino: Casino) -> None:
    casino.player("anna", eur="12.50")

    done = casino.withdraw("o1", "2.50", metadata={"iban": "DE02"})

    assert done.type is TransactionType.WITHDRAWAL
    assert (done.balance_before, done.balance_after) == (eur("12.50"), eur("10.00"))
    assert (done.amount, done.takes_all) == (eur("2.50"), False)
    assert done.metadata == {"iban": "DE02"}


def test_withdrawal_may_take_the_last_cent_and_no_more(casino: Casino) -> None:
    casino.player("anna", eur="12.50")

    refusal = casino.refuses(withdraw("o1", "12.51"))
    casino.withdraw("o2", "12.50")

    assert refusal.reason is Reason.INSUFFICIENT_FUNDS
    assert refusal.metadata == {"balance": "1250", "required": "1251", "currency_code": EUR}
    assert casino.balance() == 0


def test_withdraw_all_takes_the_whole_balance(casino: Casino) -> None:
    casino.player("anna", eur="12.50")

    done = casino.withdraw_all("o1")

    assert (done.amount, done.balance_after, done.takes_all) == (eur("12.50"), 0, True)
    assert casino.balance() == 0


def test_withdraw_all_takes_one_currency_alone(casino: Casino) -> None:
    casino.player("anna", eur="12.50", usd="8.00")

    casino.withdraw_all("o1", currency=USD)

    assert (casino.balance(), casino.balance(currency=USD)) == (eur("12.50"), usd("0"))


def test_withdraw_all_of_an_empty_wallet_is_refused(casino: Casino) -> None:
    casino.player("anna", eur="0")

    refusal = casino.refuses(withdraw_all("o1"))

    assert refusal.reason is Reason.INSUFFICIENT_FUNDS
    assert refusal.metadata["balance"] == "0"


def test_refused_withdrawal_stays_refused_when_money_arrives(casino: Casino) -> None:
    casino.player("anna", eur="0")
    casino.refuses(withdraw_all("o1"))
    casino.refuses(withdraw("o2", "1.00"))
    casino.deposit("d1", "50.00")

    assert casino.refuses_again(withdraw_all("o1")).reason is Reason.INSUFFICIENT_FUNDS
    assert casino.refuses_again(withdraw("o2", "1.00")).reason is Reason.INSUFFICIENT_FUNDS
    assert casino.balance() == eur("50.00")


def test_deposit_beyond_64_bits_is_refused_and_not_stored(casino: Casino) -> None:
    casino.player("anna", eur="0.01")

    refusal = casino.refuses(deposit("d1", MOST))

    assert refusal.reason is Reason.AMOUNT_RANGE
    assert refusal.metadata["currency_code"] == EUR
    assert casino.transaction("d1") is None
    assert casino.balance() == eur("0.01")


def test_amount_range_is_not_final(casino: Casino) -> None:
    casino.player("anna", eur="0.01")
    casino.refuses(deposit("d1", MOST))
    casino.withdraw_all("o1")

    assert casino.deposit("d1", MOST).balance_after == eur(MOST)


def test_wallet_may_hold_the_most_that_fits_and_no_cent_more(casino: Casino) -> None:
    casino.player("anna", eur=MOST)

    assert casino.refuses(deposit("d1", "0.01")).reason is Reason.AMOUNT_RANGE
    assert casino.balance() == eur(MOST)


def test_currency_without_wallet_is_refused_and_not_stored(casino: Casino) -> None:
    casino.player("anna", eur="10.00")

    for command in (
        deposit("x1", "1.00", currency=USD),
        withdraw("x2", "1.00", currency=USD),
        withdraw_all("x3", currency=USD),
        win("x4", "1.00", currency=USD),
    ):
        refusal = casino.refuses(command)
        assert refusal.reason is Reason.WALLET_NOT_FOUND
        assert refusal.metadata == {"player_id": "anna", "currency_code": USD}
        assert casino.transaction(command.transaction_id) is None


def test_unknown_player_is_refused_and_not_stored(casino: Casino) -> None:
    refusal = casino.refuses(deposit("d1", "1.00", player="nobody"))

    assert refusal.reason is Reason.PLAYER_NOT_FOUND
    assert refusal.metadata == {"player_id": "nobody"}
    assert casino.history() == []


def test_operators_do_not_share_ids_players_or_money(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    other = Casino(operator=2, store=casino.store)
    other.player("anna", eur="3.00")

    casino.deposit("d1", "1.00")
    other.deposit("d1", "5.00")

    assert (casino.balance(), other.balance()) == (eur("11.00"), eur("8.00"))
