"""Money, ids, refusals and roles: the small values that all rules use."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser_server.domain.accounts import (
    CONTRA_KIND,
    POINTS,
    AccountKind,
    contra_kind,
    house_kinds,
)
from purser_server.domain.commands import TYPE_OF, Command
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import MAX_ID_LENGTH, has_control_characters, id_problem
from purser_server.domain.money import (
    MAX_MINOR,
    Currencies,
    fits,
    is_currency_code,
)
from purser_server.domain.operators import Caller, Role, refuse_role
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType

# -- ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["b", "B-1/2 3", "ёж", "🎲" * MAX_ID_LENGTH, " ", "'; DROP TABLE", "a\u00a0b"]
)
def test_id_may_be_any_text_of_up_to_128_characters(text: str) -> None:
    assert id_problem(text) is None


@pytest.mark.parametrize("text", ["", "x" * (MAX_ID_LENGTH + 1), "a\nb", "\0", "a\x7f", "\x85"])
def test_id_must_not_be_empty_or_long_or_hold_control_characters(text: str) -> None:
    assert id_problem(text) is not None


@given(st.text(min_size=1, max_size=MAX_ID_LENGTH))
def test_control_characters_are_those_of_unicode(text: str) -> None:
    expected = any(unicodedata.category(character) == "Cc" for character in text)

    assert has_control_characters(text) is expected
    assert (id_problem(text) is not None) is expected


# -- money --------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0, 1, -1, MAX_MINOR, -MAX_MINOR])
def test_what_64_bits_hold_fits(amount: int) -> None:
    assert fits(amount)


@pytest.mark.parametrize("amount", [MAX_MINOR + 1, -MAX_MINOR - 1, 2**70])
def test_what_64_bits_do_not_hold_does_not_fit(amount: int) -> None:
    assert not fits(amount)


@pytest.mark.parametrize("code", ["EUR", "x", "BONUS_1", "in-game", "A" * 16])
def test_currency_codes_may_have_1_to_16_plain_characters(code: str) -> None:
    assert is_currency_code(code)


@pytest.mark.parametrize("code", ["", "A" * 17, "EU R", "€", "EUR\n", "É"])
def test_currency_codes_may_have_no_other_form(code: str) -> None:
    assert not is_currency_code(code)


def test_operator_may_use_standard_currencies_and_those_it_declared() -> None:
    currencies = Currencies({"EUR": 2, "JPY": 0}, {"CHIPS": 3})

    assert [currencies.knows(code) for code in ("EUR", "CHIPS", "GOLD")] == [True, True, False]
    assert [currencies.exponent(code) for code in ("EUR", "JPY", "CHIPS")] == [2, 0, 3]


# -- transactions and accounts ------------------------------------------------------------------


def test_balance_after_follows_from_the_change() -> None:
    def posted(balance_before: int | None) -> Transaction:
        return Transaction(
            number=1,
            transaction_id="b1",
            type=TransactionType.BET,
            state=TransactionState.COMPLETED,
            player_id="anna",
            create_time=datetime(2030, 1, 1, tzinfo=UTC),
            change=-250,
            balance_before=balance_before,
        )

    assert posted(1000).balance_after == 750
    assert posted(None).balance_after is None


def test_every_command_becomes_a_transaction_of_its_own_type() -> None:
    assert set(TYPE_OF) == set(Command.__args__)
    assert len(set(TYPE_OF.values())) == len(TYPE_OF)


def test_every_movement_of_money_has_a_house_account_across_from_it() -> None:
    assert CONTRA_KIND == {
        TransactionType.DEPOSIT: AccountKind.OPERATOR_FLOAT,
        TransactionType.WITHDRAWAL: AccountKind.OPERATOR_FLOAT,
        TransactionType.BET: AccountKind.GAME_RESULT,
        TransactionType.WIN: AccountKind.GAME_RESULT,
        TransactionType.ROLLBACK: AccountKind.GAME_RESULT,
        TransactionType.CASHBACK: AccountKind.PROMOTION,
        TransactionType.CASHBACK_REVERSAL: AccountKind.PROMOTION,
        TransactionType.PRIZE_CASHBACK: AccountKind.PROMOTION,
    }
    assert AccountKind.PLAYER_CASH not in house_kinds("EUR")
    assert set(CONTRA_KIND.values()) <= set(house_kinds("EUR"))


def test_points_have_one_house_account_across_from_them() -> None:
    assert house_kinds(POINTS) == (AccountKind.POINTS_LIABILITY,)
    for kind in TransactionType:
        assert contra_kind(kind, POINTS) is AccountKind.POINTS_LIABILITY
    assert not is_currency_code(POINTS)


# -- refusals and roles -------------------------------------------------------------------------


def test_refusal_told_again_keeps_its_words_and_figures() -> None:
    told = Refusal(Reason.INSUFFICIENT_FUNDS, "too little", {"balance": "1"})

    again = told.told_again()

    assert (again.reason, again.message) == (told.reason, told.message)
    assert again.metadata == {"balance": "1", "replayed": "true"}
    assert told.metadata == {"balance": "1"}


def test_invalid_field_names_the_field() -> None:
    refusal = invalid_field("amount.minor_units", "must not be negative")

    assert refusal.reason is Reason.INVALID_FIELD
    assert refusal.metadata == {"field": "amount.minor_units"}
    assert refusal.message == "amount.minor_units must not be negative"
    assert not refusal.is_final


@pytest.mark.parametrize("held", [{Role.GAME}, {Role.BACKEND}, {Role.BACKEND, Role.LOYALTY}])
def test_any_of_the_needed_roles_will_do(held: set[Role]) -> None:
    caller = Caller("k1", 1, "casino", frozenset(held), Currencies({}))

    assert refuse_role(caller, (Role.GAME, Role.BACKEND)) is None


@pytest.mark.parametrize("held", [set(), {Role.GAME}, {Role.ADMIN, Role.LOYALTY}])
def test_caller_without_the_role_is_refused(held: set[Role]) -> None:
    caller = Caller("k1", 1, "casino", frozenset(held), Currencies({}))

    refusal = refuse_role(caller, (Role.BACKEND,))

    assert refusal is not None
    assert refusal.reason is Reason.ROLE_MISSING
    assert refusal.metadata == {"role": "backend"}
