"""A lane writes what waits as one flush, again and again, in the order in which it came."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from purser_server.domain.errors import Reason, RefusedError
from purser_server.ledger.lane import LaneLimits
from tests.unit.casino import Casino, accepted
from tests.unit.commands import bet, deposit, withdraw_all
from tests.unit.desk import QUICK, Desk, open_desk, turns
from tests.unit.money import eur

# -- what is written together -------------------------------------------------------------------


async def test_lone_call_is_written_at_once(desk: Desk) -> None:
    asked = desk.ask(bet("b1", "1.00"))
    await turns()

    assert asked.done(), "nothing but work was waited for"
    assert accepted(asked.result()).balance_after == eur("99.00")
    assert desk.writer.committed == [["b1"]]


async def test_calls_that_come_at_once_are_written_together(desk: Desk) -> None:
    await desk.at_once(*(bet(f"b{number}", "1.00") for number in range(5)))

    assert desk.writer.committed == [["b0", "b1", "b2", "b3", "b4"]]


async def test_calls_that_come_while_a_flush_is_written_make_the_next_one(desk: Desk) -> None:
    desk.writer.hold()
    first = desk.ask(bet("b1", "1.00"))
    await turns()
    others = [desk.ask(bet(f"b{number}", "1.00")) for number in (2, 3, 4)]
    await turns()
    assert not first.done()
    desk.writer.release()
    await asyncio.gather(first, *others)

    assert desk.writer.committed == [["b1"], ["b2", "b3", "b4"]]


async def test_flush_takes_no_more_than_its_bound(desk: Desk) -> None:
    await desk.at_once(*(bet(f"b{number}", "1.00") for number in range(2 * 8 + 1)))

    assert [len(flush) for flush in desk.writer.committed] == [8, 8, 1]


async def test_each_caller_of_a_flush_gets_its_own_answers(desk: Desk) -> None:
    many, lone, few, group = await asyncio.gather(
        desk.each(bet("b1", "1.00"), bet("b2", "1.00"), bet("b3", "1.00")),
        desk.does(bet("b4", "1.00")),
        desk.each(bet("b5", "1.00"), bet("b6", "1.00")),
        desk.atomically(bet("b7", "1.00"), bet("b8", "1.00")),
    )

    assert [accepted(result).transaction_id for result in (*many, lone, *few, *group)] == [
        f"b{number}" for number in range(1, 9)
    ]
    assert len(desk.writer.committed) == 1


async def test_group_is_never_divided(desk: Desk) -> None:
    group = [bet(f"g{number}", "1.00") for number in range(12)]

    lone, results, late = await asyncio.gather(
        desk.does(bet("b1", "1.00")), desk.atomically(*group), desk.does(bet("b2", "1.00"))
    )

    assert [accepted(result).balance_after for result in (lone, *results, late)] == [
        eur("99.00") - number * eur("1.00") for number in range(14)
    ]
    assert [len(flush) for flush in desk.writer.committed] == [1, 12, 1]


async def test_flush_that_changes_nothing_is_not_committed(desk: Desk) -> None:
    await desk.does(bet("b1", "1.00"))

    again = await desk.does(bet("b1", "1.00"))
    unknown = await desk.does(bet("b2", "1.00", player="nobody"))

    assert again.replayed
    assert unknown.reason is Reason.PLAYER_NOT_FOUND
    assert desk.writer.committed == [["b1"]]
    assert desk.writer.attempts == [["b1"], ["b1"], ["b2"]]


async def test_every_flush_is_observed(desk: Desk) -> None:
    await desk.at_once(bet("b1", "1.00"), bet("b2", "1.00"))
    await desk.does(bet("b3", "1.00"))
    await turns()

    assert [operations for operations, _ in desk.flushes] == [2, 1]
    assert all(seconds >= 0 for _, seconds in desk.flushes)


async def test_observer_that_fails_ends_no_lane(casino: Casino) -> None:
    casino.player("anna", eur="100.00")
    async with open_desk(casino) as desk:
        desk.flushes = None  # nowhere to note what is observed
        for number in range(3):
            accepted(await desk.does(bet(f"b{number}", "1.00")))


# -- order --------------------------------------------------------------------------------------


async def test_calls_are_decided_in_the_order_in_which_they_came(desk: Desk) -> None:
    asked = []
    for number in range(30):
        asked.append(desk.ask(bet(f"b{number}", "1.00")))
        await turns(number % 4)
    results = await asyncio.gather(*asked)

    assert [accepted(result).wallet_sequence for result in results] == list(range(2, 32))


async def test_later_call_sees_what_an_earlier_one_did(desk: Desk) -> None:
    results = await desk.at_once(
        withdraw_all("o1"), bet("b1", "1.00"), deposit("d1", "5.00"), bet("b2", "1.00")
    )

    assert [getattr(result, "reason", None) for result in results] == [
        None,
        Reason.INSUFFICIENT_FUNDS,
        None,
        None,
    ]


async def test_fifty_equal_calls_at_once_have_one_effect(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    async with open_desk(casino, replace(QUICK, queued=100)) as desk:
        results = await desk.at_once(*[bet("b1", "1.00")] * 50)

    assert sorted(result.replayed for result in results) == [False] + [True] * 49
    assert {result.transaction.balance_after for result in results} == {eur("9.00")}
    assert casino.balance() == eur("9.00")


# -- callers who give up ------------------------------------------------------------------------


async def test_caller_who_gives_up_before_the_flush_is_not_served(desk: Desk) -> None:
    desk.writer.hold()
    first = desk.ask(bet("b1", "1.00"))
    await turns()
    gone, patient = desk.ask(bet("b2", "1.00")), desk.ask(bet("b3", "1.00"))
    await turns()
    gone.cancel()
    await turns()
    desk.writer.release()
    await asyncio.gather(first, patient)

    assert gone.cancelled()
    assert desk.writer.committed == [["b1"], ["b3"]]
    assert desk.casino.transaction("b2") is None


async def test_caller_who_gives_up_during_the_flush_disturbs_nobody(desk: Desk) -> None:
    desk.writer.hold()
    gone, patient = desk.ask(bet("b1", "1.00")), desk.ask(bet("b2", "1.00"))
    await turns()
    gone.cancel()
    await turns()
    desk.writer.release()

    assert accepted(await patient).balance_after == eur("98.00")
    assert desk.writer.committed == [["b1", "b2"]]
    assert (await desk.does(bet("b1", "1.00"))).replayed


async def test_all_callers_may_give_up(desk: Desk) -> None:
    desk.writer.hold()
    first = desk.ask(bet("b1", "1.00"))
    await turns()
    gone = [desk.ask(bet(f"b{number}", "1.00")) for number in (2, 3)]
    await turns()
    for task in gone:
        task.cancel()
    desk.writer.release()
    await first
    await desk.does(bet("b4", "1.00"))

    assert desk.writer.committed == [["b1"], ["b4"]]
    assert desk.ledger.queued == 0


# -- back-pressure ------------------------------------------------------------------------------


async def fill(desk: Desk, count: int) -> list[asyncio.Task[object]]:
    """Let one flush hang, and so many calls wait behind it."""
    desk.writer.hold()
    asked = [desk.ask(bet("b0", "1.00"))]
    await turns()
    asked += [desk.ask(bet(f"b{number}", "1.00")) for number in range(1, count + 1)]
    await turns()
    assert desk.ledger.queued == count
    return asked


async def test_call_beyond_the_bound_is_refused_and_nothing_of_it_is_done(desk: Desk) -> None:
    waiting = await fill(desk, 20)

    with pytest.raises(RefusedError) as refused:
        await desk.does(bet("b99", "1.00"))
    desk.writer.release()
    await asyncio.gather(*waiting)

    assert refused.value.refusal.reason is Reason.OVERLOADED
    assert "queue" in refused.value.refusal.metadata
    assert desk.casino.transaction("b99") is None
    assert desk.casino.balance() == eur("79.00")
    accepted(await desk.does(bet("b99", "1.00")))


async def test_what_is_being_written_does_not_count_as_waiting(desk: Desk) -> None:
    waiting = await fill(desk, 19)

    waiting.append(desk.ask(bet("b99", "1.00")))
    await turns()
    desk.writer.release()

    assert all(accepted(result) for result in await asyncio.gather(*waiting))


@pytest.mark.parametrize("ask", [Desk.each, Desk.atomically])
async def test_many_that_do_not_fit_are_refused_as_a_whole(desk: Desk, ask: object) -> None:
    waiting = await fill(desk, 18)

    with pytest.raises(RefusedError) as refused:
        await ask(desk, *(bet(f"m{number}", "1.00") for number in range(3)))
    desk.writer.release()
    await asyncio.gather(*waiting)

    assert refused.value.refusal.reason is Reason.OVERLOADED
    assert not any(desk.casino.transaction(f"m{number}") for number in range(3))


async def test_idle_lane_takes_a_call_of_any_size(desk: Desk) -> None:
    results = await desk.each(*(bet(f"b{number}", "1.00") for number in range(50)))

    assert accepted(results[-1]).balance_after == eur("50.00")


# -- the end ------------------------------------------------------------------------------------


async def test_stop_writes_what_was_accepted(casino: Casino) -> None:
    casino.player("anna", eur="100.00")
    async with open_desk(casino) as desk:
        desk.writer.hold()
        asked = [desk.ask(bet(f"b{number}", "1.00")) for number in range(15)]
        await turns()
        stopping = asyncio.create_task(desk.ledger.stop())
        await turns()
        assert not stopping.done()
        desk.writer.release()
        await stopping

        assert [accepted(task.result()).transaction_id for task in asked] == [
            f"b{number}" for number in range(15)
        ]
        assert desk.writer.is_closed


async def test_idle_lane_stops_at_once(casino: Casino) -> None:
    async with open_desk(casino) as desk:
        await turns()
        stopping = asyncio.create_task(desk.ledger.stop())
        await turns()

        assert stopping.done()
        assert desk.writer.is_closed


def test_limits_of_a_lane_are_as_documented() -> None:
    assert LaneLimits() == LaneLimits(
        queued=20_000, per_flush=1_000, reconnect_s=2.0, resolve_commit_s=15.0
    )


async def test_flush_that_needs_more_numbers_than_its_block_is_divided(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("purser_server.ledger.state.NUMBERS_PER_FLUSH", 3)

    answers = await desk.at_once(*(bet(f"b{number}", "1.00") for number in range(8)))

    assert [accepted(answer).balance_after for answer in answers] == [
        eur(f"{amount}.00") for amount in range(99, 91, -1)
    ]
    assert [len(flush) for flush in desk.writer.committed] == [2, 2, 2, 2]
