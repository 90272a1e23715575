"""Programs and campaigns: implements `usecases.loyalty_ports.ProgramStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Select, Text, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.decimals import parse_quantity, parse_rate
from purser_server.domain.errors import RefusedError
from purser_server.domain.programs import (
    MOST_CAMPAIGNS,
    Campaign,
    LinesMissingPolicy,
    NegativeBalancePolicy,
    Program,
    RewardMode,
    WrittenCampaign,
    WrittenProgram,
    says_the_same,
    too_many_campaigns,
)
from purser_server.store.engine import again_when_cut, reading, writing
from purser_server.store.loyalty_tables import campaigns, programs
from purser_server.store.rows import Row
from purser_server.store.tables import operators

PAGE_BYTES = 8 * 1024 * 1024
"""How much text a page of campaigns begins at most: an answer must fit into a message."""

_NOW = func.clock_timestamp()


class PostgresPrograms:
    """Programs and campaigns by operator."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def current(self, operator: int) -> WrittenProgram | None:
        """Return the newest version; None when the operator has never set a program."""
        async with reading(self._engine) as connection:
            return await _newest(connection, operator)

    @again_when_cut
    async def versions(self, operator: int) -> Sequence[Program]:
        """Return all versions, oldest first."""
        query = (
            select(programs).where(programs.c.operator_no == operator).order_by(programs.c.version)
        )
        async with reading(self._engine) as connection:
            return [program_from_row(row) for row in (await connection.execute(query)).mappings()]

    @again_when_cut
    async def update(self, operator: int, written: WrittenProgram) -> tuple[WrittenProgram, bool]:
        """Make a version that counts from now on; True when the newest says the same already."""
        async with writing(self._engine) as connection:
            await _lock(connection, operator)
            newest = await _newest(connection, operator)
            if newest is not None and says_the_same(newest.program, written.program):
                return newest, True
            now = await connection.scalar(select(_NOW))
            statement = (
                insert(programs)
                .values(
                    operator_no=operator,
                    version=newest.program.version + 1 if newest else 1,
                    since=now if newest else None,
                    settings=_program_to_json(written),
                    create_time=now,
                )
                .returning(programs)
            )
            made = (await connection.execute(statement)).mappings().one()
            return written_program_from_row(made), False

    @again_when_cut
    async def create_campaign(
        self, operator: int, written: WrittenCampaign
    ) -> tuple[Campaign, WrittenCampaign, bool]:
        """Create the campaign; return it as created first, as it is now, and whether it is new."""
        campaign = written.campaign
        statement = (
            insert(campaigns)
            .values(
                operator_no=operator,
                campaign_id=campaign.campaign_id,
                content=_campaign_to_json(written),
                start_time=campaign.start_time,
                end_time=campaign.end_time,
            )
            .on_conflict_do_nothing()
            .returning(campaigns.c.campaign_no)
        )
        async with writing(self._engine) as connection:
            # One after the other, so that a reader of pages misses none.
            await _lock(connection, operator)
            number = await connection.scalar(statement)
            if number is not None:
                await _require_room(connection, operator)
            row = await _campaign_row(connection, operator, campaign.campaign_id)
            assert row is not None
            first = campaign_from_json(campaign.campaign_id, row["content"])
            return first, written_campaign_from_row(row), number is not None

    @again_when_cut
    async def campaign(self, operator: int, campaign_id: str) -> WrittenCampaign | None:
        """Return a campaign as it is now."""
        async with reading(self._engine) as connection:
            row = await _campaign_row(connection, operator, campaign_id)
            return written_campaign_from_row(row) if row is not None else None

    @again_when_cut
    async def campaigns(
        self, operator: int, active_time: datetime | None, after: int, limit: int
    ) -> tuple[Sequence[tuple[int, WrittenCampaign]], bool]:
        """Return campaigns with their numbers, oldest first, and whether there are more."""
        query = _page(operator, active_time, after, limit)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).mappings().all()
            more = bool(rows) and rows[0]["found"] > len(rows)
            return [(row["campaign_no"], written_campaign_from_row(row)) for row in rows], more

    @again_when_cut
    async def end_campaign(
        self, operator: int, campaign_id: str
    ) -> tuple[WrittenCampaign, bool] | None:
        """End a campaign now; True when it was over already, None when there is none."""
        statement = (
            update(campaigns)
            .where(campaigns.c.operator_no == operator, campaigns.c.campaign_id == campaign_id)
            .where(or_(campaigns.c.end_time.is_(None), campaigns.c.end_time > _NOW))
            # An end that passes at this very moment stays.
            .values(end_time=func.least(campaigns.c.end_time, _NOW))
        )
        async with writing(self._engine) as connection:
            ended = (await connection.execute(statement)).rowcount
            row = await _campaign_row(connection, operator, campaign_id)
            return (written_campaign_from_row(row), not ended) if row is not None else None


