"""Faults of the store: nothing is lost, nothing is done twice, and neighbours do not suffer."""

from __future__ import annotations

import asyncio

import pytest

from purser_server.domain.commands import Deposit
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.transactions import RollbackOutcome, TransactionState
from purser_server.ledger.lane import CONTENTION_ATTEMPTS
from purser_server.ledger.ports import ContentionError, PoisonedError, StoreUnavailableError
from tests.unit.casino import accepted, refused, replayed
from tests.unit.commands import bet, close_round, deposit, rollback, win, withdraw, withdraw_all
from tests.unit.desk import Desk, turns
from tests.unit.money import EUR, eur
from tests.unit.scripted_writer import CommitLostError

LOST_AFTER = CommitLostError(happened=True)
LOST_BEFORE = CommitLostError(happened=False)
POISON = PoisonedError("invalid value", out_of_range=False)
TOO_LARGE = PoisonedError("out of range", out_of_range=True)
GONE = StoreUnavailableError("connection reset")
IN_THE_WAY = ContentionError("deadlock detected")


# -- poison -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(8))
async def test_poisoned_value_costs_its_own_group_alone(desk: Desk, place: int) -> None:
    desk.writer.poison["bad"] = POISON
    commands = [bet(f"b{number}", "1.00") for number in range(7)]
    commands.insert(place, bet("bad", "1.00"))

    results = await desk.at_once(*commands)

    bad = results.pop(place)
    assert refused(bad).reason is Reason.INTERNAL_ERROR
    assert [accepted(result).wallet_sequence for result in results] == list(range(2, 9))
    assert desk.casino.transaction("bad") is None
    assert desk.casino.balance() == eur("93.00")


async def test_texts_of_the_store_are_not_told_to_callers(desk: Desk) -> None:
    desk.writer.poison["bad"] = POISON

    refusal = refused(await desk.does(bet("bad", "1.00")))

    assert "invalid value" not in refusal.message
    assert "invalid value" not in str(refusal.metadata)


async def test_number_too_large_for_an_account_is_amount_range_and_not_final(desk: Desk) -> None:
    desk.writer.poison["d1"] = TOO_LARGE
    refusal = refused(await desk.does(deposit("d1", "1.00")))
    desk.writer.poison.clear()

    assert refusal.reason is Reason.AMOUNT_RANGE
    assert refusal.metadata["currency_code"] == EUR
    accepted(await desk.does(deposit("d1", "1.00")))


async def test_several_poisoned_values_cost_only_theirs(desk: Desk) -> None:
    desk.writer.poison.update({"b2": POISON, "b5": TOO_LARGE})

    results = await desk.at_once(*(bet(f"b{number}", "1.00") for number in range(8)))

    assert [getattr(result, "reason", None) for result in results] == [
        None,
        None,
        Reason.INTERNAL_ERROR,
        None,
        None,
        Reason.AMOUNT_RANGE,
        None,
        None,
    ]


async def test_poisoned_group_fails_as_a_whole_and_alone(desk: Desk) -> None:
    desk.writer.poison["bad"] = POISON

    before, group, after = await asyncio.gather(
        desk.does(bet("b1", "1.00")),
        desk.atomically(bet("g1", "1.00", player="ben"), bet("bad", "1.00", player="ben")),
        desk.does(bet("b2", "1.00")),
    )

    accepted(before)
    accepted(after)
    assert [refused(result).reason for result in group] == [
        Reason.ATOMIC_GROUP_FAILED,
        Reason.INTERNAL_ERROR,
    ]
    assert desk.casino.balance("ben") == eur("100.00")


async def test_defect_in_a_rule_costs_the_group_that_shows_it(desk: Desk) -> None:
    broken = Deposit("d1", "anna", EUR, amount=None)

    before, result, after = await desk.at_once(bet("b1", "1.00"), broken, bet("b2", "1.00"))

    assert refused(result).reason is Reason.INTERNAL_ERROR
    assert accepted(before).balance_after == eur("99.00")
    assert accepted(after).balance_after == eur("98.00")


async def test_unforeseen_failure_costs_what_shows_it_and_ends_no_lane(desk: Desk) -> None:
    desk.writer.fail("load", LookupError("no such column"))

    refusal = refused(await desk.does(bet("b1", "1.00")))

    assert refusal.reason is Reason.INTERNAL_ERROR
    assert "no such column" not in refusal.message
    accepted(await desk.does(bet("b1", "1.00")))


async def test_unforeseen_failure_of_a_crowd_is_tried_in_halves(desk: Desk) -> None:
    desk.writer.fail("load", LookupError("no such column"))

    results = await desk.at_once(*(bet(f"b{number}", "1.00") for number in range(4)))

    assert [accepted(result).wallet_sequence for result in results] == [2, 3, 4, 5]
    assert desk.writer.committed == [["b0", "b1"], ["b2", "b3"]]


