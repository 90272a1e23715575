"""Prizes as they are listed: all of a page as of one time."""

from __future__ import annotations

from purser_server.store.engine import make_engine
from purser_server.store.prizes import PostgresPrizes
from purser_server.usecases.loyalty_ports import PrizeFilter
from tests.support.client import Client, Installation
from tests.support.databases import connected
from tests.support.prizes import PrizeDesk
from tests.support.process import PurserProcess

PRIZES = 40


async def test_all_prizes_of_a_page_are_judged_by_one_time(own_database: str) -> None:
    async with PurserProcess("--database-url", own_database) as server:
        installation = Installation(server.address)
        casino: Client = await installation.new_casino()
        operator_id: str = casino.operator_id  # type: ignore[attr-defined]
        desk = await PrizeDesk.of(installation, operator_id)
        player = await casino.new_player()
        for number in range(PRIZES):
            await desk.grant(player, f"p{number}")
        await installation.close()
    async with connected(own_database) as connection:
        operator = await connection.fetchval("SELECT operator_no FROM operators")
    engine = make_engine(own_database)
    try:
        found = await PostgresPrizes(engine).prizes(operator, PrizeFilter(), None, PRIZES)
    finally:
        await engine.dispose()
    assert len(found) == PRIZES
    assert len({as_of for _, as_of in found}) == 1