def program_from_row(row: Row) -> Program:
    """Make a version of a row of `programs`."""
    return program_from_json(row["version"], row["since"], row["settings"])


def program_from_json(
    version: int, since_time: datetime | None, stored: Mapping[str, Any]
) -> Program:
    """Make a version of its settings as they were stored."""
    cash_rate = stored["wallet_cash_rate"]
    return Program(
        version=version,
        since_time=since_time,
        currency_code=stored["currency_code"],
        points_per_unit=parse_rate(stored["points_per_unit"]),
        point_value=parse_rate(stored["point_value"]),
        reward_mode=RewardMode(stored["reward_mode"]),
        wallet_cash_rate=parse_rate(cash_rate) if cash_rate else 0,
        return_window_days=stored["return_window_days"],
        points_expire_after_days=stored["points_expire_after_days"],
        negative_balance_policy=NegativeBalancePolicy(stored["negative_balance_policy"]),
        lines_missing_policy=LinesMissingPolicy(stored["lines_missing_policy"]),
        reward_shipping=stored["reward_shipping"],
        reward_tax=stored["reward_tax"],
    )


def written_program_from_row(row: Row) -> WrittenProgram:
    """Make a version of a row of `programs`, as the operator wrote it."""
    stored = row["settings"]
    return WrittenProgram(
        program_from_row(row),
        stored["points_per_unit"],
        stored["point_value"],
        stored["wallet_cash_rate"],
        row["create_time"],
    )


def campaign_from_row(row: Row) -> Campaign:
    """Make a campaign, as it is now, of a row of `campaigns`."""
    created = campaign_from_json(row["campaign_id"], row["content"])
    return replace(created, end_time=_time_from_row(row["end_time"]))


def campaign_from_json(campaign_id: str, stored: Mapping[str, Any]) -> Campaign:
    """Make a campaign, as it was created, of its content as it was stored."""
    quantity = stored["min_quantity"]
    return Campaign(
        campaign_id=campaign_id,
        name=stored["name"],
        multiplier=parse_rate(stored["multiplier"]),
        start_time=_time_from_json(stored["start_time"]),
        end_time=_time_from_json(stored["end_time"]),
        product_ids=tuple(stored["product_ids"]),
        categories=tuple(stored["categories"]),
        collections=tuple(stored["collections"]),
        merchant_ids=tuple(stored["merchant_ids"]),
        branch_ids=tuple(stored["branch_ids"]),
        min_quantity=parse_quantity(quantity) if quantity else 0,
        min_amount=stored["min_amount"],
        currency_code=stored["currency_code"],
    )


def written_campaign_from_row(row: Row) -> WrittenCampaign:
    """Make a campaign, as it is now, of a row of `campaigns`, as the operator wrote it."""
    stored = row["content"]
    return WrittenCampaign(
        campaign_from_row(row), stored["multiplier"], stored["min_quantity"], row["create_time"]
    )


