"""Rollbacks give bets back, and remember what never arrived. See also test_rollbacks_of_wins."""

from __future__ import annotations

import pytest

from purser_server.domain.commands import Command
from purser_server.domain.errors import Reason
from purser_server.domain.transactions import (
    RollbackOutcome,
    TransactionState,
    TransactionType,
    WinType,
)
from tests.unit.casino import Casino, accepted, refused
from tests.unit.commands import (
    ROULETTE,
    SPIN,
    bet,
    close_round,
    deposit,
    rollback,
    win,
    withdraw,
    withdraw_all,
)
from tests.unit.money import EUR, MOST, eur


@pytest.fixture
def placed(casino: Casino) -> Casino:
    """Anna has 7.50 left: she bet 2.50 as b1."""
    casino.player("anna", eur="10.00")
    casino.player("ben", eur="10.00")
    casino.bet("b1", "2.50")
    return casino


# -- of a bet -----------------------------------------------------------------------------------


def test_rollback_gives_the_stored_amount_back(placed: Casino) -> None:
    done = placed.rollback("r1", of="b1")

    assert (done.type, done.state) == (TransactionType.ROLLBACK, TransactionState.COMPLETED)
    assert done.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert (done.amount, done.currency_code) == (eur("2.50"), EUR)
    assert (done.balance_before, done.balance_after) == (eur("7.50"), eur("10.00"))
    assert (done.related_transaction_id, done.wallet_sequence) == ("b1", 3)
    assert (done.game_id, done.round_id) == (ROULETTE, SPIN)


def test_rolled_back_bet_is_shown_as_such_and_stands_no_more_in_its_round(
    placed: Casino,
) -> None:
    placed.bet("b2", "1.00")
    placed.rollback("r1", of="b1")

    stored = placed.transaction("b1")
    assert stored is not None
    assert stored.state is TransactionState.ROLLED_BACK
    round_ = placed.round()
    assert round_ is not None
    assert (round_.bets, round_.total_bet) == (1, eur("1.00"))


def test_rollback_of_a_bet_of_zero_moves_nothing(placed: Casino) -> None:
    placed.bet("b2", "0")

    done = placed.rollback("r1", of="b2")

    assert done.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert (done.balance_before, done.balance_after) == (eur("7.50"), eur("7.50"))
    assert done.wallet_sequence == 0
    assert placed.refuses(win("w1", "1.00", of="b2")).reason is Reason.TRANSACTION_ROLLED_BACK


@pytest.mark.parametrize(
    "settling",
    [
        win("w1", "5.00", of="b1"),
        win("w1", "5.00"),
        win("w1", "0"),
        win("w1", "5.00", of="b1", win_type=WinType.FREE_ROUND),
        win("w1", "5.00", win_type=WinType.PROMO, close_round=True),
        close_round("c1"),
    ],
    ids=["win names it", "win covers it", "lost", "promotion names it", "closed by win", "closed"],
)
@pytest.mark.parametrize("in_one_flush", [True, False])
def test_settled_bet_cannot_be_rolled_back(
    placed: Casino, settling: Command, in_one_flush: bool
) -> None:
    settled, refusal, again = placed.story(
        settling,
        rollback("r1", of="b1"),
        rollback("r1", of="b1"),
        in_one_flush=in_one_flush,
    )

    assert refused(refusal).reason is Reason.BET_ALREADY_SETTLED
    assert refused(refusal).metadata == {"transaction_id": "b1", "round_id": SPIN}
    assert again == refused(refusal).told_again()
    assert placed.balance() == accepted(settled).balance_after


def test_refused_rollback_is_stored_with_game_and_round_of_its_original(placed: Casino) -> None:
    placed.close_round("c1")
    placed.refuses(rollback("r1", of="b1"))

    stored = placed.transaction("r1")

    assert stored is not None
    assert (stored.game_id, stored.round_id) == (ROULETTE, SPIN)
    assert stored.related_transaction_id == "b1"


def test_win_of_another_bet_or_round_does_not_settle_a_bet(placed: Casino) -> None:
    placed.bet("b2", "1.00")
    placed.bet("b3", "1.00", round_="spin-2")
    placed.win("w1", "5.00", of="b2")
    placed.win("w2", "5.00", round_="spin-2")

    placed.rollback("r1", of="b1")


