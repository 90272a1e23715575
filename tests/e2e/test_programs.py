"""Programs: versions that count from their update."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1 import loyalty_pb2, program_service_pb2
from purser_server.domain.programs import Program as Version
from purser_server.domain.programs import program_at
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.store.engine import make_engine
from purser_server.store.programs import PostgresPrograms
from tests.support.calls import beside, together
from tests.support.client import LOYALTY, Client, Installation, refused
from tests.support.databases import connected
from tests.support.loyalty import at
from tests.support.process import PurserProcess

Program = loyalty_pb2.Program

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@pytest.fixture
async def shop(installation: Installation) -> Client:
    """A casino of its own, with a key for loyalty."""
    return await installation.new_casino(LOYALTY)


async def get(shop: Client) -> Any:
    return (await shop.programs.GetProgram(program_service_pb2.GetProgramRequest())).program


async def update(shop: Client, program: Program | None) -> Any:
    return await shop.programs.UpdateProgram(
        program_service_pb2.UpdateProgramRequest(program=program)
    )


def time_of(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)


DEFAULTS = Program(
    points_per_unit="1",
    point_value="0.10",
    reward_mode=loyalty_pb2.REWARD_MODE_POINTS,
    negative_balance_policy=loyalty_pb2.NEGATIVE_BALANCE_POLICY_ALLOW,
    lines_missing_policy=loyalty_pb2.LINES_MISSING_POLICY_CASHBACK_ONLY,
)

EVERYTHING = Program(
    currency_code="EUR",
    points_per_unit="1.50",
    point_value="0.050",
    reward_mode=loyalty_pb2.REWARD_MODE_WALLET_CASH,
    wallet_cash_rate="0.02",
    return_window_days=3_650,
    points_expire_after_days=36_500,
    negative_balance_policy=loyalty_pb2.NEGATIVE_BALANCE_POLICY_PENDING_ONLY,
    lines_missing_policy=loyalty_pb2.LINES_MISSING_POLICY_REJECT,
    reward_shipping=True,
    reward_tax=True,
)


async def test_before_any_update_there_is_version_0_without_a_currency(shop: Client) -> None:
    assert await get(shop) == DEFAULTS


async def test_what_is_left_out_gets_its_default(shop: Client) -> None:
    await update(shop, EVERYTHING)

    answer = await update(shop, Program(currency_code="USD"))

    expected = Program(currency_code="USD", version=2, update_time=answer.program.update_time)
    expected.MergeFrom(DEFAULTS)
    assert answer.program == expected
    assert await get(shop) == expected


async def test_all_settings_are_kept_and_shown_as_they_were_given(shop: Client) -> None:
    # What is output only is ignored.
    given = Program(version=77, update_time=at(YESTERDAY))
    given.MergeFrom(EVERYTHING)

    answer = await update(shop, given)

    assert not answer.replayed
    expected = Program(version=1, update_time=answer.program.update_time)
    expected.MergeFrom(EVERYTHING)
    assert answer.program == expected
    assert abs(time_of(answer.program.update_time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert await get(shop) == expected


async def test_an_equal_program_is_a_replay_however_its_decimals_are_written(
    shop: Client,
) -> None:
    first = await update(shop, EVERYTHING)
    same = Program()
    same.CopyFrom(EVERYTHING)
    same.points_per_unit, same.point_value, same.wallet_cash_rate = "01.5", "0.05", "0.020000"

    again = await update(shop, same)

    assert again.replayed
    assert again.program == first.program
    # Only the newest version is compared with: back to a former one is a change.
    await update(shop, Program(currency_code="EUR"))
    back = await update(shop, EVERYTHING)
    assert (back.replayed, back.program.version) == (False, 3)


async def versions_of(postgres: EmbeddedPostgres, shop: Client) -> list[Version]:
    engine = make_engine(postgres.url, pool_size=0)
    async with connected(postgres.url) as connection:
        number = await connection.fetchval(
            "SELECT operator_no FROM operators WHERE operator_id = $1",
            shop.operator_id,  # type: ignore[attr-defined]
        )
    return list(await PostgresPrograms(engine).versions(number))


async def test_the_first_version_reaches_back_and_a_later_one_counts_from_its_update(
    postgres: EmbeddedPostgres, shop: Client
) -> None:
    await update(shop, Program(currency_code="EUR"))
    changed = time_of(
        (await update(shop, Program(currency_code="EUR", points_per_unit="2"))).program.update_time
    )

    versions = await versions_of(postgres, shop)

    def version_at(time: datetime) -> int:
        found = program_at(versions, time)
        assert found is not None
        return found.version

    assert version_at(LONG_AGO) == 1
    assert version_at(changed - timedelta(microseconds=1)) == 1
    assert version_at(changed) == 2
    assert version_at(TOMORROW) == 2
    assert [each.points_per_unit for each in versions] == [1_000_000, 2_000_000]


async def test_a_new_version_is_there_in_every_process_at_once(
    shop: Client, second_server: PurserProcess
) -> None:
    async with beside(shop, second_server) as elsewhere:
        for rate in ("1", "2", "3"):
            made = await update(shop, Program(currency_code="EUR", points_per_unit=rate))
            assert await get(elsewhere) == made.program


async def test_updates_at_once_come_one_after_the_other(
    shop: Client, second_server: PurserProcess
) -> None:
    async with beside(shop, second_server) as elsewhere:
        programs = [
            Program(currency_code="EUR", points_per_unit=str(1 + number // 2))
            for number in range(16)
        ]
        answers = await together(
            update((shop, elsewhere)[number % 2], program)
            for number, program in enumerate(programs)
        )
    made = sorted(
        (answer.program.version, time_of(answer.program.update_time))
        for answer in answers
        if not answer.replayed
    )
    assert [version for version, _ in made] == list(range(1, len(made) + 1))
    assert [time for _, time in made] == sorted(time for _, time in made)
    assert len(made) >= 8
    assert (await get(shop)).version == len(made)


@pytest.mark.parametrize(
    ("field", "program"),
    [
        ("program", None),
        ("program.currency_code", Program()),
        ("program.currency_code", Program(currency_code="E R")),
        *(
            (f"program.{name}", Program(currency_code="EUR", **{name: text}))
            for name in ("points_per_unit", "point_value", "wallet_cash_rate")
            for text in (
                "-1",
                "+1",
                "1e3",
                "1,5",
                " 1",
                ".5",
                "1.",
                "\u0661",
                "0.1234567",
                "1" * 13,
            )
        ),
        ("program.points_per_unit", Program(currency_code="EUR", points_per_unit="1000000.000001")),
        ("program.point_value", Program(currency_code="EUR", point_value="0")),
        ("program.point_value", Program(currency_code="EUR", point_value="1000000.1")),
        ("program.wallet_cash_rate", Program(currency_code="EUR", wallet_cash_rate="0.00")),
        ("program.wallet_cash_rate", Program(currency_code="EUR", wallet_cash_rate="1.000001")),
        ("program.wallet_cash_rate", Program(currency_code="EUR", reward_mode=2)),  # type: ignore[arg-type]
        ("program.reward_mode", Program(currency_code="EUR", reward_mode=3)),  # type: ignore[arg-type]
        (
            "program.negative_balance_policy",
            Program(currency_code="EUR", negative_balance_policy=4),  # type: ignore[arg-type]
        ),
        (
            "program.lines_missing_policy",
            Program(currency_code="EUR", lines_missing_policy=-1),  # type: ignore[arg-type]
        ),
        ("program.return_window_days", Program(currency_code="EUR", return_window_days=-1)),
        ("program.return_window_days", Program(currency_code="EUR", return_window_days=3_651)),
        (
            "program.points_expire_after_days",
            Program(currency_code="EUR", points_expire_after_days=-1),
        ),
        (
            "program.points_expire_after_days",
            Program(currency_code="EUR", points_expire_after_days=36_501),
        ),
    ],
)
async def test_a_program_that_cannot_be_is_refused(
    shop: Client, field: str, program: Program | None
) -> None:
    with refused("INVALID_FIELD") as failure:
        await update(shop, program)

    assert failure.metadata == {"field": field}
    assert failure.failure is not None
    assert failure.failure.message.startswith(f"{field} must ") or "has no value" in (
        failure.failure.message
    )
    assert (await get(shop)).version == 0


async def test_the_largest_figures_are_accepted(shop: Client) -> None:
    program = Program(
        currency_code="EUR",
        points_per_unit="000001000000.000000",
        point_value="1000000",
        wallet_cash_rate="1",
    )
    answer = await update(shop, program)
    assert answer.program.points_per_unit == "000001000000.000000"
    assert (await update(shop, Program(currency_code="EUR", points_per_unit="0"))).program


async def test_a_currency_must_be_known(shop: Client) -> None:
    with refused("CURRENCY_UNKNOWN") as failure:
        await update(shop, Program(currency_code="GOLD"))
    assert failure.metadata == {"currency_code": "GOLD"}


async def test_another_operators_program_does_not_exist(
    installation: Installation, shop: Client
) -> None:
    stranger = await installation.new_casino(LOYALTY)
    await update(shop, EVERYTHING)
    assert await get(stranger) == DEFAULTS
