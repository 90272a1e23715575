"""How the asyncio client combines calls, when servers and callers behave badly."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc import StatusCode

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser.wallet.v1 import wallet_service_pb2_grpc
from purser_client import (
    AsyncPurserClient,
    DeadlineExceeded,
    InvalidRequest,
    Money,
    Movement,
    Unauthenticated,
    Unavailable,
    _combiner,
)
from purser_client._combiner import MAX_MESSAGES_UNDER_WAY
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, Installation, new_id
from tests.support.process import PurserProcess

MIB = 1024 * 1024
HANGS_S = 60.0
"""Long after this time a test that waits is told that it hangs."""

Messages = AsyncIterator[pb.StreamExecuteRequest]
Part = Callable[["Script", Messages, Any], AsyncIterator[pb.StreamExecuteResponse]]


class Script(wallet_service_pb2_grpc.WalletServiceServicer):
    """A wallet service that plays one part for each stream, and the last one for all further."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts
        self.streams = 0
        self.arrived = asyncio.Semaphore(0)

    async def StreamExecute(self, messages: Messages, context: Any) -> Any:  # noqa: N802
        part = self._parts[min(self.streams, len(self._parts) - 1)]
        self.streams += 1
        async for answer in part(self, messages, context):
            yield answer

    async def read(self, messages: Messages) -> Messages:
        async for message in messages:
            self.arrived.release()
            yield message


async def answers(script: Script, messages: Messages, _: Any) -> Any:
    async for message in script.read(messages):
        yield answer_of(message)


async def is_silent(script: Script, messages: Messages, _: Any) -> Any:
    async for _message in script.read(messages):
        pass
    await asyncio.Event().wait()
    yield


async def answers_and_never_ends(script: Script, messages: Messages, context: Any) -> Any:
    async for answer in answers(script, messages, context):
        yield answer
    await asyncio.Event().wait()


async def answers_something_else(script: Script, messages: Messages, _: Any) -> Any:
    async for message in script.read(messages):
        yield pb.StreamExecuteResponse(correlation_id=message.correlation_id + 1)


async def answers_too_little(script: Script, messages: Messages, _: Any) -> Any:
    async for message in script.read(messages):
        yield pb.StreamExecuteResponse(correlation_id=message.correlation_id)


def breaks(code: StatusCode, *, after: int = 1, answered: int = 0) -> Part:
    """Return a part that ends with the code after so many messages, the first of them answered."""

    async def part(script: Script, messages: Messages, context: Any) -> Any:
        numbers = count(1)
        async for message in script.read(messages):
            number = next(numbers)
            if number <= answered:
                yield answer_of(message)
            if number == after:
                await context.abort(code, "as the script says")

    return part


def answer_of(message: pb.StreamExecuteRequest) -> pb.StreamExecuteResponse:
    answer = pb.StreamExecuteResponse(correlation_id=message.correlation_id)
    for operation in message.operations:
        answer.results.add().transaction.transaction_id = operation.deposit.transaction_id
    return answer


