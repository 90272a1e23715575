"""The asyncio client, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

import purser_client
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import (
    AsyncPurserClient,
    DeadlineExceeded,
    InsufficientFunds,
    InvalidRequest,
    Money,
    NotFound,
    PlayerStatus,
    Refused,
    RollbackOutcome,
    Tls,
    TransactionIdReused,
    TransactionState,
    TransactionType,
    Unauthenticated,
    Unavailable,
)
from purser_client._combiner import MAX_MESSAGES_UNDER_WAY
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, Installation, new_id
from tests.support.process import PurserProcess


@pytest.fixture
async def purser(server: PurserProcess, casino: Client) -> AsyncIterator[AsyncPurserClient]:
    api_key: str = casino.api_key  # type: ignore[attr-defined]
    async with AsyncPurserClient(server.address, api_key) as client:
        yield client


@pytest.fixture
async def anna(purser: AsyncPurserClient) -> str:
    player_id = new_id("anna")
    await purser.create_player(player_id, ["EUR"])
    await purser.deposit(player_id, Money("100.00", "EUR"))
    return player_id


def test_public_names_are_those_that_are_promised() -> None:
    assert sorted(purser_client.__all__) == list(purser_client.__all__)
    for name in purser_client.__all__:
        assert getattr(purser_client, name) is not None


async def test_a_day_of_a_player(purser: AsyncPurserClient, anna: str) -> None:
    session = await purser.open_session(anna, game_id="slots", currency_code="EUR")
    assert session.balance.balance == Money("100.00", "EUR")
    bet = await purser.bet(
        anna, Money("2.50", "EUR"), game_id="slots", round_id="r1", session_id=session.session_id
    )
    assert bet.transaction.balance_after == Money("97.50", "EUR")
    assert not bet.replayed
    win = await purser.win(
        anna,
        Money("10.00", "EUR"),
        game_id="slots",
        round_id="r1",
        bet_transaction_id=bet.transaction.transaction_id,
    )
    assert win.transaction.type is TransactionType.WIN
    undone = await purser.rollback(anna, win.transaction.transaction_id)
    assert undone.outcome is RollbackOutcome.ROLLED_BACK
    closed = await purser.close_round(anna, game_id="slots", round_id="r1")
    assert not closed.is_open
    assert closed.total_bet == Money("2.50", "EUR")
    await purser.close_session(session.session_id)
    everything = await purser.withdraw_all(anna, "EUR")
    assert everything.transaction.amount == Money("97.50", "EUR")
    assert (await purser.balance(anna, "EUR")).balance == Money(0, "EUR")
    history = [transaction async for transaction in purser.list_transactions(player_id=anna)]
    assert [transaction.type.name for transaction in history] == [
        "WITHDRAWAL",
        "CLOSE_ROUND",
        "ROLLBACK",
        "WIN",
        "BET",
        "DEPOSIT",
    ]
    stored = await purser.get_transaction(win.transaction.transaction_id)
    assert stored.state is TransactionState.ROLLED_BACK


async def test_errors_are_a_tree_with_figures(purser: AsyncPurserClient, anna: str) -> None:
    with pytest.raises(InsufficientFunds) as poor:
        await purser.bet(anna, Money("100.01", "EUR"), game_id="g", round_id="r")
    assert (poor.value.balance, poor.value.required) == (10_000, 10_001)
    assert poor.value.transaction_id
    assert isinstance(poor.value, Refused)
    with pytest.raises(InsufficientFunds) as again:
        await purser.bet(
            anna,
            Money("100.01", "EUR"),
            game_id="g",
            round_id="r",
            transaction_id=poor.value.transaction_id,
        )
    assert again.value.replayed
    with pytest.raises(TransactionIdReused) as reused:
        await purser.bet(
            anna,
            Money("1.00", "EUR"),
            game_id="g",
            round_id="r",
            transaction_id=poor.value.transaction_id,
        )
    assert reused.value.field == "amount.minor_units"
    with pytest.raises(NotFound):
        await purser.balance(new_id("nobody"), "EUR")
    with pytest.raises(InvalidRequest) as invalid:
        await purser.bet(anna, Money("1.00", "EUR"), game_id="", round_id="r")
    assert invalid.value.field == "game_id"


def test_money_is_exact() -> None:
    assert Money("12.5", "EUR").minor_units == 1_250
    assert str(Money.of_minor(1_250, "EUR")) == "12.50 EUR"
    assert Money(Decimal("0.000001"), "USDT", 6).minor_units == 1
    for wrong in ("0.001", "NaN", "Infinity", "abc"):
        with pytest.raises(InvalidRequest):
            Money(wrong, "EUR")
    with pytest.raises(InvalidRequest):
        Money(0.5, "EUR")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        Money("1", "USDT")


def test_an_amount_that_no_message_can_carry_is_refused_where_it_is_made() -> None:
    assert Money("92233720368547758.07", "EUR").minor_units == 2**63 - 1
    for too_much in ("92233720368547758.08", "1e20", "1e40", "-1e40"):
        with pytest.raises(InvalidRequest) as told:
            Money(too_much, "EUR")
        assert told.value.reason == "AMOUNT_RANGE"
    for too_much in (2**63, -(2**63), 10**40):
        with pytest.raises(InvalidRequest):
            Money.of_minor(too_much, "EUR")
    for no_number in (None, [1]):
        with pytest.raises(InvalidRequest):
            Money(no_number, "EUR")  # type: ignore[arg-type]


async def test_what_is_no_money_is_refused_before_it_is_sent() -> None:
    async with AsyncPurserClient("127.0.0.1:1", "any") as client:
        with pytest.raises(InvalidRequest) as told:
            await client.deposit("anna", "5")  # type: ignore[arg-type]
    assert "Money(" in told.value.message
    assert told.value.field == "amount"


def test_tls_takes_pem_as_text_or_bytes_and_nothing_else() -> None:
    pem = "-----BEGIN CERTIFICATE-----\n"
    assert Tls(ca=pem).credentials() is not None
    assert Tls(ca=pem.encode()).credentials() is not None
    with pytest.raises(ValueError, match="ca is no PEM text"):
        Tls(ca="ca.pem")
    with pytest.raises(TypeError, match="read the file first"):
        Tls(ca=Path("ca.pem"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="go together"):
        Tls(certificate=pem)


async def test_many_single_calls_share_few_messages(purser: AsyncPurserClient, anna: str) -> None:
    await asyncio.gather(
        *(purser.bet(anna, Money("0.01", "EUR"), game_id="g", round_id="r") for _ in range(500))
    )
    assert (await purser.balance(anna, "EUR")).balance == Money("95.00", "EUR")
    assert purser._combiner._next_id < 50


async def test_no_message_gathers_all_who_wait(
    purser: AsyncPurserClient, anna: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    request = pb.StreamExecuteRequest

    def noted(*, correlation_id: int, operations: list[pb.Operation]) -> pb.StreamExecuteRequest:
        sizes.append(len(operations))
        return request(correlation_id=correlation_id, operations=operations)

    monkeypatch.setattr(pb, "StreamExecuteRequest", noted)
    callers, calls = 100, 10

    async def play() -> None:
        for _ in range(calls):
            await purser.deposit(anna, Money("0.01", "EUR"))

    await asyncio.gather(*(play() for _ in range(callers)))

    assert sum(sizes) == callers * calls
    # There is always work for another message while one is under way.
    assert max(sizes) == callers / MAX_MESSAGES_UNDER_WAY


async def test_a_refused_call_leaves_its_neighbours_alone(
    purser: AsyncPurserClient, anna: str
) -> None:
    results = await asyncio.gather(
        *(
            purser.bet(
                anna,
                Money("1.00" if n % 2 else "1000.00", "EUR"),
                game_id="g",
                round_id="r",
            )
            for n in range(40)
        ),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, InsufficientFunds)]
    assert len(refused) == 20
    assert (await purser.balance(anna, "EUR")).balance == Money("80.00", "EUR")


async def test_order_per_player_is_kept(purser: AsyncPurserClient, anna: str) -> None:
    movements = await asyncio.gather(
        *(purser.deposit(anna, Money.of_minor(n + 1, "EUR")) for n in range(300))
    )
    sequences = [movement.transaction.wallet_sequence for movement in movements]
    assert sequences == sorted(sequences)


async def test_a_wrong_key_is_told_to_every_caller(server: PurserProcess) -> None:
    async with AsyncPurserClient(server.address, "wrong") as client:
        results = await asyncio.gather(
            *(client.deposit("anna", Money("1.00", "EUR")) for _ in range(5)),
            return_exceptions=True,
        )
    assert all(isinstance(result, Unauthenticated) for result in results)


async def test_a_call_ends_when_its_time_is_over() -> None:
    async with AsyncPurserClient("127.0.0.1:1", "any", timeout_s=0.5) as client:
        with pytest.raises(DeadlineExceeded) as late:
            await client.deposit("anna", Money("1.00", "EUR"), transaction_id="d1")
        assert late.value.transaction_id == "d1"
        assert "no answer from 127.0.0.1:1 in time" in late.value.message
        assert "Connection refused" in late.value.message
        with pytest.raises(Unavailable):
            await client.get_player("anna")


async def test_players_and_batches(
    purser: AsyncPurserClient, anna: str, installation: Installation
) -> None:
    player = await purser.update_player(
        anna, status=PlayerStatus.SUSPENDED, metadata={"tier": "gold"}
    )
    assert (player.status, player.metadata) == (PlayerStatus.SUSPENDED, {"tier": "gold"})
    with pytest.raises(Refused) as suspended:
        await purser.bet(anna, Money("1.00", "EUR"), game_id="g", round_id="r")
    assert suspended.value.reason == "PLAYER_SUSPENDED"
    assert [p.player_id async for p in purser.list_players()] == [anna]


async def test_the_feed_goes_on_where_it_was(purser: AsyncPurserClient, anna: str) -> None:
    for _ in range(3):
        await purser.bet(anna, Money("0.01", "EUR"), game_id="g", round_id="r")
    seen = []
    async with asyncio.timeout(30):
        async for watched in purser.watch_transactions(after_position=1):
            seen.append(watched.position)
            if len(seen) == 3:
                break
    assert seen == [2, 3, 4]


async def test_calls_survive_a_killed_server(postgres: EmbeddedPostgres) -> None:
    """What was under way when the server died is sent again with the same ids."""
    server = await PurserProcess("--database-url", postgres.url).start()
    installation = Installation(server.address)
    casino = await installation.new_casino()
    api_key: str = casino.api_key  # type: ignore[attr-defined]
    async with AsyncPurserClient(server.address, api_key, timeout_s=60) as purser:
        anna = new_id("anna")
        await purser.create_player(anna, ["EUR"])
        deposits = [
            asyncio.create_task(purser.deposit(anna, Money("1.00", "EUR"))) for _ in range(400)
        ]
        await asyncio.wait(deposits, return_when="FIRST_COMPLETED")
        await server.kill()
        await server.start()
        done = await asyncio.gather(*deposits)
        assert len({movement.transaction.transaction_id for movement in done}) == 400
        assert (await purser.balance(anna, "EUR")).balance == Money("400.00", "EUR")
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]
    await installation.close()
    await server.terminate()
