"""The benchmark measures what it says, and counts a figure only when the ledger holds it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import perf_counter

import pytest

from purser_server.bench.casino import Casino, LedgerError, new_id, pairs
from purser_server.bench.window import Window
from purser_server.bench.workloads import WORKLOADS, anyone, one, zipf
from tests.support.process import ADMIN_KEY, PurserProcess, run_purser

PLAYERS = [f"p{number}" for number in range(100)]


async def test_a_window_counts_what_is_answered_inside_and_notes_all() -> None:
    window = Window(0.0, 0.05)
    window.answered(["before"], perf_counter())
    await window.warm_up()
    counting = asyncio.create_task(window.count())
    await asyncio.sleep(0)
    window.answered(["a", "b"], perf_counter() - 2.0)
    window.answered(["c"], perf_counter() - 1.0)
    await counting
    window.answered(["after"], perf_counter())

    assert window.operations == 3
    assert window.over
    assert window.acknowledged == ["before", "a", "b", "c", "after"]
    assert 1.0 <= window.percentile_s(0.0) < 2.0 <= window.percentile_s(0.99) < 3.0


def test_players_are_chosen_as_the_workload_says() -> None:
    assert {one(PLAYERS)() for _ in range(10)} == {"p0"}
    assert len({anyone(PLAYERS)() for _ in range(500)}) > 50
    often = [zipf(PLAYERS)() for _ in range(500)]
    assert often.count("p0") > 10 * max(1, often.count("p99"))


@pytest.fixture
async def casino(server: PurserProcess) -> Casino:
    async with Casino(server.address, ADMIN_KEY) as made:
        await made.add_players(4, lambda _more: None)
        yield made  # type: ignore[misc]


async def test_a_figure_counts_when_the_ledger_holds_all_that_was_acknowledged(
    casino: Casino,
) -> None:
    await casino.fill(20, lambda _more: None)
    made = pairs(6, lambda: casino.players[0])
    ids = [getattr(op, op.WhichOneof("operation")).transaction_id for op in made]
    await casino.verify([])
    for _ in range(2):
        await casino.play(made)

    await casino.verify(ids)


async def test_a_figure_does_not_count_when_an_acknowledged_transaction_is_missing(
    casino: Casino,
) -> None:
    with pytest.raises(LedgerError, match="stands 0 times"):
        await casino.verify([new_id()])


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
async def test_every_workload_plays_until_its_window_is_over(
    casino: Casino, workload: object
) -> None:
    window = Window(0.0, 0.3)
    pick = workload.players(casino.players)  # type: ignore[attr-defined]
    load = asyncio.create_task(workload.load(casino, window, pick, 4))  # type: ignore[attr-defined]
    await window.warm_up()
    await window.count()
    await load

    assert window.acknowledged
    await casino.verify(window.acknowledged)


@pytest.mark.slow
async def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    code, output, errors = await run_purser(
        *("bench", "--players", "10", "--size", "100", "--seconds", "1"),
        *("--only", "unary, 16", "--json", str(file)),
    )

    assert code == 0, errors
    assert "unary, 16 in flight" in output
    report = json.loads(file.read_text())
    assert len(report["pgbench_tps"]) == 2
    (line,) = report["figures"]
    assert line["operations_per_s"] > 0
    assert line["ratio_to_pgbench"] == pytest.approx(
        line["operations_per_s"] / (sum(report["pgbench_tps"]) / 2)
    )
