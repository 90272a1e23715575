"""`purser cases`: the movements of seamless mode that only a person can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from purser_server import app as composition
from purser_server.cli_options import DatabaseUrl, DataDir
from purser_server.cli_support import amount_text, carry_out, out, settings_of, tell
from purser_server.domain.cases import Case, CaseDecision
from purser_server.rpc.checks import note_problem

app = typer.Typer(
    help="Open cases: movements whose casino gives no answer that counts.", no_args_is_help=True
)

CaseId = Annotated[str, typer.Argument(help="The case's id, as `cases list` shows it.")]


class Decision(StrEnum):
    """What became of the movement at the casino."""

    APPLIED = "applied"
    NOT_APPLIED = "not-applied"


@app.command("list")
def cases_list(
    operator_id: Annotated[str, typer.Argument(help="An operator; empty lists all.")] = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List open cases, oldest movement first."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> list[Shown]:
        found: list[Shown] = []
        async with composition.administration(settings) as admin:
            token = ""
            while True:
                page, token = await admin.cases.list_open(operator_id, 1_000, token)
                found += [await _with_exponents(admin, case) for case in page]
                if not token:
                    return found

    found = carry_out(run(), settings)
    if not found:
        tell("There are no open cases.")
        return
    table = Table(
        "case", "operator", "movement", "transaction", "player", "amount", "since", "attempts"
    )
    for shown in found:
        case, of = shown.case, shown.case.pending.transaction
        table.add_row(
            case.case_id,
            case.operator_id,
            of.type.name,
            of.transaction_id,
            of.player_id,
            _amount(shown),
            f"{of.create_time:%Y-%m-%d %H:%M:%S}",
            f"{case.pending.attempts:,}",
        )
    out.print(table)
    tell("Next: agree with the casino what became of it, then")
    tell("`purser cases resolve CASE --decision applied|not-applied --note WHY`.")


@app.command("show")
def cases_show(case_id: CaseId, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Show a case, open or ended."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> Shown:
        async with composition.administration(settings) as admin:
            return await _with_exponents(admin, await admin.cases.get(case_id))

    _show(carry_out(run(), settings))


@app.command("resolve")
def cases_resolve(
    case_id: CaseId,
    decision: Annotated[Decision, typer.Option(help="What became of it at the casino.")],
    note: Annotated[str, typer.Option(help="Who decided, and why; kept with the case.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """End a case as the casino and you have agreed; the same again is fine."""
    problem = note_problem(note)
    if problem:
        raise typer.BadParameter(f"note {problem}")
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> tuple[Shown, bool]:
        async with composition.administration(settings) as admin, admin.writing():
            decided = CaseDecision[decision.name]
            case, replayed = await admin.cases.resolve(case_id, decided, note)
            return await _with_exponents(admin, case), replayed

    shown, replayed = carry_out(run(), settings)
    _show(shown)
    if replayed:
        tell("This was decided before; the first note stays.")


@dataclass(frozen=True, slots=True)
class Shown:
    """A case, with the decimal places of its operator's currencies."""

    case: Case
    exponents: Mapping[str, int]


async def _with_exponents(admin: composition.Administration, case: Case) -> Shown:
    operator = await admin.operators.get(case.operator_id)
    return Shown(case, {**composition.standard_currencies(), **operator.currencies})


def _show(shown: Shown) -> None:
    case = shown.case
    of, ended = case.pending.transaction, case.end_time
    table = Table("what", "value", show_header=False)
    for what, value in (
        ("case", case.case_id),
        ("state", case.state.name),
        ("operator", case.operator_id),
        ("movement", of.type.name),
        ("transaction", of.transaction_id),
        ("player", of.player_id),
        ("amount", _amount(shown)),
        ("since", f"{of.create_time:%Y-%m-%d %H:%M:%S}"),
        ("attempts", f"{case.pending.attempts:,}"),
        ("last answer", case.pending.last_error),
        ("decision", case.decision.name if case.decision is not None else ""),
        ("note", case.note),
        ("ended", f"{ended:%Y-%m-%d %H:%M:%S}" if ended is not None else ""),
    ):
        table.add_row(what, value)
    out.print(table)


def _amount(shown: Shown) -> str:
    of = shown.case.pending.transaction
    return amount_text(of.amount, of.currency_code, shown.exponents)
