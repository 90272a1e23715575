"""Movements in seamless mode: the casino decides, and Purser keeps what it decided."""

from __future__ import annotations

from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.seamless.scene import COMPLETED, REFUSED, ROLLED_BACK, Seamless
from tests.support.client import eur, refused

TOMBSTONED = wallet_pb2.ROLLBACK_OUTCOME_TOMBSTONED
UNDONE = wallet_pb2.ROLLBACK_OUTCOME_ROLLED_BACK


async def test_a_bet_and_its_win_move_the_casinos_money(seamless: Seamless) -> None:
    player = await seamless.new_player(100)

    bet = await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    win = await seamless.games.win(player, eur("12.50"), "r1", "b1", "w1", close_round=True)

    assert seamless.money(player) == 10_750
    assert bet.transaction.state == win.transaction.state == COMPLETED
    assert bet.transaction.balance_after == eur("95.00")
    assert win.transaction.balance_after == eur("107.50")
    assert not bet.transaction.HasField("balance_before")
    assert bet.transaction.wallet_sequence == 0
    assert await seamless.games.balance(player) == 10_750
    await seamless.assert_agreement()


async def test_a_repeated_movement_is_answered_from_what_is_stored(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    first = await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    again = await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    assert again.replayed
    assert again.transaction == first.transaction
    assert seamless.money(player) == 9_500
    with refused("TRANSACTION_ID_REUSED"):
        await seamless.games.bet(player, eur("6.00"), "r1", "b1")
    await seamless.assert_agreement()


async def test_the_casinos_refusal_is_the_games_answer_for_ever(seamless: Seamless) -> None:
    player = await seamless.new_player(1)

    with refused("INSUFFICIENT_FUNDS"):
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set("bet:limit")
    with refused("CASINO_REFUSED") as failure:
        await seamless.games.bet(player, eur("0.50"), "r1", "b2")
    assert failure.metadata["outcome"] == "LIMIT_REACHED"
    seamless.casino.faults.set("")

    with refused("CASINO_REFUSED") as failure:
        await seamless.games.bet(player, eur("0.50"), "r1", "b2")
    assert failure.metadata["replayed"] == "true"
    assert (await seamless.games.transaction("b1")).state == REFUSED
    assert seamless.money(player) == 100
    await seamless.assert_agreement()


async def test_only_the_bet_that_the_player_cannot_pay_is_refused(seamless: Seamless) -> None:
    player = await seamless.new_player(10)
    seamless.casino.faults.set("bet:insufficient@2")
    await seamless.games.bet(player, eur("4.00"), "r1", "b1")

    with refused("INSUFFICIENT_FUNDS") as failure:
        await seamless.games.bet(player, eur("4.00"), "r1", "b2")
    assert failure.metadata == {"balance": "600", "required": "400", "currency_code": "EUR"}
    await seamless.games.bet(player, eur("4.00"), "r1", "b3")
    with refused("INSUFFICIENT_FUNDS"):
        await seamless.games.bet(player, eur("4.00"), "r1", "b4")

    assert seamless.money(player) == 200
    await seamless.assert_agreement()


async def test_a_bet_that_was_lost_is_as_if_it_had_never_been(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    seamless.casino.faults.set("bet:drop-after")

    with refused("CASINO_UNREACHABLE") as failure:
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    assert failure.metadata == {"transaction_id": "b1", "state": "PENDING"}
    assert (await seamless.settled("b1")).state == ROLLED_BACK
    seamless.casino.faults.set("")
    with refused("TRANSACTION_ROLLED_BACK"):
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    with refused("TRANSACTION_ROLLED_BACK"):
        await seamless.games.win(player, eur("5.00"), "r1", "b1", "w1")
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


async def test_a_game_rolls_back_a_bet_and_a_win(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    await seamless.games.bet(player, eur("7.00"), "r2", "b2")
    await seamless.games.win(player, eur("9.00"), "r2", "b2", "w2")

    undone = await seamless.games.rollback(player, "b1", "u1")
    taken = await seamless.games.rollback(player, "w2", "u2")

    assert undone.outcome == taken.outcome == UNDONE
    assert seamless.money(player) == 9_300
    assert (await seamless.games.transaction("b1")).state == ROLLED_BACK
    await seamless.assert_agreement()


async def test_a_rollback_of_what_never_came_is_not_sent(seamless: Seamless) -> None:
    player = await seamless.new_player(100)

    undone = await seamless.games.rollback(player, "never", "u1")

    assert undone.outcome == TOMBSTONED
    assert not seamless.casino.calls("Rollback")
    with refused("TRANSACTION_ROLLED_BACK"):
        await seamless.games.bet(player, eur("5.00"), "r1", "never")
    await seamless.assert_agreement()


async def test_a_settled_bet_is_not_rolled_back(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    await seamless.games.win(player, eur("0.00"), "r1", "b1", "w1", close_round=True)

    with refused("BET_ALREADY_SETTLED"):
        await seamless.games.rollback(player, "b1", "u1")

    assert seamless.money(player) == 9_500
    await seamless.assert_agreement()


async def test_what_only_transfer_mode_has_is_refused(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    with refused("WRONG_MODE"):
        await seamless.games.deposit(player, eur("5.00"))
    with refused("WRONG_MODE"):
        await seamless.games.withdraw(player, eur("5.00"))
    bet = wallet_service_pb2.BetRequest(
        transaction_id="b1", player_id=player, amount=eur("1.00"), game_id="g", round_id="r"
    )
    operations = [wallet_service_pb2.Operation(bet=bet)]
    with refused("WRONG_MODE"):
        await seamless.games.wallet.Execute(
            wallet_service_pb2.ExecuteRequest(operations=operations, atomic=True)
        )
    found = await seamless.games.wallet.Execute(
        wallet_service_pb2.ExecuteRequest(operations=operations)
    )
    assert found.results[0].transaction.state == COMPLETED
    assert seamless.money(player) == 9_900
    await seamless.assert_agreement()


async def test_purser_tells_no_balances_of_its_own(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    players = seamless.games.players

    found = await players.GetPlayer(player_service_pb2.GetPlayerRequest(player_id=player))
    assert list(found.player.currency_codes) == ["EUR"]
    assert not found.balances
    created = await players.CreatePlayer(
        player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=["EUR"])
    )
    assert (created.replayed, list(created.balances)) == (True, [])
    assert await seamless.games.balance(player) == 10_000
