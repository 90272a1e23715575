"""What a run has found, as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from purser_server.conformance.play import shown_steps
from purser_server.conformance.runner import Result, Run, Verdict

_STYLES = {Verdict.HOLDS: "green", Verdict.FAILS: "bold red", Verdict.SKIPPED: "yellow"}


def print_table(console: Console, results: Sequence[Result]) -> None:
    """Print a row for each case: the rule, what was sent, what was expected, what came."""
    table = Table("", "case", "rule", "sent", "expected", "came", show_lines=True)
    for result in results:
        mark = Text(result.verdict.value, _STYLES[result.verdict])
        table.add_row(mark, Text(result.case.name), Text(result.case.rule), *_columns(result))
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


def _columns(result: Result) -> list[Text]:
    """Return three columns with a line for each step; of a failure the last steps only."""
    steps = shown_steps(result.steps)
    if result.verdict is Verdict.FAILS:
        steps = steps[-3:]
    sent = [f"{step.shown}, {count} times" if count > 1 else step.shown for count, step in steps]
    columns = [sent, [step.expected for _, step in steps], [step.came for _, step in steps]]
    if result.reason:
        columns[2].append(result.reason)
    return [Text("\n".join(lines)) for lines in columns]
