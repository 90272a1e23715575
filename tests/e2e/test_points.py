"""Points over gRPC: given and taken, held, spent, given back, expired exactly at their time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1 import (
    loyalty_pb2,
    program_service_pb2,
)
from purser.loyalty.v1 import points_service_pb2 as pb
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.store.engine import make_engine
from purser_server.store.points import PostgresPoints
from purser_server.usecases.loyalty_ports import PointsFilter
from tests.support.calls import answers, beside, reasons, together
from tests.support.client import Client, Installation, eur, refused
from tests.support.databases import connected
from tests.support.loyalty import Loyalty, item
from tests.support.process import PurserProcess

ACTIVE, CAPTURED = loyalty_pb2.HOLD_STATE_ACTIVE, loyalty_pb2.HOLD_STATE_CAPTURED
RELEASED, EXPIRED = loyalty_pb2.HOLD_STATE_RELEASED, loyalty_pb2.HOLD_STATE_EXPIRED
MOST = 1_000_000_000_000


async def test_points_are_given_and_taken_and_every_change_has_its_balances(
    loyalty: Loyalty,
) -> None:
    given = await loyalty.adjust(100, "a1")
    await loyalty.adjust(-30, "a2")
    await loyalty.redeem("r1", points=20)

    assert given.points_transaction.balance_after == 100
    assert await loyalty.has() == (50, 0, 50, 0)
    told = [
        (of.transaction_id, of.points, of.balance_before, of.balance_after)
        for of in await loyalty.history()
    ]
    assert told == [("r1", -20, 70, 50), ("a2", -30, 100, 70), ("a1", 100, 0, 100)]


async def test_the_same_request_is_a_replay_and_another_one_names_what_differs(
    loyalty: Loyalty,
) -> None:
    await loyalty.adjust(100, "a1")
    again = await loyalty.adjust(100, "a1")
    assert again.replayed
    with refused("TRANSACTION_ID_REUSED") as failure:
        await loyalty.adjust(101, "a1")
    assert failure.metadata["field"] == "points"
    with refused("TRANSACTION_ID_REUSED") as failure:
        await loyalty.redeem("a1", points=1)
    assert failure.metadata["field"] == "type"
    first = await loyalty.hold("h1", points=10)
    assert (await loyalty.hold("h1", points=10)).replayed
    with refused("TRANSACTION_ID_REUSED"):
        await loyalty.hold("h1", points=11)
    assert first.hold.state == ACTIVE


async def test_more_than_there_is_is_refused_for_ever_under_that_id(loyalty: Loyalty) -> None:
    await loyalty.adjust(10)
    with refused("INSUFFICIENT_POINTS") as failure:
        await loyalty.redeem("r1", points=11)
    assert failure.metadata == {"balance": "10", "required": "11"}
    with refused("INSUFFICIENT_POINTS"):
        await loyalty.adjust(-11, "a1")
    with refused("INSUFFICIENT_POINTS"):
        await loyalty.hold("h1", points=11)
    await loyalty.adjust(90)
    for again in (loyalty.redeem("r1", points=11), loyalty.hold("h1", points=11)):
        with refused("INSUFFICIENT_POINTS") as failure:
            await again
        assert failure.metadata["replayed"] == "true"
    assert await loyalty.has() == (100, 0, 100, 0)


async def test_a_hold_sets_points_aside_until_it_is_captured_or_released(
    loyalty: Loyalty,
) -> None:
    await loyalty.adjust(100)
    await loyalty.hold("h1", points=60)
    await loyalty.hold("h2", points=40)
    assert await loyalty.has() == (0, 100, 100, 0)
    with refused("INSUFFICIENT_POINTS"):
        await loyalty.redeem(points=1)

    captured = await loyalty.redeem("r1", hold_id="h1")
    released = await loyalty.points.ReleaseHold(pb.ReleaseHoldRequest(hold_id="h2"))

    assert (captured.redemption.points, captured.redemption.hold_id) == (60, "h1")
    assert released.hold.state == RELEASED
    assert await loyalty.has() == (40, 0, 40, 0)
    found = (await loyalty.points.GetHold(pb.GetHoldRequest(hold_id="h1"))).hold
    assert (found.state, found.redemption_transaction_id) == (CAPTURED, "r1")
    assert (await loyalty.points.ReleaseHold(pb.ReleaseHoldRequest(hold_id="h2"))).replayed
    with refused("HOLD_NOT_ACTIVE") as failure:
        await loyalty.redeem(hold_id="h2")
    assert failure.metadata == {"state": "RELEASED"}
    with refused("HOLD_NOT_FOUND"):
        await loyalty.redeem(hold_id="h3")


async def test_points_expire_exactly_at_their_time_and_are_told_with_it(loyalty: Loyalty) -> None:
    await loyalty.adjust(100, "a1", lives=2.5)
    await loyalty.adjust(5, "a2")
    assert await loyalty.has() == (105, 0, 105, 0)
    await asyncio.sleep(2.6)

    assert await loyalty.has() == (5, 0, 5, 0)
    expiry = (await loyalty.history())[0]
    assert (expiry.type, expiry.points) == (loyalty_pb2.POINTS_TRANSACTION_TYPE_EXPIRY, -100)
    assert expiry.transaction_id == ""
    # However late it was posted, it took place at its time.
    after = Timestamp(seconds=expiry.create_time.seconds, nanos=expiry.create_time.nanos + 1_000)
    of_expiry = {loyalty_pb2.POINTS_TRANSACTION_TYPE_EXPIRY}
    assert of_expiry <= {of.type for of in await loyalty.history(end_time=after)}
    assert not of_expiry & {of.type for of in await loyalty.history(start_time=after)}
    with refused("INSUFFICIENT_POINTS"):
        await loyalty.redeem(points=6)


async def test_a_redemption_comes_back_in_parts_and_no_more_than_was_spent(
    loyalty: Loyalty,
) -> None:
    await loyalty.adjust(100, lives=2.5)
    await loyalty.adjust(50)
    await loyalty.redeem("r1", points=120)
    part = await loyalty.refund("r1", "f1", points=20)
    assert (part.restored, part.forfeited, part.redemption.refunded_points) == (20, 0, 20)
    assert (await loyalty.refund("r1", "f1", points=20)).replayed
    await asyncio.sleep(2.6)

    rest = await loyalty.refund("r1", "f2")

    # What had expired meanwhile is forfeited; what never expires came back first.
    assert (rest.restored, rest.forfeited) == (0, 100)
    assert rest.redemption.refunded_points == 120
    with refused("REFUND_EXCEEDS_ORDER") as failure:
        await loyalty.refund("r1", "f3", points=1)
    assert failure.metadata == {"line": "", "remaining": "0"}
    with refused("TRANSACTION_NOT_FOUND"):
        await loyalty.refund("r0")
    assert await loyalty.has() == (50, 0, 50, 0)


async def test_an_amount_takes_as_many_points_as_it_needs(loyalty: Loyalty) -> None:
    await loyalty.adjust(100)
    with refused("INVALID_FIELD"):
        await loyalty.redeem(amount=eur("4.95"))
    await loyalty.programs.UpdateProgram(
        program_service_pb2.UpdateProgramRequest(
            program=loyalty_pb2.Program(currency_code="EUR", point_value="0.10")
        )
    )

    held = (await loyalty.hold("h1", amount=eur("4.95"))).hold
    spent = (await loyalty.redeem(amount=eur("1.01"))).redemption

    assert (held.points, held.amount) == (50, eur("4.95"))
    assert (spent.points, spent.value) == (11, eur("1.01"))
    request = pb.GetPointsBalanceRequest(player_id=loyalty.player)
    found = (await loyalty.points.GetPointsBalance(request)).points_balance
    assert found.value == eur("3.90")


async def test_only_an_active_player_holds_and_redeems(loyalty: Loyalty, casino: Client) -> None:
    await loyalty.adjust(100)
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(
            player_id=loyalty.player, status=wallet_pb2.PLAYER_STATUS_SUSPENDED
        )
    )
    for call in (loyalty.redeem(points=1), loyalty.hold("h1", points=1)):
        with refused("PLAYER_SUSPENDED"):
            await call
    await loyalty.adjust(1)
    assert await loyalty.has() == (101, 0, 101, 0)


async def test_many_who_want_the_same_points_all_get_their_answer(loyalty: Loyalty) -> None:
    await loyalty.adjust(100)
    calls = [loyalty.redeem(f"r{n}", points=10) for n in range(10)]
    calls += [loyalty.hold(f"h{n}", points=10) for n in range(10)]

    found = await together(calls)

    assert len(answers(found)) == 10
    assert reasons(found) == ["INSUFFICIENT_POINTS"] * 10
    available, held, total, _ = await loyalty.has()
    assert (available, held) == (0, total)


async def test_a_lapsed_hold_gives_its_points_back_without_anybody(
    loyalty: Loyalty, postgres: EmbeddedPostgres
) -> None:
    await loyalty.adjust(100)
    await loyalty.hold("h1", ttl_s=60, points=100)
    # A minute is long: the hold is made to have begun a minute ago.
    async with connected(postgres.url) as connection:
        await connection.execute(
            "UPDATE holds SET expire_time = now() - interval '1 second' WHERE operator_no = "
            "(SELECT operator_no FROM operators WHERE operator_id = $1)",
            loyalty.operator_id,
        )
    assert (await loyalty.points.GetHold(pb.GetHoldRequest(hold_id="h1"))).hold.state == EXPIRED
    assert await loyalty.has() == (100, 0, 100, 0)


async def test_the_job_posts_what_has_expired_though_nobody_looks(
    loyalty: Loyalty, postgres: EmbeddedPostgres
) -> None:
    await loyalty.adjust(100, lives=0.5)
    async with asyncio.timeout(60), connected(postgres.url) as connection:
        while await connection.fetchval(  # noqa: ASYNC110 - there is no event for it
            "SELECT count(*) FROM lots l JOIN operators o USING (operator_no) "
            "WHERE o.operator_id = $1",
            loyalty.operator_id,
        ):
            await asyncio.sleep(0.2)
    assert await loyalty.has() == (0, 0, 0, 0)


async def test_the_wallets_history_tells_of_points_without_an_amount_of_money(
    loyalty: Loyalty, casino: Client
) -> None:
    await casino.deposit(loyalty.player, eur("5.00"), "d1")
    await loyalty.adjust(100, "a1")

    listed = await casino.wallet.ListTransactions(
        wallet_service_pb2.ListTransactionsRequest(player_id=loyalty.player)
    )

    told = {of.transaction_id: of for of in listed.transactions}
    assert set(told) == {"d1", "a1"}
    assert told["a1"].type == wallet_pb2.TRANSACTION_TYPE_ADJUSTMENT
    assert not (told["a1"].HasField("amount") or told["a1"].HasField("balance_after"))
    assert await casino.balance(loyalty.player) == 500
    # An id is one thing for ever, money or points.
    with refused("TRANSACTION_ID_REUSED"):
        await casino.deposit(loyalty.player, eur("5.00"), "a1")
    with refused("TRANSACTION_ID_REUSED"):
        await loyalty.adjust(5, "d1")


async def test_points_that_lots_do_not_hold_are_found_by_verification(
    loyalty: Loyalty, installation: Installation, postgres: EmbeddedPostgres
) -> None:
    await loyalty.adjust(100, "a1")
    async with connected(postgres.url) as connection:
        change = "UPDATE lots SET points = points + $2 WHERE operator_no = (SELECT operator_no "
        change += "FROM operators WHERE operator_id = $1)"
        await connection.execute(change, loyalty.operator_id, -30)
        found = await installation.verify(loyalty.operator_id)
        await connection.execute(change, loyalty.operator_id, 30)
    assert [(of.expected, of.found) for of in found.findings] == [("at least 100", "70")]


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("points", pb.AdjustPointsRequest(transaction_id="t", player_id="p", reason="r")),
        ("reason", pb.AdjustPointsRequest(transaction_id="t", player_id="p", points=1)),
        (
            "expire_time",
            pb.AdjustPointsRequest(
                transaction_id="t",
                player_id="p",
                points=-1,
                reason="r",
                expire_time=Timestamp(seconds=4_000_000_000),
            ),
        ),
    ],
)
async def test_a_bad_adjustment_is_refused(loyalty: Loyalty, field: str, request_: Any) -> None:
    with refused("INVALID_FIELD") as failure:
        await loyalty.points.AdjustPoints(request_)
    assert failure.metadata == {"field": field}


@pytest.mark.parametrize("seconds", [0, 59, 15 * 86_400 + 1, -1])
async def test_a_hold_lasts_a_minute_to_fifteen_days(loyalty: Loyalty, seconds: int) -> None:
    with refused("INVALID_FIELD") as failure:
        await loyalty.hold("h1", ttl_s=seconds, points=1)
    assert failure.metadata == {"field": "ttl"}


# -- at the edges --------------------------------------------------------------------------------


async def test_of_two_players_with_one_hold_id_the_second_is_refused(
    loyalty: Loyalty, casino: Client, second_server: PurserProcess
) -> None:
    async with beside(loyalty.client, second_server) as elsewhere:
        for number in range(20):
            anna = Loyalty(loyalty.client, await casino.new_player(), loyalty.operator_id)
            ben = Loyalty(elsewhere, await casino.new_player(), loyalty.operator_id)
            await anna.adjust(10)
            await ben.adjust(10)

            found = await together(side.hold(f"h{number}", points=3) for side in (anna, ben))

            assert reasons(found) == ["TRANSACTION_ID_REUSED"]
            have = sorted([await anna.has(), await ben.has()])
            assert have == [(7, 3, 10, 0), (10, 0, 10, 0)]
            nobody = Loyalty(loyalty.client, "nobody", loyalty.operator_id)
            with refused("TRANSACTION_ID_REUSED"):
                await nobody.hold(f"h{number}", points=3)


@pytest.mark.parametrize("until", ["2999-12-31T23:59:59.123457Z", "9999-12-31T23:59:59.999998Z"])
async def test_points_expire_as_late_as_any_calendar_goes(loyalty: Loyalty, until: str) -> None:
    expire_time = Timestamp()
    expire_time.FromJsonString(until)
    request = pb.AdjustPointsRequest(
        transaction_id="a",
        player_id=loyalty.player,
        points=5,
        reason="a gift",
        expire_time=expire_time,
    )
    await loyalty.points.AdjustPoints(request)
    await loyalty.hold("h", points=2)
    await loyalty.points.ReleaseHold(pb.ReleaseHoldRequest(hold_id="h"))

    lots = (await loyalty.balance()).next_lots_to_expire
    assert [(lot.points, lot.expire_time) for lot in lots] == [(5, expire_time)]


async def test_what_no_amount_can_tell_is_not_told_and_pays_for_nothing(loyalty: Loyalty) -> None:
    await loyalty.program(point_value="1000000")
    await loyalty.adjust(MOST)

    assert not (await loyalty.balance()).HasField("value")
    with refused("AMOUNT_RANGE") as failure:
        await loyalty.hold("h", points=MOST)
    assert failure.metadata["currency_code"] == "EUR"
    with refused("AMOUNT_RANGE"):
        await loyalty.redeem("r", points=MOST)
    await loyalty.redeem("r", points=MOST // 1_000_000)
    assert await loyalty.has() == (MOST - MOST // 1_000_000, 0, MOST - MOST // 1_000_000, 0)


async def test_a_request_names_a_million_million_points_at_most(loyalty: Loyalty) -> None:
    await loyalty.adjust(MOST, "a")
    await loyalty.adjust(-MOST, "b")

    for asks in (
        loyalty.adjust(MOST + 1),
        loyalty.adjust(-MOST - 1),
        loyalty.hold("h", points=MOST + 1),
        loyalty.redeem(points=MOST + 1),
        loyalty.refund("a", points=MOST + 1),
    ):
        with refused("INVALID_FIELD") as failure:
            await asks
        assert failure.metadata == {"field": "points"}


async def test_a_page_of_history_leaves_behind_what_its_orders_were(
    loyalty: Loyalty, postgres: EmbeddedPostgres
) -> None:
    await loyalty.program()
    await loyalty.order(item("mat", "3", "10.00"), transaction_id="o")
    await loyalty.give_back("o")
    async with connected(postgres.url) as connection:
        operator = await connection.fetchval(
            "SELECT operator_no FROM operators WHERE operator_id = $1", loyalty.operator_id
        )
    engine = make_engine(postgres.url)
    try:
        page = await PostgresPoints(engine).history(operator, PointsFilter(loyalty.player), None, 9)
    finally:
        await engine.dispose()

    # A thousand orders of a thousand lines would be a hundred megabytes.
    assert [(of.change, of.loyalty) for of in page] == [(-30, {}), (30, {})]
