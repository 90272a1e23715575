"""The reference casino as its users run it: a process of its own, on a free port."""

from __future__ import annotations

import asyncio
import re
import signal
import sys

from tests.support.process import START_BOUND_S, STOP_BOUND_S, clean_environment

_LISTENS = re.compile(rb"^Casino listens on (\S+:\d+)\n$")


class CasinoProcess:
    """`purser-casino serve` with the given options; the secret comes by the environment.

    The port is a free one at first, and the same again at each start after that.
    """

    def __init__(self, operator_id: str, secret: str, *options: str) -> None:
        self.address = "127.0.0.1:0"
        self._words = ("--operator", operator_id, *options)
        self._env = {"PURSER_CASINO_SIGNING_SECRET": secret}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> CasinoProcess:
        return await self.start()

    async def start(self) -> CasinoProcess:
        """Start it, and wait until it listens."""
        words = ("serve", "--listen", self.address, *self._words)
        self._process = await start_casino(*words, **self._env)
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), START_BOUND_S)
        found = _LISTENS.match(line)
        if not found:
            await self.kill()
            raise RuntimeError(f"the casino said {line!r}")
        self.address = found[1].decode()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            assert await self.terminate() == 0

    async def terminate(self) -> int:
        """SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), STOP_BOUND_S)

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


async def start_casino(*words: str, **env: str) -> asyncio.subprocess.Process:
    """Start the casino's command line; output is piped, errors are shown."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "purser_casino", *words),
        env=clean_environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )


async def run_casino(*words: str, **env: str) -> tuple[int, str, str]:
    """Run the command line to its end; return exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "purser_casino", *words),
        env=clean_environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), START_BOUND_S)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()