# -- contention ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["load", "save", "commit"])
async def test_contended_flush_is_tried_again(desk: Desk, step: str) -> None:
    desk.writer.fail(step, IN_THE_WAY, IN_THE_WAY)

    first, second = await desk.at_once(bet("b1", "1.00"), bet("b2", "1.00"))

    assert accepted(first).balance_after == eur("99.00")
    assert accepted(second).balance_after == eur("98.00")
    assert desk.writer.attempts == [["b1", "b2"]] * 3
    assert desk.writer.committed == [["b1", "b2"]]


async def test_contention_without_end_is_given_up(desk: Desk) -> None:
    desk.writer.fail("save", *[IN_THE_WAY] * CONTENTION_ATTEMPTS)

    refusal = refused(await desk.does(bet("b1", "1.00")))

    assert refusal.reason is Reason.LEDGER_UNAVAILABLE
    assert desk.casino.transaction("b1") is None
    accepted(await desk.does(bet("b1", "1.00")))


# -- a store that is away -----------------------------------------------------------------------


@pytest.mark.parametrize("step", ["connect", "begin", "load", "save"])
async def test_connection_lost_before_commit_is_made_again(desk: Desk, step: str) -> None:
    desk.writer.fail(step, GONE)

    result = await desk.does(bet("b1", "1.00"))

    assert accepted(result).balance_after == eur("99.00")
    assert desk.writer.committed == [["b1"]]


async def test_store_that_stays_away_is_told_to_those_callers(desk: Desk) -> None:
    desk.writer.is_down = True

    lone, group = await asyncio.gather(
        desk.does(bet("b1", "1.00")), desk.atomically(bet("b2", "1.00"), bet("b3", "1.00"))
    )

    assert [refused(result).reason for result in (lone, *group)] == (
        [Reason.LEDGER_UNAVAILABLE] * 3
    )
    assert desk.writer.attempts == []


async def test_callers_after_the_store_came_back_succeed(desk: Desk) -> None:
    desk.writer.is_down = True
    await desk.at_once(bet("b1", "1.00"), bet("b2", "1.00"))
    desk.writer.is_down = False

    assert accepted(await desk.does(bet("b1", "1.00"))).balance_after == eur("99.00")
    assert accepted(await desk.does(bet("b3", "1.00"))).balance_after == eur("98.00")


async def test_store_that_comes_back_in_time_is_waited_for(desk: Desk) -> None:
    desk.writer.is_down = True
    asked = desk.ask(bet("b1", "1.00"))
    await turns()
    desk.writer.is_down = False

    accepted(await asked)


async def test_callers_behind_one_who_waited_in_vain_hear_of_it_at_once(desk: Desk) -> None:
    desk.writer.is_down = True
    await desk.does(bet("b1", "1.00"))

    second = desk.ask(bet("b2", "1.00"))
    await asyncio.sleep(0.01)  # far less than what the first one waited

    assert refused(second.result()).reason is Reason.LEDGER_UNAVAILABLE


async def test_callers_in_line_behind_one_who_waits_in_vain_hear_of_it_with_him(
    desk: Desk,
) -> None:
    desk.writer.is_down = True
    first = desk.ask(bet("b1", "1.00"))
    await turns()
    others = [desk.ask(bet(f"b{number}", "1.00")) for number in range(2, 15)]
    others[3].cancel()
    await first
    await turns()

    assert all(task.done() for task in others)
    assert others.pop(3).cancelled()
    assert {refused(task.result()).reason for task in others} == {Reason.LEDGER_UNAVAILABLE}
    assert desk.ledger.queued == 0
    desk.writer.is_down = False
    accepted(await desk.does(bet("b2", "1.00")))


async def test_patience_returns_with_the_store(desk: Desk) -> None:
    desk.writer.is_down = True
    await desk.does(bet("b1", "1.00"))
    desk.writer.is_down = False
    await desk.does(bet("b2", "1.00"))

    desk.writer.fail("begin", GONE)

    accepted(await desk.does(bet("b3", "1.00")))


# -- an answer lost around COMMIT ---------------------------------------------------------------


async def test_commit_that_had_happened_is_answered_as_new(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_AFTER)

    result = await desk.does(bet("b1", "1.00"))

    assert accepted(result).balance_after == eur("99.00")
    assert desk.casino.balance() == eur("99.00")
    assert desk.casino.sequence() == 2
    assert replayed(await desk.does(bet("b1", "1.00"))) == accepted(result)


async def test_commit_that_had_not_happened_is_made_once(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_BEFORE)

    result = await desk.does(bet("b1", "1.00"))

    assert accepted(result).balance_after == eur("99.00")
    assert desk.casino.balance() == eur("99.00")
    assert desk.writer.committed == [["b1"]]


