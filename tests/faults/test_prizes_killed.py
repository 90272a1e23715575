"""Prizes in transfer mode under a kill: whoever asks again has the money once, or the prize."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.support.calls import answers, together
from tests.support.client import BACKEND, LOYALTY, Client, Installation, eur
from tests.support.prizes import CASHED_BACK, CONFIRMED, GRANTED, PrizeDesk, state_of
from tests.support.process import PurserProcess

PRIZES = 120


@pytest.fixture
async def servers(own_database: str) -> AsyncIterator[list[PurserProcess]]:
    """Two servers on one database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(PurserProcess("--database-url", own_database))
            for _ in range(2)
        ]


@pytest.mark.slow
async def test_a_server_killed_among_returns_leaves_the_money_or_the_prize(
    servers: list[PurserProcess],
) -> None:
    dying, other = servers
    installation = Installation(other.address)
    casino = await installation.new_casino(BACKEND, LOYALTY)
    desk = PrizeDesk(casino)
    doomed = PrizeDesk(Client(dying.address, casino.api_key))  # type: ignore[attr-defined]
    players = [await casino.new_player() for _ in range(PRIZES)]
    for player in players:
        await desk.grant(player, f"of-{player}", eur("2.00"))

    def returned(at: PrizeDesk) -> asyncio.Task[list[object]]:
        calls = (at.give_back(player, f"r-{player}", f"of-{player}") for player in players)
        return asyncio.create_task(together(calls))

    calls = returned(doomed)
    while await desk.state(f"of-{players[0]}") == GRANTED:
        pass
    await dying.kill()
    heard = answers(await calls)

    assert {state_of(of.prize_cashback) for of in heard} <= {CONFIRMED}
    await installation.assert_consistent()
    for player in players:
        is_paid = await casino.balance(player) == 200
        assert is_paid == (await desk.state(f"of-{player}") == CASHED_BACK)
    again = await returned(desk)
    assert [state_of(of.prize_cashback) for of in answers(again)] == [CONFIRMED] * PRIZES
    assert {await casino.balance(player) for player in players} == {200}
    await installation.assert_consistent()
    await doomed.client.close()
    await installation.close()
