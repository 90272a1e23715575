"""The command line of the conformance runner: `purser conformance casino`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from purser_server.conformance.caller import Target, Tls
from purser_server.conformance.cli_options import (
    Address,
    CurrencyCode,
    DeadlineSeconds,
    Only,
    OperatorId,
    PlayerId,
    SigningSecret,
    TlsCa,
    TlsCertificate,
    TlsKey,
    TrustedTls,
)
from purser_server.conformance.report import print_cases, print_summary
from purser_server.conformance.runner import CannotRunError, Result, cases, run

_EXIT_FAILS = 1
_EXIT_CANNOT_RUN = 2
_EXIT_INTERRUPTED = 130

# For a program that reads, lines are never broken to the width of a screen that is not there.
_WIDE = 10_000
_out = Console(width=None if sys.stdout.isatty() else _WIDE)
_err = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDE)

app = typer.Typer(help="Check that others keep Purser's contracts.", no_args_is_help=True)


@app.callback()
def conformance() -> None:
    """Check that others keep Purser's contracts."""


@app.command()
def casino(
    target: Address,
    operator: OperatorId,
    player: PlayerId,
    currency: CurrencyCode,
    signing_secret: SigningSecret,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls: TrustedTls = False,
    deadline_s: DeadlineSeconds = 5.0,
    only: Only = "",
) -> None:
    """Play the callback contract against a casino, and print what holds.

    The player's balance is left as it was; bets and wins of the run stay in the casino's history.
    Ends with 0 when all cases hold, 1 when some fail, 2 when they could not be played.
    """
    read = _tls(tls_ca, tls_certificate, tls_key, wanted=tls)
    chosen = cases(only)
    if not chosen:
        raise typer.BadParameter(f"no case has {only!r} in its name")
    at = Target(target, operator, player, currency, signing_secret, read, deadline_s)
    results: list[Result] = []
    try:
        with Progress(console=_err, transient=True, disable=not _err.is_terminal) as progress:
            bar = progress.add_task("playing", total=len(chosen))

            def told(result: Result) -> None:
                results.append(result)
                progress.update(bar, advance=1, description=result.case.name)

            found = asyncio.run(run(at, chosen, told))
    except KeyboardInterrupt:
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    except CannotRunError as error:
        if results:
            print_cases(_out, results)
        _err.print(f"The cases could not be played: {error}", markup=False, highlight=False)
        raise typer.Exit(_EXIT_CANNOT_RUN) from error
    print_cases(_out, results)
    print_summary(_out, found)
    if found.fails:
        raise typer.Exit(_EXIT_FAILS)


def _tls(
    ca: Path | None, certificate: Path | None, key: Path | None, *, wanted: bool
) -> Tls | None:
    if not (wanted or ca or certificate or key):
        return None
    if (certificate is None) != (key is None):
        raise typer.BadParameter("--tls-certificate and --tls-key go together")
    try:
        return Tls(*(file.read_bytes() if file else None for file in (ca, certificate, key)))
    except OSError as error:
        raise typer.BadParameter(str(error)) from None
