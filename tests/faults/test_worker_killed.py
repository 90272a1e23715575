"""One of several server processes dies, or the one that started them."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import psutil
import pytest

from tests.faults import rounds
from tests.faults.book import Book
from tests.faults.traffic import Traffic
from tests.support.client import Client, Installation, new_id
from tests.support.process import PurserProcess, data_dir_options

BOUND_S = 60.0


def workers_of(server: PurserProcess) -> list[psutil.Process]:
    """Return the processes that serve, children of the one that was started."""
    children = psutil.Process(server.pid).children()
    return [child for child in children if "worker" in command_line(child)]


def command_line(process: psutil.Process) -> list[str]:
    """Return how a process was started; nothing of one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
async def test_a_killed_worker_costs_no_answer_that_was_given(
    short_tmp: Path, dice: random.Random, workers: int
) -> None:
    options = data_dir_options(short_tmp / new_id("workers"))
    async with PurserProcess(*options, "--workers", str(workers)) as server:
        installation = Installation(server.address)
        for _ in range(rounds(0.2)):
            books = [Book(client) for client in await _clients(installation, 4)]
            traffics = [Traffic(book, dice, tables=2) for book in books]
            for traffic in traffics:
                await traffic.start()
            await asyncio.sleep(dice.uniform(0.2, 1.0))
            killed = dice.choice(workers_of(server))
            killed.kill()
            await _until_replaced(server, killed.pid, workers)
            await asyncio.sleep(0.5)
            await asyncio.gather(*(traffic.stop() for traffic in traffics))
            for book in books:
                await book.assert_kept()
                await book.settle()
                await book.assert_settled(installation)
        await installation.assert_consistent()
        await installation.close()


async def _clients(installation: Installation, count: int) -> list[Client]:
    """Return casinos on connections of their own, which the workers share among them."""
    return [await installation.new_casino() for _ in range(count)]


async def _until_replaced(server: PurserProcess, killed: int, workers: int) -> None:
    deadline = time.monotonic() + BOUND_S
    while True:
        running = [worker for worker in workers_of(server) if worker.pid != killed]
        if len(running) == workers:
            return
        assert time.monotonic() < deadline, "the killed worker is not replaced"
        await asyncio.sleep(0.05)
