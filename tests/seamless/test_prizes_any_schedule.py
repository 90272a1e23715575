"""Whatever happens to prizes: for each there is the money or the prize, never both, never neither.

Each player has a casino of its own, whose faults come and go.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purser.wallet.v1 import player_service_pb2, wallet_pb2
from purser_casino import ReferenceCasino
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.seamless.scene import SECRET, Seamless, heard
from tests.support.calls import outcome
from tests.support.client import Failure, Installation, eur
from tests.support.prizes import (
    CASHED_BACK,
    CONFIRMED,
    DENIED,
    EXPIRED,
    FAILED,
    GRANTED,
    PENDING,
    SHIPMENT_ORDERED,
    PrizeDesk,
    let_all_expire,
)
from tests.support.process import PurserProcess

EXAMPLES = int(os.environ.get("PURSER_PROPERTY_EXAMPLES", "6"))
PATIENT_MS = 5_000
"""No fault here takes so long: each call without a fault is answered."""

PRIZES = {"mug": 2_500, "cap": 1_000, "car": 999_999}
BROUGHT = 1_000

FAULTS = [
    *("", "prize:drop-after", "prize:drop-before", "prize:insufficient", "prize:delay=50ms"),
    *("prize:drop-after,rollback:internal@1-2", "prize:in-progress,*:twice", "*:unspecified@1-2"),
    *("prize:unknown-outcome,rollback:drop-after", "*:drop-before", "*:internal"),
]

RETURN, AGAIN, SHIP = "return", "again", "ship"
EXPIRE, STATUS, SETTLE = "expire", "status", "settle"


@dataclass(frozen=True)
class Draft:
    """What one of several callers does at the same time."""

    kind: str
    prize: str
    pick: int


drafts = st.builds(
    Draft,
    st.sampled_from([*[RETURN] * 6, *[AGAIN] * 2, SHIP, SHIP, STATUS, SETTLE, EXPIRE]),
    st.sampled_from(["mug", "mug", "cap", "car"]),
    st.integers(0, 3),
)
moments = st.tuples(
    st.sampled_from([None, None, *FAULTS]), st.lists(drafts, min_size=1, max_size=4)
)
# Played at the same time, about eight of them: what takes long in them is to wait.
schedules = st.lists(st.lists(moments, min_size=3, max_size=10), min_size=4, max_size=12)


@dataclass
class Game:
    """One player with three prizes: what was asked for, and what was heard of it."""

    scene: Seamless
    desk: PrizeDesk
    player: str
    database: str
    asked: dict[str, str] = field(default_factory=dict)
    """The prize of each request."""
    said: dict[str, set[str]] = field(default_factory=dict)
    shipped: set[str] = field(default_factory=set)
    is_over: bool = False
    """Whether the time of all prizes has come."""
    told: list[str] = field(default_factory=list)
    """What happened, for whoever reads a failure."""

    async def moment(self, faults: str | None, drafts: list[Draft]) -> None:
        if faults is not None:
            self.told.append(f"faults {faults!r}")
            self.scene.casino.faults.set(faults)
        await asyncio.gather(*(self._act(draft) for draft in drafts))

    async def _act(self, draft: Draft) -> None:
        if draft.kind == RETURN:
            name = f"c{len(self.asked)}"
            self.asked[name] = draft.prize
            await self._give_back(name)
        elif draft.kind == AGAIN and self.asked:
            await self._give_back(f"c{draft.pick % len(self.asked)}")
        elif draft.kind == SHIP:
            await self._ship(draft.prize)
        elif draft.kind == STATUS:
            # Suspended by one in four; the others make the player active again.
            await self._status("ACTIVE" if draft.pick else "SUSPENDED")
        elif draft.kind == EXPIRE and not draft.pick:
            await let_all_expire(self.database, self.scene.operator_id)
            self.is_over = True
            self.told.append("their time has come")
        elif draft.kind == SETTLE:
            await self._settle()

    async def _give_back(self, name: str) -> None:
        answer = await outcome(self.desk.give_back(self.player, name, self.asked[name]))
        found = answer.reason if isinstance(answer, Failure) else heard(answer)
        self.told.append(f"{name} for the {self.asked[name]}: {found}")
        assert found in (CONFIRMED, DENIED, FAILED, PENDING, "PRIZE_NOT_RETURNABLE"), self.told
        self.said.setdefault(name, set()).add(found)

    async def _ship(self, prize: str) -> None:
        found = await outcome(self.desk.ship(self.player, prize))
        self.told.append(f"ship the {prize}: {found.reason if found.__class__ is Failure else ''}")
        if isinstance(found, Failure):
            assert found.reason == "PRIZE_NOT_SHIPPABLE", self.told
        else:
            self.shipped.add(prize)

    async def _status(self, name: str) -> None:
        status = wallet_pb2.PlayerStatus.Value(f"PLAYER_STATUS_{name}")
        self.told.append(name)
        await self.scene.games.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(player_id=self.player, status=status)
        )

    async def _settle(self) -> None:
        self.scene.casino.faults.set("")
        await self.scene.all_settled()
        self.told.append("all is settled")

    async def end(self) -> None:
        """Let all settle; what is left must fit together, and with all that was heard."""
        await self._settle()
        ends = {name: await self._end_of(name) for name in self.asked}
        for name, states in self.said.items():
            assert _may_end(states, ends[name]), (name, states, ends[name], self.told)
        won = {self.asked[name]: name for name, state in ends.items() if state == CONFIRMED}
        assert len(won) == sum(state == CONFIRMED for state in ends.values()), (ends, self.told)
        for prize in PRIZES:
            state = await self.desk.state(prize)
            assert state == self._state_of(prize, won), (prize, state, ends, self.told)
        paid = sum(PRIZES[prize] for prize in won)
        assert self.scene.money(self.player) == BROUGHT + paid, (ends, self.told)
        await self.scene.assert_agreement()

    async def _end_of(self, name: str) -> str:
        """Return how a request ended; asked for again it says the same."""
        found = await outcome(self.desk.told(name))
        if isinstance(found, Failure):
            assert found.reason == "TRANSACTION_NOT_FOUND", (name, found)
            return "PRIZE_NOT_RETURNABLE"
        again = heard(await outcome(self.desk.give_back(self.player, name, self.asked[name])))
        assert again == found, (name, again, found, self.told)
        return str(found)

    def _state_of(self, prize: str, won: dict[str, str]) -> str:
        assert not (prize in won and prize in self.shipped), (prize, self.told)
        if prize in won:
            return CASHED_BACK
        if prize in self.shipped:
            return SHIPMENT_ORDERED
        return EXPIRED if self.is_over else GRANTED


def _may_end(said: set[str], end: str) -> bool:
    """Tell whether a request of which this was heard may have ended so."""
    if CONFIRMED in said:
        return end == CONFIRMED
    if DENIED in said:
        return end == DENIED
    if FAILED in said:
        # The casino may have let it stand.
        return end in (FAILED, CONFIRMED)
    # Of equal requests one may hear that it is pending, and none what comes of it.
    return PENDING in said or end == "PRIZE_NOT_RETURNABLE"


async def _play(installation: Installation, database: str, schedule: Any) -> None:
    games = await installation.new_casino()
    operator_id: str = games.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET, faults_seed=1) as keeper:
        scene = Seamless(games, keeper, installation, operator_id)
        await scene.call_the_casino_at(keeper.address, PATIENT_MS)
        player = await scene.new_player(BROUGHT // 100)
        desk = await PrizeDesk.of(installation, operator_id)
        game = Game(scene, desk, player, database)
        for prize, value in PRIZES.items():
            await game.desk.grant(player, prize, eur(f"{value / 100:.2f}"))
        for faults, drafts in schedule:
            await game.moment(faults, drafts)
        await game.end()
    await desk.client.close()
    await games.close()


@pytest.mark.slow
@pytest.mark.timeout(900)  # Far less when it passes; to find the smallest failure takes minutes.
async def test_whatever_happens_there_is_the_money_or_the_prize(
    server: PurserProcess, postgres: EmbeddedPostgres
) -> None:
    installation = Installation(server.address)
    loop = asyncio.get_running_loop()

    async def play_all(schedules: Any) -> None:
        plays: list[Awaitable[None]] = [
            _play(installation, postgres.url, schedule) for schedule in schedules
        ]
        failed = [of for of in await asyncio.gather(*plays, return_exceptions=True) if of]
        if failed:
            raise failed[0]

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(schedules)
    def play(schedules: Any) -> None:
        asyncio.run_coroutine_threadsafe(play_all(schedules), loop).result()

    # In a thread, so that this loop has the casinos meanwhile.
    await asyncio.to_thread(play)
    await installation.close()
