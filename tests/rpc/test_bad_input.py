"""Whatever is sent: an answer, or a refusal out of the catalogue, and never an internal error."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from purser.admin.v1 import operator_service_pb2
from purser.error.v1 import error_reason_pb2
from purser.loyalty.v1 import (
    loyalty_pb2,
    points_service_pb2,
    points_service_pb2_grpc,
    program_service_pb2,
)
from purser.wallet.v1 import player_service_pb2, wallet_service_pb2
from purser_server.app import prepare
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.rpc.access import MAY_CALL
from purser_server.usecases.pages import AskedPage
from tests.support.calls import outcome
from tests.support.client import BACKEND, GAME, LOYALTY, Client, Failure, Installation, eur
from tests.support.databases import database_of_its_own
from tests.support.hostile import Maker, path_exists
from tests.support.loyalty import Loyalty, back, item
from tests.support.prizes import PrizeDesk
from tests.support.process import ADMIN_KEY, PurserProcess
from tests.support.rpcs import RPCS, Rpc

EXAMPLES = 80
NEVER = {"UNSPECIFIED", "INTERNAL_ERROR"}
CATALOGUE = {
    value.name.removeprefix("ERROR_REASON_")
    for value in error_reason_pb2.ErrorReason.DESCRIPTOR.values
} - NEVER
INVALID = {"INVALID_FIELD", "AMOUNT_RANGE", "CURRENCY_UNKNOWN"}
MAKER = Maker(
    {
        "player_id": ("witness", "player", "strangers-player", "nobody"),
        "transaction_id": ("t1", "t2", "t3", "bet", "strangers-bet"),
        "original_transaction_id": ("bet", "win", "deposit", "t1", "t2", "strangers-bet"),
        "bet_transaction_id": ("", "bet", "t1", "strangers-bet"),
        "round_id": ("r", "r", "r2", ""),
        "game_id": ("slots", "slots", "roulette", ""),
        "session_id": ("", "", "no-session"),
        "hold_id": ("h1", "h2", "strangers-hold", ""),
        "refund_transaction_id": ("t1", "t4", "t5", "return-0"),
        "reverse_transaction_id": ("order", "order", "cashback", "t1", "bet", "gift-0"),
        "redemption_transaction_id": ("t1", "t2", "t3", "bet"),
        "prize_id": ("p1", "p2", "p3", "strangers-prize", ""),
        "campaign_id": ("campaign", "c1", "c2", "strangers-campaign"),
        "multiplier": ("2", "1.5", "0.000001", "1000", "0", "1000.1"),
        "points_per_unit": ("", "1", "0", "1000000", "1000000.000001"),
        "point_value": ("", "0.10", "0"),
        "wallet_cash_rate": ("", "0.02", "1", "1.1"),
        "min_quantity": ("", "2", "1.5", "999999999999.999", "1.0001"),
        "quantity": ("1", "2", "0.375", "999999999999.999", "0", "1.0001", ""),
        "product_id": ("shoes", "console", "mat", "bottle", ""),
        "line_id": ("", "", "1", "2"),
        "operator_id": ("victim", "other", "new"),
        "target": ("", "casino:443"),
    }
)


@dataclass(frozen=True)
class Place:
    """A server with a casino, a witness whose money is watched, and keys of all kinds."""

    channel: grpc.aio.Channel
    casino: Client
    keys: dict[str, str | None]

    async def witness(self) -> list[bytes]:
        """Return all that there is to know of the witness."""
        player = await self.casino.players.GetPlayer(
            player_service_pb2.GetPlayerRequest(player_id="witness")
        )
        history = await self.casino.wallet.ListTransactions(
            wallet_service_pb2.ListTransactionsRequest(player_id="witness", page_size=1_000)
        )
        return [part.SerializeToString(deterministic=True) for part in (player, history)]


@pytest.fixture(scope="module")
async def place(postgres: EmbeddedPostgres) -> AsyncIterator[Place]:
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        async with PurserProcess("--database-url", url) as server:
            installation = Installation(server.address)
            async with grpc.aio.insecure_channel(server.address) as channel:
                yield Place(channel, *await a_casino_with_a_witness(installation))
            await installation.close()
            assert await server.terminate() == 0
            assert "Traceback" not in server.errors.decode(), server.errors.decode()[-4_000:]


async def a_casino_with_a_witness(
    installation: Installation,
) -> tuple[Client, dict[str, str | None]]:
    stranger = await installation.new_casino(operator_id="other")
    await stranger.new_player(player_id="strangers-player", money=eur("100.00"))
    await stranger.bet("strangers-player", eur("1.00"), "r", "strangers-bet")
    casino = await installation.new_casino(operator_id="victim")
    for player in ("witness", "player"):
        await casino.players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(
                player_id=player, currency_codes=["EUR", "JPY", "USD"]
            )
        )
        await casino.deposit(player, eur("1000.00"))
    await casino.deposit("witness", eur("1.00"), "deposit")
    await casino.bet("witness", eur("1.00"), "r", "bet")
    await casino.win("witness", eur("5.00"), "r", "bet", "win")
    keys: dict[str, str | None] = {"none": None, "admin": ADMIN_KEY, "garbage": "no-key"}
    for name, role in (("game", GAME), ("backend", BACKEND), ("loyalty", LOYALTY)):
        client: Any = await installation.new_client("victim", role)
        keys[name] = client.api_key
    for operator, campaigns in (("victim", ("c1", "c2")), ("other", ("strangers-campaign",))):
        client = await installation.new_client(operator, LOYALTY)
        for campaign_id in campaigns:
            campaign = loyalty_pb2.Campaign(campaign_id=campaign_id, multiplier="2")
            await client.programs.CreateCampaign(
                program_service_pb2.CreateCampaignRequest(campaign=campaign)
            )
    client = await installation.new_client("victim", LOYALTY)
    await client.programs.UpdateProgram(
        program_service_pb2.UpdateProgramRequest(program=loyalty_pb2.Program(currency_code="EUR"))
    )
    for number in range(3):
        await points_service_pb2_grpc.PointsServiceStub(client.channel).AdjustPoints(
            points_service_pb2.AdjustPointsRequest(
                transaction_id=f"gift-{number}", player_id="witness", points=9, reason="a gift"
            )
        )
    await returns_of_the_witness(Loyalty(client, "witness", "victim"))
    await prizes_of(installation, "other", "strangers-player", "strangers-prize")
    await prizes_of(installation, "victim", "witness", "p1", "w1", "w2")
    await prizes_of(installation, "victim", "player", "p2", "p3")
    revoked: Any = await installation.new_client("victim")
    await installation.admin.operators.RevokeApiKey(
        operator_service_pb2.RevokeApiKeyRequest(key_id=revoked.key_id)
    )
    keys["revoked"] = revoked.api_key
    return casino, keys


async def returns_of_the_witness(shop: Loyalty) -> None:
    """Let the witness return something, and have more that could be returned."""
    await shop.order(
        item("mat", "300", "1.00"), item("bottle", "20", "1.00"), transaction_id="order"
    )
    await shop.issue("50.00", "cashback")
    for number in range(3):
        await shop.give_back("order", back("mat"), transaction_id=f"return-{number}")


async def prizes_of(
    installation: Installation, operator_id: str, player: str, *prizes: str
) -> None:
    """Grant prizes, of which those of the witness alone are returned."""
    desk = await PrizeDesk.of(installation, operator_id)
    for prize in prizes:
        await desk.grant(player, prize, eur("1.00"))
        if prize.startswith("w"):
            await desk.give_back(player, f"of-{prize}", prize)


def assert_from_the_catalogue(reason: str, metadata: Any, request: Any) -> None:
    assert reason in CATALOGUE, (reason, dict(metadata))
    if reason == "INVALID_FIELD":
        assert path_exists(request.DESCRIPTOR, metadata["field"]), metadata["field"]


def assert_sound(rpc: Rpc, request: Any, found: Any) -> bool:
    """Assert that an outcome is one of the contract; tell whether nothing can have changed."""
    if isinstance(found, Failure):
        assert found.domain == "purser", str(found)
        assert_from_the_catalogue(found.reason, found.metadata, request)
        if found.reason == "INVALID_FIELD":
            assert found.bad_fields == (found.metadata["field"],)
        return found.code is grpc.StatusCode.INVALID_ARGUMENT
    if rpc.name != "Execute":
        return False
    refusals = 0
    for operation, result in zip(request.operations, found.results, strict=True):
        if result.WhichOneof("result") != "error":
            continue
        reason = error_reason_pb2.ErrorReason.Name(result.error.reason)
        kind = operation.WhichOneof("operation")
        inner = getattr(operation, kind) if kind else operation
        assert_from_the_catalogue(
            reason.removeprefix("ERROR_REASON_"), result.error.metadata, inner
        )
        refusals += reason.removeprefix("ERROR_REASON_") in INVALID
    return refusals == len(found.results)


def keys_for(rpc: Rpc) -> st.SearchStrategy[str]:
    """Mostly a key that may call it, sometimes any other."""
    right = right_key(rpc)
    others = ("none", "garbage", "game", "backend", "loyalty", "admin", "revoked")
    return st.sampled_from((right,) * 2 * len(others) + others)


@pytest.mark.slow
@pytest.mark.parametrize("rpc", RPCS, ids=str)
async def test_any_request_is_answered_or_refused_out_of_the_catalogue(
    place: Place, rpc: Rpc
) -> None:
    assert rpc.path in MAY_CALL

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )
    @given(data=st.data())
    def collect(data: Any) -> None:
        drawn.append((data.draw(MAKER.requests(rpc.request)), data.draw(keys_for(rpc))))

    drawn: list[tuple[Any, str]] = []
    collect()
    before = await place.witness()
    for request, key in drawn:
        found = await outcome(rpc.call(place.channel, request, place.keys[key]))
        nothing_changed = assert_sound(rpc, request, found)
        after = await place.witness()
        if nothing_changed:
            assert after == before, f"{found}\n{request}"
        before = after


# -- tokens that were tampered with ---------------------------------------------------------

POSITIONS = [
    0,
    -1,
    2**63 - 1,
    2**63,
    10**30,
    -(10**30),
    1.5,
    True,
    None,
    "",
    "text",
    "\x00",
    "\ud800",
    [],
    {},
]


async def a_token(place: Place, rpc: Rpc) -> tuple[Any, str]:
    """Return a request of a list with more than one page, and its token."""
    request = rpc.request(page_size=1)
    if rpc.name == "ListOpenCases":
        # Movements that wait for a person are rare: a token that such a list would give.
        return request, AskedPage(("open_cases", None), 1, "", int).next_token(1)
    if rpc.name == "ListPointsTransactions":
        request.player_id = "witness"
    if rpc.name == "ListApiKeys":
        request.operator_id = "victim"
    response = await rpc.call(place.channel, request, place.keys[right_key(rpc)])
    return request, response.next_page_token


def right_key(rpc: Rpc) -> str:
    if rpc.service.startswith("purser.loyalty"):
        return "loyalty"
    return "admin" if rpc.service.startswith("purser.admin") else "backend"


@pytest.mark.parametrize("rpc", [rpc for rpc in RPCS if rpc.name.startswith("List")], ids=str)
async def test_a_token_that_was_tampered_with_is_no_internal_error(place: Place, rpc: Rpc) -> None:
    request, token = await a_token(place, rpc)
    assert token
    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for position in POSITIONS:
        forged = json.dumps([*content[:-1], position]).encode()
        request.page_token = base64.urlsafe_b64encode(forged).decode().rstrip("=")
        found = await outcome(rpc.call(place.channel, request, place.keys[right_key(rpc)]))
        if isinstance(found, Failure):
            assert found.reason == "INVALID_FIELD", (position, str(found))
            assert found.metadata == {"field": "page_token"}


# -- bytes that are no message --------------------------------------------------------------


async def test_bytes_that_are_no_message_are_refused_without_a_word_of_the_program(
    place: Place,
) -> None:
    not_utf8 = b"\x0a\x02\xff\xfe"
    for rpc in RPCS:
        for raw in (b"\xff\xff\xff", b"\x0a\x7f", b"\x00\x00", not_utf8, bytes(range(256))):
            found = await outcome(rpc.call(place.channel, raw, place.keys[right_key(rpc)]))
            if isinstance(found, Failure):
                # INTERNAL is what gRPC itself says of them.
                assert found.code in {
                    grpc.StatusCode.INVALID_ARGUMENT,
                    grpc.StatusCode.INTERNAL,
                }, str(found)
                assert "google.protobuf" not in found.message
    await place.witness()
