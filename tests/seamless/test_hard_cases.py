"""What is easily forgotten in seamless mode: currencies, ids, sums, settings, the other mode."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from purser.admin.v1 import ledger_service_pb2, operator_pb2, operator_service_pb2
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import player_service_pb2, wallet_pb2
from purser_casino import ReferenceCasino
from purser_server.usecases.modes import SETTINGS_AGE_S
from tests.seamless.scene import (
    COMPLETED,
    PENDING,
    REFUSED,
    ROLLED_BACK,
    SECRET,
    SETTLED_WITHIN_S,
    Seamless,
    heard,
)
from tests.support.calls import answers, outcome, reasons, together
from tests.support.client import Failure, eur, money, new_id, refused

PROMO, JACKPOT = wallet_pb2.WIN_TYPE_PROMO, wallet_pb2.WIN_TYPE_JACKPOT
MOST = 2**63 - 1


async def player_with(seamless: Seamless, **minor: int) -> str:
    player = new_id("player")
    seamless.casino.add_player(player, **minor)
    await seamless.games.players.CreatePlayer(
        player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=list(minor))
    )
    return player


async def begun_bet(seamless: Seamless, player: str, amount: Money) -> asyncio.Task[Any]:
    """Begin the bet b1 in round r1, which the casino answers a while later."""
    seamless.casino.faults.set("bet:late=300ms")
    bet = asyncio.create_task(outcome(seamless.games.bet(player, amount, "r1", "b1")))
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not seamless.casino.calls("Bet"):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    return bet


def usd(amount: str) -> Money:
    return money(amount, "USD", 2)


# -- a round has one currency, from its first bet on -----------------------------------------------


async def test_two_first_bets_at_once_cannot_open_a_round_in_two_currencies(
    seamless: Seamless,
) -> None:
    player = await player_with(seamless, EUR=10_000, USD=10_000)
    seamless.casino.faults.set("bet:late=200ms")

    found = await together(
        [
            seamless.games.bet(player, eur("5.00"), "r1", "b1"),
            seamless.games.bet(player, usd("7.00"), "r1", "b2"),
        ]
    )

    assert len(answers(found)) == 1
    assert reasons(found) == ["INVALID_FIELD"]
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_a_win_that_waits_has_the_currency_of_its_bet(seamless: Seamless) -> None:
    player = await player_with(seamless, EUR=10_000, USD=10_000)
    bet = await begun_bet(seamless, player, eur("5.00"))

    with refused("INVALID_FIELD"):
        await seamless.games.win(player, usd("9.00"), "r1", "b1", "w1")

    assert heard(await bet) == "COMPLETED"
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_a_jackpot_for_a_pending_bet_of_a_closed_round_waits_and_is_paid(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r1", "b0")
    seamless.casino.faults.set("bet:late=300ms")
    bet = asyncio.create_task(outcome(seamless.games.bet(player, eur("5.00"), "r1", "b1")))
    await seamless.has_begun("b1")
    await seamless.games.close_round(player, "r1")

    win = await seamless.games.win(player, eur("9.00"), "r1", "b1", "w1", win_type=JACKPOT)

    assert heard(win) == "COMPLETED"
    assert heard(await bet) == "COMPLETED"
    await seamless.assert_agreement()


# -- ids -----------------------------------------------------------------------------------------


async def test_the_id_of_a_pending_movement_is_taken_for_every_kind_of_request(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r0", "b0")
    seamless.casino.faults.set("*:unavailable")
    with refused("CASINO_UNREACHABLE"):
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")

    with refused("TRANSACTION_ID_REUSED") as failure:
        await seamless.games.close_round(player, "r0", "b1")
    assert failure.metadata["field"] == "type"
    with refused("TRANSACTION_ID_REUSED"):
        await seamless.games.deposit(player, eur("5.00"), "b1")

    seamless.casino.faults.set("")
    assert (await seamless.settled("b1")).state == ROLLED_BACK
    await seamless.assert_agreement()


# -- sums beyond 64 bits -------------------------------------------------------------------------


async def test_a_bet_beyond_what_its_rounds_total_can_hold_is_not_sent(seamless: Seamless) -> None:
    player = await player_with(seamless, EUR=MOST)
    all_of_it = Money(currency_code="EUR", minor_units=MOST)
    await seamless.games.bet(player, all_of_it, "r1", "b1")
    back = Money(currency_code="EUR", minor_units=2**62)
    await seamless.games.win(player, back, "r1", "b1", "w1")
    calls = seamless.casino.calls("Bet")

    with refused("AMOUNT_RANGE"):
        await seamless.games.bet(player, eur("1.00"), "r1", "b2")

    assert seamless.casino.calls("Bet") == calls


async def test_a_win_that_no_account_can_hold_is_a_case_and_not_lost(seamless: Seamless) -> None:
    players = [await player_with(seamless, EUR=0) for _ in range(6)]
    half = Money(currency_code="EUR", minor_units=2**62)
    for number, player in enumerate(players):
        await outcome(
            seamless.games.win(player, half, "", "", f"w{number}", game_id="", win_type=PROMO)
        )
    listed = await seamless.installation.admin.ledger.ListOpenCases(
        ledger_service_pb2.ListOpenCasesRequest(operator_id=seamless.operator_id)
    )
    assert listed.open_cases, "something found room for 2^64 and more"
    for case in listed.open_cases:
        assert (await seamless.games.transaction(case.transaction_id)).state == PENDING
        assert "booked" in case.last_error
    states = [(await seamless.games.transaction(f"w{n}")).state for n in range(6)]
    assert states.count(PENDING) == len(listed.open_cases)
    await seamless.installation.assert_consistent(seamless.operator_id)


# -- settings ------------------------------------------------------------------------------------


async def test_a_new_target_is_called_from_the_next_second_on(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r1", "b1")
    async with ReferenceCasino(seamless.operator_id, SECRET) as moved:
        moved.add_player(player, EUR=9_900)
        await seamless.call_the_casino_at(moved.address)
        await asyncio.sleep(SETTINGS_AGE_S * 1.5)
        calls = seamless.casino.calls("Bet")

        for number in range(3):
            await seamless.games.bet(player, eur("1.00"), "r2", f"m{number}")

        assert seamless.casino.calls("Bet") == calls
        assert moved.calls("Bet") == 3


async def test_whoever_waits_for_a_bet_takes_no_place_of_the_casinos_calls(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    await _limit(seamless, calls=2)
    seamless.casino.faults.set("bet:late=1500ms@1")
    bet = asyncio.create_task(outcome(seamless.games.bet(player, eur("1.00"), "r1", "b1")))
    await seamless.has_begun("b1")
    waiting = [
        asyncio.create_task(outcome(seamless.games.rollback(player, "b1", f"u{n}")))
        for n in range(3)
    ]
    await seamless.has_begun("u2")

    other = await seamless.games.bet(player, eur("1.00"), "r2", "b2")

    assert heard(other) == "COMPLETED"
    assert not any(task.done() for task in waiting), "nobody waited: the test tested nothing"
    await asyncio.gather(bet, *waiting)
    await seamless.all_settled()
    await seamless.assert_agreement()


async def _limit(seamless: Seamless, calls: int) -> None:
    await seamless.installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=seamless.operator_id,
            callback=operator_pb2.CallbackSettings(
                target=seamless.casino.address,
                signing_secret=SECRET,
                deadline_ms=2_000,
                max_calls_in_flight=calls,
            ),
        )
    )
    await asyncio.sleep(SETTINGS_AGE_S * 1.2)


# -- the other mode ------------------------------------------------------------------------------


async def test_what_one_mode_moved_the_other_does_not_roll_back(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.win(player, eur("30.00"), "", "", "w1", game_id="", win_type=PROMO)
    await seamless.installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=seamless.operator_id, callback=operator_pb2.CallbackSettings()
        )
    )
    await seamless.games.deposit(player, eur("40.00"))

    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await seamless.games.rollback(player, "w1", "u1")

    assert await seamless.games.balance(player) == 4_000
    await seamless.installation.assert_consistent(seamless.operator_id)


# -- a bet and its rollback in one flush ----------------------------------------------------------


@pytest.mark.slow
async def test_bets_and_the_rollbacks_that_wait_for_them_end_in_one_flush(
    seamless: Seamless,
) -> None:
    players = [await seamless.new_player(100) for _ in range(60)]
    for player in players:
        await seamless.games.bet(player, eur("1.00"), "r", f"first-{player}")
    seamless.casino.faults.set("bet:delay=200ms")

    async def play(player: str) -> list[Any]:
        bet = asyncio.create_task(
            outcome(seamless.games.bet(player, eur("1.00"), "r", f"b-{player}"))
        )
        await seamless.has_begun(f"b-{player}")
        undo = await outcome(seamless.games.rollback(player, f"b-{player}", f"u-{player}"))
        return [await bet, undo]

    found = await asyncio.gather(*(play(player) for player in players))

    assert not [call for calls in found for call in calls if isinstance(call, Failure)]
    await seamless.all_settled()
    for player in players:
        assert (await seamless.games.transaction(f"b-{player}")).state == ROLLED_BACK
    await seamless.assert_agreement()
    assert await seamless.transactions(REFUSED) == []
    assert len(await seamless.transactions(COMPLETED, player=players[0])) == 2
