"""The story from its first line to its last, and the exit code that it ends with."""

from __future__ import annotations

import io
import sys
import time

from rich.console import Console

from purser_server.demo import (
    casino_chapters,
    chapters,
    loyalty_chapters,
    prize_chapters,
    refund_chapters,
)
from purser_server.demo.client import Client, Refused
from purser_server.demo.printing import Narrator
from purser_server.demo.requests import PLAYER
from purser_server.demo.stage import Stage, StoryError, expect
from purser_server.subprocesses.interruption import terminated_like_interrupted
from purser_server.subprocesses.program import ProgramError
from purser_server.subprocesses.server import ServerProcess, running_server

_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130


def play() -> int:
    """Play the story against a server of its own; return 0 when all of it came true."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Better a "?" than no story, where the terminal has no sign for the euro.
        sys.stdout.reconfigure(errors="replace")
    narrator = Narrator(Console(highlight=False))
    errors = Console(stderr=True, highlight=False, style="bold red", soft_wrap=True, markup=False)
    started = time.monotonic()
    try:
        with terminated_like_interrupted():
            _play(narrator)
    except (ProgramError, StoryError, OSError) as error:
        errors.print(f"The demo failed: {error}")
        return _EXIT_FAILED
    except KeyboardInterrupt:
        errors.print("Interrupted: all that was started is stopped, and the files are removed.")
        return _EXIT_INTERRUPTED
    narrator.end(f"All of it came true, in {time.monotonic() - started:.1f} s.")
    narrator.remark("Next: `purser serve`, and the quick start in README.md.")
    return 0


def _play(narrator: Narrator) -> None:
    narrator.chapter("The server", "A Purser with a PostgreSQL of its own, in a temporary folder.")
    narrator.remark("starting the server…")
    with running_server("purser-demo-") as server:
        narrator.step("purser serve", "", f"listens on {server.address}")
        try:
            _play_as_client(narrator, server)
        except Refused as refused:
            raise StoryError(f"a call was refused: {refused}; {server.last_words}") from refused
        _stop(narrator, server)


def _play_as_client(narrator: Narrator, server: ServerProcess) -> None:
    with Client(server.address, server.admin_key) as admin:
        narrator.part("Transfer mode: Purser keeps the money")
        api_key = chapters.set_up_casino(narrator, admin)
        with Client(server.address, api_key) as casino:
            stage = Stage(narrator, casino)
            chapters.link_player(stage)
            chapters.enter_without_money(stage)
            chapters.bring_money(stage)
            session_id = chapters.enter(stage)
            chapters.play_round(stage, session_id)
            chapters.undo_bet(stage, session_id)
            chapters.undo_bet_before_it_comes(stage)
            chapters.send_deposit_again(stage)
            chapters.bet_too_much(stage, session_id)
            chapters.send_batch(stage)
            chapters.send_atomic_group(stage)
            chapters.leave(stage, session_id)
            history = chapters.read_history(stage)
            history.append(prize_chapters.return_prize(stage, PLAYER))
            transactions = len(history)
            narrator.part("Seamless mode: the casino keeps the money")
            transactions += len(casino_chapters.play(narrator, admin, server.address))
            narrator.part("Loyalty: points and cashback for what was bought")
            transactions += _play_loyalty(narrator, admin, casino, server.address)
        narrator.part("In the end")
        chapters.verify(narrator, admin, transactions)


def _play_loyalty(narrator: Narrator, admin: Client, casino: Client, address: str) -> int:
    """Play the chapters of the casino's shop; return how many transactions those were."""
    with Client(address, loyalty_chapters.make_key(narrator, admin)) as loyalty:
        shop = loyalty_chapters.Shop(narrator, casino, loyalty)
        loyalty_chapters.play(shop)
        refund_chapters.play(shop)
        return loyalty_chapters.count_transactions(shop)


def _stop(narrator: Narrator, server: ServerProcess) -> None:
    narrator.chapter("The end", "SIGTERM: accepted calls finish first, then PostgreSQL stops.")
    narrator.remark("stopping the server…")
    code = server.stop()
    expect(f"the server's exit code ({server.last_words})", code, 0)
    narrator.step("purser serve", "", "ended with exit code 0")
