"""The command line: serve, migrate, operator, key, cases, verify, demo, bench, conformance."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from purser_server import app as composition
from purser_server import processes
from purser_server.cli_cases import app as cases_app
from purser_server.cli_keys import app as keys_app
from purser_server.cli_operators import app as operators_app
from purser_server.cli_options import (
    DatabaseUrl,
    DataDir,
    GraceSeconds,
    Insecure,
    Listen,
    LogFormat,
    LogLevel,
    MetricsListen,
    TlsCertificate,
    TlsClientCa,
    TlsKey,
    Workers,
)
from purser_server.cli_support import (
    carry_out,
    complain,
    err,
    loop_factory,
    out,
    refuse,
    settings_of,
    tell,
)
from purser_server.conformance.cli import app as conformance_app
from purser_server.domain.verification import Verification
from purser_server.ops.workers import tell_failure

app = typer.Typer(
    name="purser",
    help="Purser: a gRPC wallet and loyalty server for online casinos.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(operators_app, name="operator")
app.add_typer(keys_app, name="key")
app.add_typer(cases_app, name="cases")
app.add_typer(conformance_app, name="conformance")


def _show_version(wanted: bool) -> None:
    if wanted:
        tell(f"Purser {version('purser')}")
        raise typer.Exit


@app.callback()
def purser(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Purser: a gRPC wallet and loyalty server for online casinos."""


@app.command()
def serve(
    listen: Listen = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    workers: Workers = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    insecure: Insecure = None,
    metrics_listen: MetricsListen = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    grace_s: GraceSeconds = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Without a database URL it starts its own PostgreSQL in the data directory and stops it at the
    end. The admin key is PURSER_ADMIN_KEY (32 or more characters), or is made at the first start
    and shown once.
    """
    settings = settings_of(
        listen=listen,
        data_dir=data_dir,
        database_url=database_url,
        workers=workers,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        insecure=insecure,
        metrics_listen=metrics_listen,
        log_format=log_format,
        log_level=log_level,
        grace_s=grace_s,
    )
    carry_out(processes.serve(settings, tell), settings, log_level=settings.log_level)


@app.command(hidden=True)
def worker() -> None:
    """Serve as one process of several; started by `purser serve --workers N`."""
    settings = settings_of()
    carry_out(
        processes.serve_as_worker(settings),
        settings,
        log_level=settings.log_level,
        say=_tell_parent,
    )


def _tell_parent(line: str) -> None:
    """Let the process that the user started say it, once for all workers."""
    if not tell_failure(line):
        complain(line)


@app.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to this release's schema. `serve` does it by itself."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> str:
        async with composition.database(settings) as url:
            return await composition.prepare(url)

    tell(f"The schema is at revision {carry_out(run(), settings)}.")


@app.command()
def verify(
    operator_id: Annotated[str, typer.Argument(help="An operator; empty checks all.")] = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Check the ledger: zero sums, balances, sequences, rounds, reversals, players.

    Ends with exit code 1 when something is wrong.
    """
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> Verification:
        async with composition.administration(settings) as admin:
            return await admin.verification.verify(operator_id)

    result = carry_out(run(), settings)
    counts = Table("what", "count")
    for name, count in result.counts.items():
        counts.add_row(name.replace("_", " "), f"{count:,}")
    out.print(counts)
    if result.consistent:
        tell("The ledger is consistent.")
        return
    findings = Table(
        "finding",
        "operator",
        "player",
        "transaction",
        "round",
        "expected",
        "found",
        "what is wrong",
    )
    for finding in result.findings:
        findings.add_row(
            finding.kind.name,
            finding.operator_id,
            finding.player_id,
            finding.transaction_id,
            finding.round_id,
            finding.expected,
            finding.found,
            finding.message,
        )
    out.print(findings)
    err.print("The ledger is NOT consistent.")
    raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Start a server of its own and play a casino's story against it, as a client over TCP."""
    from purser_server.demo.story import play

    raise typer.Exit(play())


@app.command()
def bench(
    players: Annotated[int, typer.Option(min=1, help="Players to spread the load over.")] = 100_000,
    size: Annotated[
        int, typer.Option(min=0, help="Transactions to write before the first measurement.")
    ] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds per figure.")] = 5.0,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
    only: Annotated[
        str, typer.Option(help="Run only the workload of this name, or all whose name contains it.")
    ] = "",
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file, too.")] = None,
    # For tests of what surrounds the figures: filling pgbench's tables is most of a short run.
    pgbench_scale: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
) -> None:
    """Measure a server of its own, and PostgreSQL's pgbench in the same run.

    A figure counts only when the ledger verifies and holds every acknowledged transaction once.
    """
    from purser_server.bench.run import BenchError, Plan, run
    from purser_server.subprocesses.interruption import terminated_like_interrupted

    plan = Plan(players=players, filled=size, seconds=seconds, workers=workers, only=only)
    if pgbench_scale is not None:
        plan = replace(plan, pgbench_scale=pgbench_scale)
    if not plan.workloads:
        refuse(f"--only: no workload has {only!r} in its name; there are: {plan.names}")
    if json is not None and (problem := _unwritable(json)):
        refuse(f"--json: {json} cannot be written: {problem}")
    try:
        with terminated_like_interrupted(), asyncio.Runner(loop_factory=loop_factory()) as runner:
            report = runner.run(run(plan, err))
    except BenchError as error:
        complain(f"The benchmark ended early: {error}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        complain("Interrupted: the servers are stopped, and their files are removed.")
        raise typer.Exit(130) from None
    report.print(out)
    if json is not None:
        report.write_json(json)


def main() -> None:
    """Run the command line."""
    app()


def _unwritable(file: Path) -> str:
    """Tell why a file could not be written, before minutes are spent on what goes into it."""
    if not file.parent.is_dir():
        return f"make the folder {file.parent} first"
    if file.is_dir():
        return "it is a folder"
    may = os.access(file if file.exists() else file.parent, os.W_OK)
    return "" if may else "this account may not"