def _program_to_json(written: WrittenProgram) -> dict[str, Any]:
    program = written.program
    return {
        "currency_code": program.currency_code,
        "points_per_unit": written.points_per_unit,
        "point_value": written.point_value,
        "reward_mode": int(program.reward_mode),
        "wallet_cash_rate": written.wallet_cash_rate,
        "return_window_days": program.return_window_days,
        "points_expire_after_days": program.points_expire_after_days,
        "negative_balance_policy": int(program.negative_balance_policy),
        "lines_missing_policy": int(program.lines_missing_policy),
        "reward_shipping": program.reward_shipping,
        "reward_tax": program.reward_tax,
    }


def _campaign_to_json(written: WrittenCampaign) -> dict[str, Any]:
    campaign = written.campaign
    return {
        "name": campaign.name,
        "multiplier": written.multiplier,
        "start_time": _time_to_json(campaign.start_time),
        "end_time": _time_to_json(campaign.end_time),
        "product_ids": campaign.product_ids,
        "categories": campaign.categories,
        "collections": campaign.collections,
        "merchant_ids": campaign.merchant_ids,
        "branch_ids": campaign.branch_ids,
        "min_quantity": written.min_quantity,
        "min_amount": campaign.min_amount,
        "currency_code": campaign.currency_code,
    }


def _time_to_json(time: datetime | None) -> str | None:
    return time.isoformat() if time is not None else None


def _time_from_row(time: datetime | None) -> datetime | None:
    """Return a column's time. The very last of all is infinity to the driver, without a zone."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _time_from_json(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored is not None else None


async def _require_room(connection: AsyncConnection, operator: int) -> None:
    """Raise RefusedError (INVALID_FIELD) when the operator has too many campaigns now."""
    not_ended = select(func.count()).where(
        campaigns.c.operator_no == operator,
        or_(campaigns.c.end_time.is_(None), campaigns.c.end_time > _NOW),
    )
    if (await connection.execute(not_ended)).scalar_one() > MOST_CAMPAIGNS:
        raise RefusedError(too_many_campaigns())


async def _lock(connection: AsyncConnection, operator: int) -> None:
    """Let the changes of one operator's program and campaigns happen one after the other."""
    await connection.execute(
        select(operators.c.operator_no)
        .where(operators.c.operator_no == operator)
        .with_for_update(key_share=True)
    )


async def _newest(connection: AsyncConnection, operator: int) -> WrittenProgram | None:
    query = (
        select(programs)
        .where(programs.c.operator_no == operator)
        .order_by(programs.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).mappings().first()
    return written_program_from_row(row) if row is not None else None


async def _campaign_row(connection: AsyncConnection, operator: int, campaign_id: str) -> Row | None:
    query = select(campaigns).where(
        campaigns.c.operator_no == operator, campaigns.c.campaign_id == campaign_id
    )
    return (await connection.execute(query)).mappings().first()


def _page(operator: int, active_time: datetime | None, after: int, limit: int) -> Select[Any]:
    """Select a page, and in `found` whether one more than `limit` was there."""
    inner = (
        select(campaigns)
        .where(campaigns.c.operator_no == operator)
        # A forged token may hold what no campaign's number can be.
        .where(campaigns.c.campaign_no > literal(after, BigInteger))
        .order_by(campaigns.c.campaign_no)
        .limit(limit + 1)
    )
    if active_time is not None:
        starts, ends = campaigns.c.start_time, campaigns.c.end_time
        inner = inner.where(
            or_(starts.is_(None), starts <= active_time), or_(ends.is_(None), ends > active_time)
        )
    found = inner.subquery()
    size = func.octet_length(cast(found.c.content, Text))
    sized = select(
        found,
        func.count().over().label("found"),
        (func.sum(size).over(order_by=found.c.campaign_no) - size).label("bytes_before"),
    ).subquery()
    return (
        select(sized)
        .where(sized.c.bytes_before < PAGE_BYTES)
        .order_by(sized.c.campaign_no)
        .limit(limit)
    )
