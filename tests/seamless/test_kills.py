"""kill -9 of Purser between any two steps of a movement: nothing is lost, doubled or guessed.

One server prepares all cases. Each then has a copy of its database, and servers of its own: perhaps
one that loses something, one that dies, and the one that is started after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from purser_casino import ReferenceCasino
from purser_server.app import prepare
from purser_server.ops.checkpoints import KILL_AT
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.usecases.seamless import Step
from tests.seamless.scene import SECRET, Seamless, heard, state_of
from tests.support.calls import beside, outcome
from tests.support.client import BACKEND, LOYALTY, Failure, Installation, eur
from tests.support.databases import database_of_its_own
from tests.support.prizes import CASHED_BACK, CONFIRMED, FAILED, GRANTED, PENDING, PrizeDesk
from tests.support.process import PurserProcess
from tests.support.side_by_side import SideBySide, chosen_cases

MOST_AT_ONCE = 4
DIES_WITHIN_S = 60.0

WHILE_ASKING = "while the casino is asked"
TOLD_OF_PRIZE = {"COMPLETED": CONFIRMED, "ROLLED_BACK": FAILED, "REFUSED": FAILED}
INTENT, HEARD, STORED = Step.INTENT_STORED, Step.ANSWER_HEARD, Step.OUTCOME_STORED


@dataclass(frozen=True)
class Case:
    """A movement and where Purser dies on its way.

    `first` is what happened before. Words of it and of `movement`: a bet of 5.00, a win of 20.00, a
    rollback of the bet, a prize of 25.00 that is returned; with "lost" before it, the casino's
    answer to it, and to what Purser sent of it since, never came. Without a movement, Purser goes
    on by itself with what was lost.
    """

    first: str
    movement: str
    dies: str
    ends: str
    left: str
    """What the player, who brought 100.00, has at the end."""

    def __str__(self) -> str:
        return f"{self.first or 'nothing'}, then {self.movement or 'by itself'}, dies: {self.dies}"

    @property
    def rpc(self) -> str:
        """What the casino is being asked when Purser dies."""
        if self.movement:
            return self.movement
        return "win" if self.first.endswith("lost win") else "rollback"

    @property
    def is_of_prize(self) -> bool:
        """Whether a prize is returned."""
        return "prize" in (self.movement, *self.first.split())

    @property
    def watched(self) -> str:
        """The id of the movement that is told to have ended so."""
        return (self.movement or self.first.split()[-1])[0] + "1"


def _cases() -> list[Case]:
    steps: tuple[str, ...] = (INTENT, WHILE_ASKING, HEARD)
    cases = [Case("", "bet", dies, "ROLLED_BACK", "100.00") for dies in steps]
    cases.append(Case("", "bet", STORED, "COMPLETED", "95.00"))
    for dies in (*steps, STORED):
        cases.append(Case("bet", "win", dies, "COMPLETED", "115.00"))
        cases.append(Case("bet", "rollback", dies, "COMPLETED", "100.00"))
    for dies in (WHILE_ASKING, HEARD, STORED):
        cases.append(Case("lost bet", "", dies, "ROLLED_BACK", "100.00"))
        cases.append(Case("bet, lost win", "", dies, "COMPLETED", "115.00"))
        cases.append(Case("bet, lost rollback", "", dies, "COMPLETED", "100.00"))
    for dies in (HEARD, STORED):
        cases.append(Case("lost bet, win", "", dies, "REFUSED", "100.00"))
        cases.append(Case("lost bet, rollback", "", dies, "COMPLETED", "100.00"))
    cases += [Case("", "prize", dies, "ROLLED_BACK", "100.00") for dies in steps]
    cases.append(Case("", "prize", STORED, "COMPLETED", "125.00"))
    for dies in (WHILE_ASKING, HEARD, STORED):
        cases.append(Case("lost prize", "", dies, "ROLLED_BACK", "100.00"))
    return cases


@dataclass
class Prepared:
    """Scenes whose server is gone, and the database that has all of them, with nothing pending."""

    database_url: str
    scenes: dict[Case, Seamless]


@pytest.fixture(scope="module")
async def prepared(
    postgres: EmbeddedPostgres, request: pytest.FixtureRequest
) -> AsyncIterator[Prepared]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_of_its_own(postgres.url))
        await prepare(url)
        made = Prepared(url, {})
        async with PurserProcess("--database-url", url) as server:
            installation = Installation(server.address)
            for case in chosen_cases(request):
                games = await installation.new_casino(BACKEND, LOYALTY)
                operator_id: str = games.operator_id  # type: ignore[attr-defined]
                keeper = await stack.enter_async_context(ReferenceCasino(operator_id, SECRET))
                scene = made.scenes[case] = Seamless(games, keeper, installation, operator_id)
                await scene.call_the_casino_at(keeper.address)
                player = await scene.new_player(100)
                if case.first.startswith("bet"):
                    await scene.games.bet(player, eur("5.00"), "r1", "b1")
                if case.is_of_prize:
                    await PrizeDesk(scene.games).grant(player)
            await installation.close()
        yield made


@pytest.fixture(scope="module")
async def plays(postgres: EmbeddedPostgres, prepared: Prepared) -> AsyncIterator[SideBySide[Case]]:
    async def play(case: Case) -> None:
        template = prepared.database_url
        async with database_of_its_own(postgres.url, template) as url:
            if "lost" in case.first:
                await _lose(case, prepared.scenes[case], url)
            await _die(case, prepared.scenes[case], url)
            await _rise(case, prepared.scenes[case], url)

    async with SideBySide(play, prepared.scenes, MOST_AT_ONCE) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("case", _cases(), ids=str)
async def test_what_was_under_way_when_purser_died_is_settled_after_it(
    plays: SideBySide[Case], case: Case
) -> None:
    await plays.of(case)


async def _lose(case: Case, scene: Seamless, database_url: str) -> None:
    """Let something come to be lost, and what refers to it wait, with nobody to see to it."""
    lost = "bet" if case.first.startswith("lost bet") else case.first.split()[-1]
    async with (
        PurserProcess("--database-url", database_url) as server,
        beside(scene.games, server) as games,
    ):
        scene.casino.faults.set(f"{lost}:drop-after,rollback:unavailable")
        before = scene.seen_from(games, scene.installation)
        for words in case.first.removeprefix("bet, ").split(", "):
            await outcome(_call(words.split()[-1], before))


def _call(movement: str, scene: Seamless) -> Awaitable[Any]:
    (player,) = scene.brought
    if movement == "bet":
        return scene.games.bet(player, eur("5.00"), "r1", "b1")
    if movement == "win":
        return scene.games.win(player, eur("20.00"), "r1", "b1", "w1")
    if movement == "prize":
        return PrizeDesk(scene.games).give_back(player, "p1")
    return scene.games.rollback(player, "b1", "r1")


async def _die(case: Case, scene: Seamless, database_url: str) -> None:
    keeper = scene.casino
    rpc = "PrizeCashback" if case.rpc == "prize" else case.rpc.capitalize()
    keeper.faults.set(f"{case.rpc}:late=60s" if case.dies == WHILE_ASKING else "")
    asked = keeper.calls(rpc)
    kill_at = None if case.dies == WHILE_ASKING else case.dies
    async with (
        PurserProcess("--database-url", database_url, env={KILL_AT: kill_at}) as server,
        beside(scene.games, server) as games,
    ):
        call = None
        if case.movement:
            dying = scene.seen_from(games, scene.installation)
            call = asyncio.create_task(outcome(_call(case.movement, dying)))
        if case.dies == WHILE_ASKING:
            async with asyncio.timeout(DIES_WITHIN_S):
                while keeper.calls(rpc) == asked:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.01)
            await server.kill()
        assert server.process is not None
        assert await asyncio.wait_for(server.process.wait(), DIES_WITHIN_S) == -9
        if call is not None:
            assert isinstance(await call, Failure), "the server did not die before it answered"


async def _rise(case: Case, scene: Seamless, database_url: str) -> None:
    scene.casino.faults.set("")
    async with (
        PurserProcess("--database-url", database_url) as server,
        beside(scene.games, server) as games,
    ):
        installation = Installation(server.address)
        again = scene.seen_from(games, installation)
        if case.is_of_prize and case.ends == "ROLLED_BACK":
            # It is known from the start; whether the rollback has begun by now is chance.
            assert await PrizeDesk(games).told("p1") in (PENDING, FAILED)

        await again.all_settled()

        assert state_of(await games.transaction(case.watched)) == case.ends
        (player,) = scene.brought
        assert again.money(player) == eur(case.left).minor_units
        if case.movement:
            # Who asks again hears how it ended.
            told = heard(await outcome(_call(case.movement, again)))
            assert told in (case.ends, f"TRANSACTION_{case.ends}", TOLD_OF_PRIZE[case.ends])
        if case.is_of_prize:
            desk = PrizeDesk(games)
            assert await desk.told("p1") == TOLD_OF_PRIZE[case.ends]
            assert await desk.state() == (CASHED_BACK if case.ends == "COMPLETED" else GRANTED)
        await again.assert_agreement()
        await installation.close()
