"""Several server processes on one port: started, restarted when they die, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence

_log = logging.getLogger(__name__)

PARENT = "PURSER_WORKER_PARENT"
READY = "PURSER_WORKER_READY"
"""The variable that holds the number of the file on which a worker says how its start went."""

_SERVES = "serves"

_RESTART_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_HEALTHY_AFTER_S = 30.0
_PARENT_POLL_S = 0.5
_FREE_BOUND_S = 3.0
_LINE_LIMIT = 1_000


async def outlive_parent() -> None:
    """Return when the process that started this worker is gone."""
    parent = int(os.environ.get(PARENT, os.getppid()))
    # Nothing tells a process of its parent's end on every system.
    while os.getppid() == parent:  # noqa: ASYNC110
        await asyncio.sleep(_PARENT_POLL_S)


class WorkerError(Exception):
    """A worker ended before all of them served; the text says why."""


def tell_ready() -> None:
    """Say to the process that started this worker that it serves."""
    _tell_start(_SERVES)


def tell_failure(why: str) -> bool:
    """Say to the process that started this worker why it cannot serve; False if nobody waits."""
    return _tell_start(why)


def _tell_start(line: str) -> bool:
    file = os.environ.pop(READY, None)
    if file is None:
        return False
    _say(int(file), line)
    os.close(int(file))
    return True


def _say(file: int, line: str) -> None:
    """Write a line at once, unmixed with those of other workers."""
    # The first failure is enough, and nobody reads on.
    with contextlib.suppress(BrokenPipeError):
        os.write(file, f"{' '.join(line.split())[:_LINE_LIMIT]}\n".encode())


def reserve_port(address: str) -> tuple[socket.socket, str]:
    """Bind HOST:PORT without listening, so that workers can share it; return its real address.

    The socket must stay open while workers come and go: it keeps the port from others. Raises
    OSError when the port is taken.
    """
    host, _, port = address.rpartition(":")
    try:
        _require_free(host.strip("[]"), int(port))
        reserved = _bound(host.strip("[]"), int(port), is_shared=True)
    except OSError as error:
        raise OSError(
            f"cannot listen on {address}: is the port taken? ({error}) "
            "Choose another --listen; port 0 takes a free one"
        ) from error
    return reserved, f"{host}:{reserved.getsockname()[1]}"


def _require_free(host: str, port: int) -> None:
    """Raise OSError when somebody listens on the port, be it one that is shared.

    With a little patience: the workers of a parent that was killed take a moment to end.
    """
    deadline = time.monotonic() + _FREE_BOUND_S
    while True:
        try:
            _bound(host, port, is_shared=False).close()
            return
        except OSError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PARENT_POLL_S / 2)


def _bound(host: str, port: int, *, is_shared: bool) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    reserved = socket.socket(family, kind, protocol)
    try:
        # Connections of a server that has just ended linger, and would keep the port from us.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(place)
    except OSError:
        reserved.close()
        raise
    return reserved


class WorkerPool:
    """Keeps `count` processes of one command alive until it is stopped.

    As soon as all have served, one that dies is started again; before that a death ends the start,
    for the next try would end like it. Worker `n` (from 0) sees its number in the environment as
    PURSER_WORKER.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], count: int) -> None:
        self._command = command
        self._environment = environment
        self._count = count
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        self._started = False
        self._ready_from, self._ready_to = os.pipe()

    async def start(self) -> None:
        """Start all workers."""
        for number in range(self._count):
            await self._spawn(number)
            self._keepers.append(asyncio.create_task(self._keep(number)))

    async def ready(self) -> int:
        """Wait until all workers have said that they serve; tell how many. Raises WorkerError."""
        loop = asyncio.get_running_loop()
        said = asyncio.StreamReader()
        with os.fdopen(self._ready_from, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(said), pipe
            )
            try:
                for _ in range(self._count):
                    line = (await said.readline()).decode().strip()
                    if line != _SERVES:
                        raise WorkerError(line)
                if any(keeper.done() for keeper in self._keepers):
                    raise WorkerError("a worker ended before all of them served")
                self._started = True
                return self._count
            finally:
                transport.close()

    async def stop(self, patience_s: float) -> None:
        """Ask all to end (SIGTERM), and after so many seconds make them."""
        self._stopping = True
        running = [process for process in self._processes.values() if process.returncode is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        endings = asyncio.gather(*(process.wait() for process in running))
        try:
            await asyncio.wait_for(endings, patience_s)
        except TimeoutError:
            for process in running:
                if process.returncode is None:
                    process.kill()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _spawn(self, number: int) -> None:
        environment = {
            **self._environment,
            "PURSER_WORKER": str(number),
            PARENT: str(os.getpid()),
            # Of a worker that takes a dead one's place nobody waits to hear.
            **({} if self._started else {READY: str(self._ready_to)}),
        }
        process = self._processes[number] = await asyncio.create_subprocess_exec(
            *self._command, env=environment, start_new_session=True, pass_fds=(self._ready_to,)
        )
        if self._stopping:
            # It came into being while the others were told to end.
            process.send_signal(signal.SIGTERM)

    async def _keep(self, number: int) -> None:
        """Start a worker again whenever it dies, more slowly if it keeps dying."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping:
            started = loop.time()
            code = await self._processes[number].wait()
            if self._stopping:
                return
            if not self._started:
                # What the worker itself said of its end stands before this in the pipe.
                _say(self._ready_to, f"worker {number} ended with {code} before all of them served")
                return
            deaths = 0 if loop.time() - started > _HEALTHY_AFTER_S else deaths + 1
            pause_s = _RESTART_PAUSES_S[min(deaths, len(_RESTART_PAUSES_S) - 1)]
            _log.warning("worker %d ended with %d; again in %.1f s", number, code, pause_s)
            await asyncio.sleep(pause_s)
            if not self._stopping:
                await self._spawn(number)
