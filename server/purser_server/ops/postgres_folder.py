"""The data directory of an embedded PostgreSQL: its lock, socket, log, and who runs in it.

Nothing here starts or stops a process. All of it blocks, for as long as a few file operations take.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO
from urllib.parse import quote

DEFAULT_PORT = 5432
LOG_LIMIT_BYTES = 10 * 1024 * 1024
# The kernel allows 107 bytes (macOS 103) with the file name that PostgreSQL adds.
SOCKET_PATH_LIMIT_BYTES = 100
_OWN_NAMES = re.compile(r"postgres|postgres\.log(\.1)?|socket|purser\.lock|initdb-\w+")
# A list of folders is split at commas in PostgreSQL's setting, a host at commas or colons in URLs.
_PLAIN_PATH = re.compile(r"""[^,:"'\\\n]+""")


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot do what was asked; the text says why and what to do next."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live PostgreSQL, as told by the file that it keeps in its data directory."""

    pid: int
    socket_dir: Path
    port: int
    is_ready: bool

    @property
    def url(self) -> str:
        """The URL of its database for the driver."""
        return database_url(self.socket_dir, self.port)


def database_url(socket_dir: Path, port: int) -> str:
    """Return the URL of the database behind a socket; the port is told, lest PGPORT counts."""
    return f"postgresql://purser@/purser?host={quote(str(socket_dir), safe='/')}&port={port}"


