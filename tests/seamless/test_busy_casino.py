"""A casino whose places are taken: who needs a call waits for one, and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from tests.seamless.scene import COMPLETED, SECRET, SETTLED_WITHIN_S, Seamless
from tests.support.calls import outcome, together
from tests.support.client import eur, refused


async def one_call_at_a_time(seamless: Seamless, deadline_ms: int = 5_000) -> None:
    await seamless.installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=seamless.operator_id,
            callback=operator_pb2.CallbackSettings(
                target=seamless.casino.address,
                signing_secret=SECRET,
                deadline_ms=deadline_ms,
                max_calls_in_flight=1,
            ),
        )
    )


async def is_asked(seamless: Seamless, rpc: str, calls: int) -> None:
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while seamless.casino.calls(rpc) < calls:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def enter(seamless: Seamless, player: str) -> Any:
    return await seamless.games.wallet.OpenGameSession(
        wallet_service_pb2.OpenGameSessionRequest(
            player_id=player, game_id="slots", currency_code="EUR"
        )
    )


async def test_what_needs_no_call_waits_for_no_place(seamless: Seamless) -> None:
    player = await seamless.new_player()
    await seamless.games.bet(player, eur("1.00"), "r", "b1")
    await one_call_at_a_time(seamless)
    seamless.casino.faults.set("bet:hang")
    hanging = asyncio.create_task(outcome(seamless.games.bet(player, eur("2.00"), "r", "b2")))
    await is_asked(seamless, "Bet", 2)

    again = await seamless.games.bet(player, eur("1.00"), "r", "b1")
    assert (again.transaction.state, again.replayed) == (COMPLETED, True)
    with refused("TRANSACTION_ID_REUSED"):
        await seamless.games.bet(player, eur("9.00"), "r", "b1")
    with refused("WRONG_MODE"):
        await seamless.games.deposit(player, eur("1.00"))

    assert not hanging.done(), "the place was free: this tells nothing"
    seamless.casino.faults.set("")
    await hanging
    await seamless.all_settled()
    await seamless.assert_agreement()


async def test_a_bet_and_its_rollback_take_one_place(
    seamless: Seamless, monkeypatch: pytest.MonkeyPatch
) -> None:
    players = [await seamless.new_player() for _ in range(4)]
    await one_call_at_a_time(seamless)
    seamless.casino.faults.set("bet:delay=100ms,bet:internal,rollback:delay=100ms")
    in_flight, most, answer = 0, 0, seamless.casino.faults.answer

    async def counted(call: Any) -> Any:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            return await answer(call)
        finally:
            in_flight -= 1

    monkeypatch.setattr(seamless.casino.faults, "answer", counted)
    await together(seamless.games.bet(player, eur("1.00"), "r", player) for player in players)
    await seamless.all_settled()

    assert seamless.casino.calls("Bet") == seamless.casino.calls("Rollback") == 4
    assert most == 1
    await seamless.assert_agreement()


async def test_who_may_not_play_is_told_so_before_the_casino_is_asked(seamless: Seamless) -> None:
    player = await seamless.new_player()
    await seamless.games.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(
            player_id=player, status=wallet_pb2.PLAYER_STATUS_SUSPENDED
        )
    )
    seamless.casino.faults.set("*:unavailable")
    with refused("PLAYER_SUSPENDED"):
        await enter(seamless, player)
    assert seamless.casino.calls("GetBalance") == 0


async def test_a_currency_that_the_casino_has_not_is_no_matter_of_time(seamless: Seamless) -> None:
    player = await seamless.new_player()
    seamless.casino.faults.set("balance:currency")
    with refused("CASINO_REFUSED") as failure:
        await seamless.games.balance(player)
    assert failure.metadata["outcome"] == "CURRENCY_NOT_SUPPORTED"
    with refused("CASINO_REFUSED"):
        await enter(seamless, player)
