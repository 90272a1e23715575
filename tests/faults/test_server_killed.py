"""kill -9 of the server in the midst of work, and a start on the same data directory."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults import rounds
from tests.faults.book import Book
from tests.faults.streaming import StreamBook
from tests.faults.traffic import Traffic
from tests.support.client import Installation, new_id
from tests.support.process import PurserProcess, data_dir_options


@pytest.mark.slow
@pytest.mark.parametrize(("make_book", "share"), [(Book, 1.0), (StreamBook, 0.5)])
async def test_what_was_acknowledged_survives_kill_nine_and_a_retry_settles_the_rest(
    short_tmp: Path, make_book: type[Book], share: float
) -> None:
    dice = random.Random(9)
    server = PurserProcess(*data_dir_options(short_tmp / new_id("killed")))
    unanswered = 0
    async with server:
        installation = Installation(server.address)
        for _ in range(rounds(share)):
            casino = await installation.new_casino()
            book = make_book(casino)
            traffic = Traffic(book, dice)
            await traffic.start()
            await asyncio.sleep(dice.uniform(0.05, 1.0))
            await server.kill()
            await traffic.stop()
            await _start_again(server, dice)
            await book.assert_kept()
            unanswered += book.unanswered
            await book.settle()
            await book.assert_settled(installation)
            await book.close()
            assert "Traceback" not in server.errors.decode(), server.errors.decode()
        await installation.assert_consistent()
        await installation.close()
    assert unanswered, "the kill never met a call: the test has not tested anything"


async def _start_again(server: PurserProcess, dice: random.Random) -> None:
    """Start the server; now and then it is killed in the midst of that, too."""
    if dice.random() < 0.2:
        starting = asyncio.create_task(server.start())
        await asyncio.sleep(dice.uniform(0.3, 2.5))
        await server.kill()
        await asyncio.gather(starting, return_exceptions=True)
    await server.start()
