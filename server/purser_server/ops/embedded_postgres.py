"""A real PostgreSQL from a wheel's binaries, run as a child of this process in a data directory.

It ends with this process, also when this process is killed, and comes back with all that was
acknowledged. Who it runs as is decided in `unprivileged`, what lies on disk in `postgres_folder`,
what its programs are told in `postgres_programs`; here is when it starts, stops and starts again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from purser_server.ops.postgres_folder import (
    DEFAULT_PORT,
    EmbeddedPostgresError,
    PostgresFolder,
    database_url,
)
from purser_server.ops.postgres_programs import (
    DEFAULT_SETTINGS,
    MAJOR_VERSION,
    answers,
    find_binaries,
    make_cluster,
    postgres_command,
    spawn,
)
from purser_server.ops.unprivileged import (
    Identity,
    RunAs,
    UnprivilegedError,
    choose_identity,
    give,
    possible_owners,
)

__all__ = ["DEFAULT_SETTINGS", "EmbeddedPostgres", "EmbeddedPostgresError", "find_binaries"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# SIGINT is PostgreSQL's fast shutdown, SIGQUIT the immediate one, which loses nothing either but
# makes the next start replay the log. SIGINT comes twice: the first may meet a launcher that is not
# yet PostgreSQL.
_STOP_STEPS = (
    (signal.SIGINT, 1.0),
    (signal.SIGINT, 30.0),
    (signal.SIGQUIT, 10.0),
    (signal.SIGKILL, 10.0),
)
_SILENCE_BOUND_S = 120.0
_POLL_S = 0.02
_LOCK_BOUND_S = 1.0
_STILL_IN_USE = ("pre-existing shared memory block", '"postmaster.pid" already exists')
_STILL_IN_USE_BOUND_S = 30.0
_RESTART_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # the last one for ever
_STOPPED = "PostgreSQL was stopped while it was starting: start it again when it is wanted"


class EmbeddedPostgres:
    """One PostgreSQL server in one data directory, owned by this process from start to stop.

    Start it from a thread that lives as long as the process: when that thread ends, Linux stops
    PostgreSQL. Use one object in one event loop.
    """

    bin_dir: Path
    """The folder of its programs: `postgres`, `psql`, `pgbench`, `pg_dump` and the others."""

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        listen_port: int | None = None,
        run_as: RunAs = "auto",
    ) -> None:
        """Prepare a server in `data_dir`; `settings` are laid over `DEFAULT_SETTINGS`.

        Only the permissions of the socket's folder keep others out: there is no password. With
        `listen_port` every user of this machine gets in through 127.0.0.1: for tests alone.
        """
        self.bin_dir = find_binaries()
        self._folder = PostgresFolder(data_dir)
        self._port = listen_port or DEFAULT_PORT
        self._settings = {
            **(settings or {}),
            "listen_addresses": "127.0.0.1" if listen_port else "",
            "port": str(self._port),
        }
        self._run_as: RunAs = run_as
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._start_turn = asyncio.Lock()
        self._stop_wanted = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @classmethod
    def is_in(cls, data_dir: Path) -> bool:
        """Tell whether `data_dir` holds the data of one. A folder that hides its content does."""
        try:
            return PostgresFolder(data_dir).is_initialized
        except PermissionError:
            return True

    @classmethod
    def running_url(cls, data_dir: Path) -> str | None:
        """Return the URL of the PostgreSQL that a process runs in `data_dir`, None without one."""
        folder = PostgresFolder(data_dir)
        try:
            postmaster = folder.postmaster() if folder.is_locked else None
        except PermissionError:
            return None
        return postmaster.url if postmaster and postmaster.is_ready else None

    @property
    def url(self) -> str:
        """The URL of the database, as asyncpg and SQLAlchemy take it."""
        return database_url(self._folder.socket_dir, self._port)

    @property
    def pid(self) -> int | None:
        """The pid of the running server, None when it does not run."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        """Start the server, make its database when it is new, and wait until it answers.

        Does nothing when it runs. Raises `EmbeddedPostgresError`, which says what to do next.
        """
        self._stop_wanted.clear()
        try:
            await self._bring_up()
        except BaseException:
            if self.pid is None:
                self._folder.unlock()
            raise

    async def stop(self) -> None:
        """Stop the server, also in the midst of its start, and give the data directory free.

        Open transactions are rolled back; a server that has not ended after half a minute has to.
        """
        self._stop_wanted.set()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        await self._end_process(_STOP_STEPS)
        self._folder.unlock()

    async def stop_immediately(self) -> None:
        """Make the server break off without a checkpoint: a fault that `keep_running` mends."""
        await self._end_process([(signal.SIGQUIT, 30.0), (signal.SIGKILL, 10.0)])

    async def kill(self) -> None:
        """Kill the postmaster: a fault that `keep_running` mends."""
        await self._end_process([(signal.SIGKILL, 30.0)])

    async def wait_exited(self) -> int:
        """Wait until the server that runs now has ended; returns its exit code, -N for signal N."""
        if self._process is None:
            raise EmbeddedPostgresError("PostgreSQL was never started: call start() first")
        return await self._process.wait()

    async def keep_running(self) -> None:
        """Start the server again whenever it dies, until `stop` is called; call `start` first."""
        while not self._stop_wanted.is_set():
            code = await self.wait_exited()
            if not self._stop_wanted.is_set():
                _log.error("PostgreSQL ended, exit code %s; see %s", code, self._folder.log)
                await self._restart()

    async def _restart(self) -> None:
        for delay_s in chain(_RESTART_DELAYS_S, repeat(_RESTART_DELAYS_S[-1])):
            try:
                await self._bring_up()
            # Whatever it is: a keeper that ends at an error nobody foresaw keeps nothing running.
            except Exception as error:
                if self._stop_wanted.is_set():
                    return
                _log.error("PostgreSQL cannot be restarted, next try in %s s: %s", delay_s, error)
            else:
                _log.warning("PostgreSQL was restarted, pid %s", self.pid)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop_wanted.wait(), delay_s)

    # ---- starting ----

    async def _bring_up(self) -> None:
        async with self._start_turn:
            if self.pid is not None:
                return
            if self._stop_wanted.is_set():
                raise EmbeddedPostgresError(_STOPPED)
            # A task of its own, so that stop() can break it off without cancelling our caller.
            self._starting = asyncio.create_task(self._prepare_and_launch())
            try:
                await self._starting
            except asyncio.CancelledError:
                if self._stop_wanted.is_set() and not _is_cancelled():
                    raise EmbeddedPostgresError(_STOPPED) from None
                raise
            finally:
                self._starting = None

    async def _prepare_and_launch(self) -> None:
        with _os_errors_told(self._folder.path):
            await self._take_lock()
            await self._end_leftover()
            identity = await _in_thread(self._prepare_folder)
            if not self._folder.is_initialized:
                await make_cluster(self.bin_dir, identity, self._folder.pgdata)
            await self._launch_when_free(identity)

    async def _take_lock(self) -> None:
        self._folder.make()
        deadline = _now() + _LOCK_BOUND_S
        # A little patience: is_locked, which running_url asks, holds the lock for a moment.
        while not self._folder.lock():
            if _now() > deadline:
                raise EmbeddedPostgresError(
                    f"another Purser runs on this data directory ({self._folder.owner}): stop it, "
                    f"or choose another --data-dir than {self._folder.path}"
                )
            await asyncio.sleep(_POLL_S)

    async def _end_leftover(self) -> None:
        # We have the lock, so whoever started this server is dead, and the server has nobody.
        for signal_, bound_s in _STOP_STEPS:
            leftover = self._folder.postmaster()
            if leftover is None:
                return
            _log.warning("ending PostgreSQL of a former run, pid %s", leftover.pid)
            with suppress(ProcessLookupError):
                os.kill(leftover.pid, signal_)
            await _wait_until(lambda: self._folder.postmaster() is None, bound_s)
        if (leftover := self._folder.postmaster()) is not None:
            raise EmbeddedPostgresError(_does_not_end(leftover.pid))

    def _prepare_folder(self) -> Identity:
        folder = self._folder
        if folder.version not in (None, MAJOR_VERSION):
            raise EmbeddedPostgresError(
                f"{folder.pgdata} was made by PostgreSQL {folder.version}, and this Purser brings "
                f"{MAJOR_VERSION}: dump it with the former and restore it into a new --data-dir"
            )
        folder.remove_leftovers()
        identity = self._choose_identity()
        folder.make_socket_dir(possible_owners())
        give(identity, folder.socket_dir)
        if folder.is_initialized:
            give(identity, folder.pgdata)
        return identity

    def _choose_identity(self) -> Identity:
        folder = self._folder
        entered = (self.bin_dir / "postgres", folder.socket_dir.parent, folder.path)
        may_open = folder.path if folder.holds_nothing_else else None
        try:
            return choose_identity(_with_parents(entered), may_open=may_open, run_as=self._run_as)
        except UnprivilegedError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL, which refuses to run as root, cannot run here: {error}. Choose a "
                "--data-dir (or a place to install) elsewhere, run as an ordinary user, or give "
                "--database-url"
            ) from error

    async def _launch_when_free(self, identity: Identity) -> None:
        deadline = _now() + _STILL_IN_USE_BOUND_S
        while True:
            self._folder.remove_sockets()
            self._folder.disown_stale_postmaster()
            try:
                return await self._launch(identity)
            except EmbeddedPostgresError as error:
                # Backends outlive a killed postmaster by a moment, and a postmaster whose parent
                # was killed may turn up only now.
                is_passing = any(words in str(error) for words in _STILL_IN_USE)
                if not is_passing or _now() > deadline:
                    raise
            await asyncio.sleep(0.2)
            await self._end_leftover()

    async def _launch(self, identity: Identity) -> None:
        folder = self._folder
        command = postgres_command(self.bin_dir, folder.pgdata, folder.socket_dir, self._settings)
        with folder.open_log() as log:
            log_offset = log.tell()
            self._process = await spawn(identity, command, log)
        try:
            await self._wait_ready(self._process, log_offset)
        except BaseException:
            await self._end_process(_STOP_STEPS)
            raise

    async def _wait_ready(self, process: asyncio.subprocess.Process, log_offset: int) -> None:
        log_bytes, sign_of_life = log_offset, _now()
        while not await self._is_ready(process.pid):
            if process.returncode is not None or _now() > sign_of_life + _SILENCE_BOUND_S:
                raise EmbeddedPostgresError(self._failure(process.returncode, log_offset))
            # The replay after a crash may take long, and tells of its progress every ten seconds.
            if self._folder.log_bytes != log_bytes:
                log_bytes, sign_of_life = self._folder.log_bytes, _now()
            await asyncio.sleep(_POLL_S)

    async def _is_ready(self, pid: int) -> bool:
        # The file first: every connection before that would leave an error in the log.
        found = self._folder.postmaster()
        says_so = found is not None and found.pid == pid and found.is_ready
        return says_so and await answers(self._folder.socket_dir, self._port)

    def _failure(self, exit_code: int | None, log_offset: int) -> str:
        how = "does not answer" if exit_code is None else f"ended with exit code {exit_code}"
        return (
            f"PostgreSQL did not start, it {how}. Mend what it says and start again; its log is "
            f"{self._folder.log}, and ends: {self._folder.log_since(log_offset) or '(nothing)'}"
        )

    # ---- stopping ----

    async def _end_process(self, steps: Iterable[tuple[signal.Signals, float]]) -> None:
        process = self._process
        for signal_, bound_s in steps:
            if process is None or process.returncode is not None:
                return
            with suppress(ProcessLookupError):
                # Not process.send_signal: it may reap the process, and the exit code is lost.
                os.kill(process.pid, signal_)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), bound_s)
        if process is not None and process.returncode is None:
            raise EmbeddedPostgresError(_does_not_end(process.pid))


async def _in_thread(function: Callable[[], _T]) -> _T:
    # A thread cannot be broken off: a cancellation waits for it, so that it never works on a
    # directory whose lock has been given up.
    work = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise


async def _wait_until(is_done: Callable[[], bool], bound_s: float) -> None:
    deadline = _now() + bound_s
    while not is_done() and _now() < deadline:  # noqa: ASYNC110 - a stranger's end tells no event
        await asyncio.sleep(_POLL_S)


@contextmanager
def _os_errors_told(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(
            f"the data directory {data_dir} cannot be used: {error}. Mend its permissions, or "
            "choose another --data-dir"
        ) from error


def _with_parents(paths: Iterable[Path]) -> list[Path]:
    parents_first = (folder for path in paths for folder in (*reversed(path.parents), path))
    return list(dict.fromkeys(parents_first))


def _does_not_end(pid: int) -> str:
    return f"PostgreSQL does not end, though killed: stop the process {pid} before you start again"


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _now() -> float:
    return asyncio.get_running_loop().time()
