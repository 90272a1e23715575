"""Prizes over gRPC: what their ids stand for, whose they are, and how they are listed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import wallet_pb2
from tests.support.calls import answers, beside, reasons, together
from tests.support.client import Installation, eur, money, new_id, refused
from tests.support.prizes import (
    CONFIRMED,
    GRANTED,
    SHIPMENT_ORDERED,
    PrizeDesk,
    Scene,
)
from tests.support.process import PurserProcess

ACTIVE = wallet_pb2.PLAYER_STATUS_ACTIVE
SUSPENDED = wallet_pb2.PLAYER_STATUS_SUSPENDED
PAST = datetime.now(UTC) - timedelta(days=1)


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
        scene.desk.grant("nobody", expires=expires),
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
