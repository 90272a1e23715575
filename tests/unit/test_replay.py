"""The same id again: the stored answer for the same content, a refusal for any other."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import permutations

import pytest

from purser_server.domain.commands import Bet, Command, Rollback, Win
from purser_server.domain.decisions import Answer
from purser_server.domain.errors import FINAL_REASONS, Reason, Refusal
from purser_server.domain.transactions import TransactionState, WinType
from tests.unit.casino import Casino
from tests.unit.commands import (
    POKER,
    bet,
    close_round,
    deposit,
    rollback,
    win,
    withdraw,
    withdraw_all,
)
from tests.unit.money import USD, eur

KINDS: dict[str, Command] = {
    "deposit": deposit("t1", "2.00"),
    "withdraw": withdraw("t1", "2.00"),
    "withdraw all": withdraw_all("t1"),
    "bet": bet("t1", "2.00"),
    "win": win("t1", "2.00", of="b1"),
    "rollback": rollback("t1", of="b1"),
    "close round": close_round("t1"),
}

NOT_CONTENT = {"transaction_id", "metadata", "session_id"}

CHANGED = {
    "player_id": ("ben", "player_id"),
    "currency_code": (USD, "amount.currency_code"),
    "amount": (eur("3.00"), "amount.minor_units"),
    "game_id": (POKER, "game_id"),
    "round_id": ("spin-2", "round_id"),
    "bet_transaction_id": ("b2", "bet_transaction_id"),
    "win_type": (WinType.JACKPOT, "win_type"),
    "close_round": (True, "close_round"),
    "original_transaction_id": ("b2", "original_transaction_id"),
}
"""field of a command -> another value, and the path that the refusal must tell"""

ALL = {"currency_code": "all_of_currency_code", "amount": "amount"}
"""Where "withdraw all" has another path than other movements."""

EVERY_FIELD = [
    pytest.param(kind, field.name, id=f"{kind}: {field.name}")
    for kind, command in KINDS.items()
    for field in fields(command)
    if field.name not in NOT_CONTENT
]


@pytest.fixture
def playing(casino: Casino) -> Casino:
    """Anna and ben hold 10.00 each, after anna bet 2.50 as b1 and 1.00 as b2."""
    casino.player("anna", eur="13.50", usd="10.00")
    casino.player("ben", eur="10.00")
    casino.bet("b1", "2.50")
    casino.bet("b2", "1.00")
    return casino


def refused_for(casino: Casino, command: Command) -> str:
    """Return the path of the field in which the command differs from what its id was used for."""
    before = casino.history()
    refusal = casino.refuses(command)
    assert refusal.reason is Reason.TRANSACTION_ID_REUSED
    assert refusal.metadata["transaction_id"] == command.transaction_id
    assert casino.history() == before
    return refusal.metadata["field"]


@pytest.mark.parametrize("kind", KINDS)
def test_same_content_hears_the_stored_answer(playing: Casino, kind: str) -> None:
    first = playing.does(KINDS[kind])
    playing.deposit("d2", "77.00")
    history, balance = playing.history(), playing.balance()

    assert playing.replays(KINDS[kind]) == first
    assert (playing.history(), playing.balance()) == (history, balance)


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD)
def test_other_content_hears_which_field_differs(playing: Casino, kind: str, field: str) -> None:
    playing.does(KINDS[kind])
    other, path = CHANGED[field]
    if kind == "withdraw all":
        path = ALL.get(field, path)

    assert refused_for(playing, replace(KINDS[kind], **{field: other})) == path


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD)
def test_the_first_differing_field_of_the_request_is_told(
    playing: Casino, kind: str, field: str
) -> None:
    playing.does(KINDS[kind])
    names = [each.name for each in fields(KINDS[kind]) if each.name not in NOT_CONTENT]
    later = names[names.index(field) :]
    _, path = CHANGED[field]
    if kind == "withdraw all" and field != "player_id":
        path = ALL["amount"]  # money instead of "all" is another field of the request

    changed = replace(KINDS[kind], **{name: CHANGED[name][0] for name in later})

    assert refused_for(playing, changed) == path


@pytest.mark.parametrize(("first", "second"), list(permutations(KINDS, 2)))
def test_another_kind_differs_in_its_type(playing: Casino, first: str, second: str) -> None:
    playing.does(KINDS[first])

    expected = "type"
    if {first, second} == {"withdraw", "withdraw all"}:
        expected = "all_of_currency_code" if second == "withdraw all" else "amount"
    assert refused_for(playing, KINDS[second]) == expected


def test_all_of_another_currency_differs_from_an_amount_in_all(playing: Casino) -> None:
    playing.withdraw("t1", "2.00")

    assert refused_for(playing, withdraw_all("t1", currency=USD)) == "all_of_currency_code"


def test_metadata_and_session_are_no_content(playing: Casino) -> None:
    first = playing.deposit("d1", "1.00", metadata={"till": "4"})
    playing.withdraw("o1", "1.00", metadata={"till": "4"})
    playing.bet("b3", "1.00")

    assert playing.replays(deposit("d1", "1.00", metadata={"till": "5"})) == first
    playing.replays(withdraw("o1", "1.00"))
    playing.replays(bet("b3", "1.00", session="unknown"))


def test_references_may_differ_only_when_the_request_is_new(playing: Casino) -> None:
    playing.win("w1", "1.00")

    assert refused_for(playing, win("w1", "1.00", of="b1")) == "bet_transaction_id"


def test_id_is_unknown_to_other_operators(playing: Casino) -> None:
    other = Casino(operator=2, store=playing.store)
    other.player("anna", eur="1.00")

    other.deposit("b1", "3.00")


def test_unknown_player_with_a_used_id_hears_that_the_id_is_used(playing: Casino) -> None:
    assert refused_for(playing, bet("b1", "2.50", player="nobody")) == "player_id"


def test_replay_of_a_rolled_back_bet_shows_the_stored_figures(playing: Casino) -> None:
    first = playing.bet("b3", "1.50")
    playing.rollback("r1", of="b3")

    again = playing.replays(bet("b3", "1.50"))

    assert again == replace(first, state=TransactionState.ROLLED_BACK)
    assert again.balance_after == eur("8.50")
    assert playing.balance() == eur("10.00")


def test_replay_of_a_close_round_shows_the_round_as_it_was_told(playing: Casino) -> None:
    first = playing.close_round("c1")
    playing.win("w1", "5.00", win_type=WinType.JACKPOT)

    again = playing.replays(close_round("c1"))

    assert again.round == first.round
    assert again.round is not None
    assert again.round.wins == 0


def test_replayed_rollback_tells_its_outcome_again(playing: Casino) -> None:
    playing.refuses(bet("b3", "500.00"))
    for number, original in enumerate(("b1", "b1", "b3", "b9")):
        first = playing.rollback(f"r{number}", of=original)
        again = playing.replays(rollback(f"r{number}", of=original))
        assert again.rollback_outcome is first.rollback_outcome


# -- refusals ------------------------------------------------------------------------------------


def test_the_final_reasons_of_movements_are_these() -> None:
    assert set(FINAL_REASONS) == {
        "INSUFFICIENT_FUNDS",
        "PLAYER_SUSPENDED",
        "PLAYER_SELF_EXCLUDED",
        "PLAYER_CLOSED",
        "ROUND_CLOSED",
        "BET_ALREADY_SETTLED",
        "TRANSACTION_ROLLED_BACK",
        "BET_NOT_FOUND",
        "SESSION_INVALID",
        "TRANSACTION_NOT_REVERSIBLE",
        "CASINO_REFUSED",
        "INSUFFICIENT_POINTS",
        "REFUND_EXCEEDS_ORDER",
    }


FINALLY_REFUSED: list[Command] = [
    bet("x1", "500.00"),
    bet("x1", "1.00", session="unknown"),
    withdraw("x1", "500.00"),
    withdraw_all("x1", currency=USD),
    win("x1", "1.00", of="b9"),
    win("x1", "1.00", round_="spin-7"),
    rollback("x1", of="opening anna EUR"),
]


@pytest.mark.parametrize("command", FINALLY_REFUSED, ids=lambda command: type(command).__name__)
def test_stored_refusal_is_told_again_word_for_word(playing: Casino, command: Command) -> None:
    playing.withdraw_all("o1", currency=USD)
    told = playing.refuses(command)

    again = playing.refuses_again(command)

    assert (again.reason, again.message) == (told.reason, told.message)
    assert dict(again.metadata) == {**told.metadata, "replayed": "true"}
    assert playing.history().count("x1") == 1


@pytest.mark.parametrize("command", FINALLY_REFUSED, ids=lambda command: type(command).__name__)
def test_refused_id_with_other_content_is_reused(playing: Casino, command: Command) -> None:
    playing.withdraw_all("o1", currency=USD)
    playing.refuses(command)

    for field in fields(command):
        if field.name in NOT_CONTENT:
            continue
        other, path = CHANGED[field.name]
        if command == withdraw_all("x1", currency=USD):
            other = "EUR" if field.name == "currency_code" else other
            path = ALL.get(field.name, path)
        assert refused_for(playing, replace(command, **{field.name: other})) == path


def test_refused_id_cannot_be_used_by_another_kind(playing: Casino) -> None:
    playing.refuses(bet("x1", "500.00"))

    assert refused_for(playing, deposit("x1", "500.00")) == "type"


def test_replayed_refusal_names_the_replay_each_time_and_stores_no_such_word(
    playing: Casino,
) -> None:
    playing.refuses(bet("x1", "500.00"))
    playing.refuses_again(bet("x1", "500.00"))
    playing.refuses_again(bet("x1", "500.00"))

    stored = playing.transaction("x1")
    assert stored is not None
    assert stored.refusal is not None
    assert "replayed" not in stored.refusal.metadata


# -- in one flush --------------------------------------------------------------------------------


def test_fifty_equal_calls_have_one_effect_and_equal_answers(playing: Casino) -> None:
    results = playing.flush(*[bet("b3", "1.00")] * 50)

    assert all(isinstance(result, Answer) for result in results)
    assert [result.replayed for result in results] == [False] + [True] * 49
    assert {result.transaction.balance_after for result in results} == {eur("9.00")}
    assert playing.balance() == eur("9.00")


def test_fifty_equal_refusals_in_one_flush_are_one(playing: Casino) -> None:
    first, *others = playing.flush(*[bet("b3", "99.00")] * 50)

    assert isinstance(first, Refusal)
    assert others == [first.told_again()] * 49
    assert playing.history().count("b3") == 1


def test_same_id_with_two_contents_in_one_flush(playing: Casino) -> None:
    first, second, third = playing.flush(
        bet("b3", "1.00"), bet("b3", "2.00"), deposit("b3", "1.00")
    )

    assert first.transaction.change == -eur("1.00")
    assert second.metadata["field"] == "amount.minor_units"
    assert third.metadata["field"] == "type"
    assert playing.balance() == eur("9.00")


def test_every_kind_is_covered_here() -> None:
    assert {type(command) for command in KINDS.values()} == set(Command.__args__)
    assert {Bet, Win, Rollback} <= {type(command) for command in FINALLY_REFUSED}
