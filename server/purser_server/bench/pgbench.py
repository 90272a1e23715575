"""PostgreSQL's own benchmark, on a server with the settings of Purser's embedded one."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from purser_server.ops.embedded_postgres import EmbeddedPostgres

DEFAULT_SCALE = 50
CLIENTS = 16
_BOUND_S = 600.0
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


class PgbenchError(Exception):
    """pgbench did not run; the text tells what it said."""


class Pgbench:
    """A PostgreSQL of its own with pgbench's tables; use it as a context manager."""

    def __init__(self, scale: int = DEFAULT_SCALE) -> None:
        self._scale = scale
        self._folder = tempfile.TemporaryDirectory(prefix="purser-pgbench-")
        self._postgres = EmbeddedPostgres(Path(self._folder.name) / "data")

    async def __aenter__(self) -> Self:
        """Start PostgreSQL and fill pgbench's tables."""
        try:
            await self._postgres.start()
            await self._run("--initialize", "--quiet", f"--scale={self._scale}")
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop PostgreSQL and remove its folder."""
        await self._end()

    async def _end(self) -> None:
        await self._postgres.stop()
        self._folder.cleanup()

    async def tps(self, seconds: float) -> float:
        """Run the TPC-B-like script, prepared, with 16 clients; return transactions per second."""
        said = await self._run(
            *("--protocol=prepared", f"--client={CLIENTS}", "--jobs=2"),
            f"--time={max(1, round(seconds))}",
        )
        found = _TPS.search(said)
        if found is None:
            raise PgbenchError(f"pgbench told no tps: {said[-500:]}")
        return float(found[1])

    async def _run(self, *options: str) -> str:
        url = urlsplit(self._postgres.url)
        place = parse_qs(url.query)
        program = await asyncio.create_subprocess_exec(
            self._postgres.bin_dir / "pgbench",
            *options,
            *(f"--host={place['host'][0]}", f"--port={place['port'][0]}"),
            *(f"--username={url.username}", url.path[1:]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(program.communicate(), _BOUND_S)
        finally:
            if program.returncode is None:
                program.kill()
        said = output.decode(errors="replace")
        if program.returncode:
            raise PgbenchError(f"pgbench ended with {program.returncode}: {said[-500:]}")
        return said