def test_second_rollback_says_rolled_back_and_moves_nothing_again(placed: Casino) -> None:
    placed.rollback("r1", of="b1")

    second = placed.rollback("r2", of="b1")

    assert second.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert (second.balance_before, second.balance_after) == (eur("10.00"), eur("10.00"))
    assert second.wallet_sequence == 0
    round_ = placed.round()
    assert round_ is not None
    assert (round_.bets, round_.total_bet) == (0, 0)


def test_second_rollback_is_accepted_although_the_round_is_closed(placed: Casino) -> None:
    placed.rollback("r1", of="b1")
    placed.close_round("c1")

    second = placed.rollback("r2", of="b1")

    assert second.rollback_outcome is RollbackOutcome.ROLLED_BACK


def test_refused_bet_has_nothing_to_roll_back(placed: Casino) -> None:
    placed.refuses(bet("b2", "500.00"))

    done = placed.rollback("r1", of="b2")

    assert done.rollback_outcome is RollbackOutcome.NOTHING_TO_ROLL_BACK
    assert (done.change, done.wallet_sequence) == (0, 0)
    stored = placed.transaction("b2")
    assert stored is not None
    assert stored.state is TransactionState.REFUSED
    assert placed.refuses_again(bet("b2", "500.00")).reason is Reason.INSUFFICIENT_FUNDS


def test_refused_win_has_nothing_to_roll_back(placed: Casino) -> None:
    placed.refuses(win("w1", "5.00", of="b9"))

    done = placed.rollback("r1", of="w1")

    assert done.rollback_outcome is RollbackOutcome.NOTHING_TO_ROLL_BACK


def test_rollback_beyond_64_bits_is_refused_and_not_stored(casino: Casino) -> None:
    casino.player("anna", eur="0.01")
    casino.bet("b1", "0.01")
    casino.deposit("d1", MOST)

    assert casino.refuses(rollback("r1", of="b1")).reason is Reason.AMOUNT_RANGE
    assert casino.transaction("r1") is None
    casino.withdraw("o1", "0.01")
    casino.rollback("r1", of="b1")


def test_of_a_rollback_and_a_win_of_one_bet_the_first_succeeds_alone(placed: Casino) -> None:
    placed.bet("b2", "1.00")

    rolled_back, late_win = placed.flush(rollback("r1", of="b1"), win("w1", "5.00", of="b1"))
    won, late_rollback = placed.flush(win("w2", "5.00", of="b2"), rollback("r2", of="b2"))

    assert rolled_back.transaction.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert late_win.reason is Reason.TRANSACTION_ROLLED_BACK
    assert won.transaction.change == eur("5.00")
    assert late_rollback.reason is Reason.BET_ALREADY_SETTLED


def test_bet_and_its_rollback_may_come_in_one_flush(placed: Casino) -> None:
    done, undone, again = placed.flush(
        bet("b2", "1.00", round_="spin-2"), rollback("r1", of="b2"), rollback("r2", of="b2")
    )

    assert done.transaction.state is TransactionState.COMPLETED
    assert undone.transaction.balance_after == eur("7.50")
    assert again.transaction.rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert placed.balance() == eur("7.50")


# -- of what never arrived ----------------------------------------------------------------------


def test_rollback_of_an_unknown_id_leaves_a_tombstone(placed: Casino) -> None:
    done = placed.rollback("r1", of="b2")

    assert done.rollback_outcome is RollbackOutcome.TOMBSTONED
    assert (done.amount, done.change, done.wallet_sequence) == (0, 0, 0)
    tombstone = placed.transaction("b2")
    assert tombstone is not None
    assert tombstone.state is TransactionState.TOMBSTONE
    assert tombstone.type is TransactionType.UNSPECIFIED
    assert (tombstone.player_id, tombstone.related_transaction_id) == ("anna", "r1")
    assert placed.balance() == eur("7.50")


