"""Currencies and the range of amounts: ISO 4217, declared ones, and 64 bits."""

from __future__ import annotations

import grpc
import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.support.calls import outcome
from tests.support.client import (
    BACKEND,
    Client,
    Failure,
    Installation,
    eur,
    money,
    new_id,
    refused,
)

MAX_MINOR = 2**63 - 1
PROMO = wallet_pb2.WIN_TYPE_PROMO


async def player_of(casino: Client, *currencies: str) -> str:
    """Create a player with wallets in these currencies; return the id."""
    player = new_id("player")
    await casino.players.CreatePlayer(
        player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=currencies)
    )
    return player


async def test_an_amount_needs_a_wallet_in_its_currency(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))
    dollars = money("1.00", "USD", 2)
    calls = [
        lambda: casino.deposit(player, dollars, "same"),
        lambda: casino.withdraw(player, dollars, "same"),
        lambda: casino.withdraw_all(player, "USD", "same"),
        lambda: casino.bet(player, dollars, "round", "same"),
        lambda: casino.win(player, dollars, "", transaction_id="same", game_id="", win_type=PROMO),
        lambda: casino.balance(player, "USD"),
        lambda: casino.wallet.OpenGameSession(
            wallet_service_pb2.OpenGameSessionRequest(
                player_id=player, game_id="slots", currency_code="USD"
            )
        ),
    ]
    for call in calls:
        with refused("WALLET_NOT_FOUND") as failure:
            await call()
        assert failure.metadata == {"player_id": player, "currency_code": "USD"}
    # It was not stored: with a wallet the same id goes through.
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(player_id=player, add_currency_codes=["USD"])
    )
    assert not (await casino.deposit(player, dollars, "same")).replayed


@pytest.mark.parametrize("code", ["eur", "EURO", "XYZ", "USDT"])
async def test_a_currency_is_of_iso_4217_or_declared_and_compared_exactly(
    casino: Client, code: str
) -> None:
    player = await casino.new_player()
    with refused("CURRENCY_UNKNOWN") as failure:
        await casino.deposit(player, money("1.00", code, 2))
    assert failure.metadata == {"currency_code": code}
    with refused("CURRENCY_UNKNOWN"):
        await player_of(casino, "EUR", code)


@pytest.mark.parametrize("code", ["€", "EUR ", "E\x00R", "X" * 17, "X" * 100_000])
async def test_what_is_no_currency_code_at_all_is_a_wrong_field(casino: Client, code: str) -> None:
    player = await casino.new_player()
    with refused("INVALID_FIELD") as failure:
        await casino.deposit(player, money("1.00", code, 2))
    assert failure.metadata == {"field": "amount.currency_code"}
    with refused("INVALID_FIELD") as failure:
        await player_of(casino, "EUR", code)
    assert failure.metadata == {"field": "currency_codes[1]"}


async def test_a_declared_currency_is_used_by_its_operator_alone(
    installation: Installation, casino: Client
) -> None:
    operator = new_id("casino")
    await installation.admin.operators.CreateOperator(
        operator_service_pb2.CreateOperatorRequest(
            operator_id=operator, currencies=[operator_pb2.Currency(code="USDT", exponent=6)]
        )
    )
    crypto = await installation.new_client(operator, BACKEND)
    player = await player_of(crypto, "USDT", "JPY")
    await crypto.deposit(player, money("12.345678", "USDT", 6))
    await crypto.deposit(player, money("500", "JPY", 0))
    assert await crypto.balance(player, "USDT") == 12_345_678
    with refused("CURRENCY_UNKNOWN"):
        await player_of(casino, "USDT")
    await installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=operator, add_currencies=[operator_pb2.Currency(code="BTC", exponent=8)]
        )
    )
    await player_of(crypto, "BTC")
    with refused("INVALID_FIELD"):
        await installation.admin.operators.UpdateOperator(
            operator_service_pb2.UpdateOperatorRequest(
                operator_id=operator,
                add_currencies=[operator_pb2.Currency(code="BTC", exponent=2)],
            )
        )


async def test_balances_come_in_the_order_of_their_codes(casino: Client) -> None:
    player = await player_of(casino, "USD", "EUR", "GBP", "EUR")
    found = await casino.wallet.GetBalance(wallet_service_pb2.GetBalanceRequest(player_id=player))
    codes = [balance.balance.currency_code for balance in found.balances]
    assert codes == ["EUR", "GBP", "USD"]


# -- amounts ----------------------------------------------------------------------------------


async def test_a_wallet_cannot_grow_beyond_64_bits_and_the_id_stays_free(
    casino: Client, installation: Installation
) -> None:
    player = await casino.new_player(money=money(str(MAX_MINOR - 10), "JPY", 0))
    with refused("AMOUNT_RANGE") as failure:
        await casino.deposit(player, money("11", "JPY", 0), "too-much")
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.metadata == {"currency_code": "JPY", "exponent": "0"}
    with refused("AMOUNT_RANGE"):
        await casino.win(player, money("11", "JPY", 0), "", game_id="", win_type=PROMO)
    with refused("TRANSACTION_NOT_FOUND"):
        await casino.transaction("too-much")
    await casino.deposit(player, money("10", "JPY", 0), "too-much")
    assert await casino.balance(player, "JPY") == MAX_MINOR
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


async def test_the_operators_own_accounts_cannot_grow_beyond_64_bits_either(
    casino: Client, installation: Installation
) -> None:
    rich = [await casino.new_player(money=money("0", "JPY", 0)) for _ in range(8)]
    found = [
        await outcome(casino.deposit(player, money(str(MAX_MINOR), "JPY", 0))) for player in rich
    ]
    failures = [each for each in found if isinstance(each, Failure)]
    assert failures, "eight times the largest amount cannot all fit"
    for failure in failures:
        assert failure.reason == "AMOUNT_RANGE", str(failure)
        assert failure.metadata == {"currency_code": "JPY", "exponent": "0"}
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]
