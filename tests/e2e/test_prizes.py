"""Prizes over gRPC in transfer mode: granted, shipped, returned for money, expired."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from purser.admin.v1 import ledger_service_pb2, operator_service_pb2
from purser.wallet.v1 import wallet_pb2, wallet_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import answers, beside, reasons, together
from tests.support.client import eur, money, refused
from tests.support.prizes import (
    CASHED_BACK,
    CONFIRMED,
    DENIED,
    EXPIRED,
    GRANTED,
    SHIPMENT_ORDERED,
    PrizeDesk,
    Scene,
    let_all_expire,
    state_of,
)
from tests.support.process import PurserProcess

ACTIVE = wallet_pb2.PLAYER_STATUS_ACTIVE
SUSPENDED = wallet_pb2.PLAYER_STATUS_SUSPENDED
PAST = datetime.now(UTC) - timedelta(days=1)


# -- returned for money ---------------------------------------------------------------------------


async def test_a_prize_of_25_on_a_wallet_of_10_makes_35_however_often_it_is_asked_for(
    scene: Scene,
) -> None:
    await scene.desk.grant(scene.ann)

    first = await scene.desk.give_back(scene.ann)
    again = await scene.desk.give_back(scene.ann)

    assert await scene.has() == 3_500
    assert await scene.desk.state() == CASHED_BACK
    assert (first.replayed, again.replayed) == (False, True)
    assert first.prize_cashback == again.prize_cashback == await scene.desk.cashback()
    told = first.prize_cashback
    assert state_of(told) == CONFIRMED
    assert (told.transaction_id, told.prize_id) == ("cashback", "prize")
    assert not told.player_message
    assert not told.HasField("refusal")
    assert told.transaction.type == wallet_pb2.TRANSACTION_TYPE_PRIZE_CASHBACK
    assert (told.transaction.amount, told.transaction.balance_before) == (eur("25"), eur("10"))
    assert (told.transaction.balance_after, told.transaction.wallet_sequence) == (eur("35"), 2)
    assert told.transaction.prize_id == "prize"
    assert (await scene.desk.prize()).cashback_transaction_id == "cashback"


async def test_what_was_returned_is_neither_shipped_nor_returned_again(scene: Scene) -> None:
    await scene.desk.grant(scene.ann)
    await scene.desk.give_back(scene.ann)

    with refused("PRIZE_NOT_RETURNABLE") as failure:
        await scene.desk.give_back(scene.ann, "another")
    assert failure.metadata == {"state": CASHED_BACK}
    with refused("PRIZE_NOT_SHIPPABLE") as failure:
        await scene.desk.ship(scene.ann)
    assert failure.metadata == {"state": CASHED_BACK}
    with refused("TRANSACTION_NOT_FOUND"):
        await scene.desk.cashback("another")
    assert await scene.has() == 3_500


async def test_of_many_requests_at_once_in_two_processes_one_is_paid(
    scene: Scene, second_server: PurserProcess
) -> None:
    await scene.desk.grant(scene.ann)
    async with beside(scene.desk.client, second_server) as elsewhere:
        desks = (scene.desk, PrizeDesk(elsewhere))
        found = await together(
            desks[number % 2].give_back(scene.ann, f"c{number}") for number in range(20)
        )

    assert [state_of(one.prize_cashback) for one in answers(found)] == [CONFIRMED]
    assert reasons(found) == ["PRIZE_NOT_RETURNABLE"] * 19
    assert await scene.has() == 3_500


async def test_fifty_equal_requests_at_once_have_one_effect_and_fifty_equal_answers(
    scene: Scene, second_server: PurserProcess
) -> None:
    await scene.desk.grant(scene.ann)
    async with beside(scene.desk.client, second_server) as elsewhere:
        desks = (scene.desk, PrizeDesk(elsewhere))
        found = await together(desks[number % 2].give_back(scene.ann) for number in range(50))

    assert len(answers(found)) == 50
    told = {one.prize_cashback.SerializeToString(deterministic=True) for one in answers(found)}
    assert len(told) == 1
    assert Counter(one.replayed for one in answers(found)) == {False: 1, True: 49}
    assert await scene.has() == 3_500


async def test_of_a_shipment_and_a_return_at_once_one_takes_place(scene: Scene) -> None:
    for number in range(10):
        prize = f"p{number}"
        await scene.desk.grant(scene.ann, prize, eur("1.00"))
        before = await scene.has()

        found = await together(
            (scene.desk.ship(scene.ann, prize), scene.desk.give_back(scene.ann, prize, prize))
        )

        assert len(answers(found)) == 1, found
        is_paid = await scene.has() == before + 100
        assert is_paid == (await scene.desk.state(prize) == CASHED_BACK)
        assert is_paid != (await scene.desk.state(prize) == SHIPMENT_ORDERED)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("SUSPENDED", "PLAYER_SUSPENDED"),
        ("SELF_EXCLUDED", "PLAYER_SELF_EXCLUDED"),
        ("CLOSED", "PLAYER_CLOSED"),
    ],
)
async def test_a_player_who_is_not_active_is_denied_for_ever_under_that_id(
    scene: Scene, status: str, reason: str
) -> None:
    await scene.desk.grant(scene.ann)
    await scene.status(wallet_pb2.PlayerStatus.Value(f"PLAYER_STATUS_{status}"))

    denied = await scene.desk.give_back(scene.ann)

    told = denied.prize_cashback
    assert (state_of(told), denied.replayed) == (DENIED, False)
    assert told.refusal.reason == told.transaction.refusal.reason != 0
    assert told.refusal.metadata["player_id"] == scene.ann
    assert told.transaction.state == wallet_pb2.TRANSACTION_STATE_REFUSED
    assert "prize" in told.player_message
    assert (await scene.casino.transaction("cashback")).refusal.reason == told.refusal.reason
    assert reason.removeprefix("PLAYER_") in status
    assert (await scene.has(), await scene.desk.state()) == (1_000, GRANTED)
    again = await scene.desk.give_back(scene.ann)
    assert (again.prize_cashback, again.replayed) == (told, True)


async def test_a_prize_that_was_denied_is_asked_for_again_with_a_new_id(scene: Scene) -> None:
    await scene.desk.grant(scene.ann)
    await scene.status(SUSPENDED)
    assert await scene.desk.hears(scene.ann, "c1") == DENIED
    await scene.status(ACTIVE)

    assert await scene.desk.hears(scene.ann, "c1") == DENIED
    assert await scene.desk.hears(scene.ann, "c2") == CONFIRMED

    assert await scene.has() == 3_500
    assert (await scene.desk.prize()).cashback_transaction_id == "c2"


async def test_what_is_known_comes_first_then_the_prize_then_the_player(scene: Scene) -> None:
    await scene.desk.grant(scene.ann)
    await scene.desk.give_back(scene.ann)
    await scene.status(SUSPENDED)

    assert await scene.desk.hears(scene.ann) == CONFIRMED
    with refused("PRIZE_NOT_RETURNABLE"):
        await scene.desk.give_back(scene.ann, "another")


async def test_an_operators_own_words_reach_the_player(scene: Scene) -> None:
    words = "Bitte melden Sie sich beim Kundendienst."
    await scene.installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=scene.operator_id, player_messages={"PLAYER_SUSPENDED": words}
        )
    )
    await scene.desk.grant(scene.ann)
    await scene.status(SUSPENDED)

    answer = await scene.desk.give_back(scene.ann)

    assert answer.prize_cashback.player_message == words
    assert (await scene.desk.cashback()).player_message == words
    (listed,) = (await scene.desk.cashbacks()).prize_cashbacks
    assert listed.player_message == words
    await scene.status(wallet_pb2.PLAYER_STATUS_SELF_EXCLUDED)
    other = (await scene.desk.give_back(scene.ann, "other")).prize_cashback
    assert other.player_message not in ("", words)


async def test_a_wallet_that_cannot_hold_it_refuses_and_the_prize_stays(scene: Scene) -> None:
    most = money(str(2**63 - 1), "EUR", 0)
    await scene.desk.grant(scene.ann, value=most)
    with refused("AMOUNT_RANGE") as failure:
        await scene.desk.give_back(scene.ann)
    assert failure.metadata["currency_code"] == "EUR"
    assert (await scene.has(), await scene.desk.state()) == (1_000, GRANTED)
    with refused("TRANSACTION_NOT_FOUND"):
        await scene.desk.cashback()


# -- shipment and expiry ---------------------------------------------------------------------------


async def test_a_shipment_ordered_twice_is_a_replay_and_ends_the_return(scene: Scene) -> None:
    await scene.desk.grant(scene.ann)
    await scene.status(SUSPENDED)
    first, again = await scene.desk.ship(scene.ann), await scene.desk.ship(scene.ann)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.prize == again.prize
    with refused("PRIZE_NOT_RETURNABLE") as failure:
        await scene.desk.give_back(scene.ann)
    assert failure.metadata == {"state": SHIPMENT_ORDERED}
    assert await scene.has() == 1_000


async def test_a_prize_is_expired_from_its_time_on(scene: Scene) -> None:
    await scene.desk.grant(scene.ann, "long", lives_s=3_600)
    await scene.desk.grant(scene.ann, "over", expires=PAST)

    assert await scene.desk.state("over") == EXPIRED
    with refused("PRIZE_NOT_RETURNABLE") as failure:
        await scene.desk.give_back(scene.ann, prize_id="over")
    assert failure.metadata == {"state": EXPIRED}
    with refused("PRIZE_NOT_SHIPPABLE") as failure:
        await scene.desk.ship(scene.ann, "over")
    assert failure.metadata == {"state": EXPIRED}
    assert await scene.desk.hears(scene.ann, prize_id="long") == CONFIRMED


async def test_what_was_used_in_time_does_not_expire(
    scene: Scene, postgres: EmbeddedPostgres
) -> None:
    for prize in ("returned", "shipped", "kept"):
        await scene.desk.grant(scene.ann, prize, lives_s=3_600)
    await scene.desk.give_back(scene.ann, prize_id="returned")
    await scene.desk.ship(scene.ann, "shipped")
    assert await scene.desk.state("kept") == GRANTED

    await let_all_expire(postgres.url, scene.operator_id)

    assert await scene.desk.state("kept") == EXPIRED
    assert await scene.desk.state("returned") == CASHED_BACK
    assert await scene.desk.state("shipped") == SHIPMENT_ORDERED
    assert (await scene.desk.ship(scene.ann, "shipped")).replayed


async def test_nobody_need_look_for_a_prize_to_expire(scene: Scene) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=1)
    await scene.desk.grant(scene.ann, expires=expires)
    while await scene.desk.state() == GRANTED:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)
    assert datetime.now(UTC) >= expires
    assert await scene.desk.state() == EXPIRED


# -- beside other transactions ---------------------------------------------------------------------


async def test_no_game_can_roll_a_prize_back(scene: Scene) -> None:
    await scene.desk.grant(scene.ann)
    await scene.desk.give_back(scene.ann)
    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await scene.casino.rollback(scene.ann, "cashback")
    assert (await scene.has(), await scene.desk.state()) == (3_500, CASHED_BACK)


async def test_the_history_has_it_and_the_game_result_has_not(scene: Scene) -> None:
    await scene.casino.bet(scene.ann, eur("4.00"), "r", "bet")
    await scene.desk.grant(scene.ann)
    await scene.desk.give_back(scene.ann)

    kind = wallet_pb2.TRANSACTION_TYPE_PRIZE_CASHBACK
    listed = await scene.casino.wallet.ListTransactions(
        wallet_service_pb2.ListTransactionsRequest(types=[kind])
    )
    stored = await scene.casino.transaction("cashback")
    assert list(listed.transactions) == [stored]
    assert (stored.type, stored.prize_id, stored.amount) == (kind, "prize", eur("25.00"))
    feed = scene.casino.wallet.WatchTransactions(
        wallet_service_pb2.WatchTransactionsRequest(after_position=2),
        metadata=(("authorization", f"Bearer {scene.casino.api_key}"),),  # type: ignore[attr-defined]
    )
    async for event in feed:
        assert (event.position, event.transaction) == (3, stored)
        break
    feed.cancel()
    found = await scene.installation.admin.ledger.GetGameResult(
        ledger_service_pb2.GetGameResultRequest(operator_id=scene.operator_id)
    )
    (result,) = found.game_results
    assert (result.bets, result.wins, result.result) == (eur("4.00"), eur("0"), eur("4.00"))
