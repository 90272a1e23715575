"""What surrounds every call: request ids, sizes, health, reflection, the form of errors."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from purser.wallet.v1 import player_service_pb2, wallet_service_pb2
from purser_server.rpc.services import SERVICES
from tests.support.calls import outcome
from tests.support.client import MAX_BYTES, Client, Failure, eur, refused
from tests.support.process import ADMIN_KEY, PurserProcess
from tests.support.rpcs import RPCS, Rpc

(GET_OPERATOR,) = (rpc for rpc in RPCS if rpc.name == "GetOperator")
(LIST_OPERATORS,) = (rpc for rpc in RPCS if rpc.name == "ListOperators")
(EXECUTE,) = (rpc for rpc in RPCS if rpc.name == "Execute")


async def request_id_of(address: str, rpc: Rpc, *metadata: tuple[str, str]) -> str:
    """Return the request id that the answer, good or bad, carries."""
    async with grpc.aio.insecure_channel(address) as channel:
        method = channel.unary_unary(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        call = method(rpc.request(), metadata=(("authorization", f"Bearer {ADMIN_KEY}"), *metadata))
        trailing: Any = await call.trailing_metadata()
        return str(dict(trailing)["x-request-id"])


@pytest.mark.parametrize("rpc", [LIST_OPERATORS, GET_OPERATOR], ids=["answer", "refusal"])
async def test_the_callers_request_id_is_returned_and_one_is_made_otherwise(
    server: PurserProcess, rpc: Rpc
) -> None:
    given = await request_id_of(server.address, rpc, ("x-request-id", "my-call/42"))
    assert given == "my-call/42"
    made = {await request_id_of(server.address, rpc) for _ in range(3)}
    assert len(made) == 3
    assert all(len(request_id) >= 16 for request_id in made)
    for unfit in ("", "two words", "x" * 129, 'quo"te'):
        assert await request_id_of(server.address, rpc, ("x-request-id", unfit)) != unfit


async def test_a_refusal_carries_error_info_and_for_a_field_a_bad_request(
    casino: Client,
) -> None:
    with refused("INVALID_FIELD") as expected:
        await casino.deposit("", eur("1.00"))
    failure = expected.failure
    assert failure is not None
    assert failure.domain == "purser"
    assert failure.bad_fields == ("player_id",)
    assert failure.message
    assert failure.request_id
    assert not failure.has_retry_info
    with refused("PLAYER_NOT_FOUND") as expected:
        await casino.balance("nobody")
    assert expected.failure is not None
    assert expected.failure.domain == "purser"
    assert expected.failure.bad_fields == ()


@pytest.mark.parametrize("letter", ["ü", "賭", "🎰", "\u202e", "%", "'"])
async def test_exotic_ids_come_back_whole_in_errors_and_answers(
    casino: Client, letter: str
) -> None:
    player = letter * 128
    with refused("PLAYER_NOT_FOUND") as failure:
        await casino.balance(player)
    assert failure.metadata == {"player_id": player}
    await casino.new_player(player_id=player)
    await casino.deposit(player, eur("1.00"), player)
    assert (await casino.transaction(player)).player_id == player


async def test_ids_are_compared_exactly(casino: Client) -> None:
    for player in ("é", "e\u0301", "Ann", "ann", "ann ", " ann"):
        await casino.new_player(player_id=player)
    listed = await casino.players.ListPlayers(player_service_pb2.ListPlayersRequest())
    assert len(listed.players) == 6


async def test_an_error_about_a_huge_value_still_reaches_the_caller(casino: Client) -> None:
    for huge in ("X" * 5_000, "€" * 5_000, "X" * 1_000_000):
        for request in (
            player_service_pb2.CreatePlayerRequest(player_id=huge, currency_codes=["EUR"]),
            player_service_pb2.CreatePlayerRequest(player_id="p", currency_codes=[huge]),
            player_service_pb2.CreatePlayerRequest(
                player_id="p", currency_codes=["EUR"], metadata={huge: huge}
            ),
        ):
            with refused("INVALID_FIELD"):
                await casino.players.CreatePlayer(request)
        with refused("INVALID_FIELD"):
            await casino.players.ListPlayers(player_service_pb2.ListPlayersRequest(page_token=huge))


# -- sizes ------------------------------------------------------------------------------------


def deposits(player: str, count: int, metadata: dict[str, str]) -> Any:
    return wallet_service_pb2.ExecuteRequest(
        operations=[
            wallet_service_pb2.Operation(
                deposit=wallet_service_pb2.DepositRequest(
                    transaction_id=f"d{number}",
                    player_id=player,
                    amount=eur("0.01"),
                    metadata=metadata,
                )
            )
            for number in range(count)
        ]
    )


@pytest.mark.slow
async def test_a_message_of_nearly_16_mib_is_accepted_and_a_larger_one_refused(
    casino: Client, server: PurserProcess
) -> None:
    player = await casino.new_player()
    request = deposits(
        player, 8_000, {"a": "x" * 512, "b": "x" * 512, "c": "x" * 512, "d": "x" * 320}
    )
    assert 14 * 2**20 < request.ByteSize() < MAX_BYTES
    response = await casino.wallet.Execute(request, timeout=120)
    assert all(result.HasField("transaction") for result in response.results)
    assert await casino.balance(player) == 8_000
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(server.address, options=options) as channel:
        huge = b"\x0a" + b"\xff\xff\xff\x08" + b"x" * (17 * 2**20)
        found = await outcome(EXECUTE.call(channel, huge, casino.api_key))  # type: ignore[attr-defined]
        assert isinstance(found, Failure)
        assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        small = await outcome(LIST_OPERATORS.call(channel, LIST_OPERATORS.request(), ADMIN_KEY))
        assert not isinstance(small, Failure), "the connection is as good as before"


@pytest.mark.slow
async def test_a_page_of_the_largest_transactions_fits_into_a_message(casino: Client) -> None:
    player = await casino.new_player()
    # 8,192 bytes in all: as much metadata as there may be.
    metadata = {f"{number:02}": "€" * 169 + "xxx" for number in range(16)}
    assert sum(len(key) + len(value.encode()) for key, value in metadata.items()) == 8_192
    operations = deposits(player, 1_000, metadata).operations
    for start in (0, 500):
        half = wallet_service_pb2.ExecuteRequest(operations=operations[start : start + 500])
        response = await casino.wallet.Execute(half, timeout=120)
        assert all(result.HasField("transaction") for result in response.results)
    listed = await casino.wallet.ListTransactions(
        wallet_service_pb2.ListTransactionsRequest(page_size=1_000), timeout=120
    )
    assert len(listed.transactions) == 1_000
    assert all(dict(each.metadata) == metadata for each in listed.transactions)


async def test_too_much_metadata_is_refused_and_the_connection_lives_on(
    server: PurserProcess,
) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        for size in (20_000, 200_000):
            found = await outcome(
                LIST_OPERATORS.call(
                    channel, LIST_OPERATORS.request(), ADMIN_KEY, ("x-padding", "x" * size)
                )
            )
            assert isinstance(found, Failure), size
            assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED, str(found)
        modest = await outcome(
            LIST_OPERATORS.call(
                channel, LIST_OPERATORS.request(), ADMIN_KEY, ("x-padding", "x" * 4_000)
            )
        )
        assert not isinstance(modest, Failure), str(modest)


# -- health and reflection --------------------------------------------------------------------


async def test_health_tells_without_a_key_that_every_service_serves(
    server: PurserProcess,
) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICES):
            found = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert found.status == health_pb2.HealthCheckResponse.SERVING
        unknown = await outcome(stub.Check(health_pb2.HealthCheckRequest(service="nonsense")))
        assert isinstance(unknown, Failure)
        assert unknown.code is grpc.StatusCode.NOT_FOUND


async def test_reflection_shows_every_service_and_its_files_without_a_key(
    server: PurserProcess,
) -> None:
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in SERVICES),
    ]
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        found = [response async for response in stub.ServerReflectionInfo(iter(asked))]
    listed = {service.name for service in found[0].list_services_response.service}
    assert set(SERVICES) <= listed
    for response in found[1:]:
        assert response.file_descriptor_response.file_descriptor_proto


async def test_an_rpc_that_does_not_exist_is_unimplemented(server: PurserProcess) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        for path in ("/purser.wallet.v1.WalletService/Steal", "/purser.nothing.v1.X/Y"):
            method = channel.unary_unary(path)
            found = await outcome(method(b"", metadata=(("authorization", f"Bearer {ADMIN_KEY}"),)))
            assert isinstance(found, Failure)
            assert found.code is grpc.StatusCode.UNIMPLEMENTED
