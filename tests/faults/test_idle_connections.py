"""Idle connections to PostgreSQL are ended by others: no caller notices."""

from __future__ import annotations

import asyncio

import pytest

from purser.wallet.v1 import player_service_pb2, wallet_service_pb2
from tests.faults.conftest import Stage
from tests.support.calls import together
from tests.support.client import Client, Failure, eur
from tests.support.databases import connected

END_ALL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name LIKE 'purser%' AND pid <> pg_backend_pid()
"""


async def ended_connections(stage: Stage) -> int:
    """End every connection of the server; return how many there were."""
    async with connected(stage.postgres.url) as connection:
        return int(await connection.fetchval(END_ALL))


async def reads(casino: Client, player: str, bet_id: str) -> None:
    assert await casino.balance(player) <= 10_000
    assert (await casino.transaction(bet_id)).transaction_id == bet_id
    await casino.wallet.GetRound(
        wallet_service_pb2.GetRoundRequest(player_id=player, game_id="slots", round_id="round")
    )
    await casino.wallet.ListTransactions(wallet_service_pb2.ListTransactionsRequest())


async def writes(casino: Client, player: str, _: str) -> None:
    assert not (await casino.bet(player, eur("0.01"), "round")).replayed


async def changes_of_players(casino: Client, player: str, _: str) -> None:
    await casino.new_player()
    await casino.players.UpdatePlayer(player_service_pb2.UpdatePlayerRequest(player_id=player))


async def sessions(casino: Client, player: str, _: str) -> None:
    request = wallet_service_pb2.OpenGameSessionRequest(
        player_id=player, game_id="slots", currency_code="EUR"
    )
    session = await casino.wallet.OpenGameSession(request)
    await casino.bet(player, eur("0.01"), "round", session_id=session.session_id)
    await casino.wallet.CloseGameSession(
        wallet_service_pb2.CloseGameSessionRequest(session_id=session.session_id)
    )


@pytest.mark.parametrize("work", [reads, writes, changes_of_players, sessions])
async def test_idle_connections_that_were_ended_are_replaced_unnoticed(
    stage: Stage, work: object
) -> None:
    casino = await stage.installation.new_casino()
    player = await casino.new_player(money=eur("100.00"))
    bet = (await casino.bet(player, eur("1.00"), "round")).transaction.transaction_id
    for pause_s in (0.0, 0.2, 0.2):
        assert await ended_connections(stage)
        await asyncio.sleep(pause_s)
        await work(casino, player, bet)  # type: ignore[operator]


async def test_all_connections_of_a_busy_server_may_end_at_once(stage: Stage) -> None:
    casino = await stage.installation.new_casino()
    player = await casino.new_player(money=eur("100.00"))
    for _ in range(3):
        await together(casino.balance(player) for _ in range(30))
        assert await ended_connections(stage) > 2
        await asyncio.sleep(0.2)
        calls = [casino.balance(player) for _ in range(30)]
        calls += [casino.bet(player, eur("0.01"), "round") for _ in range(30)]  # type: ignore[misc]
        outcomes = await together(calls)
        assert not [str(found) for found in outcomes if isinstance(found, Failure)]
    await stage.installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]
