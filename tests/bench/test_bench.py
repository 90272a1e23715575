"""The benchmark measures what it says, and counts a figure only when the ledger holds it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from time import perf_counter

import psutil
import pytest

from purser_server.bench.casino import Casino, LedgerError, new_id, pairs
from purser_server.bench.run import Plan
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


def test_the_name_of_a_workload_chooses_it_alone_and_a_part_all_that_have_it() -> None:
    assert [each.name for each in Plan(only="unary, 1 in flight").workloads] == [
        "unary, 1 in flight"
    ]
    assert len(Plan(only="unary, 1").workloads) == 2
    assert len(Plan(only="combining client, 1").workloads) == 2
    assert len(Plan().workloads) == len(WORKLOADS)


@pytest.mark.slow
@pytest.mark.parametrize("after", ["", "players: took"], ids=["in pgbench", "in a workload"])
def test_a_terminated_run_leaves_nothing_behind(after: str, short_tmp: Path) -> None:
    folder = short_tmp / new_id()[:8]
    folder.mkdir()
    # As a script's background job has it: without Ctrl-C.
    with subprocess.Popen(
        [sys.executable, "-m", "purser_server", "bench", "--players", "10", "--seconds", "1"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as bench:
        assert bench.stderr is not None
        if after:
            assert any(after in line for line in bench.stderr)
        else:
            deadline = time.monotonic() + 60
            while not processes_of(folder):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        bench.send_signal(signal.SIGTERM)
        _, errors = bench.communicate(timeout=60)
    assert bench.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert processes_of(folder) == []
    assert [path for path in folder.iterdir() if path.is_dir()] == []


def processes_of(folder: Path) -> list[str]:
    """Return the command lines that name a folder in this one: servers and PostgreSQLs."""
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [line for line in lines if f"{folder}/" in line]


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
