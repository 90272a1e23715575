"""Fixtures: one PostgreSQL and one server for the whole run, a casino of its own per test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from purser_server.app import prepare
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, Installation
from tests.support.databases import database_of_its_own
from tests.support.process import PurserProcess

settings.register_profile(
    "purser", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("purser")


# Each takes half a minute or more. They begin first, the longest before the others, so that no
# process is left with one of them when the others have nothing more to do.
LONGEST = [
    "rpc/test_bad_input.py",
    "faults/test_server_killed.py",
    "seamless/test_kills.py",
    "property/test_wallet_machine.py",
    "bench/test_bench.py",
    "seamless/test_any_schedule.py",
    "e2e/test_command_line.py",
    "demo/test_demo.py",
    "faults/test_connection_cut.py",
    "faults/test_worker_killed.py",
    "e2e/test_operations.py",
    "faults/test_database_killed.py",
    "faults/test_database_at_start.py",
    "ops/test_embedded_postgres_faults.py",
    "ops/test_embedded_postgres.py",
    "seamless/test_cases.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all else stays in its order."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A folder with a short path: sockets cannot have long ones."""
    path = Path(tempfile.mkdtemp(prefix="purser-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(short_tmp: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A real PostgreSQL with this release's schema."""
    async with EmbeddedPostgres(short_tmp / "data") as server:
        await prepare(server.url)
        yield server


@pytest.fixture(scope="session")
async def server(postgres: EmbeddedPostgres) -> AsyncIterator[PurserProcess]:
    """A real Purser, as a process of its own on a real port."""
    async with PurserProcess("--database-url", postgres.url) as process:
        yield process
        errors = process.errors.decode()
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
async def second_server(
    postgres: EmbeddedPostgres, server: PurserProcess
) -> AsyncIterator[PurserProcess]:
    """Another server process on the same database, gone when the next file begins."""
    async with PurserProcess("--database-url", postgres.url) as process:
        yield process
        errors = process.errors.decode()
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="session")
async def migrated(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a database with this release's schema and nothing in it, to be copied."""
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        yield url


@pytest.fixture
async def own_database(postgres: EmbeddedPostgres, migrated: str) -> AsyncIterator[str]:
    """The URL of a database of the test's own, with this release's schema."""
    async with database_of_its_own(postgres.url, migrated) as url:
        yield url


@pytest.fixture
async def installation(server: PurserProcess) -> AsyncIterator[Installation]:
    """The admin's view of the server."""
    made = Installation(server.address)
    yield made
    await made.close()


@pytest.fixture
async def casino(installation: Installation) -> Client:
    """A casino of its own, with a backend key."""
    return await installation.new_casino()