@pytest.mark.parametrize(
    "late",
    [
        bet("t1", "1.00"),
        bet("t1", "0"),
        bet("t1", "1.00", round_="spin-2"),
        win("t1", "1.00"),
        win("t1", "1.00", of="b1"),
        win("t1", "1.00", win_type=WinType.PROMO, game="", round_=""),
    ],
    ids=["bet", "bet of zero", "bet elsewhere", "win", "win of a bet", "promotion"],
)
def test_late_bet_or_win_is_refused_as_rolled_back(placed: Casino, late: Command) -> None:
    placed.rollback("r1", of="t1")

    assert placed.refuses(late).reason is Reason.TRANSACTION_ROLLED_BACK
    (again,) = placed.flush(late)
    assert again.reason is Reason.TRANSACTION_ROLLED_BACK
    assert placed.balance() == eur("7.50")
    tombstone = placed.transaction("t1")
    assert tombstone is not None
    assert tombstone.state is TransactionState.TOMBSTONE


@pytest.mark.parametrize(
    "late",
    [
        deposit("t1", "1.00"),
        withdraw("t1", "1.00"),
        withdraw_all("t1"),
        rollback("t1", of="b1"),
        close_round("t1"),
    ],
    ids=["deposit", "withdrawal", "withdraw all", "rollback", "close round"],
)
def test_anything_else_that_is_late_has_used_the_id_twice(placed: Casino, late: Command) -> None:
    placed.rollback("r1", of="t1")

    refusal = placed.refuses(late)

    assert refusal.reason is Reason.TRANSACTION_ID_REUSED
    assert refusal.metadata == {"transaction_id": "t1", "field": "type"}
    assert placed.balance() == eur("7.50")


def test_late_bet_of_another_player_is_refused_as_rolled_back_too(placed: Casino) -> None:
    placed.rollback("r1", of="t1")

    refusal = placed.refuses(bet("t1", "1.00", player="ben"))

    assert refusal.reason is Reason.TRANSACTION_ROLLED_BACK
    assert placed.balance("ben") == eur("10.00")


def test_tombstone_and_late_bet_may_come_in_one_flush(placed: Casino) -> None:
    buried, late = placed.flush(rollback("r1", of="b2"), bet("b2", "1.00"))

    assert buried.transaction.rollback_outcome is RollbackOutcome.TOMBSTONED
    assert late.reason is Reason.TRANSACTION_ROLLED_BACK
    assert placed.balance() == eur("7.50")


def test_second_rollback_of_an_unknown_id_finds_the_tombstone(placed: Casino) -> None:
    placed.rollback("r1", of="b2")

    second = placed.rollback("r2", of="b2")

    assert second.rollback_outcome is RollbackOutcome.TOMBSTONED
    assert placed.history().count("b2") == 1


def test_suspended_or_moneyless_players_leave_tombstones_too(casino: Casino) -> None:
    casino.player("anna")

    done = casino.rollback("r1", of="b1")

    assert done.rollback_outcome is RollbackOutcome.TOMBSTONED
    assert (done.balance_before, done.balance_after) == (None, None)


# -- of what cannot be rolled back --------------------------------------------------------------


@pytest.mark.parametrize("of", ["b1", "w1", "d1", "t1", "b2"])
def test_another_players_transaction_is_not_found_and_not_buried(placed: Casino, of: str) -> None:
    placed.win("w1", "1.00", of="b1")
    placed.deposit("d1", "1.00")
    placed.rollback("r1", of="t1")
    placed.refuses(bet("b2", "500.00"))
    before = placed.history()

    refusal = placed.refuses(rollback("r2", of=of, player="ben"))

    assert refusal.reason is Reason.TRANSACTION_NOT_FOUND
    assert refusal.metadata == {"transaction_id": of}
    assert placed.history() == before


def test_unknown_player_leaves_no_tombstone(placed: Casino) -> None:
    refusal = placed.refuses(rollback("r1", of="b2", player="nobody"))

    assert refusal.reason is Reason.PLAYER_NOT_FOUND
    placed.bet("b2", "1.00")


@pytest.mark.parametrize("of", ["d1", "o1", "r1", "c1"])
def test_other_kinds_are_not_reversible(placed: Casino, of: str) -> None:
    placed.deposit("d1", "1.00")
    placed.withdraw("o1", "1.00")
    placed.rollback("r1", of="b1")
    placed.close_round("c1")

    refusal = placed.refuses(rollback("r2", of=of))

    assert refusal.reason is Reason.TRANSACTION_NOT_REVERSIBLE
    assert refusal.metadata["transaction_id"] == of
    assert "round_id" in refusal.metadata
    assert placed.refuses_again(rollback("r2", of=of)).reason is refusal.reason
    assert placed.balance() == eur("10.00")
