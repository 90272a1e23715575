"""Prizes where the casino keeps the money: paid for once, or kept, and never both or neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from purser.admin.v1 import ledger_service_pb2
from purser.error.v1 import error_reason_pb2
from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2
from purser_casino import Status
from purser_server.casino.gate import FAILURES_TO_OPEN, PROBE_AFTER_S
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.seamless.scene import (
    COMPLETED,
    PENDING,
    REFUSED,
    ROLLED_BACK,
    SETTLED_WITHIN_S,
    TOO_LATE,
    Seamless,
)
from tests.support import prizes
from tests.support.calls import answers, beside, reasons, together
from tests.support.client import eur, refused
from tests.support.prizes import (
    CASHED_BACK,
    CONFIRMED,
    DENIED,
    EXPIRED,
    FAILED,
    GRANTED,
    RETURN_PENDING,
    PrizeDesk,
    let_all_expire,
    state_of,
)
from tests.support.process import PurserProcess

LOST = "prize:drop-after,rollback:unavailable"
"""The casino pays, Purser never hears of it, and cannot roll it back for now."""


@dataclass
class Scene:
    """Ann has 10.00 at the casino, and a prize that is worth 25.00."""

    seamless: Seamless
    desk: PrizeDesk
    ann: str

    @property
    def money(self) -> int:
        return self.seamless.money(self.ann)

    def faults(self, spec: str) -> None:
        self.seamless.casino.faults.set(spec)

    @property
    def calls(self) -> int:
        return self.seamless.casino.calls("PrizeCashback")

    async def is_asked(self) -> None:
        """Wait until the casino is asked to pay."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while not self.calls:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)


@pytest.fixture
async def scene(seamless: Seamless) -> AsyncIterator[Scene]:
    desk = await PrizeDesk.of(seamless.installation, seamless.operator_id)
    ann = await seamless.new_player(10)
    await desk.grant(ann)
    yield Scene(seamless, desk, ann)
    seamless.casino.faults.set("")
    await seamless.all_settled()
    await seamless.assert_agreement()


def reason_of(error: Any) -> str:
    return error_reason_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")


# -- confirmed and denied --------------------------------------------------------------------------


async def test_a_prize_of_25_at_a_casino_with_10_makes_35_however_often_it_is_asked_for(
    scene: Scene,
) -> None:
    first = await scene.desk.give_back(scene.ann)
    again = await scene.desk.give_back(scene.ann)

    assert (scene.money, scene.calls) == (3_500, 1)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.prize_cashback == again.prize_cashback == await scene.desk.cashback()
    told = first.prize_cashback
    assert (state_of(told), told.player_message) == (CONFIRMED, "")
    paid = told.transaction
    assert (paid.state, paid.prize_id) == (COMPLETED, "prize")
    assert (paid.amount, paid.balance_after) == (eur("25.00"), eur("35.00"))
    assert not paid.HasField("balance_before")
    assert (paid.wallet_sequence, bool(paid.casino_transaction_id)) == (0, True)
    assert await scene.desk.state() == CASHED_BACK
    result = await scene.seamless.installation.admin.ledger.GetGameResult(
        ledger_service_pb2.GetGameResultRequest(operator_id=scene.seamless.operator_id)
    )
    assert not result.game_results


async def test_the_casinos_refusal_is_a_denial_with_words_for_the_player(scene: Scene) -> None:
    scene.faults("prize:limit")

    denied = (await scene.desk.give_back(scene.ann)).prize_cashback

    assert state_of(denied) == DENIED
    assert reason_of(denied.refusal) == "CASINO_REFUSED"
    assert dict(denied.refusal.metadata) == {
        "outcome": "LIMIT_REACHED",
        "casino_message": "a fault on demand",
    }
    assert denied.player_message
    assert "fault" not in denied.player_message
    assert denied.transaction.state == REFUSED
    assert (scene.money, await scene.desk.state()) == (1_000, GRANTED)
    scene.faults("")
    assert await scene.desk.hears(scene.ann) == DENIED
    assert await scene.desk.hears(scene.ann, "another") == CONFIRMED
    assert scene.money == 3_500


