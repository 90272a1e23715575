"""All operations of an atomic group succeed, or none does."""

from __future__ import annotations

import pytest

from purser_server.domain.decisions import Result
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.transactions import RollbackOutcome, TransactionState, WinType
from tests.unit.casino import Casino, accepted, group, refused, replayed
from tests.unit.commands import bet, close_round, deposit, rollback, win, withdraw
from tests.unit.money import MOST, USD, eur


@pytest.fixture
def playing(casino: Casino) -> Casino:
    """Anna has 7.50 left: she bet 2.50 as b1. Ben holds 10.00."""
    casino.player("anna", eur="10.00")
    casino.player("ben", eur="10.00")
    casino.bet("b1", "2.50")
    return casino


def reasons(results: list[Result]) -> list[Reason | None]:
    return [result.reason if isinstance(result, Refusal) else None for result in results]


def test_group_succeeds_as_a_whole(playing: Casino) -> None:
    results = playing.atomically(
        bet("b2", "1.00"),
        bet("b3", "2.00", player="ben"),
        win("w1", "5.00", of="b2"),
        close_round("c1"),
    )

    assert [accepted(result).transaction_id for result in results] == ["b2", "b3", "w1", "c1"]
    assert (playing.balance(), playing.balance("ben")) == (eur("11.50"), eur("8.00"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_failing_operation_fails_the_group(playing: Casino, place: int) -> None:
    commands = [deposit("d1", "1.00"), bet("b2", "1.00", player="ben")]
    commands.insert(place, bet("b9", "500.00"))

    results = playing.atomically(*commands)

    for index, result in enumerate(results):
        if index == place:
            assert refused(result).reason is Reason.INSUFFICIENT_FUNDS
        else:
            assert refused(result).reason is Reason.ATOMIC_GROUP_FAILED
            assert refused(result).metadata == {"index": str(place)}
    assert (playing.balance(), playing.balance("ben")) == (eur("7.50"), eur("10.00"))


def test_failed_group_leaves_no_trace_but_the_refusal(playing: Casino) -> None:
    before = playing.store.copy()

    playing.atomically(
        deposit("d1", "1.00"),
        bet("b2", "1.00", round_="spin-2"),
        win("w1", "5.00", of="b1", close_round=True),
        rollback("r1", of="b2"),
        rollback("r2", of="never-came"),
        win("w2", "1.00", win_type=WinType.PROMO, round_="spin-3"),
        bet("b9", "500.00", player="ben", round_="spin-4"),
    )

    *old, kept = playing.store.history
    assert old == before.history
    assert kept.transaction.transaction_id == "b9"
    assert kept.transaction.state is TransactionState.REFUSED
    assert playing.store.wallets == before.wallets
    assert playing.store.house == before.house
    assert playing.store.reversals == before.reversals
    opened = {key: round_ for key, round_ in playing.store.rounds.items() if round_.opened}
    assert opened == before.rounds


def test_failing_refusal_is_final_and_the_others_are_free(playing: Casino) -> None:
    playing.atomically(bet("b2", "1.00"), bet("b3", "500.00"))
    playing.deposit("d1", "500.00")

    assert playing.refuses_again(bet("b3", "500.00")).reason is Reason.INSUFFICIENT_FUNDS
    playing.bet("b2", "1.00")


def test_failing_refusal_that_is_not_final_is_not_stored(playing: Casino) -> None:
    before = playing.history()

    results = playing.atomically(bet("b2", "1.00"), deposit("d1", MOST))

    assert reasons(results) == [Reason.ATOMIC_GROUP_FAILED, Reason.AMOUNT_RANGE]
    assert playing.history() == before


def test_failing_refusal_of_a_rollback_is_stored_though_its_original_never_was(
    playing: Casino,
) -> None:
    results = playing.atomically(
        bet("b2", "1.00", round_="spin-2"),
        win("w2", "1.00", of="b2", round_="spin-2"),
        rollback("r2", of="b2"),
    )

    assert reasons(results)[2] is Reason.BET_ALREADY_SETTLED
    assert playing.transaction("b2") is None
    assert playing.round("spin-2") is None
    assert playing.refuses_again(rollback("r2", of="b2")).reason is Reason.BET_ALREADY_SETTLED


def test_operation_sees_those_before_it_in_the_group(playing: Casino) -> None:
    results = playing.atomically(deposit("d1", "500.00"), withdraw("o1", "507.50"))

    assert accepted(results[1]).balance_after == 0


def test_group_of_one_is_as_the_operation_alone(playing: Casino) -> None:
    (result,) = playing.atomically(bet("b9", "500.00"))

    assert refused(result).reason is Reason.INSUFFICIENT_FUNDS
    assert playing.refuses_again(bet("b9", "500.00")).reason is Reason.INSUFFICIENT_FUNDS


# -- replays ------------------------------------------------------------------------------------


def test_replays_inside_a_group_do_not_fail_it(playing: Casino) -> None:
    old, new = playing.atomically(bet("b1", "2.50"), bet("b2", "1.00"))

    assert replayed(old).transaction_id == "b1"
    assert accepted(new).balance_after == eur("6.50")


def test_whole_group_again_is_replayed_in_each_operation(playing: Casino) -> None:
    commands = [bet("b2", "1.00"), win("w1", "5.00", of="b2"), bet("b3", "2.00", player="ben")]
    first = playing.atomically(*commands)

    again = playing.atomically(*commands)

    assert [replayed(result) for result in again] == [accepted(result) for result in first]
    assert (playing.balance(), playing.balance("ben")) == (eur("11.50"), eur("8.00"))


def test_failed_group_again_fails_at_the_same_operation(playing: Casino) -> None:
    commands = [bet("b2", "1.00"), bet("b9", "500.00")]
    playing.atomically(*commands)
    playing.deposit("d1", "500.00")

    results = playing.atomically(*commands)

    assert reasons(results) == [Reason.ATOMIC_GROUP_FAILED, Reason.INSUFFICIENT_FUNDS]
    assert isinstance(results[1], Refusal)
    assert results[1].metadata["replayed"] == "true"
    assert playing.transaction("b2") is None


def test_replay_of_a_refusal_fails_the_group(playing: Casino) -> None:
    playing.refuses(bet("b9", "500.00"))

    results = playing.atomically(bet("b2", "1.00"), bet("b9", "500.00"), bet("b3", "1.00"))

    assert reasons(results) == [
        Reason.ATOMIC_GROUP_FAILED,
        Reason.INSUFFICIENT_FUNDS,
        Reason.ATOMIC_GROUP_FAILED,
    ]
    assert playing.balance() == eur("7.50")


def test_same_id_twice_in_a_group_is_one_effect(playing: Casino) -> None:
    first, second = playing.atomically(bet("b2", "1.00"), bet("b2", "1.00"))

    assert accepted(first) == replayed(second)
    assert playing.balance() == eur("6.50")


def test_same_id_with_two_contents_fails_the_group(playing: Casino) -> None:
    results = playing.atomically(bet("b2", "1.00"), bet("b2", "2.00"))

    assert reasons(results) == [Reason.ATOMIC_GROUP_FAILED, Reason.TRANSACTION_ID_REUSED]
    assert playing.transaction("b2") is None
    playing.bet("b2", "2.00")


def test_refusal_by_a_tombstone_of_the_same_group_is_final(playing: Casino) -> None:
    results = playing.atomically(rollback("r1", of="b2"), bet("b2", "1.00"))

    assert reasons(results) == [Reason.ATOMIC_GROUP_FAILED, Reason.TRANSACTION_ROLLED_BACK]
    again = playing.refuses_again(bet("b2", "1.00"))
    assert again.reason is Reason.TRANSACTION_ROLLED_BACK
    playing.rollback("r1", of="b1")


def test_rollback_of_a_stray_bet_is_replayed_with_its_currency(playing: Casino) -> None:
    playing.atomically(rollback("r1", of="b2"), bet("b2", "1.00", currency=USD))

    first = playing.rollback("r2", of="b2")

    assert playing.replays(rollback("r2", of="b2")) == first


def test_group_that_buries_a_strangers_bet_fails_like_any_other(playing: Casino) -> None:
    before = playing.history()
    stray = bet("b2", "1.00", player="nobody")

    results = playing.atomically(rollback("r1", of="b2"), stray)

    assert refused(results[0]).reason is Reason.ATOMIC_GROUP_FAILED
    # As alone: the tombstone went with the group, and nothing is stored of who does not exist.
    assert refused(results[1]).reason is playing.refuses(stray).reason is Reason.PLAYER_NOT_FOUND
    assert playing.history() == before


# -- groups among others ------------------------------------------------------------------------


def test_group_after_a_failed_one_sees_a_clean_state(playing: Casino) -> None:
    failed, second = playing.flush_all(
        [
            group(
                bet("b2", "7.00"),
                win("w1", "1.00", of="b1"),
                rollback("r1", of="b3"),
                bet("b9", "1.00"),
                bet("b10", "500.00"),
            ),
            group(bet("b3", "7.50"), rollback("r2", of="b1"), bet("b2", "0.50")),
        ]
    )

    assert reasons(failed)[4] is Reason.INSUFFICIENT_FUNDS
    assert accepted(second[0]).balance_after == 0
    assert accepted(second[1]).rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert accepted(second[2]).balance_after == eur("2.00")


def test_neighbours_of_a_failed_group_are_not_disturbed(playing: Casino) -> None:
    before, failed, after = playing.flush_all(
        [
            bet("b2", "1.00"),
            group(bet("b3", "1.00"), close_round("c1"), bet("b4", "1.00")),
            bet("b5", "1.00"),
        ]
    )

    assert accepted(before[0]).balance_after == eur("6.50")
    assert reasons(failed)[2] is Reason.ROUND_CLOSED
    assert accepted(after[0]).balance_after == eur("5.50")


def test_group_sees_what_came_before_it_in_the_flush(playing: Casino) -> None:
    _, results = playing.flush_all(
        [rollback("r1", of="b1"), group(bet("b2", "10.00"), win("w1", "1.00", of="b1"))]
    )

    assert reasons(results) == [Reason.ATOMIC_GROUP_FAILED, Reason.TRANSACTION_ROLLED_BACK]
    assert playing.balance() == eur("10.00")


def test_refusal_kept_from_a_failed_group_is_seen_later_in_the_flush(playing: Casino) -> None:
    _, again = playing.flush_all([group(bet("b2", "1.00"), bet("b9", "500.00")), bet("b9", "500")])

    assert isinstance(again[0], Refusal)
    assert again[0].metadata["replayed"] == "true"
    assert playing.history().count("b9") == 1


def test_round_named_first_by_a_failed_group_may_be_opened_after_it(playing: Casino) -> None:
    playing.flush_all(
        [
            group(bet("b2", "1.00", round_="spin-2"), bet("b9", "500.00", round_="spin-2")),
            bet("b3", "2.00", round_="spin-2"),
        ]
    )

    round_ = playing.round("spin-2")
    assert round_ is not None
    assert (round_.bets, round_.total_bet) == (1, eur("2.00"))
