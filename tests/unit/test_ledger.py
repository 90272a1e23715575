"""The ledger's door: requests are spread over lanes by player, and answers come back in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from purser_server.domain.errors import Reason, RefusedError
from tests.unit.casino import Casino, accepted, refused
from tests.unit.commands import bet, deposit, rollback, win
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


def lane_of(desk: Desk, transaction_id: str) -> int:
    (lane,) = (
        number
        for number, writer in enumerate(desk.writers)
        if any(transaction_id in flush for flush in writer.attempts)
    )
    return lane


async def lanes_of_players(desk: Desk) -> dict[str, int]:
    await desk.each(*(deposit(f"at {player}", "1.00", player=player) for player in PLAYERS))
    return {player: lane_of(desk, f"at {player}") for player in PLAYERS}


async def test_players_are_spread_over_all_lanes(wide: Desk) -> None:
    assert set((await lanes_of_players(wide)).values()) == {0, 1, 2}


async def test_player_always_takes_the_same_lane(wide: Desk) -> None:
    lanes = await lanes_of_players(wide)

    await asyncio.gather(
        *(wide.does(bet(f"one {player}", "1.00", player=player)) for player in PLAYERS)
    )
    for player in PLAYERS:
        await wide.atomically(
            bet(f"two {player}", "1.00", player=player),
            bet(f"three {player}", "1.00", player=PLAYERS[0], round_=player),
        )

    for player in PLAYERS:
        assert lane_of(wide, f"one {player}") == lanes[player]
        assert lane_of(wide, f"two {player}") == lanes[player]


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


async def test_many_requests_are_written_in_flushes_of_the_lanes_bound(wide: Desk) -> None:
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


async def test_full_lane_refuses_a_call_that_needs_it_before_anything_is_queued(
    wide: Desk,
) -> None:
    lanes = await lanes_of_players(wide)
    busy = next(player for player in PLAYERS if lanes[player] == 0)
    idle = next(player for player in PLAYERS if lanes[player] != 0)
    wide.writers[0].hold()
    waiting = [wide.ask(bet("b0", "0.10", player=busy))]
    await turns()
    waiting += [wide.ask(bet(f"b{number}", "0.10", player=busy)) for number in range(1, 21)]
    await turns()

    with pytest.raises(RefusedError) as overloaded:
        await wide.each(bet("x1", "1.00", player=idle), bet("x2", "1.00", player=busy))
    wide.writers[0].release()
    await asyncio.gather(*waiting)

    assert overloaded.value.refusal.reason is Reason.OVERLOADED
    assert wide.casino.transaction("x1") is None
    assert wide.casino.transaction("x2") is None


async def test_one_id_for_players_of_two_lanes_has_one_effect(wide: Desk) -> None:
    lanes = await lanes_of_players(wide)
    one = next(player for player in PLAYERS if lanes[player] == 0)
    other = next(player for player in PLAYERS if lanes[player] == 1)

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
    lanes = await lanes_of_players(wide)
    one = next(player for player in PLAYERS if lanes[player] == 0)
    other = next(player for player in PLAYERS if lanes[player] == 1)
    requests, reason = ABOUT_ONE_ID[story]
    wide.writers[0].hold()  # the lane of the first player is the slower one

    asked = asyncio.create_task(wide.each(*requests(one, other)))
    await turns()
    wide.writers[0].release()
    first, second = await asked

    accepted(first)
    assert refused(second).reason is reason


async def test_queued_counts_what_waits_in_all_lanes(wide: Desk) -> None:
    for writer in wide.writers:
        writer.hold()
    first = [wide.ask(bet(f"a {player}", "1.00", player=player)) for player in PLAYERS]
    await turns()
    assert wide.ledger.queued == 0
    second = [wide.ask(bet(f"b {player}", "1.00", player=player)) for player in PLAYERS]
    await turns()

    assert wide.ledger.queued == 12
    for writer in wide.writers:
        writer.release()
    await asyncio.gather(*first, *second)
    assert wide.ledger.queued == 0
