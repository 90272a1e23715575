"""The command line: serve, migrate, operator, key, verify, demo, bench, conformance."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from purser_server import app as composition
from purser_server.conformance.cli import app as conformance_app
from purser_server.domain.errors import RefusedError
from purser_server.domain.ids import id_problem
from purser_server.domain.money import declaration_problem
from purser_server.domain.operators import ApiKey, Role
from purser_server.domain.verification import Verification
from purser_server.ops import logs
from purser_server.ops.embedded_postgres import EmbeddedPostgresError
from purser_server.ops.settings import Settings
from purser_server.rpc.calls import request_id
from purser_server.store.faults import CONNECTION_FAULTS
from purser_server.store.migrate import DatabaseRefusedError

T = TypeVar("T")

app = typer.Typer(
    name="purser",
    help="Purser: a gRPC wallet and loyalty server for online casinos.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
operator_app = typer.Typer(
    help="Operators: the casinos of this installation.", no_args_is_help=True
)
key_app = typer.Typer(help="API keys of operators.", no_args_is_help=True)
app.add_typer(operator_app, name="operator")
app.add_typer(key_app, name="key")
app.add_typer(conformance_app, name="conformance")

# For a program that reads, lines are never broken to the width of a screen that is not there.
_WIDE = 10_000
_out = Console(width=None if sys.stdout.isatty() else _WIDE)
_err = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDE)

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded PostgreSQL. Default: ~/.local/share/purser, "
        "or /var/lib/purser for root. \\[env: PURSER_DATA_DIR]"
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        help="postgresql://… of your own PostgreSQL, instead of the embedded one. "
        "\\[env: PURSER_DATABASE_URL]"
    ),
]


Listen = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT; port 0 takes a free one. \\[env: PURSER_LISTEN; 127.0.0.1:50051]"
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Server processes on one port. \\[env: PURSER_WORKERS; 1]")
]
TlsCertificate = Annotated[
    Path | None, typer.Option(help="The server's certificate chain, PEM. Turns TLS on.")
]
TlsKey = Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(help="Accept only clients with a certificate of this CA, PEM (mutual TLS)."),
]
Insecure = Annotated[
    bool | None,
    typer.Option("--insecure", help="Allow plaintext on an address that others can reach."),
]
MetricsListen = Annotated[
    str | None, typer.Option(help="HOST:PORT for Prometheus over HTTP; worker n takes port + n.")
]
LogFormat = Annotated[str | None, typer.Option(help="text or json, on standard error.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
GraceSeconds = Annotated[
    float | None, typer.Option(help="Seconds that accepted calls may take at the end.")
]


class KeyRole(StrEnum):
    """What an operator's key may be used for."""

    GAME = "game"
    BACKEND = "backend"
    LOYALTY = "loyalty"


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
    settings = _settings(
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
    _run(composition.serve(settings, _tell), settings, log_level=settings.log_level)


@app.command(hidden=True)
def worker() -> None:
    """Serve as one process of several; started by `purser serve --workers N`."""
    settings = _settings()
    _run(composition.serve_as_worker(settings), settings, log_level=settings.log_level)


@app.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to this release's schema. `serve` does it by itself."""
    settings = _settings(data_dir=data_dir, database_url=database_url)

    async def run() -> str:
        async with composition.database(settings) as url:
            return await composition.prepare(url)

    _tell(f"The schema is at revision {_run(run(), settings)}.")


@operator_app.command("create")
def operator_create(
    operator_id: Annotated[str, typer.Argument(help="Your id for the casino.")],
    display_name: Annotated[str, typer.Option(help="Its name for people.")] = "",
    currency: Annotated[
        list[str] | None,
        typer.Option(
            help="CODE:EXPONENT of a currency beside ISO 4217, such as USDT:6. Repeatable."
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an operator; the same again is fine."""
    _require_id(operator_id)
    currencies = dict(_currency(given) for given in currency or [])
    settings = _settings(data_dir=data_dir, database_url=database_url)

    async def run() -> bool:
        async with composition.administration(settings) as admin:
            return (await admin.operators.create(operator_id, display_name, currencies))[1]

    existed = _run(run(), settings)
    _tell(f"Operator {operator_id} {'exists already' if existed else 'is created'}.")
    _tell(f"Next: `purser key create {operator_id} --role backend`.")


@key_app.command("create")
def key_create(
    operator_id: Annotated[str, typer.Argument(help="The operator that the key is for.")],
    role: Annotated[list[KeyRole], typer.Option(help="What it may be used for. Repeatable.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make an API key; it is shown this once."""
    settings = _settings(data_dir=data_dir, database_url=database_url)

    async def run() -> tuple[str, str]:
        async with composition.administration(settings) as admin:
            roles = [Role[name.name] for name in role]
            return await admin.operators.create_key(operator_id, roles)

    key_id, api_key = _run(run(), settings)
    _tell(f"Key id:  {key_id}")
    _tell(f"API key, shown this once: {api_key}")
    _tell("Send it as gRPC metadata `authorization: Bearer <API key>`.")


@key_app.command("list")
def key_list(
    operator_id: Annotated[str, typer.Argument(help="The operator whose keys to list.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List an operator's keys, without their secrets."""
    settings = _settings(data_dir=data_dir, database_url=database_url)

    async def run() -> list[ApiKey]:
        found: list[ApiKey] = []
        async with composition.administration(settings) as admin:
            token = ""
            while True:
                page, token = await admin.operators.list_keys(operator_id, 1_000, token)
                found += page
                if not token:
                    return found

    table = Table("key id", "roles", "created", "revoked")
    for key in _run(run(), settings):
        roles = ", ".join(role.name.lower() for role in sorted(key.roles))
        revoked = f"{key.revoke_time:%Y-%m-%d %H:%M:%S}" if key.revoke_time else ""
        table.add_row(key.key_id, roles, f"{key.create_time:%Y-%m-%d %H:%M:%S}", revoked)
    _out.print(table)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `key list` shows it.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke a key; servers refuse it within seconds."""
    settings = _settings(data_dir=data_dir, database_url=database_url)

    async def run() -> None:
        async with composition.administration(settings) as admin:
            await admin.operators.revoke_key(key_id)

    _run(run(), settings)
    _tell(f"Key {key_id} is revoked.")


@app.command()
def verify(
    operator_id: Annotated[str, typer.Argument(help="An operator; empty checks all.")] = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Check the ledger: zero sums, balances, sequences, rounds, reversals, players.

    Ends with exit code 1 when something is wrong.
    """
    settings = _settings(data_dir=data_dir, database_url=database_url)

    async def run() -> Verification:
        async with composition.administration(settings) as admin:
            return await admin.verification.verify(operator_id)

    result = _run(run(), settings)
    counts = Table("what", "count")
    for name, count in result.counts.items():
        counts.add_row(name.replace("_", " "), f"{count:,}")
    _out.print(counts)
    if result.consistent:
        _tell("The ledger is consistent.")
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
    _out.print(findings)
    _err.print("The ledger is NOT consistent.")
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
    only: Annotated[str, typer.Option(help="Run only workloads whose name contains this.")] = "",
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file, too.")] = None,
) -> None:
    """Measure a server of its own, and PostgreSQL's pgbench in the same run.

    A figure counts only when the ledger verifies and holds every acknowledged transaction once.
    """
    from purser_server.bench.run import BenchError, Plan, run

    plan = Plan(players=players, filled=size, seconds=seconds, workers=workers, only=only)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            report = runner.run(run(plan, _err))
        except BenchError as error:
            _err.print(f"The benchmark ended early: {error}", markup=False)
            raise typer.Exit(1) from error
    report.print(_out)
    if json is not None:
        report.write_json(json)


def main() -> None:
    """Run the command line."""
    app()


def _settings(**given: Any) -> Settings:
    """Return the settings: what was given, over the environment; ends with 2 when they are bad."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors():
            where = "-".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            _err.print(
                f"--{where.replace('_', '-')}: {message}" if where else message, markup=False
            )
        raise typer.Exit(2) from None


def _run(work: Coroutine[Any, Any, T], settings: Settings, *, log_level: str = "warning") -> T:
    """Run to the end on the fastest event loop there is; a refusal or bad start is one line."""
    logs.configure(settings.log_format, log_level, _log_context)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except RefusedError as error:
        _err.print(f"{error.refusal.reason}: {error.refusal.message}", markup=False)
    except CONNECTION_FAULTS as error:
        _err.print(f"{error or type(error).__name__}", markup=False)
    except DatabaseRefusedError as error:
        _err.print(f"the database refuses: {error}", markup=False)
    except EmbeddedPostgresError as error:
        _err.print(str(error), markup=False)
    raise typer.Exit(1)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _log_context() -> dict[str, str]:
    current = request_id()
    return {"request_id": current} if current else {}


def _tell(line: str) -> None:
    _out.print(line, markup=False, highlight=False, soft_wrap=True)
    sys.stdout.flush()


def _require_id(operator_id: str) -> None:
    problem = id_problem(operator_id)
    if problem:
        raise typer.BadParameter(f"operator id {problem}")


def _currency(given: str) -> tuple[str, int]:
    code, _, exponent = given.partition(":")
    if not (exponent.isascii() and exponent.isdigit()):
        raise typer.BadParameter(f"{given!r} must be CODE:EXPONENT, such as USDT:6")
    problem = declaration_problem(code, int(exponent), composition.standard_currencies())
    if problem:
        raise typer.BadParameter(f"{given!r} {problem}")
    return code, int(exponent)
