"""Purser as its users run it: a process of its own, on a real port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

ADMIN_KEY = "test-admin-key-0123456789abcdef0123456789"
START_BOUND_S = 90.0
STOP_BOUND_S = 60.0

_LISTENS = re.compile(rb"listens on \S+:(\d+)")


class PurserProcess:
    """`purser serve` with the given options; the port is free unless one is named.

    `env` is laid over the environment; None takes a variable away.
    """

    def __init__(
        self, *options: str, port: int = 0, env: dict[str, str | None] | None = None
    ) -> None:
        self._options = options
        self._env = env or {}
        self.port = port
        self.process: asyncio.subprocess.Process | None = None
        self.output = b""
        self.errors = b""
        self._readers: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """HOST:PORT of the server."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> PurserProcess:
        """Start it, and wait until it listens; the same port again after a restart."""
        environment = clean_environment({"PURSER_ADMIN_KEY": ADMIN_KEY, **self._env})
        self.output = self.errors = b""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "purser_server",
            "serve",
            "--listen",
            f"127.0.0.1:{self.port}",
            *self._options,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        listens = asyncio.get_running_loop().create_future()
        self._readers = [
            asyncio.create_task(self._read_output(listens)),
            asyncio.create_task(self._read_errors()),
        ]
        ended = asyncio.create_task(self.process.wait())
        await asyncio.wait({listens, ended}, timeout=START_BOUND_S, return_when="FIRST_COMPLETED")
        if not listens.done():
            if self.process.returncode is None:
                self.process.kill()
            await ended
            raise RuntimeError(
                f"the server did not start ({self.process.returncode}):\n"
                f"{self.output.decode()}\n{self.errors.decode()}"
            )
        ended.cancel()
        self.port = listens.result()
        return self

    async def _read_output(self, listens: asyncio.Future[int]) -> None:
        assert self.process is not None and self.process.stdout is not None
        async for line in self.process.stdout:
            self.output += line
            found = _LISTENS.search(line)
            if found and not listens.done():
                listens.set_result(int(found[1]))

    async def _read_errors(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        async for line in self.process.stderr:
            self.errors += line

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        await asyncio.gather(*self._readers)

    async def terminate(self) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), STOP_BOUND_S)
        await asyncio.gather(*self._readers)
        return code

    async def __aenter__(self) -> PurserProcess:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.terminate()


def clean_environment(more: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment without Purser's own variables, and with `more`."""
    mixed: dict[str, str | None] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PURSER_")},
        **more,
    }
    return {name: value for name, value in mixed.items() if value is not None}


async def run_purser(*words: str, **env: str) -> tuple[int, str, str]:
    """Run the command line to its end; return exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "purser_server",
        *words,
        env=clean_environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), START_BOUND_S)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def data_dir_options(path: Path) -> tuple[str, str]:
    """Return the options that name a data directory."""
    return "--data-dir", str(path)
