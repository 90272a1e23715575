"""Rollbacks over the wire, and what the history shows of what was undone, refused or buried."""

from __future__ import annotations

import grpc
import pytest

from purser.error.v1 import error_reason_pb2
from purser.wallet.v1 import wallet_pb2
from tests.support.client import Client, eur, refused

ROLLED_BACK = wallet_pb2.ROLLBACK_OUTCOME_ROLLED_BACK
TOMBSTONED = wallet_pb2.ROLLBACK_OUTCOME_TOMBSTONED
NOTHING = wallet_pb2.ROLLBACK_OUTCOME_NOTHING_TO_ROLL_BACK


@pytest.fixture
async def player(casino: Client) -> str:
    return await casino.new_player(money=eur("100.00"))


async def test_a_bet_is_given_back_once_whatever_ids_ask_for_it(
    casino: Client, player: str
) -> None:
    bet = (await casino.bet(player, eur("30.00"), "r", "bet")).transaction
    first = await casino.rollback(player, "bet", "undo-1")
    assert (first.outcome, first.replayed) == (ROLLED_BACK, False)
    assert first.transaction.amount == eur("30.00")
    assert first.transaction.balance_after == eur("100.00")
    assert (first.transaction.game_id, first.transaction.round_id) == ("slots", "r")
    second = await casino.rollback(player, "bet", "undo-2")
    assert (second.outcome, second.replayed) == (ROLLED_BACK, False)
    assert second.transaction.wallet_sequence == 0
    assert second.transaction.amount == eur("0.00")
    again = await casino.rollback(player, "bet", "undo-1")
    assert (again.outcome, again.replayed) == (ROLLED_BACK, True)
    assert again.transaction == first.transaction
    assert await casino.balance(player) == 10_000
    # The replay of the bet shows the figures of its time, with the state of today.
    replay = await casino.bet(player, eur("30.00"), "r", "bet")
    assert replay.replayed
    assert replay.transaction.state == wallet_pb2.TRANSACTION_STATE_ROLLED_BACK
    bet.state = wallet_pb2.TRANSACTION_STATE_ROLLED_BACK
    assert replay.transaction == bet
    assert await casino.transaction("bet") == bet


async def test_a_refused_bet_has_nothing_to_roll_back(casino: Client, player: str) -> None:
    with refused("INSUFFICIENT_FUNDS"):
        await casino.bet(player, eur("100.01"), "r", "bet")
    undone = await casino.rollback(player, "bet")
    assert undone.outcome == NOTHING
    assert undone.transaction.wallet_sequence == 0
    shown = await casino.transaction("bet")
    assert shown.state == wallet_pb2.TRANSACTION_STATE_REFUSED
    assert shown.type == wallet_pb2.TRANSACTION_TYPE_BET
    assert shown.amount == eur("100.01")
    assert not shown.HasField("balance_before")
    assert shown.refusal.reason == error_reason_pb2.ERROR_REASON_INSUFFICIENT_FUNDS
    assert dict(shown.refusal.metadata) == {
        "balance": "10000",
        "required": "10001",
        "currency_code": "EUR",
    }


async def test_an_unknown_original_is_buried_and_refused_when_it_comes(
    casino: Client, player: str
) -> None:
    buried = await casino.rollback(player, "late", "undo-1")
    assert (buried.outcome, buried.replayed) == (TOMBSTONED, False)
    assert buried.transaction.related_transaction_id == "late"
    assert not buried.transaction.HasField("amount")
    stone = await casino.transaction("late")
    assert stone.state == wallet_pb2.TRANSACTION_STATE_TOMBSTONE
    assert stone.type == wallet_pb2.TRANSACTION_TYPE_UNSPECIFIED
    assert stone.player_id == player
    assert not stone.HasField("amount")
    again = await casino.rollback(player, "late", "undo-2")
    assert (again.outcome, again.replayed) == (TOMBSTONED, False)
    with refused("TRANSACTION_ROLLED_BACK") as failure:
        await casino.bet(player, eur("1.00"), "r", "late")
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.metadata["transaction_id"] == "late"
    assert failure.metadata["round_id"] == "r"
    with refused("TRANSACTION_ROLLED_BACK"):
        await casino.win(player, eur("1.00"), "r", "", "late")
    assert await casino.transaction("late") == stone, "a tombstone stays as it is"
    assert await casino.balance(player) == 10_000


