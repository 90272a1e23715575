"""The command line of the reference casino."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Coroutine, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import typer

from purser_casino.casino import ReferenceCasino, Tls
from purser_casino.cli_options import (
    Currencies,
    Database,
    Faults,
    FaultsSeed,
    Listen,
    OperatorId,
    PlayersByName,
    PlayersByNumber,
    SigningSecret,
    Statuses,
    TlsCertificate,
    TlsClientCa,
    TlsKey,
)
from purser_casino.fault_rules import GRAMMAR, FaultSpecError, parse
from purser_casino.money import minor_units
from purser_casino.store import MEMORY, Status

_GRACE_S = 5.0

app = typer.Typer(
    name="purser-casino",
    help="A reference casino for Purser's seamless mode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def main_command() -> None:
    """A reference casino for Purser's seamless mode."""


@app.command(epilog="\b\n" + GRAMMAR.replace("\n\n", "\n\n\b\n"))
def serve(
    operator: OperatorId,
    signing_secret: SigningSecret,
    listen: Listen = "127.0.0.1:50061",
    database: Database = MEMORY,
    player: PlayersByName = None,
    players: PlayersByNumber = None,
    status: Statuses = None,
    currency: Currencies = None,
    faults: Faults = "",
    faults_seed: FaultsSeed = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
) -> None:
    """Serve CasinoCallbackService until SIGTERM or Ctrl-C."""
    if not (operator and signing_secret):
        raise typer.BadParameter("--operator and --signing-secret must not be empty")
    exponents = dict(_exponent(given) for given in currency or [])
    some = [_player(given, exponents) for given in player or []]
    many = [_players(given, exponents) for given in players or []]
    statuses = [_status(given) for given in status or []]
    try:
        parse(faults)
    except FaultSpecError as error:
        raise typer.BadParameter(f"--faults: {error}") from None
    tls = _tls(tls_certificate, tls_key, tls_client_ca)

    async def run() -> None:
        casino = ReferenceCasino(
            operator,
            signing_secret,
            listen=listen,
            database=database,
            tls=tls,
            faults=faults,
            faults_seed=faults_seed,
        )
        casino.add_players(chain(some, *many))
        for player_id, of in statuses:
            casino.set_status(player_id, of)
        await _serve(casino)

    _run_to_the_end(run())


def main() -> None:
    """Run the command line."""
    app()


def _run_to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Run on the fastest event loop there is; what fails is one line."""
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            runner.run(work)
    except (OSError, sqlite3.Error) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyError as error:
        typer.echo(f"--status: there is no player {error}", err=True)
        raise typer.Exit(2) from None


async def _serve(casino: ReferenceCasino) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await casino.start()
    typer.echo(f"Casino listens on {casino.address}")
    sys.stdout.flush()
    await stopped.wait()
    await casino.stop(_GRACE_S)


def _fastest_loop() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _player(given: str, exponents: Mapping[str, int]) -> tuple[str, str, int]:
    player_id, _, money = given.rpartition("=")
    if not player_id:
        raise typer.BadParameter(f"--player: {given!r} is not ID=1000.00EUR")
    try:
        return player_id, *minor_units(money, exponents)
    except ValueError as error:
        raise typer.BadParameter(f"--player: {error}") from None


def _players(given: str, exponents: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    crowd, _, money = given.rpartition("=")
    prefix, _, count = crowd.rpartition(":")
    if not (prefix and count.isascii() and count.isdigit()):
        raise typer.BadParameter(f"--players: {given!r} is not PREFIX:COUNT=1000.00EUR")
    _, code, minor = _player(f"{prefix}={money}", exponents)
    return ((f"{prefix}{number}", code, minor) for number in range(int(count)))


def _status(given: str) -> tuple[str, Status]:
    player_id, _, name = given.rpartition("=")
    if not player_id or name not in list(Status):
        raise typer.BadParameter(f"--status: {given!r} is not ID={'|'.join(Status)}")
    return player_id, Status(name)


def _exponent(given: str) -> tuple[str, int]:
    code, _, exponent = given.partition(":")
    if not (code and exponent.isascii() and exponent.isdigit() and int(exponent) <= 18):
        raise typer.BadParameter(f"--currency: {given!r} is not CODE:EXPONENT, such as USDT:6")
    return code, int(exponent)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise typer.BadParameter("TLS needs both --tls-certificate and --tls-key")
    try:
        ca = client_ca.read_bytes() if client_ca else None
        return Tls(certificate.read_bytes(), key.read_bytes(), ca)
    except OSError as error:
        raise typer.BadParameter(str(error)) from None
