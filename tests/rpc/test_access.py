"""Who may call what: keys, roles, the wall between operators."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from purser.admin.v1 import operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_server.rpc.access import MAY_CALL
from purser_server.rpc.limits import FIELDS
from tests.support.calls import beside, outcome
from tests.support.client import (
    ADMIN,
    BACKEND,
    GAME,
    LOYALTY,
    Client,
    Failure,
    Installation,
    eur,
    new_id,
    refused,
)
from tests.support.process import ADMIN_KEY, PurserProcess
from tests.support.rpcs import EVERY_RPC, RPCS, Rpc

PLAY = {GAME, BACKEND}
MANAGE = {BACKEND}
REWARD = {LOYALTY}
ADMINISTER = {ADMIN}

CONTRACT: dict[str, set[int]] = {
    # WalletService
    "GetBalance": PLAY,
    "Deposit": MANAGE,
    "Withdraw": MANAGE,
    "OpenGameSession": PLAY,
    "CloseGameSession": PLAY,
    "Bet": PLAY,
    "Win": PLAY,
    "Rollback": PLAY,
    "CloseRound": PLAY,
    "GetRound": PLAY,
    "GetTransaction": PLAY,
    "ListTransactions": PLAY,
    "Execute": PLAY,
    # PlayerService
    "CreatePlayer": MANAGE,
    "GetPlayer": PLAY,
    "UpdatePlayer": MANAGE,
    "ListPlayers": PLAY,
    # ProgramService
    "GetProgram": REWARD,
    "UpdateProgram": REWARD,
    "CreateCampaign": REWARD,
    "GetCampaign": REWARD,
    "ListCampaigns": REWARD,
    "EndCampaign": REWARD,
    # OperatorService
    "CreateOperator": ADMINISTER,
    "GetOperator": ADMINISTER,
    "ListOperators": ADMINISTER,
    "UpdateOperator": ADMINISTER,
    "CreateApiKey": ADMINISTER,
    "ListApiKeys": ADMINISTER,
    "RevokeApiKey": ADMINISTER,
    # LedgerService
    "VerifyLedger": ADMINISTER,
    "GetGameResult": ADMINISTER,
    "ListOpenCases": ADMINISTER,
    "GetCase": ADMINISTER,
    "ResolveCase": ADMINISTER,
    # CashbackService
    "IssueCashback": {LOYALTY},
    "RewardOrder": {LOYALTY},
    "QuoteOrder": {LOYALTY},
    "GetReward": {LOYALTY},
    # RefundService
    "Refund": REWARD,
    "QuoteRefund": REWARD,
    "GetRefund": REWARD,
    "ListRefunds": REWARD,
    # PointsService
    "GetPointsBalance": {LOYALTY},
    "ListPointsTransactions": {LOYALTY},
    "HoldPoints": {LOYALTY},
    "GetHold": {LOYALTY},
    "ReleaseHold": {LOYALTY},
    "RedeemPoints": {LOYALTY},
    "GetRedemption": {LOYALTY},
    "RefundRedemption": {LOYALTY},
    "AdjustPoints": {LOYALTY},
    # PrizeCashbackService
    "GrantPrize": REWARD,
    "GetPrize": REWARD,
    "ListPrizes": REWARD,
    "OrderPrizeShipment": REWARD,
    "RequestPrizeCashback": REWARD,
    "GetPrizeCashback": REWARD,
    "ListPrizeCashbacks": REWARD,
}
NAMES = {GAME: "game", BACKEND: "backend", LOYALTY: "loyalty", ADMIN: "admin"}


@pytest.fixture(scope="module")
async def keys(server: PurserProcess) -> dict[str, tuple[str, set[int]]]:
    """A key of each role and of some together, with its roles."""
    installation = Installation(server.address)
    casino = await installation.new_casino()
    found = {"admin": (ADMIN_KEY, {ADMIN})}
    for roles in ({GAME}, {BACKEND}, {LOYALTY}, {GAME, LOYALTY}, {GAME, BACKEND, LOYALTY}):
        client = await installation.new_client(casino.operator_id, *roles)  # type: ignore[attr-defined]
        name = "+".join(NAMES[role] for role in sorted(roles))
        found[name] = (client.api_key, roles)  # type: ignore[attr-defined]
    await installation.close()
    return found


# -- the tables -------------------------------------------------------------------------------


def test_the_tables_of_roles_and_of_fields_hold_every_rpc_that_is_served() -> None:
    assert {rpc.path for rpc in EVERY_RPC} == set(MAY_CALL)
    assert {rpc.request for rpc in EVERY_RPC} <= set(FIELDS)
    assert {rpc.name for rpc in RPCS} == set(CONTRACT), "add the rpc to this test's table"


def test_the_table_of_fields_names_fields_that_exist() -> None:
    for message, checks in FIELDS.items():
        known = set(message.DESCRIPTOR.fields_by_name)
        assert {field for field, _ in checks} <= known, message.DESCRIPTOR.full_name


@pytest.mark.parametrize("rpc", RPCS, ids=str)
async def test_each_key_may_call_what_its_roles_allow(
    server: PurserProcess, keys: dict[str, tuple[str, set[int]]], rpc: Rpc
) -> None:
    allowed = CONTRACT[rpc.name]
    async with grpc.aio.insecure_channel(server.address) as channel:
        for name, (key, roles) in keys.items():
            found = await outcome(rpc.call(channel, rpc.request(), key))
            if roles & allowed:
                denied = isinstance(found, Failure) and found.reason == "ROLE_MISSING"
                assert not denied, (name, str(found))
                continue
            assert isinstance(found, Failure), name
            assert found.reason == "ROLE_MISSING", (name, str(found))
            assert found.code is grpc.StatusCode.PERMISSION_DENIED
            wanted = ",".join(NAMES[role] for role in sorted(allowed))
            assert found.metadata == {"role": wanted}
            assert found.domain == "purser"


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rpc", RPCS, ids=str)
async def test_without_a_valid_key_nothing_is_told(server: PurserProcess, rpc: Rpc) -> None:
    wrong: list[tuple[tuple[str, str], ...]] = [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", ADMIN_KEY),),
        (("authorization", f"Basic {ADMIN_KEY}"),),
        (("authorization", f"Bearer {ADMIN_KEY}x"),),
        (("authorization", f"Bearer {ADMIN_KEY[:-1]}"),),
        (("authorization", "Bearer purser_" + "A" * 43),),
        (("authorization", "Bearer " + "k" * 4_000),),
        (("x-api-key", ADMIN_KEY),),
    ]
    messages = set()
    async with grpc.aio.insecure_channel(server.address) as channel:
        for metadata in wrong:
            found = await outcome(rpc.call(channel, rpc.request(), None, *metadata))
            assert isinstance(found, Failure), metadata
            assert found.reason == "UNAUTHENTICATED_KEY", str(found)
            assert found.code is grpc.StatusCode.UNAUTHENTICATED
            assert found.metadata == {}
            messages.add(found.message)
    assert len(messages) == 1, "the answer is the same in all of these cases"


async def test_a_revoked_key_is_refused_within_seconds_in_every_process(
    installation: Installation, casino: Client, second_server: PurserProcess
) -> None:
    player = await casino.new_player(money=eur("10.00"))
    async with beside(casino, second_server) as elsewhere:
        assert await elsewhere.balance(player) == 1_000
        await installation.admin.operators.RevokeApiKey(
            operator_service_pb2.RevokeApiKeyRequest(key_id=casino.key_id)  # type: ignore[attr-defined]
        )
        for client in (casino, elsewhere):
            for _ in range(200):
                found = await outcome(client.balance(player))
                if isinstance(found, Failure):
                    break
                await asyncio.sleep(0.1)
            assert isinstance(found, Failure), "twenty seconds were not enough"
            assert found.reason == "UNAUTHENTICATED_KEY"
        # It stays so, and the operator's other keys are left alone.
        other = await installation.new_client(casino.operator_id)  # type: ignore[attr-defined]
        assert await other.balance(player) == 1_000
        for client in (casino, elsewhere):
            with refused("UNAUTHENTICATED_KEY"):
                await client.bet(player, eur("1.00"), "r")


async def test_a_new_key_works_at_once_in_every_process(
    installation: Installation, casino: Client, second_server: PurserProcess
) -> None:
    player = await casino.new_player()
    key = await installation.new_client(casino.operator_id, GAME)  # type: ignore[attr-defined]
    async with beside(key, second_server) as elsewhere:
        assert await elsewhere.balance(player) == 0


@pytest.mark.parametrize(
    ("roles", "field"),
    [([ADMIN], "roles[0]"), ([GAME, ADMIN], "roles[1]"), ([], "roles"), ([0], "roles[0]")],
)
async def test_an_operators_key_has_some_role_and_never_admin(
    installation: Installation, casino: Client, roles: list[int], field: str
) -> None:
    operators = installation.admin.operators
    operator = casino.operator_id  # type: ignore[attr-defined]
    with refused("INVALID_FIELD") as failure:
        await operators.CreateApiKey(
            operator_service_pb2.CreateApiKeyRequest(operator_id=operator, roles=roles)
        )
    assert failure.metadata == {"field": field}
    listed = await operators.ListApiKeys(
        operator_service_pb2.ListApiKeysRequest(operator_id=operator)
    )
    assert len(listed.api_keys) == 1, "no key was made"


async def test_a_role_named_many_times_counts_once(
    installation: Installation, casino: Client
) -> None:
    operators = installation.admin.operators
    operator = casino.operator_id  # type: ignore[attr-defined]
    await operators.CreateApiKey(
        operator_service_pb2.CreateApiKeyRequest(operator_id=operator, roles=[GAME] * 8)
    )
    listed = await operators.ListApiKeys(
        operator_service_pb2.ListApiKeysRequest(operator_id=operator)
    )
    assert list(listed.api_keys[1].roles) == [GAME]


async def test_the_admin_key_is_of_no_operator(installation: Installation) -> None:
    with refused("OPERATOR_NOT_FOUND"):
        await installation.new_client("nobody")
    with refused("ROLE_MISSING"):
        await installation.admin.new_player()
    with refused("API_KEY_NOT_FOUND") as failure:
        await installation.admin.operators.RevokeApiKey(
            operator_service_pb2.RevokeApiKeyRequest(key_id="admin")
        )
    assert failure.metadata == {"key_id": "admin"}


# -- the wall between operators ---------------------------------------------------------------


async def test_another_operators_players_and_transactions_do_not_exist(
    installation: Installation, casino: Client
) -> None:
    stranger = await installation.new_casino(BACKEND)
    player = await casino.new_player(money=eur("10.00"))
    await casino.bet(player, eur("1.00"), "r", "the-bet")
    suspend = player_service_pb2.UpdatePlayerRequest(
        player_id=player, status=wallet_pb2.PLAYER_STATUS_SUSPENDED
    )
    get = player_service_pb2.GetPlayerRequest(player_id=player)
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: stranger.balance(player),
        lambda: stranger.deposit(player, eur("1.00")),
        lambda: stranger.withdraw_all(player, "EUR"),
        lambda: stranger.bet(player, eur("1.00"), "r"),
        lambda: stranger.win(player, eur("1.00"), "r", "the-bet"),
        lambda: stranger.rollback(player, "the-bet"),
        lambda: stranger.close_round(player, "r"),
        lambda: stranger.players.UpdatePlayer(suspend),
        lambda: stranger.players.GetPlayer(get),
        lambda: stranger.wallet.OpenGameSession(session_of(player)),
    ]
    for attempt in attempts:
        with refused("PLAYER_NOT_FOUND"):
            await attempt()
    with refused("TRANSACTION_NOT_FOUND"):
        await stranger.transaction("the-bet")
    assert await casino.balance(player) == 900


async def test_another_operators_session_neither_plays_nor_ends(
    installation: Installation, casino: Client
) -> None:
    stranger = await installation.new_casino(BACKEND)
    own = await stranger.new_player(money=eur("5.00"))
    player = await casino.new_player(money=eur("10.00"))
    session_id = (await casino.wallet.OpenGameSession(session_of(player))).session_id

    with refused("SESSION_INVALID"):
        await stranger.bet(own, eur("1.00"), "r", session_id=session_id)
    with refused("SESSION_INVALID"):
        await stranger.wallet.CloseGameSession(
            wallet_service_pb2.CloseGameSessionRequest(session_id=session_id)
        )

    await casino.bet(player, eur("1.00"), "r", session_id=session_id)
    assert await casino.balance(player) == 900


async def test_another_operators_bet_stands_when_its_id_is_rolled_back(
    installation: Installation, casino: Client
) -> None:
    stranger = await installation.new_casino(BACKEND)
    own = await stranger.new_player(money=eur("5.00"))
    player = await casino.new_player(money=eur("10.00"))
    await casino.bet(player, eur("1.00"), "r", "the-bet")

    # To the stranger the bet's id is unknown; burying it there leaves the bet alone.
    buried = await stranger.rollback(own, "the-bet")

    assert buried.outcome == wallet_pb2.ROLLBACK_OUTCOME_TOMBSTONED
    assert (await casino.transaction("the-bet")).state == wallet_pb2.TRANSACTION_STATE_COMPLETED
    assert await casino.balance(player) == 900


def session_of(player: str) -> wallet_service_pb2.OpenGameSessionRequest:
    return wallet_service_pb2.OpenGameSessionRequest(
        player_id=player, game_id="slots", currency_code="EUR"
    )


async def test_a_round_of_nobody_is_not_found(casino: Client) -> None:
    for player in (await casino.new_player(), new_id("nobody")):
        with refused("ROUND_NOT_FOUND"):
            await casino.wallet.GetRound(
                wallet_service_pb2.GetRoundRequest(player_id=player, game_id="slots", round_id="r")
            )
