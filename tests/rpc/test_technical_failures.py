"""Overload, a database that is away, and a fault of our own: what the caller is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from purser.error.v1 import error_reason_pb2
from purser.wallet.v1 import wallet_service_pb2
from purser_server.app import prepare
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import answers, outcome, reasons, together
from tests.support.catalogue import read_catalogue
from tests.support.client import Failure, Installation, eur, failure_of
from tests.support.databases import connected
from tests.support.process import PurserProcess

CATALOGUE = read_catalogue()
DRIVER_WORDS = (
    *("asyncpg", "sqlalchemy", "postgres", "relation", "column", "select ", "insert "),
    *("traceback", ".py", "transactions_away", "rounds", "undefined", "exception"),
)


def assert_documented(found: Any, reason: str) -> None:
    assert isinstance(found, Failure), "the call succeeded"
    assert found.reason == reason, str(found)
    assert found.code.name == CATALOGUE[reason].code
    assert set(found.metadata) == CATALOGUE[reason].metadata
    assert found.domain == "purser"


async def test_an_overloaded_server_refuses_and_the_same_ids_go_through_later(
    own_database: str,
) -> None:
    narrow = {"PURSER_QUEUE_LIMIT": "1", "PURSER_LANES": "1"}
    async with PurserProcess("--database-url", own_database, env=narrow) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino()
        player = await casino.new_player()
        found = await together(
            casino.deposit(player, eur("1.00"), f"deposit-{i}") for i in range(100)
        )
        refusals = [each for each in found if isinstance(each, Failure)]
        assert refusals, "a queue of one cannot hold a hundred"
        for refusal in refusals:
            assert_documented(refusal, "OVERLOADED")
            assert refusal.metadata == {"queue": "ledger"}
            assert refusal.has_retry_info
        assert await casino.balance(player) == 100 * len(answers(found))
        for i in range(100):
            await casino.deposit(player, eur("1.00"), f"deposit-{i}")
        assert await casino.balance(player) == 10_000
        await installation.assert_consistent()
        await installation.close()


@pytest.mark.slow
async def test_without_its_database_the_server_says_so_and_recovers_by_itself(
    short_tmp: Path,
) -> None:
    async with EmbeddedPostgres(
        short_tmp / "away", settings={"shared_buffers": "16MB"}
    ) as postgres:
        await prepare(postgres.url)
        async with PurserProcess("--database-url", postgres.url) as server:
            installation = Installation(server.address)
            casino = await installation.new_casino()
            player = await casino.new_player(money=eur("5.00"))
            await postgres.stop()
            found = await together(
                [
                    casino.deposit(player, eur("1.00"), "during"),
                    casino.bet(player, eur("1.00"), "r", "bet-during"),
                    casino.balance(player),
                    casino.transaction("unknown"),
                    casino.new_player(player_id="newcomer"),
                    installation.verify(),
                ]
            )
            for each in found:
                assert_documented(each, "LEDGER_UNAVAILABLE")
            await postgres.start()
            async with grpc.aio.insecure_channel(server.address) as channel:
                await channel.channel_ready()
            while isinstance(
                answer := await outcome(casino.deposit(player, eur("1.00"), "during")), Failure
            ):
                assert answer.reason == "LEDGER_UNAVAILABLE"
            assert await casino.balance(player) == 600
            await casino.bet(player, eur("1.00"), "r", "bet-during")
            assert await casino.new_player(player_id="newcomer")
            await installation.assert_consistent()
            await installation.close()
        assert "Traceback" not in server.errors.decode()


async def test_an_internal_error_shows_its_request_id_and_nothing_of_the_inside(
    own_database: str,
) -> None:
    async with PurserProcess("--database-url", own_database) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino()
        player = await casino.new_player(money=eur("5.00"))
        async with connected(own_database) as connection:
            await connection.execute("ALTER TABLE transactions RENAME TO transactions_away")
        calls = [
            lambda: casino.deposit(player, eur("1.00"), "d"),
            lambda: casino.bet(player, eur("1.00"), "r", "b"),
            lambda: casino.transaction("d"),
            lambda: casino.wallet.ListTransactions(wallet_service_pb2.ListTransactionsRequest()),
            lambda: installation.verify(),
        ]
        request_ids: list[str] = []
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call()
            found = failure_of(caught.value)
            assert_documented(found, "INTERNAL_ERROR")
            assert found.metadata["request_id"] == found.request_id
            request_ids.append(found.request_id)
            assert_tells_nothing(caught.value)
        await execute_tells_nothing_either(casino, player)
        async with connected(own_database) as connection:
            await connection.execute("ALTER TABLE transactions_away RENAME TO transactions")
        assert reasons([await outcome(casino.deposit(player, eur("1.00"), "d"))]) == []
        await installation.assert_consistent()
        await installation.close()
    log = server.errors.decode()
    unexplained = [place for place, each in enumerate(request_ids) if each not in log]
    assert unexplained == [], "the log has the details, by the request id"


def assert_tells_nothing(error: grpc.aio.AioRpcError) -> None:
    """Assert that no text of the driver or of the program is in status, details or metadata."""
    trailing: Any = error.trailing_metadata() or ()
    initial: Any = error.initial_metadata() or ()
    told = repr([error.details(), *trailing, *initial]).lower()
    assert [word for word in DRIVER_WORDS if word in told] == []


async def execute_tells_nothing_either(casino: Any, player: str) -> None:
    deposit = wallet_service_pb2.DepositRequest(
        transaction_id="in-a-batch", player_id=player, amount=eur("1.00")
    )
    for atomic in (False, True):
        response = await casino.wallet.Execute(
            wallet_service_pb2.ExecuteRequest(
                operations=[wallet_service_pb2.Operation(deposit=deposit)], atomic=atomic
            )
        )
        error = response.results[0].error
        assert error.reason == error_reason_pb2.ERROR_REASON_INTERNAL_ERROR
        assert set(error.metadata) == {"request_id"}
        told = str(response).lower()
        assert [word for word in DRIVER_WORDS if word in told] == []
