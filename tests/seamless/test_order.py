"""Movements that refer to a movement whose outcome is not known yet: they wait for it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import pytest

from purser.wallet.v1 import wallet_pb2
from tests.seamless.scene import (
    COMPLETED,
    DEADLINE_MS,
    PENDING,
    REFUSED,
    ROLLED_BACK,
    SETTLED_WITHIN_S,
    Seamless,
    heard,
    state_of,
)
from tests.support.calls import outcome, together
from tests.support.client import Client, Failure, eur, refused

UNDONE = wallet_pb2.ROLLBACK_OUTCOME_ROLLED_BACK
NOTHING_TO_ROLL_BACK = wallet_pb2.ROLLBACK_OUTCOME_NOTHING_TO_ROLL_BACK

APPLIED, REFUSED_LATE, LOST = "bet:late=300ms", "bet:delay=300ms,bet:limit", "bet:drop-after"


@pytest.fixture
async def begun(seamless: Seamless) -> Any:
    """Begin a bet of 5.00, whose outcome stays unknown until its task is done."""
    tasks: list[asyncio.Task[Any]] = []

    async def begin(player: str, faults: str) -> asyncio.Task[Any]:
        # A lost bet is rolled back at the second attempt, half a second later.
        seamless.casino.faults.set(f"{faults},rollback:unavailable@1")
        calls = seamless.casino.calls("Bet")
        call = outcome(seamless.games.bet(player, eur("5.00"), "r1", "b1"))
        tasks.append(asyncio.create_task(call))
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while seamless.casino.calls("Bet") == calls:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.01)
        if faults == LOST:
            await tasks[-1]
        return tasks[-1]

    yield begin
    await asyncio.gather(*tasks)


# -- a win ---------------------------------------------------------------------------------------


async def test_a_win_waits_for_its_bet(seamless: Seamless, begun: Any) -> None:
    player = await seamless.new_player(100)
    bet = await begun(player, APPLIED)

    win = await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1", close_round=True)

    assert heard(win) == "COMPLETED"
    assert heard(await bet) == "COMPLETED"
    sent = [call.rpc for call in seamless.casino.seen()]
    assert sent == ["Bet", "Win"]
    assert seamless.money(player) == 11_500
    await seamless.assert_agreement()


@pytest.mark.parametrize(
    ("faults", "ended", "reason"),
    [(LOST, ROLLED_BACK, "TRANSACTION_ROLLED_BACK"), (REFUSED_LATE, REFUSED, "BET_NOT_FOUND")],
)
async def test_a_win_that_waited_in_vain_is_refused_and_never_sent(
    seamless: Seamless, begun: Any, faults: str, ended: int, reason: str
) -> None:
    player = await seamless.new_player(100)
    await begun(player, faults)

    # It waits for one deadline at most; a bet that was lost may take longer.
    win = await outcome(seamless.games.win(player, eur("20.00"), "r1", "b1", "w1"))

    assert heard(win) in {reason, "PENDING"}
    assert (await seamless.settled("w1")).state == REFUSED
    assert (await seamless.settled("b1")).state == ended
    with refused(reason):
        await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1")
    assert not seamless.casino.calls("Win")
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


async def test_a_win_that_waits_settles_its_bet_already(seamless: Seamless, begun: Any) -> None:
    player = await seamless.new_player(100)
    await begun(player, APPLIED)
    await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1", close_round=True)

    with refused("BET_ALREADY_SETTLED"):
        await seamless.games.rollback(player, "b1", "u1")
    with refused("ROUND_CLOSED"):
        await seamless.games.bet(player, eur("1.00"), "r1", "b2")

    assert (await seamless.settled("w1")).state == COMPLETED
    assert seamless.money(player) == 11_500
    await seamless.assert_agreement()


async def test_a_win_that_is_not_paid_yet_settles_its_bet_already(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set("win:unavailable")
    await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1")

    with refused("BET_ALREADY_SETTLED"):
        await seamless.games.rollback(player, "b1", "u1")

    seamless.casino.faults.set("")
    assert (await seamless.settled("w1")).state == COMPLETED
    assert not seamless.casino.calls("Rollback")
    assert seamless.money(player) == 11_500
    await seamless.assert_agreement()


# -- a rollback that the game asks for -----------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "ended", "told", "sent"),
    [
        (APPLIED, ROLLED_BACK, UNDONE, ["Bet", "Rollback"]),
        (LOST, ROLLED_BACK, UNDONE, ["Bet", "Rollback", "Rollback"]),
        (REFUSED_LATE, REFUSED, NOTHING_TO_ROLL_BACK, ["Bet"]),
    ],
)
async def test_a_rollback_waits_for_its_bet_and_undoes_what_there_is(
    seamless: Seamless, begun: Any, faults: str, ended: int, told: int, sent: list[str]
) -> None:
    player = await seamless.new_player(100)
    await begun(player, faults)
    if faults == APPLIED:
        seamless.casino.faults.set("")

    waited = await seamless.games.rollback(player, "b1", "u1")

    assert heard(waited) in {"COMPLETED", "PENDING"}
    assert (await seamless.settled("u1")).state == COMPLETED
    assert (await seamless.games.rollback(player, "b1", "u1")).outcome == told
    assert (await seamless.settled("b1")).state == ended
    # What was lost, Purser rolls back by itself: the game's own rollback is not sent as well.
    assert [call.rpc for call in seamless.casino.seen()] == sent
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


async def test_a_bet_whose_rollback_waits_wins_nothing(seamless: Seamless, begun: Any) -> None:
    player = await seamless.new_player(100)
    await begun(player, APPLIED)
    undo = asyncio.create_task(seamless.games.rollback(player, "b1", "u1"))
    await seamless.has_begun("u1")

    with refused("TRANSACTION_ROLLED_BACK"):
        await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1")

    await undo
    assert (await seamless.settled("u1")).state == COMPLETED
    assert not seamless.casino.calls("Win")
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


async def test_a_win_of_the_round_does_not_live_on_a_bet_that_is_being_undone(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set("rollback:drop-after@1")
    assert (await seamless.games.rollback(player, "b1", "u1")).transaction.state == PENDING

    # This win names no bet: it is of whatever stands in the round.
    win = await outcome(seamless.games.win(player, eur("20.00"), "r1", "", "w1"))

    assert heard(win) in {"BET_NOT_FOUND", "PENDING"}
    await seamless.all_settled()
    assert (await seamless.games.transaction("w1")).state == REFUSED
    assert not seamless.casino.calls("Win")
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


async def test_a_rollback_waits_for_its_win(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set("win:drop-after@1")
    await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1", close_round=True)

    waited = await seamless.games.rollback(player, "w1", "u1")

    assert heard(waited) in {"COMPLETED", "PENDING"}
    await seamless.all_settled()
    assert (await seamless.games.transaction("w1")).state == ROLLED_BACK
    assert (await seamless.games.transaction("u1")).state == COMPLETED
    # The round is open again, and the bet with it.
    await seamless.games.rollback(player, "b1", "u2")
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


# -- the round, and the caller -------------------------------------------------------------------


async def test_closing_the_round_does_not_stop_what_is_under_way(
    seamless: Seamless, begun: Any
) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r1", "b0")
    bet = await begun(player, APPLIED)
    win = asyncio.create_task(seamless.games.win(player, eur("20.00"), "r1", "b1", "w1"))
    await seamless.has_begun("w1")

    await seamless.games.close_round(player, "r1")

    assert heard(await bet) == "COMPLETED"
    assert heard(await win) == "COMPLETED"
    with refused("ROUND_CLOSED"):
        await seamless.games.win(player, eur("1.00"), "r1", "b1", "w2")
    assert seamless.money(player) == 11_400
    await seamless.assert_agreement()


async def test_a_bet_that_the_casino_will_not_undo_stands(seamless: Seamless, begun: Any) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r1", "b0")
    await begun(player, LOST)
    # At the casino this settles the lost bet as well, before Purser's rollback arrives again.
    promo = await seamless.games.win(
        player, eur("2.00"), "r1", "", "w0", win_type=wallet_pb2.WIN_TYPE_PROMO, close_round=True
    )
    assert promo.transaction.state == COMPLETED

    assert (await seamless.settled("b1")).state == COMPLETED

    again = await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    assert again.replayed
    assert seamless.money(player) == 9_600
    await seamless.assert_agreement()


async def test_who_hangs_up_does_not_end_a_bet_that_was_begun(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    seamless.casino.faults.set("bet:late=300ms")
    address = seamless.installation.address
    hasty = Client(address, seamless.games.api_key, timeout_s=0.1)  # type: ignore[attr-defined]

    found = await outcome(hasty.bet(player, eur("5.00"), "r1", "b1"))

    assert isinstance(found, Failure) and found.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await seamless.settled("b1")).state == COMPLETED
    await hasty.close()
    assert seamless.money(player) == 9_500
    await seamless.assert_agreement()


# -- a late answer, and a rollback that is already on its way ------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("applied", ["late", "before-late"])
async def test_what_a_game_heard_of_a_bet_stays_so_however_late_the_casino_was(
    seamless: Seamless, applied: str
) -> None:
    dice = random.Random(7)
    # Answers come about when Purser gives up: a little before it, or a little after.
    times = [DEADLINE_MS + dice.randint(-60, 60) for _ in range(8)]
    seamless.casino.faults.set(",".join(f"bet:{applied}={time}ms%12" for time in times))
    players = [await seamless.new_player(100) for _ in range(60)]

    found = await together(
        seamless.games.bet(player, eur("5.00"), "r", f"b-{player}") for player in players
    )

    ends = {"COMPLETED": "COMPLETED", "CASINO_UNREACHABLE PENDING": "ROLLED_BACK"}
    for player, answer in zip(players, found, strict=True):
        assert state_of(await seamless.settled(f"b-{player}")) == ends[heard(answer)]
    await seamless.assert_agreement()
