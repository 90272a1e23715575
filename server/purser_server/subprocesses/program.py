"""A program that runs beside the one that started it, and is gone when that ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, TypeVar

from purser_server.subprocesses.interruption import interruptions_deferred

_START_BOUND_S = 90.0
_STOP_BOUND_S = 45.0
_POLL_S = 0.05
_SHOWN_CHARACTERS = 2_000
_LISTENS = re.compile(r"^\w+ listens on (\S+:\d+)", re.MULTILINE)


class ProgramError(Exception):
    """A program did not start, or did not end; the text tells what it said."""


class Program:
    """A Python module that runs as a process of its own and prints where it listens.

    `name` is its name in messages; `output` takes what it prints, and `settings` are the only
    variables of Purser's that it sees.
    """

    def __init__(
        self, name: str, module: Sequence[str], settings: Mapping[str, str], output: IO[bytes]
    ) -> None:
        self.address = ""
        self._name = name
        self._output = output
        others = {key: text for key, text in os.environ.items() if not key.startswith("PURSER_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env={**others, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C is for who started it, and then ends it in order.
            start_new_session=True,
        )

    def wait_listening(self) -> None:
        """Wait until the program tells its address. Raises ProgramError."""
        deadline = time.monotonic() + _START_BOUND_S
        while not (found := _LISTENS.search(self._said())):
            code = self._process.poll()
            if code is not None:
                raise ProgramError(f"{self._name} ended with exit code {code}; {self.last_words}")
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"{self._name} does not listen after {_START_BOUND_S:.0f} s; {self.last_words}"
                )
            time.sleep(_POLL_S)
        self.address = found[1]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> int:
        """Send SIGTERM and return the exit code. Raises ProgramError when it does not end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            raise ProgramError(
                f"{self._name} still runs {_STOP_BOUND_S:.0f} s after SIGTERM; {self.last_words}"
            ) from None

    def end(self) -> None:
        """End the program in order, or by force."""
        try:
            self.stop()
        except ProgramError:
            self._process.kill()
            self._process.wait()

    @property
    def last_words(self) -> str:
        """What the program printed last, for a message."""
        said = self._said().strip()[-_SHOWN_CHARACTERS:]
        return f"{self._name} said:\n{said}" if said else f"{self._name} said nothing"

    def _said(self) -> str:
        # By position: the file's own position is shared with the program, which writes there.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


AProgram = TypeVar("AProgram", bound=Program)


@contextmanager
def running(start: Callable[[IO[bytes], ExitStack], AProgram]) -> Iterator[AProgram]:
    """Give a program that listens, and end it whatever happens. Raises ProgramError.

    `start` gets the file for its output, and a stack for what is to be removed after its end.
    """
    made = ExitStack()
    with tempfile.TemporaryFile() as output:
        try:
            # Nothing may be made without being noted, or an interruption would leave it behind.
            with interruptions_deferred():
                program = start(output, made)
                made.callback(program.end)
            program.wait_listening()
            yield program
        finally:
            with interruptions_deferred():
                made.close()
