"""PostgreSQL breaks off under load, and comes back: the server recovers by itself."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path

import grpc
import psutil
import pytest

from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.faults import rounds
from tests.faults.book import Book
from tests.faults.streaming import StreamBook
from tests.faults.traffic import Traffic
from tests.support.client import Client, Installation, failure_of, new_id
from tests.support.process import PurserProcess, data_dir_options

BOUND_S = 60.0

_BOOKS: Iterator[type[Book]] = cycle([Book, StreamBook])


class Reader:
    """Reads a balance again and again, and remembers why that was ever refused."""

    def __init__(self, client: Client, player: str) -> None:
        self._client = client
        self._player = player
        self.answers = 0
        self.refusals: set[tuple[str, str]] = set()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                await self._client.balance(self._player)
                self.answers += 1
            except grpc.RpcError as error:
                failure = failure_of(error)
                self.refusals.add((failure.code.name, failure.reason))
            await asyncio.sleep(0.01)

    async def until_answered(self) -> None:
        """Wait for an answer to a question that is still to be put."""
        answers, deadline = self.answers, time.monotonic() + BOUND_S
        while self.answers < answers + 2:
            assert time.monotonic() < deadline, "the server does not recover"
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def _play_through(installation: Installation, dice: random.Random, fault: object) -> Book:
    """Play while the fault happens, until the server answers again; then settle and check."""
    # Batches go over a stream in every second round.
    book = next(_BOOKS)(await installation.new_casino())
    traffic = Traffic(book, dice)
    await traffic.start()
    reader = Reader(book.client, await book.client.new_player())
    await asyncio.sleep(dice.uniform(0.1, 0.6))
    await fault()  # type: ignore[operator]
    await reader.until_answered()
    await asyncio.sleep(0.3)
    await traffic.stop()
    await reader.stop()
    assert reader.refusals <= {("UNAVAILABLE", "LEDGER_UNAVAILABLE")}, reader.refusals
    await book.assert_kept()
    await book.settle()
    await book.assert_settled(installation)
    await book.close()
    return book


@pytest.mark.slow
async def test_callers_hear_unavailable_and_nothing_else_while_postgresql_is_gone(
    short_tmp: Path, dice: random.Random
) -> None:
    unanswered = 0
    async with (
        EmbeddedPostgres(short_tmp / new_id("gone")) as postgres,
        PurserProcess("--database-url", postgres.url) as server,
    ):
        # The longest one is longer than the server's patience.
        outages = cycle([4.0, 0.0, 0.5])

        async def break_off() -> None:
            await postgres.stop_immediately()
            await asyncio.sleep(next(outages))
            await postgres.start()

        installation = Installation(server.address)
        for _ in range(rounds(0.25)):
            unanswered += (await _play_through(installation, dice, break_off)).unanswered
        await installation.assert_consistent()
        await installation.close()
    assert unanswered, "PostgreSQL was never missed: the test has not tested anything"
    assert "Traceback" not in server.errors.decode(), server.errors.decode()


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGQUIT], ids=lambda blow: blow.name)
async def test_embedded_postgresql_is_started_again_when_it_dies(
    short_tmp: Path, dice: random.Random, blow: signal.Signals
) -> None:
    async with PurserProcess(*data_dir_options(short_tmp / new_id("dies"))) as server:

        async def strike() -> None:
            before = _postmaster(server)
            before.send_signal(blow)
            await asyncio.to_thread(psutil.wait_procs, [before], BOUND_S)

        installation = Installation(server.address)
        for _ in range(rounds(0.1)):
            await _play_through(installation, dice, strike)
        await installation.assert_consistent()
        await installation.close()
    assert "Traceback" not in server.errors.decode(), server.errors.decode()


@pytest.mark.slow
async def test_a_backend_that_crashes_takes_nothing_along(
    short_tmp: Path, dice: random.Random
) -> None:
    async with PurserProcess(*data_dir_options(short_tmp / new_id("crash"))) as server:

        async def strike() -> None:
            # PostgreSQL itself throws out all its backends when one dies so, and recovers.
            dice.choice([one for one in _programs(server) if "[local]" in _title(one)]).kill()

        installation = Installation(server.address)
        for _ in range(rounds(0.1)):
            await _play_through(installation, dice, strike)
        await installation.assert_consistent()
        await installation.close()
    assert "Traceback" not in server.errors.decode(), server.errors.decode()


def _programs(server: PurserProcess) -> Iterable[psutil.Process]:
    """Return all processes of the PostgreSQL that this server runs."""
    children = psutil.Process(server.pid).children(recursive=True)
    return [child for child in children if child.name() == "postgres"]


def _postmaster(server: PurserProcess) -> psutil.Process:
    programs = {program.pid: program for program in _programs(server)}
    (postmaster,) = (one for one in programs.values() if one.ppid() not in programs)
    return postmaster


def _title(program: psutil.Process) -> str:
    try:
        return " ".join(program.cmdline())
    except psutil.Error:
        return ""