class PostgresFolder:
    """One data directory: `postgres/` with the data, `postgres.log`, `purser.lock`, `socket/`."""

    def __init__(self, path: Path) -> None:
        # Resolved, so that a process is recognised by the path in its command line.
        self.path = path.expanduser().resolve()
        self.pgdata = self.path / "postgres"
        self.log = self.path / "postgres.log"
        self._lock_path = self.path / "purser.lock"
        self._lock_file: IO[str] | None = None
        self._made_socket_dir = False

    def make(self) -> None:
        """Make the directory when it is missing, open to nobody else."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def is_initialized(self) -> bool:
        """Whether a complete database cluster is there."""
        return self.version is not None

    @property
    def version(self) -> str | None:
        """The major version of PostgreSQL that made the data, None when there is none."""
        try:
            return (self.pgdata / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return None

    @property
    def holds_nothing_else(self) -> bool:
        """Whether all files here are ours, so that we may change the directory's permissions."""
        return all(_OWN_NAMES.fullmatch(entry.name) for entry in self.path.iterdir())

    # ---- the lock ----

    def lock(self) -> bool:
        """Take the directory for this process; False when another one has it."""
        if self._lock_file is not None:
            return True
        file = self._open_lock(os.O_CREAT)
        if not _flock(file, fcntl.LOCK_EX):
            file.close()
            return False
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._lock_file = file
        return True

    def unlock(self) -> None:
        """Give the directory free; does nothing when we do not have it."""
        if self._lock_file is None:
            return
        if self._made_socket_dir and self.socket_dir.parent != self.path:
            self._remove_socket_dir()
        # The file stays: unlinking it would let two processes lock two files of one name.
        self._lock_file.close()
        self._lock_file = None

    @property
    def is_locked(self) -> bool:
        """Whether any process, this one included, has taken the directory."""
        try:
            file = self._open_lock()
        except OSError:
            return False
        with file:
            return not _flock(file, fcntl.LOCK_SH)

    @property
    def owner(self) -> str:
        """The process that took the directory, in words."""
        with self._open_lock() as file:
            return f"pid {file.read().strip() or 'unknown'}"

    def _open_lock(self, flags: int = 0) -> IO[str]:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600)
        return os.fdopen(descriptor, "r+")

    # ---- who runs in it ----

    def postmaster(self) -> Postmaster | None:
        """Return the live PostgreSQL of this directory, None when there is none."""
        # The file is written line by line while the server starts: pid, data directory, start
        # time, port, socket folder, address, shared memory, status.
        lines = [*self._pid_lines(), *[""] * 8][:8]
        pid, port, socket_dir, status = lines[0], lines[3], lines[4], lines[7]
        if not pid.isdigit() or not _is_postgres_of(self.pgdata, int(pid)):
            return None
        return Postmaster(int(pid), Path(socket_dir), int(port or DEFAULT_PORT), status == "ready")

    def disown_stale_postmaster(self) -> None:
        """Keep PostgreSQL from taking a stranger for its predecessor; call it with the lock held.

        It would refuse to start as long as the pid in a leftover file is in use by any process.
        """
        lines = self._pid_lines()
        if not lines or self.postmaster() is not None:
            return
        # PostgreSQL knows that its parent's pid is no predecessor. The rest of the file stays: it
        # finds by it the shared memory of backends that have outlived their postmaster.
        text = "\n".join([str(os.getpid()), *lines[1:], ""])
        with (self.pgdata / "postmaster.pid").open("r+") as file:
            file.write(text)
            file.truncate()

    def _pid_lines(self) -> list[str]:
        try:
            text = (self.pgdata / "postmaster.pid").read_text()
        except FileNotFoundError:
            return []
        return [line.strip() for line in text.splitlines()]

    # ---- leftovers of a killed process ----

    def remove_leftovers(self) -> None:
        """Remove half-made clusters; call it with the lock held."""
        for folder in self.path.glob("initdb-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def remove_sockets(self) -> None:
        """Remove sockets of a dead postmaster; call it with the lock held."""
        for socket in self.socket_dir.glob(".s.PGSQL.*"):
            socket.unlink(missing_ok=True)

    # ---- the socket's folder ----

    def make_socket_dir(self, owners: set[int]) -> None:
        """Make the folder of the socket; refuse one that someone outside `owners` (uids) made."""
        try:
            self.socket_dir.mkdir(mode=0o700)
        except FileExistsError:
            status = self.socket_dir.lstat()
            is_private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
            if not is_private or status.st_uid not in owners:
                raise EmbeddedPostgresError(
                    f"{self.socket_dir} is not a private folder of ours: remove it, or set TMPDIR "
                    "to a folder of your own"
                ) from None
        self._made_socket_dir = True

    def _remove_socket_dir(self) -> None:
        self._made_socket_dir = False
        with suppress(OSError):
            self.remove_sockets()
            self.socket_dir.rmdir()

    @cached_property
    def socket_dir(self) -> Path:
        """The folder of the socket: in the data directory, or a short one beside when that is long.

        Raises `EmbeddedPostgresError` when no path is short enough.
        """
        inside = self.path / "socket"
        if _fits_socket(inside):
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        outside = Path(tempfile.gettempdir()) / f"purser-{digest}"
        if _fits_socket(outside):
            return outside
        raise EmbeddedPostgresError(
            f"no socket can have a path as long as {outside}: set TMPDIR to a shorter path"
        )

    # ---- the log ----

    def open_log(self) -> IO[bytes]:
        """Open the log for appending; one that grew past its limit is put aside first."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        if self.log.exists() and self.log_bytes > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_name("postgres.log.1"))
        return os.fdopen(os.open(self.log, flags, 0o600), "ab")

    @property
    def log_bytes(self) -> int:
        """The size of the log."""
        return self.log.stat().st_size

    def log_since(self, offset_bytes: int) -> str:
        """Return the last lines, at most 2000 characters, that the log got since an offset."""
        with self.log.open("rb") as file:
            file.seek(offset_bytes)
            return file.read().decode(errors="replace").strip()[-2000:]


def _flock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fits_socket(folder: Path) -> bool:
    name = folder / f".s.PGSQL.{65535}"
    is_short = len(os.fsencode(name)) <= SOCKET_PATH_LIMIT_BYTES
    return is_short and _PLAIN_PATH.fullmatch(str(folder)) is not None


def _is_postgres_of(pgdata: Path, pid: int) -> bool:
    # A pid alone proves nothing: after a crash or a reboot it may be anyone's.
    command_line = _command_line(pid)
    if not re.search(r"(^|/)postgres -", command_line):
        return False
    try:
        return Path(f"/proc/{pid}/cwd").samefile(pgdata)  # where a postmaster lives
    except OSError:
        # Not Linux, or a container that withholds the right to look into other users' processes.
        return f" -D {pgdata} " in command_line


def _command_line(pid: int) -> str:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
