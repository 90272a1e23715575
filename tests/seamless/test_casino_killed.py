"""kill -9 of the casino while it is asked: it comes back with what it had stored, and all agree."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from purser_casino import ReferenceCasino
from tests.seamless.scene import SECRET, Seamless, heard, state_of
from tests.support.calls import outcome
from tests.support.casino_process import CasinoProcess
from tests.support.client import Client, Installation, eur

KILLS = 4
PLAYERS = 8

# Between what it stores and what it answers there is time to die.
SLOW = ",".join(
    f"{rpc}:{fault}=80ms%30" for rpc in ("bet", "win", "rollback") for fault in ("late", "delay")
)

ENDS = {
    "COMPLETED": {"COMPLETED", "ROLLED_BACK"},  # a game rolls some bets back
    "PENDING": {"COMPLETED"},
    "CASINO_UNREACHABLE PENDING": {"ROLLED_BACK"},
    "CASINO_UNREACHABLE NOT_SENT": {""},
}
"""What a game hears, and how that ends."""


@dataclass
class Mortal:
    """A casino as a process of its own; `scene.casino` looks into its database."""

    scene: Seamless
    process: CasinoProcess


@pytest.fixture
async def mortal(
    installation: Installation, casino: Client, tmp_path: Path
) -> AsyncIterator[Mortal]:
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    file = str(tmp_path / "casino.db")
    window = ReferenceCasino(operator_id, SECRET, database=file)
    options = ("--database", file, "--faults", SLOW)
    async with CasinoProcess(operator_id, SECRET, *options) as process:
        scene = Seamless(casino, window, installation, operator_id)
        await scene.call_the_casino_at(process.address)
        yield Mortal(scene, process)
    await window.stop(0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_a_casino_killed_again_and_again_agrees_in_the_end(mortal: Mortal, seed: int) -> None:
    dice = random.Random(seed)
    scene = mortal.scene
    players = [await scene.new_player(100) for _ in range(PLAYERS)]
    over = asyncio.Event()
    heard_of: dict[str, str] = {}
    games = [asyncio.create_task(_play(scene, player, over, heard_of, dice)) for player in players]

    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.2, 0.8))
        await mortal.process.kill()
        await asyncio.sleep(dice.uniform(0, 0.5))
        await mortal.process.start()
    over.set()
    await asyncio.gather(*games)
    await scene.all_settled()

    found = {of.transaction_id: state_of(of) for of in await scene.transactions()}
    for transaction_id, told in heard_of.items():
        assert found.get(transaction_id, "") in ENDS[told], (transaction_id, told)
    # Whether a win or a probe was under way at a kill is chance; that bets were is nearly certain.
    least = {"COMPLETED", "CASINO_UNREACHABLE PENDING"}
    assert least <= set(heard_of.values()), "no kill was felt: the test has tested nothing"
    await scene.assert_agreement()


async def _play(
    scene: Seamless,
    player: str,
    over: asyncio.Event,
    heard_of: dict[str, str],
    dice: random.Random,
) -> None:
    """Play rounds until it is over, and write down what was heard."""
    games, number = scene.games, 0
    while not over.is_set():
        number += 1
        name = f"{player}-{number}"
        bet = heard(await outcome(games.bet(player, eur("3.00"), name, f"{name}-b")))
        heard_of[f"{name}-b"] = bet
        if bet != "COMPLETED":
            await asyncio.sleep(0.05)
            continue
        if dice.random() < 0.7:
            call = games.win(player, eur("4.00"), name, f"{name}-b", f"{name}-w", close_round=True)
            heard_of[f"{name}-w"] = heard(await outcome(call))
        else:
            call = games.rollback(player, f"{name}-b", f"{name}-u")
            heard_of[f"{name}-u"] = heard(await outcome(call))
