"""Operators: implements `usecases.ports.OperatorStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import BigInteger, Select, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.errors import RefusedError, invalid_field
from purser_server.domain.operators import Operator
from purser_server.store.engine import again_when_cut, reading, writing
from purser_server.store.modes import callback_from_json, guard_mode_change
from purser_server.store.tables import operator_currencies, operators
from purser_server.usecases.ports import OperatorChange


class PostgresOperators:
    """Operators by id."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def create(
        self, operator_id: str, display_name: str, currencies: Mapping[str, int]
    ) -> tuple[Operator, bool]:
        """Create the operator, or return it as it was created first; True when created now."""
        created_as = {"display_name": display_name, "currencies": dict(currencies)}
        statement = (
            insert(operators)
            .values(operator_id=operator_id, display_name=display_name, created_as=created_as)
            .on_conflict_do_nothing()
            .returning(operators.c.operator_no)
        )
        async with writing(self._engine) as connection:
            number = await connection.scalar(statement)
            if number is not None:
                await _declare(connection, number, currencies)
            row = (
                await connection.execute(
                    select(operators).where(operators.c.operator_id == operator_id)
                )
            ).one()
            first = Operator(
                number=row.operator_no,
                operator_id=operator_id,
                display_name=row.created_as["display_name"],
                create_time=row.create_time,
                currencies=row.created_as["currencies"],
            )
            return first, number is not None

    @again_when_cut
    async def get(self, operator_id: str) -> Operator | None:
        """Return an operator as it is now."""
        async with reading(self._engine) as connection:
            return await _one(connection, operator_id)

    @again_when_cut
    async def update(self, operator_id: str, change: OperatorChange) -> Operator | None:
        """Change what is given; None when there is no such operator.

        Raises RefusedError: INVALID_FIELD when a declared currency would get another exponent,
        MODE_CHANGE_BLOCKED.
        """
        changed: dict[str, Any] = {"operator_id": operator_id}
        if change.display_name:
            changed["display_name"] = change.display_name
        if change.player_messages is not None:
            changed["player_messages"] = dict(change.player_messages)
        if change.callback is not None:
            changed["callback"] = asdict(change.callback)
        statement = (
            update(operators)
            .where(operators.c.operator_id == operator_id)
            .values(changed)
            .returning(operators.c.operator_no)
        )
        async with writing(self._engine) as connection:
            if change.callback is not None:
                await guard_mode_change(connection, operator_id, change.callback)
            number = await connection.scalar(statement)
            if number is None:
                return None
            await _declare(connection, number, change.add_currencies)
            changed_to = await _one(connection, operator_id)
            assert changed_to is not None
            _require_same_exponents(changed_to, change.add_currencies)
            return changed_to

    @again_when_cut
    async def list(self, after: int, limit: int) -> Sequence[Operator]:
        """Return operators, oldest first, from behind number `after`."""
        query = (
            select_operators()
            # A forged token may hold what no operator's number can be.
            .where(operators.c.operator_no > literal(after, BigInteger))
            .order_by(operators.c.operator_no)
            .limit(limit)
        )
        async with reading(self._engine) as connection:
            return [operator_from_row(row) for row in await connection.execute(query)]


def select_operators(*more: Any) -> Select[Any]:
    """Select operators with the currencies they declared, as JSON, and `more` columns."""
    declared = (
        select(
            func.coalesce(
                func.jsonb_object_agg(operator_currencies.c.code, operator_currencies.c.exponent),
                func.jsonb_build_object(),
            )
        )
        .where(operator_currencies.c.operator_no == operators.c.operator_no)
        .scalar_subquery()
        .label("currencies")
    )
    return select(operators, declared, *more)


def operator_from_row(row: Any) -> Operator:
    """Make an operator of a row of `select_operators`."""
    return Operator(
        number=row.operator_no,
        operator_id=row.operator_id,
        display_name=row.display_name,
        create_time=row.create_time,
        currencies=row.currencies,
        player_messages=row.player_messages,
        callback=callback_from_json(row.callback),
    )


async def _one(connection: AsyncConnection, operator_id: str) -> Operator | None:
    query = select_operators().where(operators.c.operator_id == operator_id)
    row = (await connection.execute(query)).first()
    return operator_from_row(row) if row is not None else None


def _require_same_exponents(operator: Operator, currencies: Mapping[str, int]) -> None:
    for index, (code, exponent) in enumerate(currencies.items()):
        declared = operator.currencies[code]
        if declared != exponent:
            problem = f"must stay {declared} for {code}: an exponent never changes"
            raise RefusedError(invalid_field(f"add_currencies[{index}].exponent", problem))


async def _declare(connection: AsyncConnection, number: int, currencies: Mapping[str, int]) -> None:
    """Add currencies; one that is declared keeps its exponent, which never changes."""
    rows = [
        {"operator_no": number, "code": code, "exponent": exponent}
        for code, exponent in sorted(currencies.items())
    ]
    if rows:
        await connection.execute(insert(operator_currencies).values(rows).on_conflict_do_nothing())
