"""Calls that concern the same players in opposite orders: nobody waits for ever, nobody fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from purser.wallet.v1 import wallet_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import beside
from tests.support.client import Client, Installation, eur, new_id
from tests.support.process import PurserProcess

PLAYERS = 6
CALLERS = 6
CALLS_EACH = 25


@pytest.fixture(scope="module", params=["1 server", "2 servers", "2 workers", "4 workers"])
async def servers(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres
) -> AsyncIterator[list[PurserProcess]]:
    """The processes that serve one database; workers share one port."""
    count, what = request.param.split()
    options = [["--workers", count]] if what == "workers" else [[]] * int(count)
    async with AsyncExitStack() as stack:
        processes = [PurserProcess("--database-url", postgres.url, *more) for more in options]
        yield [await stack.enter_async_context(process) for process in processes]
    for process in processes:
        errors = process.errors.decode()
        assert "Traceback" not in errors, errors


@pytest.fixture
async def callers(casino: Client, servers: list[PurserProcess]) -> AsyncIterator[list[Client]]:
    """Clients of one casino, each on a connection of its own."""
    clients = [beside(casino, servers[i % len(servers)]) for i in range(CALLERS)]
    yield clients
    for client in clients:
        await client.close()


def deposit(player: str) -> wallet_service_pb2.Operation:
    return wallet_service_pb2.Operation(
        deposit=wallet_service_pb2.DepositRequest(
            transaction_id=new_id(), player_id=player, amount=eur("1.00")
        )
    )


def transfer(giver: str, taker: str) -> list[wallet_service_pb2.Operation]:
    withdrawal = wallet_service_pb2.WithdrawRequest(
        transaction_id=new_id(), player_id=giver, amount=eur("1.00")
    )
    return [wallet_service_pb2.Operation(withdraw=withdrawal), deposit(taker)]


async def execute(
    client: Client, operations: list[wallet_service_pb2.Operation], *, atomic: bool
) -> Any:
    return await client.wallet.Execute(
        wallet_service_pb2.ExecuteRequest(operations=operations, atomic=atomic), timeout=60
    )


@pytest.mark.parametrize("atomic", [False, True])
async def test_deposits_to_the_same_players_in_opposite_orders_all_succeed(
    casino: Client, callers: list[Client], installation: Installation, atomic: bool
) -> None:
    players = [await casino.new_player() for _ in range(PLAYERS)]

    async def pay(number: int, client: Client) -> None:
        order = players if number % 2 else players[::-1]
        for _ in range(CALLS_EACH):
            answer = await execute(client, [deposit(player) for player in order], atomic=atomic)
            kinds = [result.WhichOneof("result") for result in answer.results]
            assert kinds == ["transaction"] * PLAYERS, answer

    await asyncio.gather(*(pay(number, client) for number, client in enumerate(callers)))
    for player in players:
        assert await casino.balance(player) == 100 * CALLERS * CALLS_EACH
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


async def test_atomic_transfers_in_opposite_orders_keep_the_sum(
    casino: Client, callers: list[Client], installation: Installation
) -> None:
    players = [await casino.new_player(money=eur("5.00")) for _ in range(PLAYERS)]

    async def move(number: int, client: Client) -> tuple[int, int]:
        done = failed = 0
        for turn in range(CALLS_EACH):
            # Each caller goes around the ring, every other one against the clock.
            step = 1 if number % 2 else -1
            giver = players[(number + step * turn) % PLAYERS]
            taker = players[(number + step * (turn + 1)) % PLAYERS]
            results = (await execute(client, transfer(giver, taker), atomic=True)).results
            kinds = {result.WhichOneof("result") for result in results}
            assert len(kinds) == 1, "all or nothing"
            done, failed = (done + 1, failed) if kinds == {"transaction"} else (done, failed + 1)
        return done, failed

    counts = await asyncio.gather(*(move(n, client) for n, client in enumerate(callers)))
    assert sum(done for done, _ in counts) > 0
    balances = [await casino.balance(player) for player in players]
    assert sum(balances) == 500 * PLAYERS
    assert min(balances) >= 0
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


async def test_the_same_group_sent_by_all_callers_happens_once(
    casino: Client, callers: list[Client], installation: Installation
) -> None:
    players = [await casino.new_player() for _ in range(PLAYERS)]
    operations = [deposit(player) for player in players]
    answers = await asyncio.gather(
        *(execute(client, operations, atomic=True) for client in callers for _ in range(5))
    )
    not_replayed = [
        answer for answer in answers if not any(result.replayed for result in answer.results)
    ]
    assert len(not_replayed) == 1
    shown = {
        tuple(result.transaction.SerializeToString(deterministic=True) for result in answer.results)
        for answer in answers
    }
    assert len(shown) == 1, "every caller is told the same"
    for player in players:
        assert await casino.balance(player) == 100
