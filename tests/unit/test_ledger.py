"""The ledger's door: lanes share the work, a player's requests keep their order, answers too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from purser_server.domain.decisions import Result
from purser_server.domain.errors import Reason, RefusedError
from tests.unit.casino import Casino, accepted, refused
from tests.unit.commands import bet, rollback, win
from tests.unit.desk import Desk, open_desk, turns
from tests.unit.money import eur

PLAYERS = [f"player-{number}" for number in range(12)]


@pytest.fixture
async def wide(casino: Casino) -> AsyncIterator[Desk]:
    """A ledger of three lanes, for twelve players with 10.00 each."""
    for player in PLAYERS:
        casino.player(player, eur="10.00")
    async with open_desk(casino, lanes=3) as desk:
        yield desk


def committed_by(desk: Desk, lane: int) -> list[str]:
    return [transaction_id for flush in desk.writers[lane].committed for transaction_id in flush]


async def hold_a_lane(desk: Desk, player: str) -> asyncio.Task[Result]:
    """Let the lane that takes the next work hang in a flush of this player."""
    desk.writers[-1].hold()
    asked = desk.ask(bet("held", "0.10", player=player))
    await turns()
    assert not asked.done()
    return asked


async def test_little_work_waits_for_the_flush_under_way_and_makes_one_flush(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    others = [wide.ask(bet(f"b {p}", "1.00", player=p)) for p in PLAYERS[1:8]]
    await turns()
    assert not any(asked.done() for asked in others)

    wide.writers[-1].release()
    await asyncio.gather(held, *others)

    assert sorted(len(f) for writer in wide.writers for f in writer.committed) == [1, 7]


async def test_much_work_is_written_beside_the_flush_under_way(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    others = [wide.ask(bet(f"{name} {p}", "1.00", player=p)) for name in "ab" for p in PLAYERS[1:9]]
    await asyncio.gather(*others)

    assert not held.done()
    wide.writers[-1].release()
    await held
    assert committed_by(wide, -1) == ["held"]


async def test_little_work_does_not_wait_for_a_flush_that_hangs(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])

    accepted(await wide.does(bet("other", "1.00", player=PLAYERS[1])))

    assert not held.done()
    wide.writers[-1].release()
    await held


async def test_players_requests_wait_for_the_flush_that_holds_the_player(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    second = wide.ask(bet("second", "0.10", player=PLAYERS[0]))
    group = asyncio.create_task(
        wide.atomically(
            bet("group 1", "0.10", player=PLAYERS[1]), bet("group 2", "0.10", player=PLAYERS[0])
        )
    )
    await turns()
    behind = wide.ask(bet("behind", "0.10", player=PLAYERS[1]))

    await asyncio.gather(*(wide.does(bet(f"b {p}", "1.00", player=p)) for p in PLAYERS[2:]))

    assert not (held.done() or second.done() or group.done() or behind.done())
    wide.writers[-1].release()
    await asyncio.gather(held, second, group, behind)
    numbers = [
        wide.casino.transaction(name).number
        for name in ("held", "second", "group 1", "group 2", "behind")
    ]
    assert numbers == sorted(numbers)


async def test_a_player_who_waits_for_a_flush_that_hangs_keeps_nobody_else_waiting(
    wide: Desk,
) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    second = wide.ask(bet("second", "0.10", player=PLAYERS[0]))
    await asyncio.sleep(0.05)  # longer than a flush may be alone

    for player in PLAYERS[1:]:
        accepted(await wide.does(bet(f"b {player}", "1.00", player=player)))

    assert not (held.done() or second.done())
    wide.writers[-1].release()
    await asyncio.gather(held, second)


async def test_callers_who_gave_up_leave_their_room_to_others(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    group = asyncio.create_task(
        wide.atomically(*(bet(f"g {p}", "0.10", player=p) for p in PLAYERS[:2]))
    )
    impatient = [wide.ask(bet(f"i{n}", "0.10", player=PLAYERS[0])) for n in range(18)]
    await turns()
    assert wide.ledger.queued == 20
    for asked in (group, *impatient):
        asked.cancel()
    await turns()

    assert wide.ledger.queued == 0
    # The player who waited for the rest of the group goes on.
    accepted(await wide.does(bet("on", "1.00", player=PLAYERS[1])))
    wide.writers[-1].release()
    await held


@pytest.mark.parametrize("lanes", [1, 2, 4])
async def test_stop_ends_when_nobody_waits_any_more(casino: Casino, lanes: int) -> None:
    for player in PLAYERS:
        casino.player(player, eur="10.00")
    async with open_desk(casino, lanes=lanes) as desk:
        held = await hold_a_lane(desk, PLAYERS[0])
        behind = desk.ask(bet("behind", "0.10", player=PLAYERS[0]))
        await turns()
        stopping = asyncio.create_task(desk.ledger.stop())
        await turns()
        behind.cancel()
        desk.writers[-1].release()
        await held
        await asyncio.wait_for(stopping, 30)


async def test_a_lane_without_a_store_leaves_the_work_to_the_others(wide: Desk) -> None:
    wide.writers[-1].is_down = True
    results = await asyncio.gather(
        *(wide.does(bet(f"a {p}", "1.00", player=p)) for p in PLAYERS[:1])
    )
    assert refused(results[0]).reason is Reason.LEDGER_UNAVAILABLE

    for number in range(50):
        accepted(await wide.does(bet(f"b{number}", "0.01", player=PLAYERS[number % 12])))

    wide.writers[-1].is_down = False


async def test_without_any_store_everybody_hears_so_at_once(wide: Desk) -> None:
    for writer in wide.writers:
        writer.is_down = True
    first = await asyncio.gather(*(wide.does(bet(f"a {p}", "1.00", player=p)) for p in PLAYERS))
    assert {refused(result).reason for result in first} == {Reason.LEDGER_UNAVAILABLE}
    for writer in wide.writers:
        writer.is_down = False

    accepted(await wide.does(bet("back", "1.00", player=PLAYERS[0])))


async def test_who_gave_up_is_left_out(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    impatient = wide.ask(bet("impatient", "1.00", player=PLAYERS[0]))
    await turns()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)

    wide.writers[-1].release()
    await held
    await wide.does(bet("last", "1.00", player=PLAYERS[0]))

    assert wide.casino.transaction("impatient") is None
    assert wide.ledger.queued == 0


async def test_answers_stand_in_the_order_of_the_requests(wide: Desk) -> None:
    order = [PLAYERS[(5 * number) % 12] for number in range(60)]

    results = await wide.each(
        *(bet(f"b{number}", "2.00", player=player) for number, player in enumerate(order))
    )

    for number, (player, result) in enumerate(zip(order, results, strict=True)):
        assert accepted(result).transaction_id == f"b{number}"
        assert accepted(result).player_id == player
    for player in PLAYERS:
        mine = [accepted(o).balance_after for o in results if o.transaction.player_id == player]
        assert mine == [eur("8.00"), eur("6.00"), eur("4.00"), eur("2.00"), 0]


async def test_one_refusal_does_not_disturb_the_others(wide: Desk) -> None:
    results = await wide.each(
        *(bet(f"b{n}", "99.00" if n % 3 else "1.00", player=p) for n, p in enumerate(PLAYERS))
    )

    for number, result in enumerate(results):
        if number % 3:
            assert refused(result).reason is Reason.INSUFFICIENT_FUNDS
        else:
            assert accepted(result).balance_after == eur("9.00")


async def test_many_requests_are_written_in_flushes_of_their_bound(wide: Desk) -> None:
    await wide.each(
        *(bet(f"b{number}", "0.10", player=PLAYERS[number % 12]) for number in range(120))
    )

    sizes = [len(flush) for writer in wide.writers for flush in writer.committed]
    assert sum(sizes) == 120
    assert max(sizes) == 8


async def test_nothing_asked_is_nothing_answered(wide: Desk) -> None:
    assert await wide.each() == []


async def test_group_may_hold_players_of_all_lanes(wide: Desk) -> None:
    results = await wide.atomically(
        *(bet(f"b{number}", "1.00", player=player) for number, player in enumerate(PLAYERS))
    )

    assert [accepted(result).player_id for result in results] == PLAYERS
    assert sum(len(writer.committed) for writer in wide.writers) == 1


async def test_failed_group_of_many_lanes_moves_nothing(wide: Desk) -> None:
    results = await wide.atomically(
        *(bet(f"b{n}", "99.00" if n == 11 else "1.00", player=p) for n, p in enumerate(PLAYERS))
    )

    assert [refused(result).reason for result in results[:11]] == (
        [Reason.ATOMIC_GROUP_FAILED] * 11
    )
    assert refused(results[11]).reason is Reason.INSUFFICIENT_FUNDS
    assert {wide.casino.balance(player) for player in PLAYERS} == {eur("10.00")}


async def test_full_queue_refuses_a_call_before_anything_of_it_is_queued(wide: Desk) -> None:
    waiting = [await hold_a_lane(wide, PLAYERS[0])]
    waiting += [wide.ask(bet(f"b{number}", "0.10", player=PLAYERS[0])) for number in range(19)]
    await turns()

    with pytest.raises(RefusedError) as overloaded:
        await wide.each(*(bet(f"x{n}", "1.00", player=PLAYERS[n]) for n in (1, 2)))
    wide.writers[-1].release()
    await asyncio.gather(*waiting)

    assert overloaded.value.refusal.reason is Reason.OVERLOADED
    assert wide.casino.transaction("x1") is None
    assert wide.casino.transaction("x2") is None


async def test_one_id_for_two_players_has_one_effect(wide: Desk) -> None:
    one, other = PLAYERS[:2]

    results = await wide.at_once(bet("same", "1.00", player=one), bet("same", "1.00", player=other))

    won = [result for result in results if not hasattr(result, "reason")]
    (lost,) = [result for result in results if hasattr(result, "reason")]
    assert len(won) == 1
    assert lost.reason is Reason.TRANSACTION_ID_REUSED
    assert lost.metadata["field"] == "player_id"


ABOUT_ONE_ID = {
    "late bet": (
        lambda one, other: [rollback("r1", of="t1", player=one), bet("t1", "1.00", player=other)],
        Reason.TRANSACTION_ROLLED_BACK,
    ),
    "another's bet rolled back": (
        lambda one, other: [bet("t1", "1.00", player=one), rollback("r1", of="t1", player=other)],
        Reason.TRANSACTION_NOT_FOUND,
    ),
    "another's bet won": (
        lambda one, other: [bet("t1", "1.00", player=one), win("w1", "1", of="t1", player=other)],
        Reason.BET_NOT_FOUND,
    ),
    "id used again": (
        lambda one, other: [bet("t1", "1.00", player=one), bet("t1", "1.00", player=other)],
        Reason.TRANSACTION_ID_REUSED,
    ),
}


@pytest.mark.parametrize("story", ABOUT_ONE_ID)
async def test_requests_of_two_players_about_one_id_are_decided_in_their_order(
    wide: Desk, story: str
) -> None:
    one, other = PLAYERS[:2]
    requests, reason = ABOUT_ONE_ID[story]
    held = await hold_a_lane(wide, one)  # the first request must wait, the second need not

    asked = asyncio.create_task(wide.each(*requests(one, other)))
    await asyncio.gather(*(wide.does(bet(f"b {p}", "1.00", player=p)) for p in PLAYERS[2:]))
    wide.writers[-1].release()
    _, (first, second) = await asyncio.gather(held, asked)

    accepted(first)
    assert refused(second).reason is reason


async def test_queued_counts_what_waits(wide: Desk) -> None:
    held = await hold_a_lane(wide, PLAYERS[0])
    assert wide.ledger.queued == 0
    waiting = [wide.ask(bet(f"b{number}", "0.10", player=PLAYERS[0])) for number in range(12)]
    await turns()

    assert wide.ledger.queued == 12
    wide.writers[-1].release()
    await asyncio.gather(held, *waiting)
    assert wide.ledger.queued == 0
