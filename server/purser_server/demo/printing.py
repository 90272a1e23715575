"""What the person in front of the demo sees: chapters, steps, and two tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from purser.wallet.v1.wallet_pb2 import Transaction, TransactionState, TransactionType
from purser_server.demo.client import Refused
from purser_server.demo.money import shown, shown_change, shown_minor

_AMOUNTS = ("balance", "required")
_NOT_SHOWN = ("currency_code", "replayed")
_OF_POINTS = ("qty", "net", "rate", "multiplier", "exact", "points")
_FIGURES = ("amount", "before", "after", "seq", "count", *_OF_POINTS)
_INDENT = "  "
_WIDTH = 80


class Narrator:
    """Tells the story on a console, line by line, as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapters = 0

    def part(self, title: str) -> None:
        """Begin a part of the story, which has chapters."""
        self._say(Text())
        self._say(Text(f"── {title} ".ljust(_WIDTH, "─"), style="bold cyan"))

    def chapter(self, title: str, explanation: str) -> None:
        """Begin a numbered section with one line that explains it."""
        self._chapters += 1
        self._say(Text())
        self._say(Text(f"{self._chapters}. {title}", style="bold"))
        self._say(Text(f"{_INDENT} {explanation}", style="italic"))

    def remark(self, line: str) -> None:
        """Say what goes on, or what comes next."""
        for each in textwrap.wrap(line, _WIDTH - len(_INDENT) - 1):
            self._say(Text(f"{_INDENT} {each}", style="dim"))

    def step(self, what: str, who: str, outcome: str) -> None:
        """Tell of a call that did what it should."""
        self._say(_line("✓", "green", what, who, outcome))

    def movement(self, rpc: str, transaction: Transaction) -> None:
        """Tell of money that moved, and what the wallet holds then."""
        before, after = transaction.balance_before, transaction.balance_after
        self.change(rpc, transaction, after.minor_units - before.minor_units, "balance")

    def change(self, rpc: str, transaction: Transaction, change_minor: int, holder: str) -> None:
        """Tell of money that moved, by so many cents, and what its holder has then."""
        after = shown(transaction.balance_after)
        outcome = f"{shown_change(change_minor):>11}   {holder} {after}"
        self.step(rpc, transaction.transaction_id, outcome)

    def refusal(self, rpc: str, who: str, refused: Refused) -> None:
        """Tell of a call that was refused, as it should be, and why."""
        verb = "not known: " if refused.metadata.get("state") == "PENDING" else "refused: "
        replayed = ", replayed" if "replayed" in refused.metadata else ""
        self._say(_line("✓", "green", rpc, who, verb, (refused.reason, "yellow"), replayed))
        figures = _figures(refused.metadata, who)
        if figures:
            self._say(_line("", "", "", "", (figures, "dim")))

    def history(self, transactions: Iterable[Transaction]) -> None:
        """Print the table of transactions."""
        table = new_table("id", "type", "state", "amount", "before", "after", "seq", "round")
        for each in transactions:
            table.add_row(
                each.transaction_id,
                _type_of(each),
                TransactionState.Name(each.state).removeprefix("TRANSACTION_STATE_"),
                shown(each.amount) if each.HasField("amount") else "",
                shown(each.balance_before) if each.HasField("balance_before") else "",
                shown(each.balance_after) if each.HasField("balance_after") else "",
                str(each.wallet_sequence or ""),
                each.round_id,
            )
        self.show(table)

    def counts(self, counts: Mapping[str, int]) -> None:
        """Print what a verification of the ledger has read."""
        table = new_table("what was read", "count")
        for name, count in counts.items():
            table.add_row(name.replace("_", " "), f"{count:,}")
        self.show(table)

    def show(self, table: Table) -> None:
        """Print a table."""
        self._console.print(table)

    def end(self, line: str) -> None:
        """Tell that all of it came true."""
        self._say(Text())
        self._say(Text(line, style="bold green"))

    def _say(self, line: Text) -> None:
        # The terminal breaks long lines, so that a copy of them is whole.
        self._console.print(line, soft_wrap=True)


def _type_of(transaction: Transaction) -> str:
    """Return the type in words of the contract; what never arrived has none."""
    name = TransactionType.Name(transaction.type).removeprefix("TRANSACTION_TYPE_")
    return "" if name == "UNSPECIFIED" else name


def _line(mark: str, style: str, what: str, who: str, *outcome: str | tuple[str, str]) -> Text:
    names = f"{what:<19}{who:<14}"
    return Text.assemble(f"{_INDENT} ", (f"{mark:<2}", style), names, *outcome)


def _figures(metadata: Mapping[str, str], who: str) -> str:
    """Return a refusal's metadata as people read them, without the id of the line above."""
    figures = {name: shown_minor(int(metadata[name])) for name in _AMOUNTS if name in metadata}
    others = sorted(metadata.keys() - {*_AMOUNTS, *_NOT_SHOWN})
    figures |= {name: metadata[name] for name in others if metadata[name] != who}
    return ", ".join(f"{name} {value}" for name, value in figures.items())


def new_table(*columns: str) -> Table:
    """Return an empty table; figures stand at the right of their columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if column in _FIGURES else "left")
    return table
