"""Migrations: they make what the code expects, once, whoever starts them."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection

from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.store.engine import make_engine
from purser_server.store.loyalty_tables import metadata
from purser_server.store.migrate import MIGRATIONS, DatabaseRefusedError, migrate, newest_revision
from tests.support.databases import connected, database_of_its_own
from tests.support.process import run_purser


async def test_the_migrated_schema_is_what_the_tables_say(own_database: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    engine = make_engine(own_database)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []


async def test_checks_and_sequences_are_what_the_tables_say(own_database: str) -> None:
    # Alembic does not compare these.
    async with connected(own_database) as connection:
        checks = await connection.fetch(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid > 16000"
        )
        step = await connection.fetchval(
            "SELECT increment_by FROM pg_sequences WHERE sequencename = 'transaction_numbers'"
        )
    declared = {
        constraint.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert {row["conname"] for row in checks} == declared
    assert step == 32_768


async def test_several_migrations_at_once_are_fine(postgres: EmbeddedPostgres) -> None:
    async with database_of_its_own(postgres.url) as url:
        revisions = await asyncio.gather(*(migrate(url) for _ in range(4)))
        assert len(set(revisions)) == 1
        assert await migrate(url) == revisions[0]


@pytest.mark.slow
async def test_several_processes_that_migrate_at_once_are_fine(
    postgres: EmbeddedPostgres,
) -> None:
    async with database_of_its_own(postgres.url) as url:
        found = await asyncio.gather(
            *(run_purser("migrate", "--database-url", url) for _ in range(3))
        )
        assert [code for code, _, _ in found] == [0, 0, 0], found
        assert len({output for _, output, _ in found}) == 1


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def test_the_newest_revision_is_that_of_the_last_migration() -> None:
    assert newest_revision() == ScriptDirectory.from_config(configuration()).get_current_head()


async def test_a_schema_that_is_behind_is_brought_up_to_date(postgres: EmbeddedPostgres) -> None:
    def upgrade_to_the_second(connection: Connection) -> None:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")

    async with database_of_its_own(postgres.url) as url:
        engine = make_engine(url)
        async with engine.connect() as connection:
            await connection.run_sync(upgrade_to_the_second)
            await connection.commit()
        await engine.dispose()

        assert await migrate(url) == newest_revision()

        async with connected(url) as connected_:
            assert await connected_.fetchval("SELECT to_regclass('programs')::text")


async def test_a_migration_keeps_what_is_there(own_database: str) -> None:
    async with connected(own_database) as connection:
        await connection.execute(
            "INSERT INTO operators (operator_id, display_name, created_as) VALUES ('a', 'A', '{}')"
        )
        await migrate(own_database)
        assert await connection.fetchval("SELECT count(*) FROM operators") == 1


async def test_a_database_that_refuses_is_told_apart_from_one_that_is_away(
    postgres: EmbeddedPostgres,
) -> None:
    with pytest.raises(DatabaseRefusedError, match="does not exist"):
        await migrate(postgres.url.replace("/purser?", "/no-such-database?"))
    with pytest.raises((OSError, asyncpg.PostgresError)) as caught:
        await migrate("postgresql://purser@127.0.0.1:1/purser")
    assert not isinstance(caught.value, DatabaseRefusedError)
