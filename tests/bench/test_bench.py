"""The benchmark measures what it says, and counts a figure only when the ledger holds it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import pytest

from purser.wallet.v1.wallet_pb2 import TRANSACTION_TYPE_BET, Transaction
from purser_server.bench.casino import FUNDS, Casino, LedgerError, new_id, pairs
from purser_server.bench.processes import Processes
from purser_server.bench.report import Figures
from purser_server.bench.run import BenchError, Plan, measure
from purser_server.bench.seamless import seamless_casino
from purser_server.bench.shop import Shop, issue_cashback
from purser_server.bench.window import Window
from purser_server.bench.workloads import WORKLOADS, Load, Pick, Workload, anyone, one, zipf
from tests.support.leftovers import processes_of
from tests.support.process import ADMIN_KEY, PurserProcess, run_purser

PLAYERS = [f"p{number}" for number in range(100)]
PATIENCE_S = 120.0
"""Far more than a busy machine takes to start or to stop what a run consists of."""


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


@asynccontextmanager
async def a_casino(server: PurserProcess, *, is_seamless: bool) -> AsyncIterator[Casino]:
    context = (
        seamless_casino(server.address, ADMIN_KEY, 4)
        if is_seamless
        else Casino(server.address, ADMIN_KEY)
    )
    async with context as made:
        await made.add_players(4, lambda _more: None)
        yield made


@pytest.fixture
async def casino(server: PurserProcess) -> AsyncIterator[Casino]:
    async with a_casino(server, is_seamless=False) as made:
        yield made


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


async def test_a_workload_without_an_answer_in_its_window_has_no_figure(casino: Casino) -> None:
    async def silent(_casino: Casino, window: Window, _pick: Pick, _in_flight: int) -> None:
        # It ends as soon as the window is over, and no sooner.
        while not window.over:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(BenchError, match=r"silent: nothing was answered within 0\.1 s"):
        await measured(silent, casino)


async def test_a_workload_that_ends_too_soon_has_no_figure(casino: Casino) -> None:
    async def short(casino: Casino, window: Window, pick: Pick, _in_flight: int) -> None:
        window.answered(await casino.play(pairs(2, pick)), perf_counter())

    with pytest.raises(LedgerError, match="the load ended before its time"):
        await measured(short, casino)


async def measured(load: Load, casino: Casino) -> Figures:
    workload = Workload(load.__name__, load, 1, anyone)
    plan = Plan(seconds=0.1, warm_up_s=0.0)
    return await measure(workload, plan, casino, Processes(os.getpid()))


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
async def test_every_workload_plays_until_its_window_is_over(
    server: PurserProcess, workload: Workload
) -> None:
    async with a_casino(server, is_seamless=workload.is_seamless) as casino:
        acknowledged = await played(workload, casino, seconds=0.3)

        assert acknowledged
        assert (casino.keeper_pid is not None) == workload.is_seamless
        await casino.verify(acknowledged)


@pytest.mark.parametrize("backwards", [False, True], ids=["as listed", "backwards"])
async def test_workloads_play_one_after_another_at_one_casino(
    casino: Casino, backwards: bool
) -> None:
    own = [workload for workload in WORKLOADS if not workload.is_seamless]
    for workload in reversed(own) if backwards else own:
        await casino.verify(await played(workload, casino, seconds=0.1))


async def played(workload: Workload, casino: Casino, *, seconds: float) -> list[str]:
    """Play a workload for so long; return what was acknowledged."""
    window = Window(0.0, seconds)
    pick = workload.players(casino.players)
    load = asyncio.create_task(workload.load(casino, window, pick, 4))
    await window.warm_up()
    await window.count()
    await load
    return window.acknowledged


async def test_a_seamless_figure_does_not_count_when_the_casino_has_other_money_than_is_recorded(
    server: PurserProcess,
) -> None:
    async with a_casino(server, is_seamless=True) as casino:
        await casino.verify([])
        made = pairs(2, lambda: casino.players[0])
        await casino.verify(await casino.play(made))
        # As if Purser had recorded a bet that the casino knows nothing of.
        casino.note(Transaction(player_id="player-0", type=TRANSACTION_TYPE_BET, amount=FUNDS))

        with pytest.raises(LedgerError, match="the casino has 999999999997 of player-0, but -3 is"):
            await casino.verify([])


async def test_cashback_does_not_count_when_a_player_has_other_points_than_were_acknowledged(
    casino: Casino,
) -> None:
    shop, player = Shop(casino), casino.players[0]
    await shop.open()
    reward = await issue_cashback(shop, player, new_id())
    casino.points[player] = reward.reward_equivalent_points
    await shop.verify([player])
    casino.points[player] += 1

    with pytest.raises(LedgerError, match="player-0 has 52 points, but 53 were acknowledged"):
        await shop.verify([player])


def test_the_name_of_a_workload_chooses_it_alone_and_a_part_all_that_have_it() -> None:
    assert [each.name for each in Plan(only="unary, 1 in flight").workloads] == [
        "unary, 1 in flight"
    ]
    assert len(Plan(only="unary, 1").workloads) == 2
    assert len(Plan(only="combining client, 1").workloads) == 2
    seamless = "seamless bet+win, 64 in flight"
    assert [each.name for each in Plan(only=seamless).workloads] == [seamless]
    assert len(Plan().workloads) == len(WORKLOADS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("only", "after"),
    [
        ("unary", ""),
        ("unary", "players: took"),
        ("seamless", "players of a seamless casino: took"),
    ],
    ids=["in pgbench", "in a workload", "in a seamless workload"],
)
def test_a_terminated_run_leaves_nothing_behind(only: str, after: str, short_tmp: Path) -> None:
    folder = short_tmp / new_id()[:8]
    folder.mkdir()
    # As a script's background job has it: without Ctrl-C.
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "purser_server", "bench"),
            *("--players", "10", "--seconds", "1", "--only", only, "--pgbench-scale", "1"),
        ],
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
            deadline = time.monotonic() + PATIENCE_S
            while not processes_of(folder):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        bench.send_signal(signal.SIGTERM)
        _, errors = bench.communicate(timeout=PATIENCE_S)
    assert bench.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert processes_of(folder) == []
    assert [path for path in folder.iterdir() if path.is_dir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("only", ["unary, 64", "seamless bet+win, 64 in flight"])
async def test_the_command_prints_a_table_and_writes_json(only: str, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    code, output, errors = await run_purser(
        *("bench", "--players", "10", "--size", "100", "--seconds", "1"),
        *("--only", only, "--json", str(file), "--pgbench-scale", "1"),
    )

    assert code == 0, errors
    assert "64 in flight" in output
    report = json.loads(file.read_text())
    assert len(report["pgbench_tps"]) == 2
    (line,) = report["figures"]
    assert line["operations_per_s"] > 0
    assert line["server_cpu_us"] > 0
    assert (line["casino_cpu_us"] > 0) == only.startswith("seamless")
    assert line["ratio_to_pgbench"] == pytest.approx(
        line["operations_per_s"] / (sum(report["pgbench_tps"]) / 2)
    )