async def test_only_a_bet_or_a_win_can_come_late(casino: Client, player: str) -> None:
    await casino.bet(player, eur("1.00"), "r")
    await casino.rollback(player, "late")
    others = [
        (lambda: casino.deposit(player, eur("1.00"), "late"), "type"),
        (lambda: casino.withdraw(player, eur("1.00"), "late"), "type"),
        (lambda: casino.close_round(player, "r", "late"), "type"),
        (lambda: casino.rollback(player, "something", "late"), "type"),
    ]
    for call, path in others:
        with refused("TRANSACTION_ID_REUSED") as failure:
            await call()
        assert failure.metadata == {"transaction_id": "late", "field": path}
    # Whoever's bet it is: what was rolled back does not take place.
    other = await casino.new_player(money=eur("10.00"))
    with refused("TRANSACTION_ROLLED_BACK"):
        await casino.bet(other, eur("1.00"), "r", "late")


async def test_what_is_neither_bet_nor_win_cannot_be_rolled_back(
    casino: Client, player: str
) -> None:
    await casino.deposit(player, eur("1.00"), "deposit")
    await casino.withdraw(player, eur("1.00"), "withdrawal")
    await casino.bet(player, eur("1.00"), "r", "bet")
    await casino.rollback(player, "bet", "rollback")
    await casino.close_round(player, "r", "closing")
    for original, round_id in (
        ("deposit", ""),
        ("withdrawal", ""),
        ("rollback", "r"),
        ("closing", "r"),
    ):
        with refused("TRANSACTION_NOT_REVERSIBLE") as failure:
            await casino.rollback(player, original, f"undo-{original}")
        assert failure.metadata == {"transaction_id": original, "round_id": round_id}
        shown = await casino.transaction(f"undo-{original}")
        assert shown.state == wallet_pb2.TRANSACTION_STATE_REFUSED
    assert await casino.balance(player) == 10_000


async def test_another_players_transaction_is_not_found_and_not_buried(
    casino: Client, player: str
) -> None:
    other = await casino.new_player(money=eur("10.00"))
    await casino.bet(other, eur("1.00"), "r", "others-bet")
    with refused("TRANSACTION_NOT_FOUND") as failure:
        await casino.rollback(player, "others-bet", "undo")
    assert failure.metadata == {"transaction_id": "others-bet"}
    with refused("TRANSACTION_NOT_FOUND"):
        await casino.transaction("undo")
    assert (await casino.transaction("others-bet")).state == (
        wallet_pb2.TRANSACTION_STATE_COMPLETED
    )
    await casino.rollback(other, "others-bet", "undo")


async def test_a_rollback_cannot_name_itself(casino: Client, player: str) -> None:
    with refused("INVALID_FIELD") as failure:
        await casino.rollback(player, "same", "same")
    assert failure.metadata == {"field": "original_transaction_id"}


async def test_a_stored_refusal_stays_though_its_cause_is_gone(casino: Client, player: str) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet")
    await casino.win(player, eur("1.00"), "r", "bet", "win")
    with refused("BET_ALREADY_SETTLED") as failure:
        await casino.rollback(player, "bet", "undo")
    assert "replayed" not in failure.metadata
    await casino.rollback(player, "win")
    with refused("BET_ALREADY_SETTLED") as failure:
        await casino.rollback(player, "bet", "undo")
    assert failure.metadata["replayed"] == "true"
    assert (await casino.rollback(player, "bet", "undo-now")).outcome == ROLLED_BACK