@asynccontextmanager
async def played(*parts: Part) -> AsyncIterator[tuple[AsyncPurserClient, Script]]:
    script = Script(*parts)
    server = grpc.aio.server()
    wallet_service_pb2_grpc.add_WalletServiceServicer_to_server(script, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(HANGS_S), AsyncPurserClient(f"127.0.0.1:{port}", "a") as client:
            yield client, script
    finally:
        await server.stop(0)


def deposit(
    client: AsyncPurserClient, transaction_id: str, *, within_s: float = HANGS_S
) -> asyncio.Future[pb.OperationResult]:
    """Begin a deposit of no matter what."""
    operation = pb.Operation(deposit=pb.DepositRequest(transaction_id=transaction_id))
    return client._combiner.submit(operation, asyncio.get_running_loop().time() + within_s)


def be_late(client: AsyncPurserClient) -> None:
    """Let the time of all calls that are there be over."""
    for call in client._combiner._all():
        call.deadline = 0.0


def eur(amount: str) -> Money:
    return Money(amount, "EUR")


@pytest.fixture
async def client(server: PurserProcess, casino: Client) -> AsyncIterator[AsyncPurserClient]:
    """A client of a real server."""
    api_key: str = casino.api_key  # type: ignore[attr-defined]
    async with AsyncPurserClient(server.address, api_key) as made:
        yield made


@pytest.fixture
async def anna(client: AsyncPurserClient) -> str:
    player_id = new_id("anna")
    await client.create_player(player_id, ["EUR"])
    return player_id


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pauses take no time; the numbers tell how far each had grown."""
    drawn: list[int] = []

    def noted() -> Iterator[float]:
        for number in count():
            drawn.append(number)
            yield 0.0

    monkeypatch.setattr(_combiner, "pauses_s", noted)
    return drawn


async def test_pauses_grow_until_there_is_an_answer(pauses: list[int]) -> None:
    without_answer = breaks(StatusCode.UNAVAILABLE)
    with_answer = breaks(StatusCode.UNAVAILABLE, after=2, answered=1)
    parts = [*[without_answer] * 3, with_answer, without_answer, answers]
    async with played(*parts) as (client, script):
        first = await deposit(client, "d1")
        second = await deposit(client, "d2")
    assert [first.transaction.transaction_id, second.transaction.transaction_id] == ["d1", "d2"]
    assert script.streams == len(parts)
    assert pauses == [0, 1, 2, 0, 1]


async def test_an_operation_too_large_for_a_message_is_refused_alone(
    client: AsyncPurserClient, anna: str
) -> None:
    results = await asyncio.gather(
        *(
            client.deposit(anna, eur("1.00"), metadata={"note": "x" * (17 * MIB * (n == 5))})
            for n in range(30)
        ),
        return_exceptions=True,
    )
    assert isinstance(results[5], InvalidRequest)
    assert results[5].field == "operation"
    assert results[5].transaction_id
    assert sum(isinstance(result, Movement) for result in results) == 29
    assert (await client.balance(anna, "EUR")).balance == eur("29.00")


async def test_messages_are_bounded_by_their_bytes(client: AsyncPurserClient, anna: str) -> None:
    results = await asyncio.gather(
        *(
            client.deposit(anna, eur("1.00"), metadata={"note": "x" * (3 * MIB * (n > 0))})
            for n in range(10)
        ),
        return_exceptions=True,
    )
    assert isinstance(results[0], Movement)
    # It was the server that refused these: they arrived.
    assert [_field_of(result) for result in results[1:]] == ["metadata"] * 9


def _field_of(result: object) -> str:
    assert isinstance(result, InvalidRequest), result
    return result.field


async def test_grpc_s_own_limits_are_met_with_patience(pauses: list[int]) -> None:
    async with played(breaks(StatusCode.RESOURCE_EXHAUSTED), answers) as (client, script):
        await deposit(client, "d1")
    assert script.streams == 2


async def test_what_is_said_of_one_message_is_told_to_its_callers_alone(pauses: list[int]) -> None:
    async with played(breaks(StatusCode.INVALID_ARGUMENT, after=2), answers) as (client, script):
        culprit = deposit(client, "d1")
        await script.arrived.acquire()
        neighbour = deposit(client, "d2")
        with pytest.raises(InvalidRequest):
            await culprit
        assert (await neighbour).transaction.transaction_id == "d2"


async def test_what_is_final_for_the_client_is_told_to_all(pauses: list[int]) -> None:
    async with played(breaks(StatusCode.UNAUTHENTICATED, after=2), answers) as (client, script):
        calls = [deposit(client, "d1")]
        await script.arrived.acquire()
        calls.append(deposit(client, "d2"))
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in told] == [Unauthenticated] * 2
        assert script.streams == 1


async def test_close_waits_for_no_answer_that_nobody_waits_for() -> None:
    async with played(is_silent) as (client, script):
        calls = [deposit(client, f"d{number}") for number in range(3)]
        await script.arrived.acquire()
        be_late(client)
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in told] == [DeadlineExceeded] * 3


async def test_close_waits_for_no_frozen_server(postgres: EmbeddedPostgres) -> None:
    async with PurserProcess("--database-url", postgres.url) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino()
        await installation.close()
        api_key: str = casino.api_key  # type: ignore[attr-defined]
        try:
            async with (
                asyncio.timeout(HANGS_S),
                AsyncPurserClient(server.address, api_key) as client,
            ):
                await client.create_player(new_id("anna"), ["EUR"])
                os.kill(server.pid, signal.SIGSTOP)
                calls = [deposit(client, f"d{number}", within_s=0.2) for number in range(3)]
                told = await asyncio.gather(*calls, return_exceptions=True)
                assert [type(error) for error in told] == [DeadlineExceeded] * 3
        finally:
            os.kill(server.pid, signal.SIGCONT)


async def test_close_ends_a_stream_that_the_server_does_not_end() -> None:
    async with played(answers_and_never_ends) as (client, _):
        await deposit(client, "d1")


async def test_close_waits_for_the_answers_to_what_was_asked() -> None:
    async with played(breaks(StatusCode.UNAVAILABLE), answers) as (client, _):
        calls = [deposit(client, f"d{number}") for number in range(100)]
    assert all(call.result().HasField("transaction") for call in calls)


async def test_messages_that_are_late_hold_no_places() -> None:
    async with played(is_silent, answers) as (client, script):
        late = []
        for number in range(MAX_MESSAGES_UNDER_WAY):
            late.append(deposit(client, f"late{number}"))
            await script.arrived.acquire()
        be_late(client)
        answer = await deposit(client, "d1")
        assert answer.transaction.transaction_id == "d1"
        told = await asyncio.gather(*late, return_exceptions=True)
        assert {type(error) for error in told} == {DeadlineExceeded}


async def test_who_is_in_time_is_sent_again_when_a_late_message_ends_the_stream() -> None:
    async with played(is_silent, answers) as (client, script):
        late = deposit(client, "d1")
        await script.arrived.acquire()
        be_late(client)
        in_time = deposit(client, "d2")
        assert (await in_time).transaction.transaction_id == "d2"
        with pytest.raises(DeadlineExceeded):
            await late


async def test_who_was_told_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(is_silent) as (client, script):
        held = []
        for number in range(MAX_MESSAGES_UNDER_WAY):
            held.append(deposit(client, f"held{number}"))
            await script.arrived.acquire()
        monkeypatch.setattr(_combiner, "MAX_WAITING", 4)
        late = [deposit(client, f"late{number}", within_s=0.0) for number in range(4)]
        with pytest.raises(Unavailable, match="overloaded"):
            deposit(client, "too much")
        await asyncio.gather(*late, return_exceptions=True)
        held.append(deposit(client, "d1"))
        for call in held:
            call.cancel()


@pytest.mark.parametrize("part", [answers_something_else, answers_too_little])
async def test_an_answer_that_fits_no_message_is_told_and_the_next_call_begins_anew(
    part: Part,
) -> None:
    async with played(part, answers) as (client, _):
        told = await asyncio.gather(
            *(deposit(client, "d") for _ in range(3)), return_exceptions=True
        )
        assert [type(error) for error in told] == [Unavailable] * 3
        assert (await deposit(client, "d1")).transaction.transaction_id == "d1"


async def test_a_message_that_cannot_be_sent_is_told_and_the_next_call_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(**_: Any) -> pb.StreamExecuteRequest:
        raise TypeError("no message")

    async with played(answers) as (client, _):
        with monkeypatch.context() as broken:
            broken.setattr(pb, "StreamExecuteRequest", fails)
            with pytest.raises(Unavailable, match="no message") as told:
                await deposit(client, "d1")
        assert type(told.value) is Unavailable
        assert isinstance(told.value.__cause__, TypeError)
        assert (await deposit(client, "d1")).transaction.transaction_id == "d1"


async def test_who_has_no_patience_for_close_closes_all_the_same() -> None:
    async with played(is_silent) as (client, script):
        call = deposit(client, "d1")
        await script.arrived.acquire()
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(Unavailable, match="closed"):
            await call
        assert client._channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
