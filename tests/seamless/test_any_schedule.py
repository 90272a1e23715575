"""Whatever games do and whatever goes wrong: what is heard, and what is left, can be true.

Each player has a casino of its own, whose faults come and go. The rules are in `model`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purser.type.v1.money_pb2 import Money
from purser.wallet.v1.wallet_service_pb2 import CloseRoundResponse
from purser_casino import ReferenceCasino
from tests.seamless.model import BET, BROUGHT, CLOSE, ROLLBACK, WIN, Call, Worlds
from tests.seamless.scene import SECRET, Seamless, heard, state_of
from tests.support.calls import outcome
from tests.support.client import Failure, Installation
from tests.support.process import PurserProcess

EXAMPLES = int(os.environ.get("PURSER_PROPERTY_EXAMPLES", "7"))
PATIENT_MS = 5_000
"""No fault here takes so long: each call without a fault is answered."""

FAULTS = [
    "",
    *(f"{rpc}:drop-after" for rpc in ("bet", "win", "rollback", "*")),
    *("win:internal,rollback:drop-after", "rollback:internal,win:drop-after", "*:internal@1"),
    *("*:drop-before", "bet:unknown-outcome", "*:unspecified@1-2", "*:in-progress,*:twice"),
]


@dataclass(frozen=True)
class Draft:
    """A step. `pick` counts from the latest of those calls that it may refer to."""

    kind: str
    amount: int = 0
    round: str = ""
    pick: int = 0
    flag: bool = False
    faults: str | None = None
    """What the casino's faults are from this step on, if they change."""


KINDS = [
    *([BET] * 5 + [WIN] * 4 + [ROLLBACK] * 3),
    *(CLOSE, "again", "changed", "stranger", "rollback unknown", "late bet", "settle"),
]
steps = st.builds(
    Draft,
    st.sampled_from(KINDS),
    st.sampled_from([100, 300, 900, 1_500]),
    st.sampled_from(["r1", "r1", "r2"]),
    st.sampled_from([0, 0, 1, 2, 3]),
    st.sampled_from([False, False, True]),
    st.sampled_from([None, None, None, *FAULTS]),
)
# Played at the same time, about eleven of them: what takes long in them is to wait.
schedules = st.lists(st.lists(steps, min_size=4, max_size=14), min_size=6, max_size=16)


