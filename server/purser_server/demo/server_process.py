"""A server for the demo and the benchmark: Purser as its users start it, in a temporary folder.

Whatever happens to them, server and folder are gone when they end.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

_START_BOUND_S = 90.0
_STOP_BOUND_S = 45.0
_REMOVE_BOUND_S = 10.0
_POLL_S = 0.05
_SHOWN_CHARACTERS = 2_000
_LISTENS = re.compile(r"^Purser listens on (\S+:\d+)", re.MULTILINE)


class ServerError(Exception):
    """The server did not start, or did not end; the text tells what it said."""


@contextmanager
def running_server(folder_prefix: str, *options: str) -> Iterator[ServerProcess]:
    """Give a server that listens, with a new data folder. Raises ServerError when it cannot start.

    `options` are those of `purser serve`.
    """
    made = ExitStack()
    with tempfile.TemporaryFile() as output:
        try:
            # Nothing may be made without being noted, or an interruption would leave it behind.
            with _interruptions_deferred():
                folder = Path(tempfile.mkdtemp(prefix=folder_prefix))
                made.callback(_remove, folder)
                server = ServerProcess(folder, output, options)
                made.callback(server.end)
            server.wait_listening()
            yield server
        finally:
            with _interruptions_deferred():
                made.close()


class ServerProcess:
    """`purser serve` on a free port of this machine, with a PostgreSQL of its own."""

    def __init__(self, data_dir: Path, output: IO[bytes], options: Sequence[str]) -> None:
        self.admin_key = secrets.token_urlsafe(32)
        self.address = ""
        self._output = output
        others = {key: text for key, text in os.environ.items() if not key.startswith("PURSER_")}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "purser_server", "serve"),
                *("--listen", "127.0.0.1:0", "--data-dir", str(data_dir)),
                *options,
            ],
            env={**others, "PURSER_ADMIN_KEY": self.admin_key},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C is for the demo, which then ends the server in order.
            start_new_session=True,
        )

    def wait_listening(self) -> None:
        """Wait until the server tells its address. Raises ServerError."""
        deadline = time.monotonic() + _START_BOUND_S
        while not (found := _LISTENS.search(self._said())):
            code = self._process.poll()
            if code is not None:
                raise ServerError(f"the server ended with exit code {code}; {self.last_words}")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"the server does not listen after {_START_BOUND_S:.0f} s; {self.last_words}"
                )
            time.sleep(_POLL_S)
        self.address = found[1]

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    def stop(self) -> int:
        """Send SIGTERM and return the exit code. Raises ServerError when it does not end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            raise ServerError(
                f"the server still runs {_STOP_BOUND_S:.0f} s after SIGTERM; {self.last_words}"
            ) from None

    def end(self) -> None:
        """End the server in order, or by force; its PostgreSQL ends with it."""
        try:
            self.stop()
        except ServerError:
            self._process.kill()
            self._process.wait()

    @property
    def last_words(self) -> str:
        """What the server printed last, for a message."""
        said = self._said().strip()[-_SHOWN_CHARACTERS:]
        return f"the server said:\n{said}" if said else "the server said nothing"

    def _said(self) -> str:
        # By position: the file's own position is shared with the server, which writes there.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


def _remove(folder: Path) -> None:
    """Remove a folder; the PostgreSQL of a killed server may write there for a moment longer."""
    deadline = time.monotonic() + _REMOVE_BOUND_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if time.monotonic() > deadline:
                raise ServerError(f"{folder} cannot be removed: {error}") from error
            time.sleep(_POLL_S)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM and a closed terminal end the program as Ctrl-C does, with its clean-up."""
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in numbers:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    # An event loop has a handler of its own for Ctrl-C; one that ignores it ignores no SIGTERM.
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)


@contextmanager
def _interruptions_deferred() -> Iterator[None]:
    """Let Ctrl-C wait until this is done."""
    told: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: told.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
    if told:
        signal.raise_signal(told[0])
