"""Words for the stories of an embedded PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest

import purser_server
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.ops.unprivileged import RunAs

BOUND_S = 60.0
SMALL = {"shared_buffers": "16MB"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has this")


def small(data_dir: Path, run_as: RunAs = "auto") -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, settings=SMALL, run_as=run_as)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, timeout=BOUND_S)
    try:
        yield connection
    finally:
        await connection.close()


async def remember(url: str, word: str) -> None:
    async with connected(url) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS words (word text PRIMARY KEY)")
        await connection.execute("INSERT INTO words VALUES ($1)", word)


async def words(url: str) -> list[str]:
    async with connected(url) as connection:
        return [row["word"] for row in await connection.fetch("SELECT word FROM words ORDER BY 1")]


async def eventually(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen within the bound"
        await asyncio.sleep(0.005)


def programs_of(data_dir: Path) -> list[int]:
    """The pids of all programs of PostgreSQL that were told to work in `data_dir`."""
    lines = ((one.pid, one.info["cmdline"]) for one in psutil.process_iter(["cmdline"]))
    return [pid for pid, line in lines if line and any(str(data_dir) in word for word in line[1:])]


def permissions(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def half_made(data_dir: Path) -> list[Path]:
    return list(data_dir.glob("initdb-*"))


def socket_dir(pg: EmbeddedPostgres) -> Path:
    return Path(parse_qs(urlsplit(pg.url).query)["host"][0])


def start_script(body: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another Python process that knows our package; `body` finds its arguments in argv."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(purser_server.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    )


def lose_lock(pg: EmbeddedPostgres) -> None:
    """Give the directory free as the kernel does when the owner is killed."""
    lock_file = pg._folder._lock_file
    assert lock_file is not None
    lock_file.close()
