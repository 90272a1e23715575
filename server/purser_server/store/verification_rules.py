"""How rules about rows become one statement.

A statement reads its tables once. Of the rows that break any of its rules it returns one finding
for each rule that is broken. `{o}` marks the scope: a condition on the table `o`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from purser_server.domain.verification import FindingKind


class Rule(NamedTuple):
    """What must not be. All but kind and message are SQL, over the tables of the statement."""

    kind: FindingKind
    message: str
    wrong: str
    """The condition that sound rows do not meet."""
    expected: str
    found: str


class Place(NamedTuple):
    """Where a finding is: SQL for the columns that name it."""

    operator: str = "o.operator_no"
    player: str = "o.player_no"
    unit: str = "''"
    transaction: str = "''"
    round: str = "''"


def statement(place: Place, tables: str, rules: Sequence[Rule], where: str = "{o}") -> str:
    """Return the statement that reads `tables` and tells which rows break which rules."""
    values = ",\n    ".join(
        f"({int(rule.kind)}, ({rule.wrong}), ({rule.expected})::text,"
        f" ({rule.found})::text, {quoted(rule.message)})"
        for rule in rules
    )
    # Nearly all rows are sound: they are sorted out before the findings are put into words.
    any_wrong = "\n  OR ".join(f"({rule.wrong})" for rule in rules)
    return f"""
SELECT rule.kind, {place.operator} AS operator_no, {place.player} AS player_no,
       coalesce({place.unit}, '') AS unit, {place.transaction} AS transaction_id,
       {place.round} AS round_id, coalesce(rule.expected, 'nothing') AS expected,
       coalesce(rule.found, 'nothing') AS found, rule.message
FROM {tables}
CROSS JOIN LATERAL (VALUES
    {values}
) AS rule (kind, wrong, expected, found, message)
WHERE {where} AND ({any_wrong}) AND rule.wrong
"""


def quoted(words: str) -> str:
    """Return words of ours as an SQL text."""
    return "'" + words.replace("'", "''") + "'"


def named(number: str, names: type) -> str:
    """Return SQL that tells a number of an enumeration by its name."""
    whens = " ".join(f"WHEN {int(each)} THEN '{each.name}'" for each in names)  # type: ignore[attr-defined]
    return f"CASE {number} {whens} ELSE {number}::text END"
