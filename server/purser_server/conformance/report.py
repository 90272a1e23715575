"""What a run has found, as a table for people."""

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


def print_table(console: Console, results: Sequence[Result]) -> None:
    """Print a row for each step of each case: sent, expected, came."""
    table = Table()
    for heading in ("", "case", "rule", "sent", "expected", "came"):
        table.add_column(heading, overflow="fold")
    for result in results:
        mark = Text(result.verdict.value, _STYLES[result.verdict])
        first = [mark, Text(result.case.name), Text(result.case.rule)]
        for row in _rows(result):
            table.add_row(*first, *(Text(cell) for cell in row))
            first = [Text(), Text(), Text()]
        table.add_section()
    console.print(table)
    console.print(
        "Amounts and balances are in minor units; GetBalance was compared after every answer.",
        highlight=False,
    )


def print_summary(console: Console, run: Run) -> None:
    """Print how many cases hold, and the names of those that do not."""
    counts = Counter(result.verdict for result in run.results)
    for result in run.results:
        if result.verdict is not Verdict.HOLDS:
            line = Text.assemble((result.verdict.value, _STYLES[result.verdict]), " ")
            line.append(f"{result.case.name}: {result.reason or result.case.rule}")
            console.print(line, soft_wrap=True)
    if run.start_balance != run.end_balance:
        moved = f"{run.start_balance} before the run, {run.end_balance} after it"
        console.print(f"The balance could not be brought back: {moved}", highlight=False)
    hold, fail, skipped = (counts[verdict] for verdict in Verdict)
    console.print(f"{hold} hold, {fail} fail, {skipped} skipped", highlight=False)


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