async def test_who_is_not_active_is_denied_without_a_call(scene: Scene) -> None:
    await scene.seamless.games.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(
            player_id=scene.ann, status=wallet_pb2.PLAYER_STATUS_SUSPENDED
        )
    )
    denied = (await scene.desk.give_back(scene.ann)).prize_cashback
    assert (state_of(denied), reason_of(denied.refusal)) == (DENIED, "PLAYER_SUSPENDED")
    assert (scene.calls, scene.money, await scene.desk.state()) == (0, 1_000, GRANTED)


async def test_whom_the_casino_has_suspended_is_denied(scene: Scene) -> None:
    scene.seamless.casino.set_status(scene.ann, Status.SUSPENDED)
    denied = (await scene.desk.give_back(scene.ann)).prize_cashback
    assert (state_of(denied), reason_of(denied.refusal)) == (DENIED, "PLAYER_SUSPENDED")


# -- while the casino is asked ---------------------------------------------------------------------


async def test_while_the_casino_is_asked_the_prize_is_locked_in_every_process(
    scene: Scene, second_server: PurserProcess
) -> None:
    await scene.seamless.call_the_casino_at(scene.seamless.casino.address, deadline_ms=20_000)
    scene.faults("prize:in-progress=99")
    call = asyncio.create_task(scene.desk.give_back(scene.ann))
    await scene.is_asked()

    async with beside(scene.desk.client, second_server) as elsewhere:
        for desk in (scene.desk, PrizeDesk(elsewhere)):
            assert await desk.told() == prizes.PENDING
            assert await desk.state() == RETURN_PENDING
            again = await desk.give_back(scene.ann)
            assert (state_of(again.prize_cashback), again.replayed) == (prizes.PENDING, True)
            with refused("PRIZE_NOT_RETURNABLE") as failure:
                await desk.give_back(scene.ann, "another")
            assert failure.metadata == {"state": RETURN_PENDING}
            with refused("PRIZE_NOT_SHIPPABLE") as failure:
                await desk.ship(scene.ann)
            assert failure.metadata == {"state": RETURN_PENDING}

    scene.faults("")
    assert state_of((await call).prize_cashback) == CONFIRMED
    assert (scene.money, await scene.desk.state()) == (3_500, CASHED_BACK)


async def test_of_many_requests_at_once_one_reaches_the_casino(
    scene: Scene, second_server: PurserProcess
) -> None:
    scene.faults("prize:delay=100ms")
    async with beside(scene.desk.client, second_server) as elsewhere:
        desks = (scene.desk, PrizeDesk(elsewhere))
        found = await together(
            desks[number % 2].give_back(scene.ann, f"c{number}") for number in range(12)
        )
    assert [state_of(one.prize_cashback) for one in answers(found)] == [CONFIRMED]
    assert reasons(found) == ["PRIZE_NOT_RETURNABLE"] * 11
    assert (scene.money, scene.calls) == (3_500, 1)


async def test_a_caller_that_hangs_up_stops_nothing(scene: Scene) -> None:
    scene.faults("prize:delay=300ms")
    call = asyncio.create_task(scene.desk.give_back(scene.ann))
    await scene.is_asked()
    call.cancel()
    assert (await scene.seamless.settled("cashback")).state == COMPLETED
    assert (await scene.desk.told(), scene.money) == (CONFIRMED, 3_500)


# -- when nobody hears of it -----------------------------------------------------------------------


