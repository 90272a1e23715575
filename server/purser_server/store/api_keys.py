"""API keys, of which only hashes are kept: implements `usecases.ports.KeyStore`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.domain.operators import ApiKey, Role
from purser_server.store.engine import again_when_cut, reading, writing
from purser_server.store.operators import operator_from_row, select_operators
from purser_server.store.tables import api_keys, operators
from purser_server.usecases.ports import KeyOwner

_COLUMNS = (
    api_keys.c.key_id,
    api_keys.c.roles,
    api_keys.c.create_time.label("key_create_time"),
    api_keys.c.revoke_time,
)


class PostgresKeys:
    """API keys by id and by hash."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, key_id: str, key_hash: bytes, operator: int, roles: Sequence[Role]) -> None:
        """Store a key of an operator; operator 0 is the installation."""
        async with writing(self._engine) as connection:
            await connection.execute(
                insert(api_keys).values(
                    key_id=key_id,
                    hash=key_hash,
                    operator_no=operator or None,
                    roles=sorted({int(role) for role in roles}),
                )
            )

    @again_when_cut
    async def owner(self, key_hash: bytes) -> KeyOwner | None:
        """Return whose key has this hash, unless it is unknown or revoked."""
        query = select(*_COLUMNS, api_keys.c.operator_no).where(
            api_keys.c.hash == key_hash, api_keys.c.revoke_time.is_(None)
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
            if row is None:
                return None
            if row.operator_no is None:
                return KeyOwner(_key(row, ""), None)
            owner = await connection.execute(
                select_operators().where(operators.c.operator_no == row.operator_no)
            )
            operator = operator_from_row(owner.one())
            return KeyOwner(_key(row, operator.operator_id), operator)

    @again_when_cut
    async def revoke(self, key_id: str) -> ApiKey | None:
        """Revoke a key, perhaps again; None when there is none."""
        statement = (
            update(api_keys)
            .where(api_keys.c.key_id == key_id)
            .values(revoke_time=func.coalesce(api_keys.c.revoke_time, func.clock_timestamp()))
            .returning(*_COLUMNS, api_keys.c.operator_no)
        )
        async with writing(self._engine) as connection:
            row = (await connection.execute(statement)).first()
            if row is None:
                return None
            operator_id = await connection.scalar(
                select(operators.c.operator_id).where(operators.c.operator_no == row.operator_no)
            )
            return _key(row, operator_id or "")

    @again_when_cut
    async def list(self, operator: int, after: str, limit: int) -> Sequence[ApiKey]:
        """Return an operator's keys in the order of their ids, from behind `after`."""
        query = (
            select(*_COLUMNS, operators.c.operator_id)
            .join(operators, operators.c.operator_no == api_keys.c.operator_no)
            .where(api_keys.c.operator_no == operator, api_keys.c.key_id > after)
            .order_by(api_keys.c.key_id)
            .limit(limit)
        )
        async with reading(self._engine) as connection:
            return [_key(row, row.operator_id) for row in await connection.execute(query)]

    @again_when_cut
    async def has_installation_key(self) -> bool:
        """Tell whether an admin key was made at a first start."""
        async with reading(self._engine) as connection:
            found = await connection.scalar(
                select(func.count()).where(
                    api_keys.c.operator_no.is_(None), api_keys.c.revoke_time.is_(None)
                )
            )
            return bool(found)


def _key(row: Any, operator_id: str) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        operator_id=operator_id,
        roles=frozenset(Role(role) for role in row.roles),
        create_time=row.key_create_time,
        revoke_time=row.revoke_time,
    )
