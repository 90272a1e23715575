"""How commands are carried out: their settings, the event loop, one line for what fails."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from purser_server.domain.errors import Reason, RefusedError
from purser_server.ops import logs
from purser_server.ops.embedded_postgres import EmbeddedPostgresError
from purser_server.ops.settings import Settings, problems
from purser_server.ops.workers import WorkerError
from purser_server.rpc.calls import request_id
from purser_server.store.faults import CONNECTION_FAULTS
from purser_server.store.migrate import DatabaseRefusedError, NoLedgerError

T = TypeVar("T")

# For a program that reads, lines are never broken to the width of a screen that is not there.
_WIDE = 10_000
out = Console(width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDE)


def tell(line: str) -> None:
    """Print a line on standard output, at once."""
    out.print(line, markup=False, highlight=False, soft_wrap=True)
    sys.stdout.flush()


def complain(line: str) -> None:
    """Print a line on standard error."""
    err.print(line, markup=False, highlight=False, soft_wrap=True)


def refuse(line: str) -> NoReturn:
    """Complain, and end the command with exit code 2."""
    complain(line)
    raise typer.Exit(2)


def settings_of(**given: Any) -> Settings:
    """Return the settings: what was given, over the environment; ends with 2 when they are bad."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for line in problems(error, [name for name, value in given.items() if value is not None]):
            complain(line)
        raise typer.Exit(2) from None


def carry_out(
    work: Coroutine[Any, Any, T],
    settings: Settings,
    *,
    log_level: str = "warning",
    say: Callable[[str], None] = complain,
    hints: Mapping[Reason, str] = MappingProxyType({}),
) -> T:
    """Run to the end on the fastest event loop there is; a refusal or bad start is one line.

    `say` tells that line; `hints` add to a reason what to do next.
    """
    logs.configure(settings.log_format, log_level, _log_context)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(work)
    except RefusedError as error:
        hint = hints.get(error.refusal.reason)
        told = f"{error.refusal.reason}: {error.refusal.message}"
        say(f"{told}; {hint}" if hint else told)
    except CONNECTION_FAULTS as error:
        say(str(error) or type(error).__name__)
    except DatabaseRefusedError as error:
        say(f"the database refuses: {error}")
    except NoLedgerError:
        say(_no_ledger(settings))
    except (EmbeddedPostgresError, WorkerError) as error:
        say(str(error))
    raise typer.Exit(1)


def _no_ledger(settings: Settings) -> str:
    where = "in the database of the URL"
    if settings.database_url is None:
        where = f"in {settings.data_directory}"
    return (
        f"there is no Purser {where}: give the --data-dir or --database-url of `purser serve`, or "
        "begin there with `purser serve` or `purser operator create ID`"
    )


def loop_factory() -> Any:
    """Return what makes the fastest event loop that is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _log_context() -> dict[str, str]:
    current = request_id()
    return {"request_id": current} if current else {}


def amount_text(minor_units: int, currency_code: str, exponents: Mapping[str, int]) -> str:
    """Return an amount as people write it, in minor units where the exponent is not known."""
    exponent = exponents.get(currency_code)
    if exponent is None:
        return f"{minor_units:,} minor units of {currency_code}"
    return f"{Decimal(minor_units).scaleb(-exponent):,.{exponent}f} {currency_code}"
