"""Purser as its users start it, in a temporary folder.

Whatever happens to the program that wants it, server and folder are gone when that ends.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO

from purser_server.subprocesses.program import Program, ProgramError, running

_REMOVE_BOUND_S = 10.0
_POLL_S = 0.05


def running_server(folder_prefix: str, *options: str) -> AbstractContextManager[ServerProcess]:
    """Give a server that listens, with a new data folder. Raises ProgramError if it cannot start.

    `options` are those of `purser serve`.
    """

    def start(output: IO[bytes], made: ExitStack) -> ServerProcess:
        folder = Path(tempfile.mkdtemp(prefix=folder_prefix))
        made.callback(_remove, folder)
        return ServerProcess(folder, output, options)

    return running(start)


class ServerProcess(Program):
    """`purser serve` on a free port of this machine, with a PostgreSQL that ends with it."""

    def __init__(self, data_dir: Path, output: IO[bytes], options: Sequence[str]) -> None:
        self.admin_key = secrets.token_urlsafe(32)
        place = ("--listen", "127.0.0.1:0", "--data-dir", str(data_dir))
        super().__init__(
            "the server",
            ("purser_server", "serve", *place, *options),
            {"PURSER_ADMIN_KEY": self.admin_key},
            output,
        )


def _remove(folder: Path) -> None:
    """Remove a folder; the PostgreSQL of a killed server may write there for a moment longer."""
    deadline = time.monotonic() + _REMOVE_BOUND_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if time.monotonic() > deadline:
                raise ProgramError(f"{folder} cannot be removed: {error}") from error
            time.sleep(_POLL_S)
