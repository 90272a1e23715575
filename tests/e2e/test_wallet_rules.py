"""Statuses, deposits and withdrawals, and game sessions, as a casino sees them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.support.calls import outcome
from tests.support.client import Client, Failure, eur, money, new_id, refused

ACTIVE = wallet_pb2.PLAYER_STATUS_ACTIVE
SUSPENDED = wallet_pb2.PLAYER_STATUS_SUSPENDED
SELF_EXCLUDED = wallet_pb2.PLAYER_STATUS_SELF_EXCLUDED
CLOSED = wallet_pb2.PLAYER_STATUS_CLOSED


async def set_status(casino: Client, player: str, status: Any) -> Any:
    return await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(player_id=player, status=status)
    )


async def enter(casino: Client, player: str, game: str = "slots", currency: str = "EUR") -> str:
    """Open a game session; return its id."""
    opened = await casino.wallet.OpenGameSession(
        wallet_service_pb2.OpenGameSessionRequest(
            player_id=player, game_id=game, currency_code=currency
        )
    )
    return str(opened.session_id)


async def leave(casino: Client, session: str) -> None:
    await casino.wallet.CloseGameSession(
        wallet_service_pb2.CloseGameSessionRequest(session_id=session)
    )


async def player_of(casino: Client, *currencies: str) -> str:
    player = new_id("player")
    await casino.players.CreatePlayer(
        player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=currencies)
    )
    return player


# -- statuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "may"),
    [
        (ACTIVE, "", {"bet", "session", "deposit", "withdraw"}),
        (SUSPENDED, "PLAYER_SUSPENDED", set()),
        (SELF_EXCLUDED, "PLAYER_SELF_EXCLUDED", {"withdraw"}),
        (CLOSED, "PLAYER_CLOSED", {"withdraw"}),
    ],
)
async def test_a_status_allows_what_its_row_of_the_table_says(
    casino: Client, status: Any, reason: str, may: set[str]
) -> None:
    player = await casino.new_player(money=eur("10.00"))
    await casino.bet(player, eur("1.00"), "won", "won-bet")
    await casino.bet(player, eur("1.00"), "undone", "undone-bet")
    changed = await set_status(casino, player, status)
    assert changed.player.status == status
    found = {
        "bet": await outcome(casino.bet(player, eur("1.00"), "new")),
        "session": await outcome(enter(casino, player)),
        "deposit": await outcome(casino.deposit(player, eur("1.00"))),
        "withdraw": await outcome(casino.withdraw(player, eur("1.00"))),
    }
    for activity, answer in found.items():
        if activity in may:
            assert not isinstance(answer, Failure), (activity, str(answer))
        else:
            assert isinstance(answer, Failure), activity
            assert answer.reason == reason
            assert answer.code is grpc.StatusCode.FAILED_PRECONDITION
            assert answer.metadata == {"player_id": player}
    # A game that has begun can always end.
    await casino.win(player, eur("5.00"), "won", "won-bet")
    await casino.rollback(player, "undone-bet")
    await casino.close_round(player, "won")


async def test_closed_is_final_and_every_other_status_can_be_left(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))
    for status in (SUSPENDED, ACTIVE, SELF_EXCLUDED, SUSPENDED, ACTIVE, CLOSED, CLOSED):
        await set_status(casino, player, status)
    for status in (ACTIVE, SUSPENDED, SELF_EXCLUDED):
        with refused("PLAYER_CLOSED"):
            await set_status(casino, player, status)
    with refused("PLAYER_CLOSED"):
        await casino.bet(player, eur("1.00"), "round")


async def test_a_wallet_added_to_a_suspended_player_is_suspended_too(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))
    await set_status(casino, player, SUSPENDED)
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(player_id=player, add_currency_codes=["USD"])
    )
    with refused("PLAYER_SUSPENDED"):
        await casino.deposit(player, money("1.00", "USD", 2))
    await set_status(casino, player, ACTIVE)
    await casino.deposit(player, money("1.00", "USD", 2))


# -- deposits and withdrawals -----------------------------------------------------------------


async def test_withdraw_all_takes_everything_and_refuses_an_empty_wallet(casino: Client) -> None:
    player = await casino.new_player(money=eur("107.51"))
    taken = await casino.withdraw_all(player, "EUR")
    assert taken.transaction.type == wallet_pb2.TRANSACTION_TYPE_WITHDRAWAL
    assert taken.transaction.amount == eur("107.51")
    assert taken.transaction.balance_after == eur("0.00")
    with refused("INSUFFICIENT_FUNDS") as failure:
        await casino.withdraw_all(player, "EUR", "too-late")
    assert failure.metadata == {"balance": "0", "required": "1", "currency_code": "EUR"}
    shown = await casino.transaction("too-late")
    assert shown.state == wallet_pb2.TRANSACTION_STATE_REFUSED
    assert shown.amount == eur("0.00")


async def test_a_replayed_withdrawal_of_all_tells_what_was_taken_the_first_time(
    casino: Client,
) -> None:
    player = await casino.new_player(money=eur("30.00"))
    await casino.withdraw_all(player, "EUR", "all")
    await casino.deposit(player, eur("5.00"))
    again = await casino.withdraw_all(player, "EUR", "all")
    assert again.replayed
    assert again.transaction.amount == eur("30.00")
    assert await casino.balance(player) == 500


async def test_more_than_the_wallet_holds_cannot_be_withdrawn(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))
    with refused("INSUFFICIENT_FUNDS") as failure:
        await casino.withdraw(player, eur("10.01"))
    assert failure.metadata == {"balance": "1000", "required": "1001", "currency_code": "EUR"}
    await casino.withdraw(player, eur("10.00"))
    assert await casino.balance(player) == 0


@pytest.mark.parametrize("amount", ["0.00", "-0.01"])
async def test_a_deposit_and_a_withdrawal_need_an_amount_above_zero(
    casino: Client, amount: str
) -> None:
    player = await casino.new_player(money=eur("10.00"))
    for call in (casino.deposit, casino.withdraw):
        with refused("INVALID_FIELD") as failure:
            await call(player, eur(amount))
        assert failure.metadata == {"field": "amount.minor_units"}
        assert failure.failure is not None
        assert failure.failure.bad_fields == ("amount.minor_units",)
    assert await casino.balance(player) == 1_000


async def test_metadata_of_deposits_and_withdrawals_is_kept_and_not_compared(
    casino: Client,
) -> None:
    player = await casino.new_player()
    request = wallet_service_pb2.DepositRequest(
        transaction_id="paid", player_id=player, amount=eur("5.00"), metadata={"psp": "ref-1"}
    )
    await casino.wallet.Deposit(request)
    request.metadata["psp"] = "ref-2"
    again = await casino.wallet.Deposit(request)
    assert again.replayed
    assert dict(again.transaction.metadata) == {"psp": "ref-1"}
    assert dict((await casino.transaction("paid")).metadata) == {"psp": "ref-1"}


async def test_every_posting_tells_the_balance_before_and_after_and_its_number(
    casino: Client,
) -> None:
    player = await casino.new_player()
    moved = [
        await casino.deposit(player, eur("10.00")),
        await casino.bet(player, eur("4.00"), "round", "bet"),
        await casino.win(player, eur("7.00"), "round", "bet", "win"),
        await casino.rollback(player, "win"),
        await casino.withdraw(player, eur("6.00")),
    ]
    shown = [
        (
            found.transaction.balance_before.minor_units,
            found.transaction.balance_after.minor_units,
            found.transaction.wallet_sequence,
        )
        for found in moved
    ]
    assert shown == [
        (0, 1000, 1),
        (1000, 600, 2),
        (600, 1300, 3),
        (1300, 600, 4),
        (600, 0, 5),
    ]
    balances = await casino.wallet.GetBalance(
        wallet_service_pb2.GetBalanceRequest(player_id=player)
    )
    assert [(found.balance, found.sequence) for found in balances.balances] == [(eur("0.00"), 5)]


# -- sessions ---------------------------------------------------------------------------------


async def test_a_session_shows_the_balance_and_an_empty_wallet_cannot_enter(
    casino: Client,
) -> None:
    player = await casino.new_player(money=eur("3.00"))
    opened = await casino.wallet.OpenGameSession(
        wallet_service_pb2.OpenGameSessionRequest(
            player_id=player, game_id="slots", currency_code="EUR"
        )
    )
    assert opened.session_id
    assert opened.balance.balance == eur("3.00")
    await casino.withdraw_all(player, "EUR")
    with refused("INSUFFICIENT_FUNDS") as failure:
        await enter(casino, player)
    assert failure.metadata == {"balance": "0", "required": "1", "currency_code": "EUR"}


async def test_a_bet_may_name_its_open_session_and_no_other(casino: Client) -> None:
    player = await player_of(casino, "EUR", "USD")
    stranger = await casino.new_player(money=eur("5.00"))
    await casino.deposit(player, eur("50.00"))
    await casino.deposit(player, money("50.00", "USD", 2))
    session = await enter(casino, player)
    other = await enter(casino, player)
    assert session != other, "a player may have several"
    await casino.bet(player, eur("1.00"), "r", session_id=session)
    await casino.bet(player, eur("1.00"), "r")
    wrong = {
        "another player's": {"session_id": await enter(casino, stranger)},
        "another game's": {"session_id": session, "game_id": "roulette"},
        "unknown": {"session_id": "no-such-session"},
    }
    for kind, fields in wrong.items():
        bet_id = new_id("bet")
        with refused("SESSION_INVALID") as failure:
            await casino.bet(player, eur("1.00"), "r", bet_id, **fields)
        assert failure.metadata == {
            "session_id": fields["session_id"],
            "transaction_id": bet_id,
            "round_id": "r",
        }, kind
    with refused("SESSION_INVALID"):
        await casino.bet(player, money("1.00", "USD", 2), "in-dollars", session_id=session)
    assert await casino.balance(player) == 4_800


async def test_a_closed_session_takes_no_bet_but_every_win_and_rollback(casino: Client) -> None:
    player = await casino.new_player(money=eur("10.00"))
    session = await enter(casino, player)
    still_open = await enter(casino, player)
    await casino.bet(player, eur("1.00"), "won", "won-bet", session_id=session)
    await casino.bet(player, eur("1.00"), "undone", "undone-bet", session_id=session)
    await leave(casino, session)
    await leave(casino, session)
    with refused("SESSION_INVALID"):
        await casino.bet(player, eur("1.00"), "won", session_id=session)
    await casino.bet(player, eur("1.00"), "won", session_id=still_open)
    await casino.win(player, eur("5.00"), "won", "won-bet")
    await casino.rollback(player, "undone-bet")
    with refused("SESSION_INVALID") as failure:
        await leave(casino, "no-such-session")
    assert failure.metadata == {
        "session_id": "no-such-session",
        "transaction_id": "",
        "round_id": "",
    }
