"""What a run has found, as a listing for people that fits a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from purser_server.conformance.play import Step, shown_steps
from purser_server.conformance.runner import Result, Run, Verdict

_STYLES = {Verdict.HOLDS: "green", Verdict.FAILS: "bold red", Verdict.SKIPPED: "yellow"}
_SHOWN_STEPS = 6
_INDENT = 2
_SENT_WIDTH = 34
_EXPECTED_WIDTH = 16


def print_cases(console: Console, results: Sequence[Result]) -> None:
    """Print each case with its rule, and a row for each of its steps: sent, expected, came."""
    console.print("Each case with its rule; below it what was sent, expected, and came.")
    for result in results:
        console.print(_line(result, result.case.rule), soft_wrap=True)
        console.print(_steps(result))
    console.print(
        "Amounts and balances are in minor units; GetBalance was compared after every answer.",
        highlight=False,
    )


def print_summary(console: Console, run: Run) -> None:
    """Print how many cases hold, and the names of those that do not."""
    counts = Counter(result.verdict for result in run.results)
    for result in run.results:
        if result.verdict is not Verdict.HOLDS:
            console.print(_line(result, result.reason or result.case.rule), soft_wrap=True)
    if run.start_balance != run.end_balance:
        moved = f"{run.start_balance} before the run, {run.end_balance} after it"
        console.print(f"The balance could not be brought back: {moved}", highlight=False)
    hold, fail, skipped = (counts[verdict] for verdict in Verdict)
    console.print(f"{hold} hold, {fail} fail, {skipped} skipped", highlight=False)


def _line(result: Result, told: str) -> Text:
    mark = (result.verdict.value, _STYLES[result.verdict])
    return Text.assemble(mark, f" {result.case.name}: {told}")


def _steps(result: Result) -> Table:
    """Return the steps of a case, in columns that begin at the same place in every case."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_INDENT)
    table.add_column(overflow="fold", min_width=_SENT_WIDTH)
    table.add_column(overflow="fold", min_width=_EXPECTED_WIDTH)
    table.add_column(overflow="fold")
    for row in _rows(result):
        table.add_row("", *(Text(cell) for cell in row))
    return table


def _rows(result: Result) -> list[tuple[str, str, str]]:
    """Return what a case shows: its first steps, or its last ones when the last one failed."""
    steps = shown_steps(result.steps)
    rows = [(_sent(count, step), step.expected, step.came) for count, step in steps]
    left = len(rows) - _SHOWN_STEPS
    if left > 0:
        more = (f"… {left} more", "", "")
        fails = result.verdict is Verdict.FAILS
        rows = [more, *rows[left:]] if fails else [*rows[:_SHOWN_STEPS], more]
    return [*rows, ("", "", result.reason)] if result.reason else rows


def _sent(count: int, step: Step) -> str:
    return f"{step.shown}, {count} times" if count > 1 else step.shown
