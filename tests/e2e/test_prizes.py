"""Prizes over gRPC in transfer mode: granted, shipped, returned for money, expired."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from purser.admin.v1 import ledger_service_pb2, operator_service_pb2
from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import answers, beside, reasons, together
from tests.support.client import Client, Installation, eur, money, new_id, refused
from tests.support.prizes import (
    CASHED_BACK,
    CONFIRMED,
    DENIED,
    EXPIRED,
    GRANTED,
    SHIPMENT_ORDERED,
    PrizeDesk,
    let_all_expire,
    state_of,
)
from tests.support.process import PurserProcess

ACTIVE = wallet_pb2.PLAYER_STATUS_ACTIVE
SUSPENDED = wallet_pb2.PLAYER_STATUS_SUSPENDED
PAST = datetime.now(UTC) - timedelta(days=1)


@dataclass
class Scene:
    """A casino in transfer mode, and Ann, who has 10.00."""

    casino: Client
    desk: PrizeDesk
    installation: Installation
    ann: str
    operator_id: str

    async def status(self, status: Any) -> None:
        await self.casino.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(player_id=self.ann, status=status)
        )

    async def has(self) -> int:
        return await self.casino.balance(self.ann)


@pytest.fixture
async def scene(casino: Client, installation: Installation) -> AsyncIterator[Scene]:
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    desk = await PrizeDesk.of(installation, operator_id)
    ann = await casino.new_player(money=eur("10.00"))
    yield Scene(casino, desk, installation, ann, operator_id)
    await installation.assert_consistent(operator_id)


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


# -- ids -------------------------------------------------------------------------------------------


async def test_an_id_of_another_content_names_what_differs(scene: Scene) -> None:
    bob = await scene.casino.new_player()
    await scene.desk.grant(scene.ann)
    await scene.desk.grant(scene.ann, "second")
    await scene.desk.give_back(scene.ann)
    await scene.casino.bet(scene.ann, eur("1.00"), "r", "bet")
    await scene.casino.rollback(scene.ann, "never-came")

    for transaction_id, player, prize, field in (
        ("cashback", scene.ann, "second", "prize_id"),
        ("cashback", bob, "prize", "player_id"),
        ("bet", scene.ann, "second", "type"),
        ("never-came", scene.ann, "second", "type"),
    ):
        with refused("TRANSACTION_ID_REUSED") as failure:
            await scene.desk.give_back(player, transaction_id, prize)
        assert failure.metadata == {"transaction_id": transaction_id, "field": field}
    with refused("TRANSACTION_ID_REUSED") as failure:
        await scene.casino.bet(scene.ann, eur("1.00"), "r", "cashback")
    assert failure.metadata["field"] == "type"
    assert await scene.desk.state("second") == GRANTED


async def test_a_prize_granted_again_is_a_replay_and_with_other_content_refused(
    scene: Scene,
) -> None:
    bob = await scene.casino.new_player()
    expires = datetime(2040, 1, 1, tzinfo=UTC)
    first = await scene.desk.grant(scene.ann, expires=expires)
    assert not first.replayed
    assert first.prize.expire_time.ToDatetime(UTC) == expires
    assert (first.prize.name, first.prize.cash_value) == ("A mug", eur("25.00"))
    await scene.desk.ship(scene.ann)

    again = await scene.desk.grant(scene.ann, expires=expires)

    assert again.replayed
    assert again.prize == await scene.desk.prize()
    assert await scene.desk.state() == SHIPMENT_ORDERED
    for grant in (
        scene.desk.grant(bob, expires=expires),
        scene.desk.grant(scene.ann, name="A cup", expires=expires),
        scene.desk.grant(scene.ann, value=eur("25.01"), expires=expires),
        scene.desk.grant(scene.ann, expires=expires + timedelta(seconds=1)),
        scene.desk.grant(scene.ann),
    ):
        with refused("PRIZE_EXISTS") as failure:
            await grant
        assert failure.metadata == {"prize_id": "prize"}


async def test_of_many_grants_of_one_id_one_is_new(
    scene: Scene, second_server: PurserProcess
) -> None:
    players = [await scene.casino.new_player() for _ in range(4)]
    async with beside(scene.desk.client, second_server) as elsewhere:
        desks = (scene.desk, PrizeDesk(elsewhere))
        found = await together(desks[number % 2].grant(players[number % 4]) for number in range(24))

    assert Counter(one.replayed for one in answers(found)) == {False: 1, True: 5}
    assert reasons(found) == ["PRIZE_EXISTS"] * 18


async def test_prizes_need_a_player_with_a_wallet_and_belong_to_that_player(scene: Scene) -> None:
    bob = await scene.casino.new_player()
    with refused("PLAYER_NOT_FOUND"):
        await scene.desk.grant("nobody")
    with refused("WALLET_NOT_FOUND"):
        await scene.desk.grant(scene.ann, value=money("1", "USD", 2))
    await scene.desk.grant(scene.ann)
    for of_bob in (scene.desk.give_back(bob), scene.desk.ship(bob)):
        with refused("PRIZE_NOT_FOUND") as failure:
            await of_bob
        assert failure.metadata == {"prize_id": "prize"}
    for of_nobody in (scene.desk.give_back("nobody"), scene.desk.ship("nobody")):
        with refused("PLAYER_NOT_FOUND"):
            await of_nobody
    with refused("PRIZE_NOT_FOUND"):
        await scene.desk.prize("unknown")
    with refused("TRANSACTION_NOT_FOUND"):
        await scene.desk.cashback("unknown")
    await scene.casino.bet(bob, eur("0.00"), "r", "bet")
    with refused("TRANSACTION_NOT_FOUND"):
        await scene.desk.cashback("bet")


async def test_another_operators_prizes_do_not_exist(
    scene: Scene, installation: Installation
) -> None:
    await scene.desk.grant(scene.ann)
    await scene.desk.give_back(scene.ann)
    other: Any = await installation.new_casino()
    stranger = await PrizeDesk.of(installation, other.operator_id)
    with refused("PRIZE_NOT_FOUND"):
        await stranger.prize()
    with refused("TRANSACTION_NOT_FOUND"):
        await stranger.cashback()
    assert not (await stranger.prizes()).prizes
    assert not (await stranger.cashbacks()).prize_cashbacks
    # The same ids are free there.
    await other.new_player(player_id=scene.ann)
    assert not (await stranger.grant(scene.ann)).replayed
    assert await stranger.hears(scene.ann) == CONFIRMED


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


# -- lists -----------------------------------------------------------------------------------------


async def test_prizes_are_listed_newest_first_by_player_and_state(scene: Scene) -> None:
    bob = await scene.casino.new_player()
    await scene.desk.grant(bob, "bobs")
    for prize in ("p1", "p2", "p3"):
        await scene.desk.grant(scene.ann, prize)
    await scene.desk.grant(scene.ann, "over", expires=PAST)
    await scene.desk.give_back(scene.ann, "c1", "p1")
    await scene.desk.ship(scene.ann, "p2")

    async def ids(**only: Any) -> list[str]:
        return [prize.prize_id for prize in (await scene.desk.prizes(**only)).prizes]

    assert await ids() == ["over", "p3", "p2", "p1", "bobs"]
    assert await ids(player_id=scene.ann) == ["over", "p3", "p2", "p1"]
    assert await ids(player_id="nobody") == []
    granted, expired = loyalty_pb2.PRIZE_STATE_GRANTED, loyalty_pb2.PRIZE_STATE_EXPIRED
    assert await ids(states=[granted]) == ["p3", "bobs"]
    assert await ids(states=[granted, expired], player_id=scene.ann) == ["over", "p3"]
    first = await scene.desk.prizes(page_size=2)
    second = await scene.desk.prizes(page_size=3, page_token=first.next_page_token)
    assert [prize.prize_id for prize in (*first.prizes, *second.prizes)] == await ids()
    assert not second.next_page_token
    with refused("INVALID_FIELD") as failure:
        await scene.desk.prizes(player_id=bob, page_token=first.next_page_token)
    assert failure.metadata == {"field": "page_token"}


async def test_cashbacks_are_listed_newest_first_by_player_prize_and_state(scene: Scene) -> None:
    bob = await scene.casino.new_player()
    for player, prize in ((scene.ann, "p1"), (scene.ann, "p2"), (bob, "p3")):
        await scene.desk.grant(player, prize)
    await scene.status(SUSPENDED)
    await scene.desk.give_back(scene.ann, "denied", "p1")
    await scene.status(ACTIVE)
    await scene.desk.give_back(scene.ann, "c1", "p1")
    await scene.desk.give_back(bob, "c3", "p3")
    await scene.desk.give_back(scene.ann, "c2", "p2")

    async def ids(**only: Any) -> list[str]:
        page = (await scene.desk.cashbacks(**only)).prize_cashbacks
        return [cashback.transaction_id for cashback in page]

    assert await ids() == ["c2", "c3", "c1", "denied"]
    assert await ids(player_id=scene.ann) == ["c2", "c1", "denied"]
    assert await ids(prize_id="p1") == ["c1", "denied"]
    assert await ids(prize_id="unknown") == await ids(player_id="nobody") == []
    denied = loyalty_pb2.PRIZE_CASHBACK_STATE_DENIED
    assert await ids(states=[denied]) == ["denied"]
    assert await ids(states=[loyalty_pb2.PRIZE_CASHBACK_STATE_PENDING]) == []
    first = await scene.desk.cashbacks(page_size=3)
    second = await scene.desk.cashbacks(page_size=3, page_token=first.next_page_token)
    assert [of.transaction_id for of in second.prize_cashbacks] == ["denied"]
    assert not second.next_page_token


async def test_a_name_is_bounded_and_may_be_left_out(scene: Scene) -> None:
    name = "x" * 256
    granted = await scene.desk.grant(scene.ann, new_id("prize"), name=name)
    assert granted.prize.name == name
    with refused("INVALID_FIELD") as failure:
        await scene.desk.grant(scene.ann, name=name + "x")
    assert failure.metadata == {"field": "name"}
    for bad in ("a\x1fb", "a\nb"):
        with refused("INVALID_FIELD"):
            await scene.desk.grant(scene.ann, name=bad)
    with refused("INVALID_FIELD") as failure:
        await scene.desk.grant(scene.ann, value=eur("0"))
    assert failure.metadata == {"field": "cash_value.minor_units"}
    assert (await scene.desk.grant(scene.ann, name="")).prize.name == ""
