"""The database is not there yet, or does not let the server in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.faults.conftest import free_port
from tests.support.client import Installation, eur, new_id
from tests.support.databases import connected
from tests.support.process import PurserProcess
from tests.support.side_by_side import is_to_run

PASSWORD = "open-sesame-4711"
ASK_FOR_PASSWORDS = """
COPY (VALUES ('local all all trust'), ('host all all 127.0.0.1/32 scram-sha-256')) TO '{}'
"""


@pytest.fixture(scope="module")
async def guarded_port(short_tmp: Path) -> AsyncIterator[int]:
    """The port of a PostgreSQL that asks for a password."""
    port = free_port()
    async with EmbeddedPostgres(short_tmp / new_id("guarded"), listen_port=port) as postgres:
        async with connected(postgres.url) as connection:
            await connection.execute(f"ALTER ROLE purser PASSWORD '{PASSWORD}'")
            file = await connection.fetchval("SHOW hba_file")
            await connection.execute(ASK_FOR_PASSWORDS.format(file))
            await connection.execute("SELECT pg_reload_conf()")
        yield port


@pytest.fixture(scope="module", autouse=True)
async def never_there(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[int, asyncio.Task[list[str]]] | None]:
    """A port that is kept from everyone, and what a server says that waits for its database there.

    It waits for half a minute: beside the other tests of this file.
    """
    if not is_to_run(request, "test_a_database_that_never_comes"):
        yield None
        return
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        port = int(kept.getsockname()[1])
        refusal = asyncio.create_task(refusal_to_start(url_at(port)))
        yield port, refusal
        refusal.cancel()
        await asyncio.gather(refusal, return_exceptions=True)


def url_at(port: int, password: str = PASSWORD, database: str = "purser") -> str:
    return f"postgresql://purser:{password}@127.0.0.1:{port}/{database}"


async def refusal_to_start(url: str) -> list[str]:
    """Start a server that cannot start; return the lines that it says to its user."""
    server = PurserProcess("--database-url", url)
    with pytest.raises(RuntimeError):
        await server.start()
    assert server.process is not None
    assert server.process.returncode == 1
    await asyncio.gather(*server._readers)
    said = (server.output + server.errors).decode()
    assert "Traceback" not in said, said
    assert PASSWORD not in said, said
    return said.splitlines()


async def test_a_server_started_before_its_database_waits_for_it(short_tmp: Path) -> None:
    port = free_port()
    server = PurserProcess("--database-url", f"postgresql://purser@127.0.0.1:{port}/postgres")
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(4.0)
    assert not starting.done()
    async with EmbeddedPostgres(short_tmp / new_id("later"), listen_port=port):
        await starting
        installation = Installation(server.address)
        casino = await installation.new_casino()
        assert await casino.balance(await casino.new_player(money=eur("1.00"))) == 100
        await installation.close()
        assert await server.terminate() == 0


async def test_the_right_password_lets_the_server_in(guarded_port: int) -> None:
    async with PurserProcess("--database-url", url_at(guarded_port)) as server:
        said = (server.output + server.errors).decode()
    assert PASSWORD not in said, said


async def test_a_wrong_password_ends_the_start_with_one_line(guarded_port: int) -> None:
    wrong = "not-" + PASSWORD
    (line,) = await refusal_to_start(url_at(guarded_port, password=wrong))
    assert "password" in line
    assert wrong not in line


async def test_an_unknown_database_ends_the_start_with_one_line(guarded_port: int) -> None:
    (line,) = await refusal_to_start(url_at(guarded_port, database="nowhere"))
    assert "nowhere" in line


@pytest.mark.slow
async def test_a_database_that_never_comes_ends_the_start_with_a_line_that_names_it(
    never_there: tuple[int, Awaitable[list[str]]],
) -> None:
    port, refusal = never_there
    waiting, line = await refusal
    assert "waiting for it" in waiting
    assert str(port) in line
