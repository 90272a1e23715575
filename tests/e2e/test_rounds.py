"""Rounds over the wire: bets open them, wins settle them, they close, and what is undone."""

from __future__ import annotations

from typing import Any

import pytest

from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.support.client import Client, Installation, eur, money, refused

OPEN = wallet_pb2.ROUND_STATE_OPEN
ENDED = wallet_pb2.ROUND_STATE_CLOSED
REGULAR = wallet_pb2.WIN_TYPE_REGULAR
FREE = (
    wallet_pb2.WIN_TYPE_FREE_ROUND,
    wallet_pb2.WIN_TYPE_JACKPOT,
    wallet_pb2.WIN_TYPE_PROMO,
    wallet_pb2.WIN_TYPE_TOURNAMENT,
)


async def round_of(casino: Client, player: str, round_id: str, game: str = "slots") -> Any:
    response = await casino.wallet.GetRound(
        wallet_service_pb2.GetRoundRequest(player_id=player, game_id=game, round_id=round_id)
    )
    return response.round


async def sums(casino: Client, player: str, round_id: str) -> tuple[Any, ...]:
    found = await round_of(casino, player, round_id)
    return (
        found.state,
        found.bets,
        found.wins,
        found.total_bet.minor_units,
        found.total_win.minor_units,
    )


@pytest.fixture
async def player(casino: Client) -> str:
    return await casino.new_player(money=eur("100.00"))


# -- bets -------------------------------------------------------------------------------------


async def test_a_round_opens_with_its_first_bet_and_sums_up_what_stands(
    casino: Client, player: str
) -> None:
    with refused("ROUND_NOT_FOUND") as failure:
        await round_of(casino, player, "r")
    assert failure.metadata == {"round_id": "r"}
    await casino.bet(player, eur("2.00"), "r", "bet-1")
    await casino.bet(player, eur("3.00"), "r", "bet-2")
    assert await sums(casino, player, "r") == (OPEN, 2, 0, 500, 0)
    await casino.win(player, eur("4.00"), "r", "bet-1")
    await casino.rollback(player, "bet-2")
    assert await sums(casino, player, "r") == (OPEN, 1, 1, 200, 400)
    found = await round_of(casino, player, "r")
    assert (found.player_id, found.game_id, found.round_id) == (player, "slots", "r")
    assert found.total_bet.currency_code == "EUR"


async def test_the_same_round_id_in_another_game_or_of_another_player_is_another_round(
    casino: Client, player: str
) -> None:
    other = await casino.new_player(money=eur("10.00"))
    await casino.bet(player, eur("1.00"), "r", game_id="slots")
    await casino.bet(player, eur("2.00"), "r", game_id="roulette")
    await casino.bet(other, eur("3.00"), "r", game_id="slots")
    await casino.close_round(player, "r", game_id="slots")
    await casino.bet(player, eur("2.00"), "r", game_id="roulette")
    await casino.bet(other, eur("3.00"), "r", game_id="slots")
    assert (await round_of(casino, player, "r")).total_bet == eur("1.00")
    assert (await round_of(casino, player, "r", "roulette")).total_bet == eur("4.00")
    assert (await round_of(casino, other, "r")).total_bet == eur("6.00")


async def test_the_first_bet_fixes_the_currency_of_its_round(casino: Client, player: str) -> None:
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(player_id=player, add_currency_codes=["USD"])
    )
    dollars = money("1.00", "USD", 2)
    await casino.deposit(player, dollars)
    await casino.bet(player, eur("1.00"), "r", "bet")
    for call in (
        lambda: casino.bet(player, dollars, "r", "other"),
        lambda: casino.win(player, dollars, "r", "bet", "other"),
    ):
        with refused("INVALID_FIELD") as failure:
            await call()
        assert failure.metadata == {"field": "amount.currency_code"}
    await casino.bet(player, eur("1.00"), "r", "other")


async def test_a_bet_of_zero_is_a_transaction_that_posts_nothing(
    casino: Client, player: str
) -> None:
    bet = (await casino.bet(player, eur("0.00"), "r", "free-bet")).transaction
    assert bet.state == wallet_pb2.TRANSACTION_STATE_COMPLETED
    assert (bet.balance_before, bet.balance_after) == (eur("100.00"), eur("100.00"))
    assert bet.wallet_sequence == 0
    lost = (await casino.win(player, eur("0.00"), "r", "free-bet", "lost")).transaction
    assert lost.wallet_sequence == 0
    assert await sums(casino, player, "r") == (OPEN, 1, 1, 0, 0)
    with refused("BET_ALREADY_SETTLED"):
        await casino.rollback(player, "free-bet")
    assert (await casino.bet(player, eur("0.00"), "r", "free-bet")).replayed
    after = (await casino.deposit(player, eur("1.00"))).transaction
    assert after.wallet_sequence == 2, "zero movements take no number"