@pytest.mark.parametrize("faults", [[LOST_AFTER], [LOST_BEFORE], [LOST_BEFORE, LOST_AFTER]])
async def test_lost_answer_changes_nothing_of_what_each_caller_hears(
    desk: Desk, faults: list[CommitLostError]
) -> None:
    await desk.does(bet("b1", "1.00"))
    await desk.does(bet("b2", "999.00"))
    desk.writer.fail("commit", *faults)

    old, old_refusal, new, new_refusal, group, failed = await asyncio.gather(
        desk.does(bet("b1", "1.00")),
        desk.does(bet("b2", "999.00")),
        desk.does(bet("b3", "1.00")),
        desk.does(bet("b4", "999.00")),
        desk.atomically(win("w1", "2.00", of="b3"), rollback("r1", of="never-came")),
        desk.atomically(bet("b5", "1.00"), bet("b6", "999.00")),
    )

    assert replayed(old).transaction_id == "b1"
    assert old_refusal.metadata["replayed"] == "true"
    assert accepted(new).balance_after == eur("98.00")
    assert refused(new_refusal).reason is Reason.INSUFFICIENT_FUNDS
    assert accepted(group[0]).balance_after == eur("100.00")
    assert accepted(group[1]).rollback_outcome is RollbackOutcome.TOMBSTONED
    assert [refused(result).reason for result in failed] == [
        Reason.ATOMIC_GROUP_FAILED,
        Reason.INSUFFICIENT_FUNDS,
    ]
    assert desk.casino.balance() == eur("100.00")
    assert desk.casino.transaction("b5") is None


async def test_bet_rolled_back_in_the_flush_whose_answer_was_lost_is_told_as_it_is(
    desk: Desk,
) -> None:
    desk.writer.fail("commit", LOST_AFTER)

    placed, undone = await desk.at_once(bet("b1", "1.00"), rollback("r1", of="b1"))

    assert accepted(placed).balance_after == eur("99.00")
    assert accepted(undone).rollback_outcome is RollbackOutcome.ROLLED_BACK
    assert desk.casino.balance() == eur("100.00")
    stored = desk.casino.transaction("b1")
    assert stored is not None
    assert stored.state is TransactionState.ROLLED_BACK


async def test_repeated_id_is_a_replay_also_when_the_answer_was_lost(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_AFTER)

    first, second = await desk.at_once(bet("b1", "1.00"), bet("b1", "1.00"))

    assert accepted(first) == replayed(second)


async def test_reused_id_is_refused_also_when_the_answer_was_lost(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_AFTER)

    first, second = await desk.at_once(bet("b1", "999.00"), bet("b1", "1.00"))

    assert refused(first).reason is Reason.INSUFFICIENT_FUNDS
    assert refused(second).reason is Reason.TRANSACTION_ID_REUSED


async def test_operation_sees_nothing_later_also_when_the_answer_was_lost(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_AFTER)

    closing, placed = await desk.each(close_round("c1"), bet("b1", "1.00"))

    assert refused(closing).reason is Reason.ROUND_NOT_FOUND
    accepted(placed)
    accepted(await desk.does(bet("b2", "1.00")))


async def test_failed_group_has_one_refusal_also_when_the_answer_was_lost(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_AFTER)

    group, _ = await asyncio.gather(
        desk.atomically(withdraw("o1", "1.00"), bet("b1", "999.00")),
        desk.does(withdraw_all("o2")),
    )

    assert [refused(result).reason for result in group] == [
        Reason.ATOMIC_GROUP_FAILED,
        Reason.INSUFFICIENT_FUNDS,
    ]
    assert desk.casino.transaction("o1") is None


@pytest.mark.parametrize("happened", [True, False])
async def test_same_id_settles_what_could_not_be_resolved(desk: Desk, happened: bool) -> None:
    desk.writer.fail("commit", CommitLostError(happened=happened, stays_down=True))
    refusal = refused(await desk.does(bet("b1", "1.00")))
    desk.writer.is_down = False

    result = await desk.does(bet("b1", "1.00"))

    assert refusal.reason is Reason.LEDGER_UNAVAILABLE
    told = replayed(result) if happened else accepted(result)
    assert told.balance_after == eur("99.00")
    assert desk.casino.balance() == eur("99.00")


async def test_contention_while_resolving_is_no_answer_yet(desk: Desk) -> None:
    desk.writer.fail("commit", LOST_AFTER)
    desk.writer.fail("load", None, IN_THE_WAY, GONE)

    assert accepted(await desk.does(bet("b1", "1.00"))).balance_after == eur("99.00")
    assert desk.casino.balance() == eur("99.00")


async def test_answer_lost_again_and_again_is_found_again(desk: Desk) -> None:
    desk.writer.fail("commit", *[LOST_BEFORE] * 5, LOST_AFTER)

    first, second = await desk.at_once(bet("b1", "1.00"), bet("b1", "1.00"))

    assert accepted(first) == replayed(second)
    assert desk.casino.balance() == eur("99.00")


async def test_numbers_of_one_flush_are_not_taken_for_those_of_another(desk: Desk) -> None:
    await desk.does(bet("b1", "1.00"))
    desk.writer.fail("commit", LOST_AFTER)

    again, new = await desk.at_once(bet("b1", "1.00"), bet("b2", "1.00"))

    assert replayed(again).transaction_id == "b1"
    assert not isinstance(new, Refusal)
    assert accepted(new).transaction_id == "b2"
