"""Movements in seamless mode: the casino decides, and Purser keeps what it decided."""

from __future__ import annotations

import asyncio

import pytest

from purser.wallet.v1 import wallet_pb2, wallet_service_pb2
from tests.seamless.scene import COMPLETED, PENDING, REFUSED, ROLLED_BACK, Seamless
from tests.support.calls import outcome
from tests.support.client import Failure, eur, refused

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


@pytest.mark.parametrize(
    "fault", ["hang", "drop-before", "drop-after", "late=2s", "before-late=2s", "internal"]
)
async def test_a_bet_whose_answer_is_lost_ends_rolled_back(seamless: Seamless, fault: str) -> None:
    player = await seamless.new_player(100)
    seamless.casino.faults.set(f"bet:{fault}")

    with refused("CASINO_UNREACHABLE") as failure:
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    assert failure.metadata == {"transaction_id": "b1", "state": "PENDING"}
    assert (await seamless.settled("b1")).state == ROLLED_BACK
    seamless.casino.faults.set("")
    with refused("TRANSACTION_ROLLED_BACK"):
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    with refused("TRANSACTION_ROLLED_BACK"):
        await seamless.games.win(player, eur("5.00"), "r1", "b1", "w1")
    await asyncio.sleep(2.5 if "late" in fault else 0)
    assert seamless.money(player) == 10_000
    await seamless.assert_agreement()


@pytest.mark.parametrize("fault", ["hang@1", "drop-before@1-2", "drop-after@1", "internal@1"])
async def test_a_win_is_repeated_until_it_is_paid(seamless: Seamless, fault: str) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set(f"win:{fault}")

    win = await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1")

    assert win.transaction.state == PENDING
    assert (await seamless.settled("w1")).state == COMPLETED
    assert seamless.money(player) == 11_500
    await seamless.assert_agreement()


async def test_in_progress_is_asked_again(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    seamless.casino.faults.set("bet:in-progress=2")

    bet = await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    assert bet.transaction.state == COMPLETED
    assert seamless.money(player) == 9_500
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


async def test_a_win_waits_for_its_bet(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    seamless.casino.faults.set("bet:delay=300ms")
    bet = asyncio.create_task(seamless.games.bet(player, eur("5.00"), "r1", "b1"))
    await asyncio.sleep(0.1)

    win = await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1")

    assert win.transaction.state == COMPLETED
    assert bet.done(), "the win was answered before its bet"
    assert [seen.rpc for seen in seamless.casino.seen()] == ["Bet", "Win"]
    assert seamless.money(player) == 11_500
    await seamless.assert_agreement()


async def test_a_win_whose_bet_is_rolled_back_is_refused(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    seamless.casino.faults.set("bet:drop-after,rollback:unavailable@1")
    with refused("CASINO_UNREACHABLE"):
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    # How long it takes until the bet is undone decides what the game hears of the win.
    heard = await outcome(seamless.games.win(player, eur("20.00"), "r1", "b1", "w1"))

    if isinstance(heard, Failure):
        assert heard.reason == "TRANSACTION_ROLLED_BACK"
    else:
        assert heard.transaction.state == PENDING
    found = await seamless.settled("w1")
    assert found.state == REFUSED
    assert (await seamless.settled("b1")).state == ROLLED_BACK
    assert not seamless.casino.calls("Win")
    assert seamless.money(player) == 10_000
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
