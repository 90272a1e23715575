"""Operators in seamless mode do not feel each other, nor a casino that hangs."""

from __future__ import annotations

import asyncio

import grpc

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser_casino import ReferenceCasino
from tests.seamless.scene import COMPLETED, PENDING, SECRET, Seamless
from tests.support.calls import outcome
from tests.support.client import Failure, Installation, eur, refused


async def test_a_casino_that_hangs_holds_up_nobody_else(
    seamless: Seamless, installation: Installation
) -> None:
    neighbour = await installation.new_casino()
    operator_id: str = neighbour.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        other = Seamless(neighbour, keeper, installation, operator_id)
        await other.call_the_casino_at(keeper.address)
        stuck, lucky = await seamless.new_player(), await other.new_player()
        seamless.casino.faults.set("bet:hang")
        hanging = [
            asyncio.create_task(outcome(seamless.games.bet(stuck, eur("1.00"), "r", f"b{n}")))
            for n in range(20)
        ]

        for number in range(50):
            bet = await other.games.bet(lucky, eur("1.00"), "r", f"b{number}")
            assert bet.transaction.state == COMPLETED
            if number == 0:
                # The neighbour was served while those calls were stuck.
                assert not any(call.done() for call in hanging)

        found = await asyncio.gather(*hanging)
        assert all(isinstance(outcome, Failure) for outcome in found)
        await other.assert_agreement()
    await seamless.all_settled()
    await seamless.assert_agreement()


async def test_while_a_casino_is_away_bets_are_refused_at_once_and_wins_wait(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player()
    await seamless.games.bet(player, eur("1.00"), "r", "first")
    seamless.casino.faults.set("*:unavailable")
    found = [
        await outcome(seamless.games.bet(player, eur("1.00"), "r", f"b{n}")) for n in range(12)
    ]
    states = [failure.metadata["state"] for failure in found]
    assert states[0] == "PENDING"
    assert "NOT_SENT" in states, "the breaker never opened"
    unsent = f"b{states.index('NOT_SENT')}"
    with refused("TRANSACTION_NOT_FOUND"):
        await seamless.games.transaction(unsent)
    win = await seamless.games.win(player, eur("3.00"), "r", "first", "w")
    assert win.transaction.state == PENDING

    seamless.casino.faults.set("")
    await seamless.all_settled()

    assert (await seamless.games.transaction("w")).state == COMPLETED
    assert seamless.money(player) == 10_200
    await seamless.assert_agreement()


async def test_the_mode_does_not_change_in_the_midst_of_play(seamless: Seamless) -> None:
    player = await seamless.new_player()
    await seamless.games.bet(player, eur("1.00"), "r", "b")

    async def leave() -> None:
        await seamless.installation.admin.operators.UpdateOperator(
            operator_service_pb2.UpdateOperatorRequest(
                operator_id=seamless.operator_id, callback=operator_pb2.CallbackSettings()
            )
        )

    with refused("MODE_CHANGE_BLOCKED") as failure:
        await leave()
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.metadata == {"wallet_mode": "SEAMLESS", "blocked_by": "OPEN_ROUND"}
    await seamless.games.close_round(player, "r")

    await leave()

    deposit = await seamless.games.deposit(player, eur("5.00"))
    assert deposit.transaction.balance_after == eur("5.00")
    await seamless.installation.assert_consistent(seamless.operator_id)
