"""StreamExecute and WatchTransactions, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, Installation, eur, failure_of, new_id
from tests.support.process import PurserProcess


def key_of(casino: Client) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {casino.api_key}"),)  # type: ignore[attr-defined]


def a_bet(player: str, cents: int = 1, transaction_id: str = "") -> pb.Operation:
    return pb.Operation(
        bet=pb.BetRequest(
            transaction_id=transaction_id or new_id("bet"),
            player_id=player,
            amount=eur(f"{cents / 100:.2f}"),
            game_id="slots",
            round_id="r",
        )
    )


def a_deposit(player: str, amount: str, transaction_id: str = "") -> pb.Operation:
    return pb.Operation(
        deposit=pb.DepositRequest(
            transaction_id=transaction_id or new_id("deposit"),
            player_id=player,
            amount=eur(amount),
        )
    )


async def exchange(casino: Client, *messages: pb.StreamExecuteRequest) -> dict[int, Any]:
    """Send the messages on one stream, and return the answers by correlation id."""
    call = casino.wallet.StreamExecute(metadata=key_of(casino))

    async def send() -> None:
        for message in messages:
            await call.write(message)
        await call.done_writing()

    sending = asyncio.create_task(send())
    answers = {answer.correlation_id: answer async for answer in call}
    await sending
    return answers


async def watched(casino: Client, after: int, count: int) -> list[Any]:
    """Return the next messages of the feed behind a position."""
    call = casino.wallet.WatchTransactions(
        pb.WatchTransactionsRequest(after_position=after), metadata=key_of(casino)
    )
    seen: list[Any] = []
    async with asyncio.timeout(30):
        async for message in call:
            seen.append(message)
            if len(seen) == count:
                break
    call.cancel()
    return seen


async def test_every_message_is_answered_under_its_own_number(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))

    answers = await exchange(
        casino,
        *(
            pb.StreamExecuteRequest(correlation_id=number, operations=[a_bet(player)] * 1)
            for number in (7, 3, 900, -1)
        ),
    )

    assert sorted(answers) == [-1, 3, 7, 900]
    assert all(len(answer.results) == 1 for answer in answers.values())


async def test_a_players_operations_keep_their_order_over_messages(casino: Client) -> None:
    player = await casino.new_player()
    messages = [
        pb.StreamExecuteRequest(
            correlation_id=n,
            operations=[a_bet(player, 100) if n % 2 else a_deposit(player, "1.00")],
        )
        for n in range(60)
    ]

    answers = await exchange(casino, *messages)

    sequences = [answers[n].results[0].transaction.wallet_sequence for n in range(len(messages))]
    assert sequences == list(range(1, len(messages) + 1))


async def test_a_refused_operation_leaves_its_neighbours_and_the_stream_alone(
    casino: Client,
) -> None:
    player = await casino.new_player(money=eur("1.00"))

    answers = await exchange(
        casino,
        pb.StreamExecuteRequest(
            correlation_id=1, operations=[a_bet(player), a_bet(player, 500), pb.Operation()]
        ),
        pb.StreamExecuteRequest(correlation_id=2, operations=[a_bet(player)]),
    )

    kinds = [result.WhichOneof("result") for result in answers[1].results]
    assert kinds == ["transaction", "error", "error"]
    assert answers[2].results[0].HasField("transaction")


async def test_an_atomic_message_happens_whole_or_not_at_all(casino: Client) -> None:
    player = await casino.new_player(money=eur("1.00"))

    answers = await exchange(
        casino,
        pb.StreamExecuteRequest(
            correlation_id=1, operations=[a_bet(player), a_bet(player, 500)], atomic=True
        ),
        pb.StreamExecuteRequest(
            correlation_id=2, operations=[a_bet(player), a_bet(player)], atomic=True
        ),
    )

    assert all(result.HasField("error") for result in answers[1].results)
    assert all(result.HasField("transaction") for result in answers[2].results)
    assert await casino.balance(player) == 98


async def test_an_empty_message_ends_the_stream_after_what_came_before(casino: Client) -> None:
    player = await casino.new_player(money=eur("1.00"))
    call = casino.wallet.StreamExecute(metadata=key_of(casino))
    await call.write(pb.StreamExecuteRequest(correlation_id=1, operations=[a_bet(player)]))
    await call.write(pb.StreamExecuteRequest(correlation_id=2))

    answers = []
    with pytest.raises(grpc.RpcError) as error:
        async for answer in call:
            answers.append(answer.correlation_id)

    assert answers == [1]
    assert failure_of(error.value).reason == "INVALID_FIELD"


async def test_a_stream_needs_a_key(installation: Installation) -> None:
    nobody = installation.client(None)
    call = nobody.wallet.StreamExecute()
    with pytest.raises(grpc.RpcError) as error:
        async for _ in call:
            pass
    assert failure_of(error.value).reason == "UNAUTHENTICATED_KEY"


@pytest.mark.slow
async def test_a_client_that_reads_nothing_is_held_back(casino: Client) -> None:
    """The server reads no more while 10,000 operations have answers that nobody takes."""
    player = await casino.new_player(money=eur("1000.00"))
    call = casino.wallet.StreamExecute(metadata=key_of(casino))

    async def flood() -> None:
        for number in range(60):
            operations = [a_bet(player) for _ in range(1_000)]
            await call.write(pb.StreamExecuteRequest(correlation_id=number, operations=operations))

    flooding = asyncio.create_task(flood())
    carried_out, before = 0, -1
    while carried_out != before:
        await asyncio.sleep(3)
        before = carried_out
        carried_out = 100_000 - await casino.balance(player)
    flooding.cancel()
    call.cancel()

    # What the transport itself holds comes on top of the 10,000; far from all was taken in.
    assert 10_000 <= carried_out < 60_000


async def test_the_feed_begins_at_any_position_and_follows_live(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))
    for _ in range(4):
        await casino.bet(player, eur("0.10"), "r")

    first = await watched(casino, after=0, count=5)
    assert [message.position for message in first] == [1, 2, 3, 4, 5]
    rest = asyncio.create_task(watched(casino, after=3, count=3))
    await asyncio.sleep(0.5)
    late = await casino.bet(player, eur("0.10"), "r")

    assert [message.position for message in await rest] == [4, 5, 6]
    assert rest.result()[-1].transaction.transaction_id == late.transaction.transaction_id


async def test_the_feed_holds_refusals_rollbacks_and_tombstones_of_its_own_operator(
    installation: Installation, casino: Client
) -> None:
    stranger = await installation.new_casino()
    other = await stranger.new_player(money=eur("10.00"))
    player = await casino.new_player(money=eur("1.00"))
    bet = await casino.bet(player, eur("0.50"), "r")
    with pytest.raises(grpc.RpcError):
        await casino.bet(player, eur("5.00"), "r")
    await stranger.bet(other, eur("1.00"), "r")
    await casino.rollback(player, bet.transaction.transaction_id)
    await casino.rollback(player, "never-came")

    feed = [message.transaction for message in await watched(casino, after=0, count=6)]

    assert {transaction.player_id for transaction in feed} == {player}
    assert [transaction.state for transaction in feed].count(2) == 1
    assert "never-came" in {transaction.transaction_id for transaction in feed}


async def test_watchers_see_every_commit_of_two_servers_once_in_order(
    postgres: EmbeddedPostgres, server: PurserProcess, installation: Installation, casino: Client
) -> None:
    players = [await casino.new_player(money=eur("100.00")) for _ in range(6)]
    async with PurserProcess("--database-url", postgres.url) as second:
        elsewhere = Installation(second.address)
        there = elsewhere.client(casino.api_key)  # type: ignore[attr-defined]

        async def play(client: Client, player: str) -> None:
            for _ in range(30):
                await client.bet(player, eur("0.01"), "r")

        watching = asyncio.create_task(watched(casino, after=0, count=6 + 6 * 60))
        await asyncio.gather(*(play(c, p) for p in players for c in (casino, there)))
        feed = await watching
        await elsewhere.close()

    assert [message.position for message in feed] == list(range(1, 6 + 6 * 60 + 1))
    assert len({message.transaction.transaction_id for message in feed}) == len(feed)
    for player in players:
        mine = [m.transaction for m in feed if m.transaction.player_id == player]
        assert [t.wallet_sequence for t in mine] == list(range(1, 62))


@pytest.fixture
async def own_server(postgres: EmbeddedPostgres) -> AsyncIterator[PurserProcess]:
    async with PurserProcess("--database-url", postgres.url) as process:
        yield process


async def test_open_streams_do_not_hold_up_a_stop(own_server: PurserProcess) -> None:
    installation = Installation(own_server.address)
    casino = await installation.new_casino()
    player = await casino.new_player(money=eur("1.00"))
    stream = casino.wallet.StreamExecute(metadata=key_of(casino))
    await stream.write(pb.StreamExecuteRequest(correlation_id=1, operations=[a_bet(player)]))
    answer = await stream.read()
    watch = casino.wallet.WatchTransactions(pb.WatchTransactionsRequest(), metadata=key_of(casino))
    await watch.read()

    assert await own_server.terminate() == 0

    assert answer.results[0].HasField("transaction")
    assert await stream.read() == grpc.aio.EOF
    assert await stream.code() == grpc.StatusCode.OK
    await installation.close()
