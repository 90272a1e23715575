"""kill -9 of Purser between any two steps of a movement: nothing is lost, doubled or guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from purser_casino import ReferenceCasino
from purser_server.ops.checkpoints import KILL_AT
from purser_server.usecases.seamless import Step
from tests.seamless.scene import SECRET, Seamless
from tests.support.calls import outcome
from tests.support.client import Client, Failure, Installation, eur, new_id
from tests.support.process import PurserProcess, data_dir_options


@pytest.fixture(scope="module")
def data_dir(short_tmp: Path) -> Path:
    return short_tmp / new_id("kills")


@pytest.fixture
async def operator_id(data_dir: Path) -> AsyncIterator[str]:
    """An operator in seamless mode, made before the server dies."""
    yield new_id("casino")


async def _scene(server: PurserProcess, keeper: ReferenceCasino, operator_id: str) -> Seamless:
    installation = Installation(server.address)
    client: Client = await installation.new_casino(operator_id=operator_id)
    return Seamless(client, keeper, installation, operator_id)


MOVEMENTS = ["bet", "win", "rollback"]


@pytest.mark.slow
@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("movement", MOVEMENTS)
async def test_what_was_under_way_when_purser_died_is_settled_after_it(
    data_dir: Path, operator_id: str, movement: str, step: Step
) -> None:
    options = data_dir_options(data_dir)
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        async with PurserProcess(*options) as server:
            scene = await _scene(server, keeper, operator_id)
            await scene.call_the_casino_at(keeper.address)
            player = await scene.new_player(100)
            if movement != "bet":
                await scene.games.bet(player, eur("5.00"), "r1", "b1")
            await scene.installation.close()

        async with PurserProcess(*options, env={KILL_AT: step.value}) as server:
            dying = await _scene(server, keeper, operator_id)
            calls = {
                "bet": lambda: dying.games.bet(player, eur("5.00"), "r1", "b1"),
                "win": lambda: dying.games.win(player, eur("20.00"), "r1", "b1", "w1"),
                "rollback": lambda: dying.games.rollback(player, "b1", "u1"),
            }
            found = await outcome(calls[movement]())
            assert isinstance(found, Failure), "the server did not die"
            assert server.process is not None
            await asyncio.wait_for(server.process.wait(), 30)
            await dying.installation.close()

        async with PurserProcess(*options) as server:
            again = await _scene(server, keeper, operator_id)
            again.brought.update(scene.brought)
            await again.all_settled()
            await again.assert_agreement()
            # Whatever was decided, money moved at most once, and all or nothing.
            assert (
                scene.money(player)
                in {
                    "bet": {10_000, 9_500},
                    "win": {11_500},
                    "rollback": {10_000},
                }[movement]
            )
            await again.installation.close()
