"""Brings a database to this release's schema; safe when several processes try at once."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from purser_server.store.engine import make_engine
from purser_server.store.faults import CONNECTION_FAULTS

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 1886745460


class DatabaseRefusedError(Exception):
    """PostgreSQL answers, but not as it should: a wrong password, no such database, no rights."""


class NoLedgerError(Exception):
    """The database has none of Purser's tables."""


async def migrate(url: str, *, found: bool = False) -> str:
    """Apply all missing migrations; return the revision that the schema has then.

    With `found` a schema, of whatever release, must be there. Raises NoLedgerError when it is not,
    DatabaseRefusedError, or what tells that the connection failed.
    """
    engine = make_engine(url, pool_size=0)
    try:
        revision = await _revision_of(engine)
        if found and not revision:
            raise NoLedgerError
        # Each migration is one transaction with its revision: what has the newest one has all.
        return revision if revision == newest_revision() else await _migrate(engine)
    except (asyncpg.PostgresError, DBAPIError) as error:
        if isinstance(error, CONNECTION_FAULTS):
            raise
        cause = getattr(error, "orig", None) or error
        raise DatabaseRefusedError(str(cause.__cause__ or cause)) from error
    finally:
        await engine.dispose()


def newest_revision() -> str:
    """Return this release's revision; migrations are named by theirs, in ascending order."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


async def _revision_of(engine: AsyncEngine) -> str:
    """Return the revision of the schema, "" where there is none."""
    async with engine.connect() as connection:
        if not await connection.scalar(text("SELECT to_regclass('alembic_version')::text")):
            return ""
        return str(await connection.scalar(text("SELECT version_num FROM alembic_version")))


async def _migrate(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        encoding = await connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise DatabaseRefusedError(f"its encoding is {encoding}, and Purser needs UTF8")
        # A migration may take its time, and wait for another process that is at it.
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            await connection.execute(text(f"SET {limit} = 0"))
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        await connection.commit()
        await connection.run_sync(_upgrade)
        await connection.commit()
    return await _revision_of(engine)


def _upgrade(connection: Connection) -> None:
    # Loaded here: it takes an eighth of a server's start, and most find the schema up to date.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
