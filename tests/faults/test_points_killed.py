"""Points under kills and races: expired once, spent once, and never both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from purser.loyalty.v1 import loyalty_pb2, points_service_pb2_grpc
from purser.loyalty.v1 import points_service_pb2 as pb
from tests.support.calls import answers, reasons, together
from tests.support.client import LOYALTY, Client, Installation, new_id
from tests.support.databases import connected
from tests.support.process import PurserProcess

EXPIRY = loyalty_pb2.POINTS_TRANSACTION_TYPE_EXPIRY
REDEMPTION = loyalty_pb2.POINTS_TRANSACTION_TYPE_REDEMPTION
WITHIN_S = 60.0


@pytest.fixture
async def servers(own_database: str) -> AsyncIterator[list[PurserProcess]]:
    """Two servers on one database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(PurserProcess("--database-url", own_database))
            for _ in range(2)
        ]


async def backends(servers: list[PurserProcess]) -> tuple[Client, list[Any]]:
    """Return a casino's backend, and its points at each server."""
    installation = Installation(servers[0].address)
    casino = await installation.new_casino()
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    loyalty: Any = await installation.new_client(operator_id, LOYALTY)
    clients = [Client(server.address, loyalty.api_key) for server in servers]
    return casino, [points_service_pb2_grpc.PointsServiceStub(of.channel) for of in clients]


async def gift(points: Any, player: str, amount: int, lives_s: float = 0) -> None:
    request = pb.AdjustPointsRequest(
        transaction_id=new_id("gift"), player_id=player, points=amount, reason="a gift"
    )
    if lives_s:
        request.expire_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=lives_s))
    await points.AdjustPoints(request)


async def history(points: Any, player: str) -> list[Any]:
    request = pb.ListPointsTransactionsRequest(player_id=player, page_size=1_000)
    return list((await points.ListPointsTransactions(request)).points_transactions)


def redeem(backend: Any, player: str, transaction_id: str, **what: Any) -> Any:
    return backend.RedeemPoints(
        pb.RedeemPointsRequest(transaction_id=transaction_id, player_id=player, **what)
    )


async def assert_consistent(server: PurserProcess) -> None:
    installation = Installation(server.address)
    await installation.assert_consistent()
    await installation.close()


@pytest.mark.slow
async def test_a_server_killed_while_it_posts_what_expired_costs_nothing(
    own_database: str, servers: list[PurserProcess]
) -> None:
    casino, (points, others) = await backends(servers)
    players = [await casino.new_player() for _ in range(60)]
    for player in players:
        await gift(points, player, 10, lives_s=4.0)
        await gift(points, player, 5)

    async with connected(own_database) as connection, asyncio.timeout(WITHIN_S):
        count = "SELECT count(*) FROM lots WHERE expire_time <= clock_timestamp()"
        while not await connection.fetchval(count):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        # Both servers look for what has expired, and one of them dies of it.
        await servers[0].kill()
        any_left = "SELECT count(*) FROM lots WHERE expire_time IS NOT NULL"
        while await connection.fetchval(any_left):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)

    for player in players:
        expired = [of.points for of in await history(others, player) if of.type == EXPIRY]
        assert expired == [-10], player
    await assert_consistent(servers[1])


@pytest.mark.slow
async def test_points_are_spent_or_expire_and_never_both(servers: list[PurserProcess]) -> None:
    casino, both = await backends(servers)
    player = await casino.new_player()
    await gift(both[0], player, 1_000, lives_s=1.5)

    async def spend(number: int) -> Any:
        # Around the very time of the expiry.
        await asyncio.sleep(1.3 + number / 500)
        return await redeem(both[number % 2], player, f"r{number}", points=5)

    found = await together(spend(number) for number in range(200))

    spent = 5 * len(answers(found))
    assert set(reasons(found)) == {"INSUFFICIENT_POINTS"}
    told = await history(both[0], player)
    assert sum(of.points for of in told if of.type == REDEMPTION) == -spent
    assert sum(of.points for of in told if of.type == EXPIRY) == spent - 1_000
    assert 0 < spent < 1_000, "the race was over before it began"
    await assert_consistent(servers[0])


@pytest.mark.slow
async def test_holds_and_redemptions_race_on_one_balance(servers: list[PurserProcess]) -> None:
    casino, both = await backends(servers)
    player = await casino.new_player()
    await gift(both[0], player, 100)

    def hold(number: int) -> Any:
        request = pb.HoldPointsRequest(hold_id=f"h{number}", player_id=player, points=10)
        return both[number % 2].HoldPoints(request)

    calls = [redeem(both[n % 2], player, f"r{n}", points=10) for n in range(15)]
    found = await together([*calls, *(hold(number) for number in range(15))])
    assert len(answers(found)) == 10

    # Each hold that there is is captured by one of many, or released, and never both.
    holds = [answer.hold.hold_id for answer in answers(found) if hasattr(answer, "hold")]
    ends = await together(
        call
        for hold_id in holds
        for call in (
            redeem(both[0], player, f"c-{hold_id}", hold_id=hold_id),
            redeem(both[1], player, f"d-{hold_id}", hold_id=hold_id),
            both[1].ReleaseHold(pb.ReleaseHoldRequest(hold_id=hold_id)),
        )
    )
    assert len(answers(ends)) == len(holds)
    assert set(reasons(ends)) <= {"HOLD_NOT_ACTIVE"}
    balance = (
        await both[0].GetPointsBalance(pb.GetPointsBalanceRequest(player_id=player))
    ).points_balance
    told = await history(both[0], player)
    assert balance.held == 0
    assert balance.total == balance.available == sum(of.points for of in told)
    await assert_consistent(servers[0])
