"""Movements that are due are handed out to one taker at a time, a few of each operator."""

from __future__ import annotations

from purser_casino import ReferenceCasino
from purser_server.store.engine import make_engine
from purser_server.store.pending import PostgresPending
from tests.seamless.scene import SECRET, Seamless
from tests.support.calls import outcome
from tests.support.client import Installation, eur
from tests.support.databases import connected
from tests.support.process import PurserProcess


async def backlog(installation: Installation, size: int) -> Seamless:
    """An operator whose casino is away, with so many bets that nobody knows of."""
    casino = await installation.new_casino()
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        scene = Seamless(casino, keeper, installation, operator_id)
        await scene.call_the_casino_at(keeper.address)
        player = await scene.new_player()
        await scene.games.bet(player, eur("1.00"), "r", "bet")
        keeper.faults.set("*:unavailable")
        for number in range(size):
            await outcome(scene.games.win(player, eur("1.00"), "r", "bet", f"w{number}"))
    return scene


async def test_a_few_of_each_operator_and_none_of_the_busy(own_database: str) -> None:
    async with PurserProcess("--database-url", own_database) as server:
        installation = Installation(server.address)
        one, two = [await backlog(installation, 4) for _ in range(2)]
        await installation.close()
    async with connected(own_database) as connection:
        await connection.execute("UPDATE pending SET due_time = now() - interval '1 second'")
        numbers = dict(await connection.fetch("SELECT operator_id, operator_no FROM operators"))
    first, second = numbers[one.operator_id], numbers[two.operator_id]
    engine = make_engine(own_database)
    try:
        pending = PostgresPending(engine)

        taken = await pending.take_due(10, 3, [])
        assert sorted(operator for operator, _ in taken) == [first] * 3 + [second] * 3
        assert [operator for operator, _ in await pending.take_due(10, 3, [first])] == [second]
        assert [operator for operator, _ in await pending.take_due(10, 3, [])] == [first]
        # All are held now, each for an attempt and a margin.
        assert not await pending.take_due(10, 3, [])

        waiting = await pending.waiting()
        assert {operator: found[:2] for operator, found in waiting.items()} == {
            one.operator_id: (4, 0),
            two.operator_id: (4, 0),
        }
        assert all(oldest > 0 for _, _, oldest in waiting.values())
    finally:
        await engine.dispose()
