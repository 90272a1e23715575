"""Ids for ever: the same request again, the same id with other content, refusals told again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.support.client import Client, Installation, eur, new_id, refused

Prepare = Callable[[Client, str], Awaitable[Any]]
Send = Callable[[Client, str], Awaitable[Any]]


async def nothing(casino: Client, player: str) -> None:
    """Leave everything as it is."""


async def a_bet(casino: Client, player: str) -> None:
    await casino.bet(player, eur("1.00"), "r", "the-bet")


async def a_settled_bet(casino: Client, player: str) -> None:
    await a_bet(casino, player)
    await casino.win(player, eur("1.00"), "r", "the-bet", "the-win")


async def a_rolled_back_bet(casino: Client, player: str) -> None:
    await a_bet(casino, player)
    await casino.rollback(player, "the-bet")


async def a_closed_round(casino: Client, player: str) -> None:
    await a_bet(casino, player)
    await casino.close_round(player, "r")


async def a_deposit(casino: Client, player: str) -> None:
    await casino.deposit(player, eur("1.00"), "the-deposit")


def status(to: Any) -> Prepare:
    async def change(casino: Client, player: str) -> None:
        await casino.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(player_id=player, status=to)
        )

    return change


async def more_money(casino: Client, player: str) -> None:
    await casino.deposit(player, eur("1000.00"))


async def the_bet_after_all(casino: Client, player: str) -> None:
    await casino.bet(player, eur("1.00"), "r", "no-bet")


async def the_win_undone(casino: Client, player: str) -> None:
    await casino.rollback(player, "the-win")


def bet(amount: str = "1.00", session: str = "") -> Send:
    return lambda casino, player: casino.bet(player, eur(amount), "r", "x", session_id=session)


def win(bet_id: str) -> Send:
    return lambda casino, player: casino.win(player, eur("1.00"), "r", bet_id, "x")


def undo(original: str) -> Send:
    return lambda casino, player: casino.rollback(player, original, "x")


ACTIVE = status(wallet_pb2.PLAYER_STATUS_ACTIVE)


@pytest.mark.parametrize(
    ("reason", "before", "send", "mended"),
    [
        ("INSUFFICIENT_FUNDS", nothing, bet("100.01"), more_money),
        ("PLAYER_SUSPENDED", status(wallet_pb2.PLAYER_STATUS_SUSPENDED), bet(), ACTIVE),
        ("PLAYER_SELF_EXCLUDED", status(wallet_pb2.PLAYER_STATUS_SELF_EXCLUDED), bet(), ACTIVE),
        ("PLAYER_CLOSED", status(wallet_pb2.PLAYER_STATUS_CLOSED), bet(), nothing),
        ("ROUND_CLOSED", a_closed_round, bet(), nothing),
        ("BET_ALREADY_SETTLED", a_settled_bet, undo("the-bet"), the_win_undone),
        ("TRANSACTION_ROLLED_BACK", a_rolled_back_bet, win("the-bet"), nothing),
        ("BET_NOT_FOUND", a_bet, win("no-bet"), the_bet_after_all),
        ("SESSION_INVALID", nothing, bet(session="no-session"), nothing),
        ("TRANSACTION_NOT_REVERSIBLE", a_deposit, undo("the-deposit"), nothing),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_final_refusal_is_told_again_even_when_its_cause_is_gone(
    casino: Client, reason: str, before: Prepare, send: Send, mended: Prepare
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    await before(casino, player)
    with refused(reason) as first:
        await send(casino, player)
    assert "replayed" not in first.metadata
    await mended(casino, player)
    with refused(reason) as again:
        await send(casino, player)
    assert again.metadata == {**first.metadata, "replayed": "true"}
    assert again.code is first.code
    assert again.failure is not None and first.failure is not None
    assert again.failure.message == first.failure.message
    shown = await casino.transaction("x")
    assert shown.state == wallet_pb2.TRANSACTION_STATE_REFUSED
    assert dict(shown.refusal.metadata) == first.metadata, "stored as it was told first"


async def test_what_is_not_final_leaves_the_id_free(casino: Client) -> None:
    player = await casino.new_player(money=eur("100.00"))
    with refused("INVALID_FIELD"):
        await casino.deposit(player, eur("0.00"), "x")
    with refused("PLAYER_NOT_FOUND"):
        await casino.deposit("nobody", eur("1.00"), "x")
    with refused("ROUND_NOT_FOUND"):
        await casino.close_round(player, "unknown", "x")
    with refused("TRANSACTION_NOT_FOUND"):
        await casino.transaction("x")
    assert not (await casino.deposit(player, eur("1.00"), "x")).replayed


# -- same id, other content -----------------------------------------------------------------

BASES: dict[str, dict[str, Any]] = {
    "deposit": {"amount": eur("1.00")},
    "withdraw": {"amount": eur("1.00")},
    "bet": {"amount": eur("1.00"), "game_id": "slots", "round_id": "r"},
    "win": {"amount": eur("1.00"), "game_id": "slots", "round_id": "r", "win_type": 4},
    "rollback": {"original_transaction_id": "the-bet"},
    "close_round": {"game_id": "slots", "round_id": "r"},
}
RPCS = {
    "deposit": "Deposit",
    "withdraw": "Withdraw",
    "bet": "Bet",
    "win": "Win",
    "rollback": "Rollback",
    "close_round": "CloseRound",
}
USD = wallet_service_pb2.DepositRequest(amount={"currency_code": "USD", "minor_units": 100}).amount
ALL_EUR = {"amount": None, "all_of_currency_code": "EUR"}
CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("deposit", {"player_id": "other"}, "player_id"),
    ("deposit", {"amount": eur("1.01")}, "amount.minor_units"),
    ("deposit", {"amount": USD}, "amount.currency_code"),
    ("withdraw", {"player_id": "other"}, "player_id"),
    ("withdraw", {"amount": eur("1.01")}, "amount.minor_units"),
    ("withdraw", {"amount": USD}, "amount.currency_code"),
    ("withdraw", ALL_EUR, "all_of_currency_code"),
    ("bet", {"player_id": "other"}, "player_id"),
    ("bet", {"amount": eur("1.01")}, "amount.minor_units"),
    ("bet", {"amount": USD}, "amount.currency_code"),
    ("bet", {"game_id": "roulette"}, "game_id"),
    ("bet", {"round_id": "r2"}, "round_id"),
    ("bet", {"amount": eur("2.00"), "round_id": "r2"}, "amount.minor_units"),
    ("win", {"player_id": "other"}, "player_id"),
    ("win", {"amount": eur("1.01")}, "amount.minor_units"),
    ("win", {"game_id": "roulette"}, "game_id"),
    ("win", {"round_id": "r2"}, "round_id"),
    ("win", {"bet_transaction_id": "the-bet"}, "bet_transaction_id"),
    ("win", {"win_type": 3}, "win_type"),
    ("win", {"win_type": 0}, "win_type"),
    ("win", {"close_round": True}, "close_round"),
    ("rollback", {"player_id": "other"}, "player_id"),
    ("rollback", {"original_transaction_id": "another-bet"}, "original_transaction_id"),
    ("close_round", {"player_id": "other"}, "player_id"),
    ("close_round", {"game_id": "roulette"}, "game_id"),
    ("close_round", {"round_id": "r2"}, "round_id"),
]


def request_of(kind: str, **fields: Any) -> Any:
    message = getattr(wallet_service_pb2, f"{RPCS[kind]}Request")
    return message(**{name: value for name, value in fields.items() if value is not None})


async def send(casino: Client, kind: str, **fields: Any) -> Any:
    return await getattr(casino.wallet, RPCS[kind])(request_of(kind, **fields))


async def two_players(casino: Client) -> str:
    """Create two players with money in two currencies and a bet each; return the first."""
    for player in ("one", "other"):
        await casino.players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=["EUR", "USD"])
        )
        await casino.deposit(player, eur("50.00"))
    await casino.bet("one", eur("1.00"), "r", "the-bet")
    await casino.bet("one", eur("1.00"), "r", "another-bet")
    return "one"


@pytest.mark.parametrize(("kind", "change", "field"), CHANGES)
async def test_the_same_id_with_other_content_names_the_first_field_that_differs(
    casino: Client, kind: str, change: dict[str, Any], field: str
) -> None:
    player = await two_players(casino)
    base = {"transaction_id": "x", "player_id": player, **BASES[kind]}
    first = await send(casino, kind, **base)
    balances = [await casino.balance(each) for each in ("one", "other")]
    with refused("TRANSACTION_ID_REUSED") as failure:
        await send(casino, kind, **{**base, **change})
    assert failure.code is grpc.StatusCode.ALREADY_EXISTS
    assert failure.metadata == {"transaction_id": "x", "field": field}
    assert [await casino.balance(each) for each in ("one", "other")] == balances
    again = await send(casino, kind, **base)
    assert again.replayed
    again.replayed = False
    assert again == first


@pytest.mark.parametrize("kind", BASES)
async def test_the_same_id_for_another_kind_of_transaction_names_the_type(
    casino: Client, kind: str
) -> None:
    player = await two_players(casino)
    await send(casino, kind, transaction_id="x", player_id=player, **BASES[kind])
    for other, fields in BASES.items():
        if other != kind:
            with refused("TRANSACTION_ID_REUSED") as failure:
                await send(casino, other, transaction_id="x", player_id=player, **fields)
            assert failure.metadata == {"transaction_id": "x", "field": "type"}


async def test_an_amount_after_all_was_withdrawn_is_other_content(casino: Client) -> None:
    player = await casino.new_player(money=eur("50.00"))
    await casino.withdraw_all(player, "EUR", "x")
    with refused("TRANSACTION_ID_REUSED") as failure:
        await casino.withdraw(player, eur("50.00"), "x")
    assert failure.metadata["field"] == "amount"


async def test_an_unspecified_win_type_is_a_regular_win_and_a_session_is_not_content(
    casino: Client,
) -> None:
    player = await two_players(casino)
    await casino.win(player, eur("1.00"), "r", transaction_id="x")
    assert (
        await casino.win(
            player, eur("1.00"), "r", transaction_id="x", win_type=wallet_pb2.WIN_TYPE_REGULAR
        )
    ).replayed
    assert (await casino.bet(player, eur("1.00"), "r", "the-bet", session_id="whatever")).replayed


async def test_the_same_id_at_another_operator_is_another_transaction(
    casino: Client, installation: Installation
) -> None:
    neighbour = await installation.new_casino()
    for client in (casino, neighbour):
        await client.new_player(player_id="same-player")
        assert not (await client.deposit("same-player", eur("5.00"), "same-id")).replayed


# -- players and operators --------------------------------------------------------------------


async def test_creating_a_player_again_is_a_replay_also_after_updates(casino: Client) -> None:
    player = new_id("player")

    async def create(*codes: str, **metadata: str) -> Any:
        return await casino.players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(
                player_id=player, currency_codes=codes, metadata=metadata
            )
        )

    first = await create("EUR", "USD", country="DE")
    assert not first.replayed
    assert first.player.status == wallet_pb2.PLAYER_STATUS_ACTIVE
    await casino.deposit(player, eur("3.00"))
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(
            player_id=player,
            status=wallet_pb2.PLAYER_STATUS_SUSPENDED,
            add_currency_codes=["GBP"],
            metadata={"country": "FR"},
        )
    )
    again = await create("USD", "EUR", "USD", country="IT")
    assert again.replayed
    assert again.player.status == wallet_pb2.PLAYER_STATUS_SUSPENDED
    assert list(again.player.currency_codes) == ["EUR", "GBP", "USD"]
    assert dict(again.player.metadata) == {"country": "FR"}
    assert again.balances[0].balance == eur("3.00")
    for codes in (("EUR",), ("EUR", "USD", "GBP")):
        with refused("PLAYER_EXISTS") as failure:
            await create(*codes)
        assert failure.metadata == {"player_id": player, "field": "currency_codes"}


async def test_metadata_of_a_player_is_replaced_kept_and_cleared(casino: Client) -> None:
    player = await casino.new_player()

    async def update(**fields: Any) -> dict[str, str]:
        request = player_service_pb2.UpdatePlayerRequest(player_id=player, **fields)
        return dict((await casino.players.UpdatePlayer(request)).player.metadata)

    assert await update(metadata={"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert await update(metadata={"c": "3"}) == {"c": "3"}
    assert await update() == {"c": "3"}
    with refused("INVALID_FIELD"):
        await update(metadata={"d": "4"}, clear_metadata=True)
    assert await update(clear_metadata=True) == {}


async def test_creating_an_operator_again_is_a_replay_also_after_updates(
    installation: Installation,
) -> None:
    operator = new_id("casino")
    coins = [("COIN", 0), ("GEM", 2)]

    async def create(name: str, currencies: list[tuple[str, int]]) -> Any:
        return await installation.admin.operators.CreateOperator(
            operator_service_pb2.CreateOperatorRequest(
                operator_id=operator,
                display_name=name,
                currencies=[operator_pb2.Currency(code=c, exponent=e) for c, e in currencies],
            )
        )

    assert not (await create("One", coins)).replayed
    await installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=operator,
            display_name="Renamed",
            add_currencies=[operator_pb2.Currency(code="STAR", exponent=1)],
        )
    )
    again = await create("One", coins[::-1])
    assert again.replayed
    assert again.operator.display_name == "Renamed"
    assert [coin.code for coin in again.operator.currencies] == ["COIN", "GEM", "STAR"]
    assert again.operator.wallet_mode == operator_pb2.WALLET_MODE_TRANSFER
    for name, currencies, field in (
        ("Renamed", coins, "display_name"),
        ("One", coins[:1], "currencies"),
        ("One", [("COIN", 0), ("GEM", 3)], "currencies"),
    ):
        with refused("OPERATOR_EXISTS") as failure:
            await create(name, currencies)
        assert failure.metadata == {"operator_id": operator, "field": field}
