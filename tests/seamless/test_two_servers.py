"""Two Pursers on one database: each pending movement is worked on by one of them at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from purser_casino import ReferenceCasino, Seen
from tests.seamless.scene import SECRET, SETTLED_WITHIN_S, Seamless, heard, state_of
from tests.support.calls import beside, outcome, together
from tests.support.client import Installation, eur
from tests.support.databases import connected
from tests.support.process import PurserProcess

PATIENT_MS = 5_000
"""A deadline that a casino in good order never misses, however busy this machine is."""

PLAYERS = 90


@dataclass
class Pair:
    """Two servers, and the same operator seen through each of them."""

    servers: list[PurserProcess]
    scenes: list[Seamless]
    casino: ReferenceCasino

    @property
    def first(self) -> Seamless:
        return self.scenes[0]

    @property
    def second(self) -> Seamless:
        return self.scenes[1]


@pytest.fixture
async def pair(own_database: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        servers = [PurserProcess("--database-url", own_database) for _ in range(2)]
        for server in servers:
            await stack.enter_async_context(server)
        installations = [Installation(server.address) for server in servers]
        games = await installations[0].new_casino()
        operator_id: str = games.operator_id  # type: ignore[attr-defined]
        keeper = await stack.enter_async_context(ReferenceCasino(operator_id, SECRET))
        first = Seamless(games, keeper, installations[0], operator_id)
        await first.call_the_casino_at(keeper.address)
        other = await stack.enter_async_context(beside(games, servers[1]))
        yield Pair(servers, [first, first.seen_from(other, installations[1])], keeper)
        for installation in installations:
            await installation.close()


@dataclass
class Backlog:
    """Movements without an outcome: of each player one."""

    lost_bets: list[str]
    wins: list[str]
    rollbacks: list[str]

    @property
    def ends(self) -> dict[str, str]:
        """How each of them ends."""
        return {
            **{f"b-{player}": "ROLLED_BACK" for player in self.lost_bets},
            **{f"w-{player}": "COMPLETED" for player in self.wins},
            **{f"u-{player}": "COMPLETED" for player in self.rollbacks},
        }


async def _leave_a_backlog(pair: Pair) -> Backlog:
    """Let the casino go away in the midst of play, at both servers."""
    players = [await pair.first.new_player(100) for _ in range(PLAYERS)]
    made = Backlog(players[0::3], players[1::3], players[2::3])
    await _all_completed(_bets(pair, made.wins + made.rollbacks))
    # All bets are on their way before the first is lost: later ones would not be sent any more.
    pair.casino.faults.set("bet:delay=300ms,bet:drop-after,win:unavailable,rollback:unavailable")
    lost = await together(_bets(pair, made.lost_bets))
    assert {heard(answer) for answer in lost} == {"CASINO_UNREACHABLE PENDING"}
    waiting = await together(
        [
            *(
                _at(pair, n).games.win(player, eur("20.00"), "r", f"b-{player}", f"w-{player}")
                for n, player in enumerate(made.wins)
            ),
            *(
                _at(pair, n).games.rollback(player, f"b-{player}", f"u-{player}")
                for n, player in enumerate(made.rollbacks)
            ),
        ]
    )
    assert {heard(answer) for answer in waiting} == {"PENDING"}
    return made


def _at(pair: Pair, number: int) -> Seamless:
    return pair.scenes[number % 2]


def _bets(pair: Pair, players: list[str]) -> list[Any]:
    return [
        _at(pair, n).games.bet(player, eur("5.00"), "r", f"b-{player}")
        for n, player in enumerate(players)
    ]


async def _all_completed(calls: Iterable[Any]) -> None:
    assert {heard(answer) for answer in await together(calls)} == {"COMPLETED"}


async def _assert_ended(scene: Seamless, backlog: Backlog) -> None:
    found = {of.transaction_id: state_of(of) for of in await scene.transactions()}
    ends = backlog.ends
    assert {name: found[name] for name in ends} == ends
    await scene.assert_agreement()


def _sent(calls: Iterable[Seen]) -> Counter[tuple[str, str]]:
    """Return how often each movement was sent; Purser's own rollbacks by the bet they undo."""
    return Counter(
        (call.rpc, call.reference if call.rpc == "Rollback" else call.transaction_id)
        for call in calls
    )


@pytest.mark.slow
async def test_when_the_casino_comes_back_each_movement_is_sent_by_one_server(pair: Pair) -> None:
    await pair.first.call_the_casino_at(pair.casino.address, deadline_ms=PATIENT_MS)
    backlog = await _leave_a_backlog(pair)

    before = len(pair.casino.seen())
    pair.casino.faults.set("")
    await pair.first.all_settled()

    sent = _sent(pair.casino.seen()[before:])
    assert len(sent) == PLAYERS
    assert set(sent.values()) == {1}, sent
    await _assert_ended(pair.second, backlog)


@pytest.mark.slow
async def test_what_a_killed_server_was_at_the_other_takes_over(pair: Pair) -> None:
    backlog = await _leave_a_backlog(pair)

    # Slow enough to be killed in the midst of it: before and after the casino has applied it.
    pair.casino.faults.set("*:late=200ms%50,*:delay=200ms%50")
    before = len(pair.casino.seen())
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while len(pair.casino.seen()) < before + 10:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    await pair.servers[0].kill()
    await pair.second.all_settled()

    await _assert_ended(pair.second, backlog)


@pytest.mark.slow
async def test_an_ok_that_comes_after_another_server_gave_the_bet_up_overrules_nothing(
    pair: Pair, own_database: str
) -> None:
    player = await pair.first.new_player(100)
    await pair.first.call_the_casino_at(pair.casino.address, deadline_ms=PATIENT_MS)
    pair.casino.faults.set("bet:late=1500ms,rollback:unavailable")
    bet = asyncio.create_task(outcome(pair.first.games.bet(player, eur("5.00"), "r", "b1")))
    await _until_called(pair.casino, "Bet")

    # As when the first server is frozen for longer than it may hold the bet.
    async with connected(own_database) as connection:
        await connection.execute("UPDATE pending SET due_time = now()")
    await _until_called(pair.casino, "Rollback")
    assert not bet.done()

    assert heard(await bet) == "CASINO_UNREACHABLE PENDING"
    assert state_of(await pair.first.games.transaction("b1")) == "PENDING"
    pair.casino.faults.set("")
    assert state_of(await pair.first.settled("b1")) == "ROLLED_BACK"
    await pair.first.assert_agreement()


async def _until_called(casino: ReferenceCasino, rpc: str) -> None:
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not casino.calls(rpc):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