async def test_amounts_below_zero_are_refused(casino: Client, player: str) -> None:
    for call in (
        lambda: casino.bet(player, eur("-0.01"), "r"),
        lambda: casino.win(player, eur("-0.01"), "r"),
    ):
        with refused("INVALID_FIELD") as failure:
            await call()
        assert failure.metadata == {"field": "amount.minor_units"}


# -- wins -------------------------------------------------------------------------------------


async def test_a_regular_win_needs_a_bet_that_stands(casino: Client, player: str) -> None:
    other = await casino.new_player(money=eur("10.00"))
    await casino.bet(other, eur("1.00"), "r", "others-bet")
    await casino.bet(player, eur("1.00"), "another-round", "elsewhere")
    with refused("INSUFFICIENT_FUNDS"):
        await casino.bet(player, eur("100.00"), "r", "refused-bet")
    for bet in ("", "unknown-bet", "others-bet", "elsewhere", "refused-bet"):
        with refused("BET_NOT_FOUND") as failure:
            await casino.win(player, eur("1.00"), "r", bet)
        assert failure.metadata == {"bet_transaction_id": bet, "round_id": "r"}
    await casino.bet(player, eur("1.00"), "r", "rolled-back")
    await casino.rollback(player, "rolled-back")
    await casino.rollback(player, "buried")
    for bet in ("rolled-back", "buried"):
        with refused("TRANSACTION_ROLLED_BACK") as failure:
            await casino.win(player, eur("1.00"), "r", bet)
        assert failure.metadata == {"transaction_id": bet, "round_id": "r"}
    with refused("BET_NOT_FOUND"):
        await casino.win(player, eur("1.00"), "r")
    assert await casino.balance(player) == 9_900


async def test_a_win_without_a_bet_settles_all_open_bets_of_its_round(
    casino: Client, player: str
) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet-1")
    await casino.bet(player, eur("1.00"), "r", "bet-2")
    await casino.win(player, eur("5.00"), "r", transaction_id="win")
    await casino.bet(player, eur("1.00"), "r", "bet-3")
    for settled in ("bet-1", "bet-2"):
        with refused("BET_ALREADY_SETTLED") as failure:
            await casino.rollback(player, settled)
        assert failure.metadata == {"transaction_id": settled, "round_id": "r"}
    await casino.rollback(player, "bet-3")
    # A settled bet takes further wins while the round is open.
    await casino.win(player, eur("2.00"), "r", "bet-1")
    await casino.win(player, eur("2.00"), "r")
    assert await sums(casino, player, "r") == (OPEN, 2, 3, 200, 900)


@pytest.mark.parametrize("win_type", FREE)
async def test_promotions_and_jackpots_need_no_bet_and_come_at_any_time(
    casino: Client, player: str, win_type: int
) -> None:
    await casino.bet(player, eur("1.00"), "closed")
    await casino.close_round(player, "closed")
    paid = await casino.win(player, eur("2.00"), "closed", win_type=win_type)
    assert paid.transaction.win_type == win_type
    assert (await sums(casino, player, "closed"))[:3] == (ENDED, 1, 1)
    await casino.win(player, eur("2.00"), "unknown", win_type=win_type)
    with refused("ROUND_NOT_FOUND"):
        await round_of(casino, player, "unknown")
    nowhere = await casino.win(player, eur("2.00"), "", game_id="", win_type=win_type)
    assert (nowhere.transaction.game_id, nowhere.transaction.round_id) == ("", "")
    in_a_game = await casino.win(
        player, eur("2.00"), "", game_id="slots", win_type=win_type, transaction_id="in-a-game"
    )
    assert in_a_game.transaction.game_id == "slots"
    assert (await casino.transaction("in-a-game")) == in_a_game.transaction
    assert await casino.balance(player) == 10_700
    await casino.rollback(player, "in-a-game")
    assert await casino.balance(player) == 10_500


async def test_a_regular_win_must_name_its_round_and_a_promotion_that_closes_one_too(
    casino: Client, player: str
) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"round_id": "", "game_id": ""}, "game_id"),
        ({"round_id": ""}, "round_id"),
        ({"round_id": "", "game_id": "", "win_type": FREE[0], "close_round": True}, "close_round"),
        ({"round_id": "r", "game_id": "", "win_type": FREE[0]}, "game_id"),
        ({"round_id": "unknown", "win_type": FREE[0], "close_round": True}, "close_round"),
    ]
    for fields, path in wrong:
        with refused("INVALID_FIELD") as failure:
            await casino.win(player, eur("1.00"), **fields)
        assert failure.metadata == {"field": path}, fields


