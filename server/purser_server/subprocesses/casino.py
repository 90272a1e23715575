"""The reference casino as its users start it, with all it keeps in memory.

It is a program of its own, as a casino in seamless mode is: nothing of it is imported here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import IO

from purser_server.subprocesses.program import Program, running


def running_casino(operator_id: str, *options: str) -> AbstractContextManager[CasinoProcess]:
    """Give a casino that listens and serves one operator. Raises ProgramError if it cannot start.

    `options` are those of `purser-casino serve`.
    """

    def start(output: IO[bytes], _made: ExitStack) -> CasinoProcess:
        return CasinoProcess(operator_id, output, options)

    return running(start)


class CasinoProcess(Program):
    """`purser-casino serve` on a free port of this machine, with a secret of its own."""

    def __init__(self, operator_id: str, output: IO[bytes], options: Sequence[str]) -> None:
        self.signing_secret = secrets.token_urlsafe(32)
        place = ("--listen", "127.0.0.1:0", "--operator", operator_id)
        super().__init__(
            "the casino",
            ("purser_casino", "serve", *place, *options),
            {"PURSER_CASINO_SIGNING_SECRET": self.signing_secret},
            output,
        )
