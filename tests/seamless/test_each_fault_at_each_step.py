"""Each thing that can go wrong at a casino, at each call: what the game hears, and how it ends.

All cases play at the same time, each at a casino of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from purser_casino import ReferenceCasino
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.seamless.scene import SECRET, SETTLED_WITHIN_S, Seamless, heard, state_of
from tests.support.calls import outcome
from tests.support.client import BACKEND, LOYALTY, Installation, eur
from tests.support.databases import connected
from tests.support.prizes import CASHED_BACK, CONFIRMED, DENIED, FAILED, GRANTED, PrizeDesk
from tests.support.process import PurserProcess
from tests.support.side_by_side import SideBySide, chosen_cases

MOST_AT_ONCE = 10
DEADLINE_MS = 1_000

BET = "bet"
WIN = "win"
ROLLBACK_OF_BET = "rollback of a bet"
ROLLBACK_OF_WIN = "rollback of a win"
OWN_ROLLBACK = "Purser's rollback of a lost bet"
PRIZE = "prize"
ROLLBACK_OF_PRIZE = "Purser's rollback of a lost prize"

COMPLETED, REFUSED, ROLLED_BACK = "COMPLETED", "REFUSED", "ROLLED_BACK"
PENDING, OPEN_CASE = "PENDING", "OPEN CASE"
UNREACHABLE = "CASINO_UNREACHABLE PENDING"

UNKNOWN = (
    *("hang", "delay=3s", "before-late=2s", "late=2s", "drop-before", "drop-after"),
    *("unavailable", "internal", "unauthenticated", "invalid-argument", "unimplemented"),
    *("unspecified", "unknown-outcome", "in-progress=99"),
)
"""After these nobody knows what the casino has done."""

HARMLESS = (
    *("delay=100ms", "before-late=100ms", "late=100ms", "twice", "in-progress=2"),
    *("nonsense-balance=negative", "nonsense-balance=currency", "nonsense-balance=missing"),
)
REFUSALS = {
    "insufficient": "INSUFFICIENT_FUNDS",
    "player-not-found": "PLAYER_NOT_FOUND",
    "suspended": "PLAYER_SUSPENDED",
    "self-excluded": "PLAYER_SELF_EXCLUDED",
    "limit": "CASINO_REFUSED",
    "not-eligible": "CASINO_REFUSED",
    "refused": "CASINO_REFUSED",
    "currency": "CASINO_REFUSED",
}

LEFT = {
    (BET, COMPLETED): "95.00",
    (BET, REFUSED): "100.00",
    (BET, ROLLED_BACK): "100.00",
    (WIN, COMPLETED): "115.00",
    (WIN, OPEN_CASE): "95.00",
    (ROLLBACK_OF_BET, COMPLETED): "100.00",
    (ROLLBACK_OF_BET, OPEN_CASE): "95.00",
    (ROLLBACK_OF_WIN, COMPLETED): "95.00",
    (ROLLBACK_OF_WIN, REFUSED): "115.00",
    (ROLLBACK_OF_WIN, OPEN_CASE): "115.00",
    (OWN_ROLLBACK, ROLLED_BACK): "100.00",
    (OWN_ROLLBACK, COMPLETED): "95.00",
    (OWN_ROLLBACK, REFUSED): "100.00",
    (PRIZE, COMPLETED): "125.00",
    (PRIZE, REFUSED): "100.00",
    (PRIZE, ROLLED_BACK): "100.00",
    (ROLLBACK_OF_PRIZE, ROLLED_BACK): "100.00",
}
"""What a player who brought 100.00 has at the end, after a bet of 5.00 and a win of 20.00, or for a
prize of 25.00."""


@dataclass(frozen=True)
class Case:
    movement: str
    fault: str
    hears: str
    ends: str

    def __str__(self) -> str:
        return f"{self.movement}: {self.fault}"

    @property
    def faults(self) -> str:
        """The faults as the casino is told them."""
        if self.movement == OWN_ROLLBACK:
            return f"bet:drop-after,rollback:{self.fault}@1"
        if self.movement == ROLLBACK_OF_PRIZE:
            return f"prize:drop-after,rollback:{self.fault}@1"
        return f"{self.movement.split()[0]}:{self.fault}"


def _cases() -> list[Case]:
    cases = [Case(BET, fault, UNREACHABLE, ROLLED_BACK) for fault in UNKNOWN]
    cases += [Case(BET, fault, reason, REFUSED) for fault, reason in REFUSALS.items()]
    cases += [Case(BET, fault, COMPLETED, COMPLETED) for fault in HARMLESS]
    for movement in (WIN, ROLLBACK_OF_BET, ROLLBACK_OF_WIN):
        cases += [Case(movement, fault, PENDING, COMPLETED) for fault in UNKNOWN]
        cases += [Case(movement, fault, COMPLETED, COMPLETED) for fault in HARMLESS]
        cases += [
            Case(movement, fault, PENDING, OPEN_CASE)
            for fault in REFUSALS
            if (movement, fault) != (ROLLBACK_OF_WIN, "insufficient")
        ]
    cases.append(Case(ROLLBACK_OF_WIN, "insufficient", "INSUFFICIENT_FUNDS", REFUSED))
    cases += [
        Case(OWN_ROLLBACK, fault, UNREACHABLE, ROLLED_BACK)
        for fault in (*UNKNOWN, *HARMLESS, *REFUSALS)
    ]
    return cases + _cases_of_prizes()


def _cases_of_prizes() -> list[Case]:
    cases = [Case(PRIZE, fault, FAILED, ROLLED_BACK) for fault in UNKNOWN]
    cases += [Case(PRIZE, fault, DENIED, REFUSED) for fault in REFUSALS]
    cases += [Case(PRIZE, fault, CONFIRMED, COMPLETED) for fault in HARMLESS]
    cases += [
        Case(ROLLBACK_OF_PRIZE, fault, FAILED, ROLLED_BACK)
        for fault in (*UNKNOWN, *HARMLESS, *REFUSALS)
    ]
    return cases


@pytest.fixture(scope="module")
async def plays(
    server: PurserProcess, postgres: EmbeddedPostgres, request: pytest.FixtureRequest
) -> AsyncIterator[SideBySide[Case]]:
    installation = Installation(server.address)

    async def play(case: Case) -> None:
        await _play(case, installation, postgres)

    async with SideBySide(play, chosen_cases(request), MOST_AT_ONCE) as made:
        yield made
    await installation.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", _cases(), ids=str)
async def test_a_fault_is_told_and_ends_in_agreement(plays: SideBySide[Case], case: Case) -> None:
    await plays.of(case)


async def _play(case: Case, installation: Installation, postgres: EmbeddedPostgres) -> None:
    games = await installation.new_casino(BACKEND, LOYALTY)
    operator_id: str = games.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        scene = Seamless(games, keeper, installation, operator_id)
        await scene.call_the_casino_at(keeper.address, DEADLINE_MS)
        player = await scene.new_player(100)
        await _before(case, scene, player)
        keeper.faults.set(case.faults)

        assert await _asked(case, scene, player) == case.hears

        await _lifted(case, keeper)
        assert await _end(case, scene, postgres) == case.ends
        await scene.assert_agreement()
        assert scene.money(player) == eur(LEFT[case.movement, case.ends]).minor_units
        if case.movement in (PRIZE, ROLLBACK_OF_PRIZE):
            await _prize_agrees(case, scene, player)


async def _prize_agrees(case: Case, scene: Seamless, player: str) -> None:
    """The player has the money or the prize, and hears the same for ever."""
    desk = PrizeDesk(scene.games)
    assert await desk.state() == (CASHED_BACK if case.ends == COMPLETED else GRANTED)
    assert await desk.hears(player, "the one") == await desk.told("the one") == case.hears
    if case.ends != COMPLETED:
        assert await desk.hears(player, "another") == CONFIRMED
        assert scene.money(player) == eur("125.00").minor_units


async def _before(case: Case, scene: Seamless, player: str) -> None:
    if case.movement in (WIN, ROLLBACK_OF_BET, ROLLBACK_OF_WIN):
        await scene.games.bet(player, eur("5.00"), "r1", "b1")
    if case.movement == ROLLBACK_OF_WIN:
        await scene.games.win(player, eur("20.00"), "r1", "b1", "w1")
    if case.movement in (PRIZE, ROLLBACK_OF_PRIZE):
        await PrizeDesk(scene.games).grant(player)


async def _asked(case: Case, scene: Seamless, player: str) -> str:
    """Ask for the movement; return what the caller hears."""
    games = scene.games
    if case.movement in (PRIZE, ROLLBACK_OF_PRIZE):
        return heard(await outcome(PrizeDesk(games).give_back(player, "the one")))
    if case.movement in (BET, OWN_ROLLBACK):
        return heard(await outcome(games.bet(player, eur("5.00"), "r1", "the one")))
    if case.movement == WIN:
        return heard(await outcome(games.win(player, eur("20.00"), "r1", "b1", "the one")))
    original = "b1" if case.movement == ROLLBACK_OF_BET else "w1"
    return heard(await outcome(games.rollback(player, original, "the one")))


async def _lifted(case: Case, keeper: ReferenceCasino) -> None:
    """Let all go well from here on."""
    if case.movement in (OWN_ROLLBACK, ROLLBACK_OF_PRIZE):
        # The caller has been answered; the rollback may still be on its way to its fault.
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while not keeper.calls("Rollback"):  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.02)
    keeper.faults.set("")


async def _end(case: Case, scene: Seamless, postgres: EmbeddedPostgres) -> str:
    if case.ends == OPEN_CASE:
        return await _pending_as(scene.operator_id, postgres)
    return state_of(await scene.settled("the one"))


async def _pending_as(operator_id: str, postgres: EmbeddedPostgres) -> str:
    """Tell whether the operator's one pending movement waits for a person or for the next try."""
    async with connected(postgres.url) as connection:
        is_case = await connection.fetchval(
            "SELECT is_case FROM pending JOIN operators USING (operator_no) WHERE operator_id = $1",
            operator_id,
        )
    return OPEN_CASE if is_case else f"PENDING, is_case {is_case}"