async def test_what_is_never_heard_has_failed_and_the_prize_waits_for_the_rollback(
    scene: Scene,
) -> None:
    scene.faults(LOST)

    failed = (await scene.desk.give_back(scene.ann)).prize_cashback

    assert (state_of(failed), reason_of(failed.refusal)) == (FAILED, "CASINO_UNREACHABLE")
    assert failed.refusal.metadata["state"] == "PENDING"
    assert failed.player_message
    assert failed.transaction.state == PENDING
    assert await scene.desk.state() == RETURN_PENDING
    with refused("PRIZE_NOT_RETURNABLE"):
        await scene.desk.give_back(scene.ann, "another")
    with refused("PRIZE_NOT_SHIPPABLE"):
        await scene.desk.ship(scene.ann)
    again = await scene.desk.give_back(scene.ann)
    assert (again.prize_cashback, again.replayed) == (failed, True)
    assert await scene.desk.cashback() == failed
    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await scene.seamless.games.rollback(scene.ann, "cashback")
    listed = await scene.desk.cashbacks(states=[loyalty_pb2.PRIZE_CASHBACK_STATE_FAILED])
    assert list(listed.prize_cashbacks) == [failed]
    assert not (
        await scene.desk.cashbacks(states=[loyalty_pb2.PRIZE_CASHBACK_STATE_PENDING])
    ).prize_cashbacks

    scene.faults("")

    assert (await scene.seamless.settled("cashback")).state == ROLLED_BACK
    assert (scene.money, await scene.desk.state()) == (1_000, GRANTED)
    undone = (await scene.desk.give_back(scene.ann)).prize_cashback
    assert (state_of(undone), reason_of(undone.refusal)) == (FAILED, "TRANSACTION_ROLLED_BACK")
    assert undone.player_message == failed.player_message
    listed = await scene.desk.cashbacks(states=[loyalty_pb2.PRIZE_CASHBACK_STATE_FAILED])
    assert [of.transaction_id for of in listed.prize_cashbacks] == ["cashback"]
    assert await scene.desk.hears(scene.ann, "another") == CONFIRMED
    assert scene.money == 3_500


@pytest.mark.parametrize("fault", ["hang", f"late={TOO_LATE}", f"before-late={TOO_LATE}"])
async def test_a_confirmation_after_the_time_out_ends_in_one_effect(
    scene: Scene, fault: str
) -> None:
    scene.faults(f"prize:{fault}@1")
    assert await scene.desk.hears(scene.ann) == FAILED
    assert (await scene.seamless.settled("cashback")).state == ROLLED_BACK
    await scene.seamless.casino.faults.at_rest()
    assert (scene.money, await scene.desk.state()) == (1_000, GRANTED)
    assert await scene.desk.hears(scene.ann, "another") == CONFIRMED
    assert scene.money == 3_500


async def test_a_payment_that_stands_is_confirmed_from_then_on(scene: Scene) -> None:
    scene.faults(LOST)
    assert await scene.desk.hears(scene.ann) == FAILED
    # The money is spent before the casino can be asked to take it back.
    await scene.seamless.games.bet(scene.ann, eur("35.00"), "r", "spent")
    scene.faults("")

    assert (await scene.seamless.settled("cashback")).state == COMPLETED

    assert (scene.money, await scene.desk.state()) == (0, CASHED_BACK)
    again = await scene.desk.give_back(scene.ann)
    assert (state_of(again.prize_cashback), again.replayed) == (CONFIRMED, True)
    assert not again.prize_cashback.player_message
    assert await scene.desk.told() == CONFIRMED


async def test_a_refusal_that_only_the_rollback_tells_of_stays_failed(scene: Scene) -> None:
    scene.seamless.casino.set_status(scene.ann, Status.SUSPENDED)
    scene.faults("prize:drop-after")
    assert await scene.desk.hears(scene.ann) == FAILED
    assert (await scene.seamless.settled("cashback")).state == REFUSED
    assert (await scene.desk.told(), await scene.desk.state()) == (FAILED, GRANTED)
    listed = await scene.desk.cashbacks(states=[loyalty_pb2.PRIZE_CASHBACK_STATE_FAILED])
    assert [of.transaction_id for of in listed.prize_cashbacks] == ["cashback"]


# -- expiry ----------------------------------------------------------------------------------------


