"""A casino and a network that go wrong at random: in the end all agree, to the cent."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.seamless.scene import PENDING, TOO_LATE, Seamless
from tests.support.calls import outcome
from tests.support.client import Failure, eur

FAULTS = ",".join(
    f"{rpc}:{fault}"
    for rpc in ("bet", "win", "rollback")
    for fault in (
        "hang%3",
        "drop-before%5",
        "drop-after%5",
        f"late={TOO_LATE}%4",
        f"before-late={TOO_LATE}%4",
        "internal%3",
        "unknown-outcome%4",
        "in-progress=2%8",
        "nonsense-balance%5",
        "twice%5",
    )
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_after_any_faults_casino_transactions_and_ledger_agree(
    seamless: Seamless, seed: int
) -> None:
    dice = random.Random(seed)
    players = [await seamless.new_player(50) for _ in range(6)]
    seamless.casino.faults.set(FAULTS)

    async def play(player: str) -> int:
        answered = 0
        for number in range(12):
            answered += await _round(seamless, dice, player, f"{player}-{number}")
        return answered

    answered = sum(await asyncio.gather(*(play(player) for player in players)))
    seamless.casino.faults.set("")
    await seamless.all_settled()

    assert answered, "nothing went well: the test has not tested anything"
    assert not await seamless.transactions(PENDING)
    await seamless.assert_agreement()


async def _round(seamless: Seamless, dice: random.Random, player: str, name: str) -> int:
    """Play a round as a game does; return how many calls were answered with a success."""
    games = seamless.games
    calls = [lambda: games.bet(player, eur(f"{dice.randint(1, 9)}.00"), name, f"{name}-b")]
    turn = dice.random()
    if turn < 0.6:
        amount = eur(f"{dice.randint(0, 15)}.00")
        calls.append(
            lambda: games.win(player, amount, name, f"{name}-b", f"{name}-w", close_round=True)
        )
    elif turn < 0.8:
        calls.append(lambda: games.rollback(player, f"{name}-b", f"{name}-u"))
    if dice.random() < 0.2:
        # A game server that loses patience and asks again.
        calls.append(calls[-1])
    answered = 0
    for call in calls:
        answered += not isinstance(await outcome(call()), Failure)
    return answered
