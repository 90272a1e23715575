"""Lists: filters, pages and their tokens, and that nobody sees another operator's data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from purser.admin.v1 import operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.support.client import GAME, LOYALTY, Client, Installation, eur, new_id, refused

DEPOSIT = wallet_pb2.TRANSACTION_TYPE_DEPOSIT
BET = wallet_pb2.TRANSACTION_TYPE_BET
WIN = wallet_pb2.TRANSACTION_TYPE_WIN
ROLLBACK = wallet_pb2.TRANSACTION_TYPE_ROLLBACK
COMPLETED = wallet_pb2.TRANSACTION_STATE_COMPLETED
REFUSED = wallet_pb2.TRANSACTION_STATE_REFUSED
UNDONE = wallet_pb2.TRANSACTION_STATE_ROLLED_BACK
TOMBSTONE = wallet_pb2.TRANSACTION_STATE_TOMBSTONE


async def page(casino: Client, **fields: Any) -> tuple[list[Any], str]:
    response = await casino.wallet.ListTransactions(
        wallet_service_pb2.ListTransactionsRequest(**fields)
    )
    return list(response.transactions), response.next_page_token


async def ids(casino: Client, **fields: Any) -> list[str]:
    """Return the ids of the first page."""
    return [found.transaction_id for found in (await page(casino, **fields))[0]]


async def a_day_at_the_casino(casino: Client) -> None:
    """Two players, two rounds, and a transaction in every state."""
    for player in ("ann", "bob"):
        await casino.new_player(player_id=player)
        await casino.deposit(player, eur("10.00"), f"{player}-deposit")
    await casino.bet("ann", eur("1.00"), "r1", "ann-bet-1")
    await casino.bet("bob", eur("1.00"), "r1", "bob-bet")
    await casino.win("ann", eur("2.00"), "r1", "ann-bet-1", "ann-win")
    await casino.bet("ann", eur("1.00"), "r2", "ann-bet-2")
    await casino.rollback("ann", "ann-bet-2", "ann-undo")
    with refused("INSUFFICIENT_FUNDS"):
        await casino.bet("bob", eur("99.00"), "r3", "bob-refused")
    await casino.rollback("bob", "bob-late", "bob-bury")


# -- filters ----------------------------------------------------------------------------------


async def test_without_filters_everything_comes_newest_first(casino: Client) -> None:
    await a_day_at_the_casino(casino)
    found, token = await page(casino)
    assert token == ""
    listed = [each.transaction_id for each in found]
    # A tombstone and the rollback that left it come at one moment.
    assert sorted(listed[:2]) == ["bob-bury", "bob-late"]
    assert listed[2:] == [
        "bob-refused",
        "ann-undo",
        "ann-bet-2",
        "ann-win",
        "bob-bet",
        "ann-bet-1",
        "bob-deposit",
        "ann-deposit",
    ]
    times = [each.create_time.ToNanoseconds() for each in found]
    assert times == sorted(times, reverse=True)
    assert found[4] == await casino.transaction("ann-bet-2")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"player_id": "bob"}, {"bob-deposit", "bob-bet", "bob-refused", "bob-bury", "bob-late"}),
        ({"player_id": "nobody"}, set()),
        ({"round_id": "r1"}, {"ann-bet-1", "bob-bet", "ann-win"}),
        ({"round_id": "r2"}, {"ann-bet-2", "ann-undo"}),
        ({"round_id": "r3"}, {"bob-refused"}),
        ({"round_id": "unknown"}, set()),
        ({"types": [DEPOSIT]}, {"ann-deposit", "bob-deposit"}),
        ({"types": [WIN, ROLLBACK, WIN]}, {"ann-win", "ann-undo", "bob-bury"}),
        ({"states": [REFUSED]}, {"bob-refused"}),
        ({"states": [UNDONE]}, {"ann-bet-2"}),
        ({"states": [TOMBSTONE]}, {"bob-late"}),
        ({"states": [REFUSED, TOMBSTONE]}, {"bob-refused", "bob-late"}),
        ({"types": [BET], "states": [COMPLETED]}, {"ann-bet-1", "bob-bet"}),
        ({"types": [BET], "states": [TOMBSTONE]}, set()),
        ({"player_id": "ann", "round_id": "r1", "types": [BET]}, {"ann-bet-1"}),
        (
            {"player_id": "ann", "states": [COMPLETED], "types": [DEPOSIT, WIN]},
            {"ann-deposit", "ann-win"},
        ),
    ],
)
async def test_filters_keep_what_matches_each_of_them(
    casino: Client, filters: dict[str, Any], expected: set[str]
) -> None:
    await a_day_at_the_casino(casino)
    found = await ids(casino, **filters)
    assert len(found) == len(expected)
    assert set(found) == expected


async def test_the_start_is_inclusive_and_the_end_exclusive(casino: Client) -> None:
    player = await casino.new_player()
    times: list[Timestamp] = []
    for number in range(3):
        made = await casino.deposit(player, eur("1.00"), f"d{number}")
        times.append(made.transaction.create_time)
    assert await ids(casino, start_time=times[1]) == ["d2", "d1"]
    assert await ids(casino, end_time=times[1]) == ["d0"]
    assert await ids(casino, start_time=times[0], end_time=times[2]) == ["d1", "d0"]
    assert await ids(casino, start_time=times[1], end_time=times[1]) == []
    with refused("INVALID_FIELD") as failure:
        await page(casino, start_time=times[1], end_time=times[0])
    assert failure.metadata == {"field": "end_time"}
    for field in ("start_time", "end_time"):
        for wrong in (Timestamp(nanos=-1), Timestamp(seconds=10**15), Timestamp(nanos=10**9)):
            with refused("INVALID_FIELD") as failure:
                await page(casino, **{field: wrong})
            assert failure.metadata == {"field": field}


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"types": [BET, 0]}, "types[1]"),
        ({"types": [99]}, "types[0]"),
        ({"states": [0]}, "states[0]"),
        ({"states": [REFUSED, -1]}, "states[1]"),
        ({"player_id": "x" * 129}, "player_id"),
        ({"round_id": "line\nbreak"}, "round_id"),
        ({"page_size": -1}, "page_size"),
    ],
)
async def test_a_filter_that_cannot_be_is_refused(
    casino: Client, filters: dict[str, Any], field: str
) -> None:
    with refused("INVALID_FIELD") as failure:
        await page(casino, **filters)
    assert failure.metadata == {"field": field}


# -- pages ------------------------------------------------------------------------------------

Page = Callable[..., Awaitable[tuple[list[str], str]]]


async def transactions_in(casino: Client, installation: Installation, count: int) -> Page:
    player = await casino.new_player()
    await casino.wallet.Execute(
        wallet_service_pb2.ExecuteRequest(
            operations=[
                wallet_service_pb2.Operation(
                    deposit=wallet_service_pb2.DepositRequest(
                        transaction_id=f"d{number:04}", player_id=player, amount=eur("1.00")
                    )
                )
                for number in reversed(range(count))
            ]
        )
    )

    async def one_page(**fields: Any) -> tuple[list[str], str]:
        found, token = await page(casino, **fields)
        return [each.transaction_id for each in found], token

    return one_page


async def players_in(casino: Client, installation: Installation, count: int) -> Page:
    for number in range(count):
        await casino.new_player(player_id=f"d{number:04}")

    async def one_page(**fields: Any) -> tuple[list[str], str]:
        request = player_service_pb2.ListPlayersRequest(**fields)
        response = await casino.players.ListPlayers(request)
        return [each.player_id for each in response.players], response.next_page_token

    return one_page


async def keys_in(casino: Client, installation: Installation, count: int) -> Page:
    operators = installation.admin.operators
    operator = casino.operator_id  # type: ignore[attr-defined]
    names = {casino.key_id: "d0000"}  # type: ignore[attr-defined]
    for number in range(1, count):
        key = await installation.new_client(operator, GAME)
        names[key.key_id] = f"d{number:04}"  # type: ignore[attr-defined]

    async def one_page(**fields: Any) -> tuple[list[str], str]:
        request = operator_service_pb2.ListApiKeysRequest(operator_id=operator, **fields)
        response = await operators.ListApiKeys(request)
        return [names[each.key_id] for each in response.api_keys], response.next_page_token

    return one_page


LISTS = [transactions_in, players_in, keys_in]


@pytest.mark.parametrize("a_list", LISTS)
async def test_pages_of_any_size_bring_everything_once_in_order(
    casino: Client, installation: Installation, a_list: Any
) -> None:
    one_page = await a_list(casino, installation, 60)
    everything = [f"d{number:04}" for number in range(60)]
    first, token = await one_page()
    assert first == everything[:50], "50 unless told otherwise"
    rest, end = await one_page(page_token=token)
    assert (rest, end) == (everything[50:], "")
    assert (await one_page(page_size=60)) == (everything, "")
    assert (await one_page(page_size=1001)) == (everything, "")
    found: list[str] = []
    token = ""
    for size in (7, 1, 30, 2, 1000):
        some, token = await one_page(page_size=size, page_token=token)
        assert len(some) == min(size, 60 - len(found))
        found += some
    assert (found, token) == (everything, "")
    with refused("INVALID_FIELD") as failure:
        await one_page(page_size=-1)
    assert failure.metadata == {"field": "page_size"}


async def test_a_page_holds_a_thousand_at_most(casino: Client, installation: Installation) -> None:
    one_page = await transactions_in(casino, installation, 1_001)
    for size in (1_000, 1_001, 2**31 - 1):
        found, token = await one_page(page_size=size)
        assert len(found) == 1_000
        assert (await one_page(page_size=size, page_token=token)) == (["d1000"], "")


@pytest.mark.parametrize("a_list", LISTS)
@pytest.mark.parametrize("garbage", ["x", "AAAA", "W10", "bnVsbA", "ü", "\x00", "a" * 5_000])
async def test_a_token_that_is_none_of_ours_is_refused(
    casino: Client, installation: Installation, a_list: Any, garbage: str
) -> None:
    one_page = await a_list(casino, installation, 2)
    with refused("INVALID_FIELD") as failure:
        await one_page(page_token=garbage)
    assert failure.metadata == {"field": "page_token"}
    assert failure.failure is not None
    assert failure.failure.bad_fields == ("page_token",)


async def test_what_is_new_does_not_disturb_the_pages_that_follow(
    casino: Client, installation: Installation
) -> None:
    one_page = await transactions_in(casino, installation, 6)
    first, token = await one_page(page_size=3)
    player = await casino.new_player()
    await casino.deposit(player, eur("1.00"), "newer")
    second, _ = await one_page(page_size=3, page_token=token)
    assert [*first, *second] == [f"d{number:04}" for number in range(6)]


@pytest.mark.parametrize(
    "other",
    [
        {"player_id": "ann"},
        {"round_id": "r1"},
        {"types": [BET]},
        {"states": [COMPLETED]},
        {"start_time": Timestamp(seconds=1)},
        {"end_time": Timestamp(seconds=4_000_000_000)},
    ],
)
async def test_a_token_goes_with_the_filters_that_it_began_with(
    casino: Client, other: dict[str, Any]
) -> None:
    await a_day_at_the_casino(casino)
    _, token = await page(casino, page_size=1)
    _, token_of_other = await page(casino, page_size=1, **other)
    for wrong, filters in ((token, other), (token_of_other, {})):
        with refused("INVALID_FIELD") as failure:
            await page(casino, page_token=wrong, **filters)
        assert failure.metadata == {"field": "page_token"}
    await page(casino, page_token=token_of_other, **other)


async def test_a_token_of_another_list_or_operator_is_refused(
    casino: Client, installation: Installation
) -> None:
    neighbour = await installation.new_casino()
    for client in (casino, neighbour):
        await a_day_at_the_casino(client)
    _, token = await page(casino, page_size=1)
    for call in (
        page(neighbour, page_token=token),
        casino.players.ListPlayers(player_service_pb2.ListPlayersRequest(page_token=token)),
        installation.admin.operators.ListOperators(
            operator_service_pb2.ListOperatorsRequest(page_token=token)
        ),
    ):
        with refused("INVALID_FIELD") as failure:
            await call
        assert failure.metadata == {"field": "page_token"}


# -- players, operators, keys -------------------------------------------------------------------


async def test_players_are_listed_by_status(casino: Client) -> None:
    for player in ("ann", "bob", "cid"):
        await casino.new_player(player_id=player)
    suspended = wallet_pb2.PLAYER_STATUS_SUSPENDED
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(player_id="bob", status=suspended)
    )

    async def listed(**fields: Any) -> tuple[list[str], str]:
        request = player_service_pb2.ListPlayersRequest(**fields)
        response = await casino.players.ListPlayers(request)
        return [each.player_id for each in response.players], response.next_page_token

    assert (await listed(statuses=[suspended]))[0] == ["bob"]
    active, token = await listed(statuses=[wallet_pb2.PLAYER_STATUS_ACTIVE], page_size=1)
    assert active == ["ann"]
    with refused("INVALID_FIELD") as failure:
        await listed(page_token=token)
    assert failure.metadata == {"field": "page_token"}
    with refused("INVALID_FIELD") as failure:
        await listed(statuses=[0])
    assert failure.metadata == {"field": "statuses[0]"}


async def test_operators_are_listed_in_the_order_of_their_creation(
    installation: Installation,
) -> None:
    made = [new_id("casino") for _ in range(5)]
    for operator in made:
        await installation.new_casino(operator_id=operator)
    found: list[str] = []
    token = ""
    while True:
        response = await installation.admin.operators.ListOperators(
            operator_service_pb2.ListOperatorsRequest(page_size=3, page_token=token)
        )
        found += [each.operator_id for each in response.operators]
        token = response.next_page_token
        if not token:
            break
    assert found[-5:] == made
    assert len(set(found)) == len(found)


async def test_keys_are_listed_with_roles_and_revocation_and_without_secrets(
    casino: Client, installation: Installation
) -> None:
    operator = casino.operator_id  # type: ignore[attr-defined]
    second = await installation.new_client(operator, LOYALTY, GAME, GAME)
    await installation.new_casino()
    admin = installation.admin.operators
    revoked = await admin.RevokeApiKey(
        operator_service_pb2.RevokeApiKeyRequest(key_id=second.key_id)  # type: ignore[attr-defined]
    )
    response = await admin.ListApiKeys(
        operator_service_pb2.ListApiKeysRequest(operator_id=operator)
    )
    assert [list(key.roles) for key in response.api_keys] == [[2], [1, 3]]
    assert [key.HasField("revoke_time") for key in response.api_keys] == [False, True]
    assert response.api_keys[1] == revoked.api_key
    for client in (casino, second):
        assert client.api_key not in str(response)  # type: ignore[attr-defined]
    again = await admin.RevokeApiKey(
        operator_service_pb2.RevokeApiKeyRequest(key_id=second.key_id)  # type: ignore[attr-defined]
    )
    assert again.api_key.revoke_time == revoked.api_key.revoke_time
    with refused("OPERATOR_NOT_FOUND"):
        await admin.ListApiKeys(operator_service_pb2.ListApiKeysRequest(operator_id="nobody"))


async def test_nobody_sees_another_operators_data(
    casino: Client, installation: Installation
) -> None:
    await a_day_at_the_casino(casino)
    neighbour = await installation.new_casino()
    assert await ids(neighbour) == []
    assert await ids(neighbour, player_id="ann") == []
    assert await ids(neighbour, round_id="r1") == []
    listed = await neighbour.players.ListPlayers(player_service_pb2.ListPlayersRequest())
    assert list(listed.players) == []
