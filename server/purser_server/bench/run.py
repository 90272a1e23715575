"""A run of the benchmark, from an empty folder to the table."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from statistics import mean
from time import perf_counter
from typing import Any

import grpc.aio
from rich.console import Console
from rich.progress import Progress

from purser_server.bench.casino import Casino, LedgerError
from purser_server.bench.casino import Progress as Done
from purser_server.bench.pgbench import DEFAULT_SCALE, Pgbench, PgbenchError
from purser_server.bench.processes import Processes
from purser_server.bench.report import Figures, Report
from purser_server.bench.seamless import seamless_casino
from purser_server.bench.window import Window
from purser_server.bench.workloads import WORKLOADS, Workload
from purser_server.ops.embedded_postgres import EmbeddedPostgresError
from purser_server.ops.postgres_programs import MAJOR_VERSION
from purser_server.subprocesses.program import ProgramError
from purser_server.subprocesses.server import ServerProcess, running_server


class BenchError(Exception):
    """The run did not come to its end; the text tells why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `filled` transactions are written before the first measurement."""

    players: int = 100_000
    filled: int = 0
    seconds: float = 5.0
    warm_up_s: float = 1.0
    workers: int = 1
    only: str = ""
    pgbench_scale: int = DEFAULT_SCALE

    @property
    def workloads(self) -> list[Workload]:
        """The workload that is named `only`, or else all whose name contains it."""
        named = [workload for workload in WORKLOADS if workload.name == self.only]
        return named or [workload for workload in WORKLOADS if self.only in workload.name]

    @property
    def names(self) -> str:
        """The names that `only` can choose from."""
        return "; ".join(workload.name for workload in WORKLOADS)


async def run(plan: Plan, console: Console) -> Report:
    """Measure everything. Raises BenchError, also when a figure does not count."""
    try:
        return await _run(plan, console)
    except (LedgerError, PgbenchError, ProgramError, EmbeddedPostgresError) as error:
        raise BenchError(str(error)) from error
    except grpc.aio.AioRpcError as error:
        raise BenchError(f"{error.code().name}: {error.details()}") from error


async def _run(plan: Plan, console: Console) -> Report:
    async with Pgbench(plan.pgbench_scale) as pgbench:
        with _bar(console, "PostgreSQL's pgbench", 1) as done:
            tps = [await pgbench.tps(plan.seconds)]
            done(1)
        options = ("--workers", str(plan.workers), "--log-level", "warning")
        with running_server("purser-bench-", *options) as server:
            measured = await _measure_all(plan, server, console)
        with _bar(console, "PostgreSQL's pgbench", 1) as done:
            tps.append(await pgbench.tps(plan.seconds))
            done(1)
    ratio = mean(tps)
    figures = [replace(line, ratio_to_pgbench=line.operations_per_s / ratio) for line in measured]
    return Report(_conditions(plan), tps, figures)


async def _measure_all(plan: Plan, server: ServerProcess, console: Console) -> list[Figures]:
    """Measure first what is played in Purser's own wallets, then what a casino is asked for."""
    own = [workload for workload in plan.workloads if not workload.is_seamless]
    seamless = [workload for workload in plan.workloads if workload.is_seamless]
    measured = []
    if own or plan.filled:
        async with Casino(server.address, server.admin_key) as casino:
            with _bar(console, "players", plan.players) as done:
                await casino.add_players(plan.players, done)
            with _bar(console, "transactions", plan.filled) as done:
                await casino.fill(plan.filled, done)
            measured += await _measure_at(casino, own, plan, server, console)
    if seamless:
        async with seamless_casino(server.address, server.admin_key, plan.players) as casino:
            with _bar(console, "players of a seamless casino", plan.players) as done:
                await casino.add_players(plan.players, done)
            measured += await _measure_at(casino, seamless, plan, server, console)
    return measured


async def _measure_at(
    casino: Casino,
    workloads: Sequence[Workload],
    plan: Plan,
    server: ServerProcess,
    console: Console,
) -> list[Figures]:
    processes = Processes(server.pid, casino.keeper_pid)
    measured = []
    for workload in workloads:
        with _bar(console, workload.name, 1) as done:
            line = await measure(workload, plan, casino, processes)
            done(1)
        console.print(f"  {line.operations_per_s:,.0f}/s", highlight=False)
        measured.append(line)
    return measured


async def measure(workload: Workload, plan: Plan, casino: Casino, processes: Processes) -> Figures:
    """Put the load on, measure in the midst of it, and verify the ledger when it is over.

    Raises LedgerError, and BenchError when there is nothing to count.
    """
    window = Window(plan.warm_up_s, plan.seconds)
    pick = workload.players(casino.players)
    load = asyncio.create_task(workload.load(casino, window, pick, workload.in_flight))
    await _unless_failed(load, window.warm_up())
    before = processes.cpu()
    await _unless_failed(load, window.count())
    used = processes.cpu().since(before)
    memory = processes.server_memory_mib()
    await load
    await casino.verify(window.acknowledged)
    if not window.operations:
        raise BenchError(
            f"{workload.name}: nothing was answered within {plan.seconds} s; give more --seconds"
        )
    return Figures(
        workload.name,
        window.operations / window.elapsed_s,
        window.percentile_s(0.5) * 1e3,
        window.percentile_s(0.99) * 1e3,
        used.server / window.operations * 1e6,
        used.postgres / window.operations * 1e6,
        used.client / window.operations * 1e6,
        used.casino / window.operations * 1e6,
        memory,
    )


async def _unless_failed(load: asyncio.Task[None], phase: Coroutine[Any, Any, None]) -> None:
    """Wait for a phase; a load that fails meanwhile fails the run."""
    waiting = asyncio.create_task(phase)
    await asyncio.wait((load, waiting), return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        load.result()
        raise LedgerError("the load ended before its time")
    await waiting


@contextmanager
def _bar(console: Console, name: str, total: int) -> Iterator[Done]:
    """Show progress, and a line at the end, also where no bar can be drawn.

    Of nothing to do, nothing.
    """
    started = perf_counter()
    is_hidden = not total or not console.is_terminal
    with Progress(console=console, transient=True, disable=is_hidden) as progress:
        task = progress.add_task(name, total=total)
        yield lambda more: progress.advance(task, more)
    if total:
        console.print(f"{name}: took {perf_counter() - started:.1f} s", highlight=False)


def _conditions(plan: Plan) -> dict[str, str | int]:
    return {
        "processors": os.cpu_count() or 0,
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "event loop": "uvloop" if find_spec("uvloop") else "asyncio",
        "postgresql": f"{MAJOR_VERSION}, embedded, fsync and synchronous_commit on",
        "players": plan.players,
        "transactions before": plan.filled,
        "server processes": plan.workers,
        "seconds per figure": str(plan.seconds),
    }