@dataclass
class Game:
    """One player's game: makes calls out of drafts, and keeps the worlds that they leave."""

    scene: Seamless
    player: str
    worlds: Worlds = field(default_factory=Worlds)
    calls: list[Call] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What happened, for whoever reads a failure."""

    async def step(self, draft: Draft) -> None:
        faults = "" if draft.kind == "settle" else draft.faults
        if faults is not None:
            self.told.append(f"faults {faults!r}")
            self.scene.casino.faults.set(faults)
        if draft.kind == "settle":
            await self.scene.all_settled()
            self.told.append("all is settled")
            self.worlds = self.worlds.settled()
        else:
            call = self._call(draft)
            if call is not None:
                await self.make(call)

    async def make(self, call: Call) -> None:
        """Make a call; what is heard must be possible."""
        self.calls.append(call)
        said = heard_of(await outcome(self._send(call)))
        self.told.append(f"{call}: {said}")
        after = self.worlds.hear(call, said)
        possible = self.worlds.could_be_told(call)
        assert after.possible, "\n".join([*self.told, f"but it could only be told {possible}"])
        self.worlds = after

    async def end(self) -> None:
        """Let all settle; what is left must be possible, and the casino must have that money."""
        await self.step(Draft("settle"))
        for call in list(self.calls):
            await self.make(call)
        found = {of.transaction_id: state_of(of) for of in await self.scene.transactions()}
        ends = [
            ({of.call.id: of.state for of in world.known if of.call.kind}, world.standing())
            for world in self.worlds.settled().possible
        ]
        real = {name: state for name, state in found.items() if state != "TOMBSTONE"}
        money = self.scene.money(self.player)
        assert (real, money) in ends, "\n".join(
            [*self.told, f"{real}, {money} is none of", *map(str, ends)]
        )
        await self.scene.assert_agreement()

    def _send(self, call: Call) -> Awaitable[Any]:
        games = self.scene.games
        player = self.player if call.player == "ann" else call.player
        amount = Money(currency_code="EUR", minor_units=call.amount)
        if call.kind == BET:
            return games.bet(player, amount, call.round, call.id)
        if call.kind == WIN:
            closes = call.closes
            return games.win(player, amount, call.round, call.of, call.id, close_round=closes)
        if call.kind == ROLLBACK:
            return games.rollback(player, call.of, call.id)
        return games.close_round(player, call.round, call.id)

    # -- calls out of drafts ---------------------------------------------------------------------

    def _call(self, draft: Draft) -> Call | None:
        """Return the call that a draft asks for, or None when there is nothing to refer to."""
        name = f"{draft.kind.split()[0]}-{len(self.calls)}"
        if draft.kind in (BET, CLOSE):
            return Call(draft.kind, name, amount=draft.amount, round=draft.round)
        if draft.kind == "rollback unknown":
            return Call(ROLLBACK, name, of=f"never-{len(self.calls)}")
        if draft.kind == "late bet":
            stone = self._earlier(0, ROLLBACK)
            known = stone is not None and stone.of.startswith("never-")
            return Call(BET, stone.of, amount=draft.amount, round="r1") if known and stone else None
        if draft.kind == WIN:
            bet = self._earlier(draft.pick, BET)
            return bet and Call(
                WIN, name, "ann", draft.amount, bet.round, of=bet.id, closes=draft.flag
            )
        if draft.kind == ROLLBACK:
            original = self._earlier(draft.pick, BET, WIN, ROLLBACK)
            return original and Call(ROLLBACK, name, of=original.id)
        return self._altered(draft, name)

    def _altered(self, draft: Draft, name: str) -> Call | None:
        earlier = self._earlier(draft.pick, BET, WIN, ROLLBACK, CLOSE)
        if earlier is None or draft.kind == "again":
            return earlier
        if draft.kind == "stranger":
            return replace(earlier, id=name, player="nobody")
        if earlier.kind == ROLLBACK:
            return replace(earlier, of=f"never-{len(self.calls)}")
        if earlier.kind == CLOSE:
            return replace(earlier, round="r3")
        return replace(earlier, amount=earlier.amount + 1)

    def _earlier(self, pick: int, *kinds: str) -> Call | None:
        found = [call for call in self.calls if call.kind in kinds]
        return found[-1 - pick % len(found)] if found else None


def heard_of(answer: Any | Failure) -> str:
    """Return what a game hears; the answer to a close of a round has no state."""
    return "COMPLETED" if isinstance(answer, CloseRoundResponse) else heard(answer)


async def _play(installation: Installation, schedule: list[Draft]) -> None:
    games = await installation.new_casino()
    operator_id: str = games.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET, faults_seed=1) as keeper:
        scene = Seamless(games, keeper, installation, operator_id)
        await scene.call_the_casino_at(keeper.address, PATIENT_MS)
        game = Game(scene, await scene.new_player(BROUGHT // 100))
        for draft in schedule:
            await game.step(draft)
        await game.end()
    await games.close()


@pytest.mark.slow
@pytest.mark.timeout(900)  # Far less when it passes; to find the smallest failure takes minutes.
async def test_whatever_happens_all_that_is_heard_and_left_is_possible(
    server: PurserProcess,
) -> None:
    installation = Installation(server.address)
    loop = asyncio.get_running_loop()

    async def play_all(schedules: list[list[Draft]]) -> None:
        plays = [_play(installation, schedule) for schedule in schedules]
        failed = [of for of in await asyncio.gather(*plays, return_exceptions=True) if of]
        if failed:
            raise failed[0]

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(schedules)
    def play(schedules: list[list[Draft]]) -> None:
        asyncio.run_coroutine_threadsafe(play_all(schedules), loop).result()

    # In a thread, so that this loop has the casinos meanwhile.
    await asyncio.to_thread(play)
    await installation.close()
