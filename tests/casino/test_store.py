"""What the reference casino has answered it remembers, also after it was killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from purser_casino import Kind, ReferenceCasino, Seen, Status
from purser_casino.store import Store
from tests.casino.desk import OPERATOR, SECRET, Desk
from tests.support.casino_process import CasinoProcess


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "casino.sqlite")


async def test_a_killed_casino_remembers_what_it_has_answered(file: str) -> None:
    options = ("--database", file, "--player", "anna=100.00EUR")
    async with CasinoProcess(OPERATOR, SECRET, *options) as process:
        desk = Desk(process)  # type: ignore[arg-type]
        assert await desk.bet("b-1") == "ACCEPTED"
        assert await desk.rollback("rb-2", "b-2") == "TOMBSTONED"
        assert await desk.bet("b-3", "1000.00") == "INSUFFICIENT_FUNDS"
        await desk.close()
        await process.kill()
    async with CasinoProcess(OPERATOR, SECRET, *options) as process:
        desk = Desk(process)  # type: ignore[arg-type]
        assert await desk.bet("b-1") == "DUPLICATE"
        assert desk.told == "95.00"
        assert await desk.bet("b-2") == "TRANSACTION_ROLLED_BACK"
        assert await desk.bet("b-3", "1000.00") == "INSUFFICIENT_FUNDS"
        await desk.close()


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_crowd_is_stored_once_each(file: str, in_memory: bool) -> None:
    database = ":memory:" if in_memory else file
    async with ReferenceCasino(OPERATOR, SECRET, database=database) as casino:
        casino.add_player("anna", EUR=100_00)
        desks = [Desk(casino) for _ in range(4)]
        asked = [desk.bet(f"b-{number}", "0.10") for desk in desks for number in range(100)]
        came = await asyncio.gather(*asked)
        assert (came.count("ACCEPTED"), came.count("DUPLICATE")) == (100, 300)
        assert casino.balance("anna", "EUR") == 90_00
        assert casino.calls("Bet") == 400
        for desk in desks:
            await desk.close()


async def test_work_that_fails_leaves_no_trace_and_harms_no_later_work(file: str) -> None:
    store = Store(file)
    store.add_players([("anna", "EUR", 100)])

    def fail() -> None:
        store.set_status("anna", Status.SUSPENDED)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.run(fail)
    wallet = await store.run(lambda: store.wallet("anna", "EUR"))
    assert wallet is not None and wallet.status == "active"
    await store.close()


async def test_what_exists_stays_when_a_player_is_added_again() -> None:
    async with ReferenceCasino(OPERATOR, SECRET) as casino:
        casino.add_players([("anna", "EUR", 100), ("ben", "EUR", 50)])
        casino.add_player("anna", EUR=999, USD=7)
        assert casino.balance("anna", "EUR") == 100
        assert casino.balance("anna", "USD") == 7
        assert casino.total("EUR") == 150


async def test_a_test_may_ask_what_is_remembered(reference: ReferenceCasino, desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.rollback("rb-1")
    await desk.rollback("rb-2", "b-2")
    bet, stone = reference.movement("b-1"), reference.movement("b-2")
    assert bet is not None and bet.rolled_back and bet.movement.amount_minor == 500
    assert stone is not None and stone.movement.kind is Kind.TOMBSTONE
    assert reference.seen() == [
        Seen("Bet", "b-1"),
        Seen("Rollback", "rb-1", "b-1"),
        Seen("Rollback", "rb-2", "b-2"),
    ]
    with pytest.raises(KeyError):
        reference.balance("nobody", "EUR")