# -- closing ----------------------------------------------------------------------------------


async def test_a_win_may_close_its_round(casino: Client, player: str) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet-1")
    await casino.bet(player, eur("1.00"), "r", "bet-2")
    await casino.win(player, eur("5.00"), "r", "bet-1", "win", close_round=True)
    assert (await round_of(casino, player, "r")).state == ENDED
    with refused("BET_ALREADY_SETTLED"):
        await casino.rollback(player, "bet-2")
    with refused("ROUND_CLOSED") as failure:
        await casino.bet(player, eur("1.00"), "r", "late-bet")
    assert failure.metadata == {"transaction_id": "late-bet", "round_id": "r"}
    with refused("ROUND_CLOSED") as failure:
        await casino.win(player, eur("1.00"), "r", "bet-1", "late-win")
    assert failure.metadata == {"transaction_id": "late-win", "round_id": "r"}


async def test_closing_a_round_settles_what_is_open_and_twice_is_fine(
    casino: Client, player: str
) -> None:
    with refused("ROUND_NOT_FOUND"):
        await casino.close_round(player, "r", "close-1")
    await casino.bet(player, eur("1.00"), "r", "bet")
    first = await casino.close_round(player, "r", "close-1")
    second = await casino.close_round(player, "r", "close-2")
    again = await casino.close_round(player, "r", "close-1")
    assert [found.replayed for found in (first, second, again)] == [False, False, True]
    assert first.round == second.round == again.round
    assert first.round.state == ENDED
    with refused("BET_ALREADY_SETTLED"):
        await casino.rollback(player, "bet")
    shown = await casino.transaction("close-1")
    assert shown.type == wallet_pb2.TRANSACTION_TYPE_CLOSE_ROUND
    assert not shown.HasField("amount")
    assert await casino.balance(player) == 9_900


# -- undoing wins -----------------------------------------------------------------------------


async def test_rolling_a_win_back_opens_its_bets_and_the_round_that_it_closed(
    casino: Client, player: str, installation: Installation
) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet-1")
    await casino.bet(player, eur("1.00"), "r", "bet-2")
    await casino.win(player, eur("5.00"), "r", "bet-1", "win", close_round=True)
    undone = await casino.rollback(player, "win")
    assert undone.outcome == wallet_pb2.ROLLBACK_OUTCOME_ROLLED_BACK
    assert undone.transaction.amount == eur("5.00")
    assert undone.transaction.related_transaction_id == "win"
    assert await sums(casino, player, "r") == (OPEN, 2, 0, 200, 0)
    await casino.bet(player, eur("1.00"), "r", "bet-3")
    for bet in ("bet-1", "bet-2", "bet-3"):
        await casino.rollback(player, bet)
    assert await sums(casino, player, "r") == (OPEN, 0, 0, 0, 0)
    assert await casino.balance(player) == 10_000
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


async def test_a_later_close_round_stands_when_the_win_is_rolled_back(
    casino: Client, player: str
) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet")
    await casino.win(player, eur("5.00"), "r", "bet", "win", close_round=True)
    await casino.close_round(player, "r")
    await casino.rollback(player, "win")
    assert await sums(casino, player, "r") == (ENDED, 1, 0, 100, 0)
    with refused("BET_ALREADY_SETTLED"):
        await casino.rollback(player, "bet")


async def test_a_bet_stays_settled_while_another_win_stands_on_it(
    casino: Client, player: str
) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet")
    await casino.win(player, eur("1.00"), "r", "bet", "win-1")
    await casino.win(player, eur("1.00"), "r", transaction_id="win-2")
    await casino.rollback(player, "win-1")
    with refused("BET_ALREADY_SETTLED"):
        await casino.rollback(player, "bet", "try-1")
    await casino.rollback(player, "win-2")
    await casino.rollback(player, "bet", "try-2")
    assert await casino.balance(player) == 10_000


async def test_a_win_that_was_spent_cannot_be_taken_back(casino: Client, player: str) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet")
    await casino.win(player, eur("5.00"), "r", "bet", "win")
    await casino.withdraw(player, eur("100.00"))
    with refused("INSUFFICIENT_FUNDS") as failure:
        await casino.rollback(player, "win", "undo")
    assert failure.metadata == {"balance": "400", "required": "500", "currency_code": "EUR"}
    assert (await casino.transaction("win")).state == wallet_pb2.TRANSACTION_STATE_COMPLETED