async def test_a_prize_that_is_given_back_after_its_time_is_expired(
    scene: Scene, postgres: EmbeddedPostgres
) -> None:
    scene.faults(LOST)
    assert await scene.desk.hears(scene.ann) == FAILED
    await let_all_expire(postgres.url, scene.seamless.operator_id)
    assert await scene.desk.state() == RETURN_PENDING
    scene.faults("")
    await scene.seamless.settled("cashback")
    assert (scene.money, await scene.desk.state()) == (1_000, EXPIRED)
    with refused("PRIZE_NOT_RETURNABLE"):
        await scene.desk.give_back(scene.ann, "another")


async def test_a_confirmation_after_the_expiry_counts(
    scene: Scene, postgres: EmbeddedPostgres
) -> None:
    await scene.seamless.call_the_casino_at(scene.seamless.casino.address, deadline_ms=20_000)
    scene.faults("prize:delay=500ms")
    call = asyncio.create_task(scene.desk.give_back(scene.ann))
    await scene.is_asked()
    await let_all_expire(postgres.url, scene.seamless.operator_id)
    assert state_of((await call).prize_cashback) == CONFIRMED
    assert (scene.money, await scene.desk.state()) == (3_500, CASHED_BACK)


# -- a casino that answers nobody ------------------------------------------------------------------


async def test_while_the_casino_answers_nobody_prizes_fail_at_once_and_stay_as_they_are(
    scene: Scene,
) -> None:
    scene.faults("*:unavailable")
    for number in range(20):
        await scene.desk.grant(scene.ann, f"p{number}")
    unheard = None
    for number in range(20):
        failed = (await scene.desk.give_back(scene.ann, f"c{number}", f"p{number}")).prize_cashback
        assert state_of(failed) == FAILED
        if failed.refusal.metadata["state"] == "NOT_SENT":
            unheard = failed
            break
    assert unheard is not None, "the breaker never opened"
    assert scene.seamless.casino.movement(unheard.transaction_id) is None
    assert unheard.transaction.state == REFUSED
    assert await scene.desk.state(unheard.prize_id) == GRANTED
    again = await scene.desk.give_back(scene.ann, unheard.transaction_id, unheard.prize_id)
    assert (again.prize_cashback, again.replayed) == (unheard, True)
    # What is no matter of the casino's is told as ever.
    with refused("PRIZE_NOT_FOUND"):
        await scene.desk.give_back(scene.ann, "c", "unknown")
    scene.faults("")
    await scene.seamless.all_settled()
    # Another process may have undone them: this one's breaker hears of it from its next probe.
    await asyncio.sleep(1.5 * PROBE_AFTER_S)
    assert await scene.desk.hears(scene.ann, "later", unheard.prize_id) == CONFIRMED
    assert await scene.desk.told(unheard.transaction_id) == FAILED
    assert scene.money == 3_500


async def test_what_needs_no_call_takes_the_probe_from_nobody(scene: Scene) -> None:
    # Balances open the breaker and leave nothing that is repeated and closes it.
    scene.faults("balance:unavailable")
    for _ in range(FAILURES_TO_OPEN):
        with refused("CASINO_UNREACHABLE"):
            await scene.seamless.games.balance(scene.ann)
    scene.faults("")
    await asyncio.sleep(1.5 * PROBE_AFTER_S)

    with refused("PRIZE_NOT_FOUND"):
        await scene.desk.give_back(scene.ann, "c", "unknown")

    assert await scene.desk.hears(scene.ann) == CONFIRMED
    assert scene.money == 3_500


async def test_the_mode_does_not_change_while_a_prize_waits(scene: Scene) -> None:
    scene.faults(LOST)
    await scene.desk.give_back(scene.ann)
    with refused("MODE_CHANGE_BLOCKED") as failure:
        await scene.seamless.call_the_casino_at("")
    assert failure.metadata["blocked_by"] == "PENDING_CALLBACK"
