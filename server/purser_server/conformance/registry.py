"""The list of cases: a name, the rule that it tests, and the function that plays it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from purser_server.conformance.play import Play

Script: TypeAlias = Callable[[Play], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `rule` is a sentence of the contract."""

    name: str
    rule: str
    script: Script


CASES: list[Case] = []


def case(name: str, rule: str) -> Callable[[Script], Script]:
    """Enter a function into the list of cases, in the order of the text."""

    def enter(script: Script) -> Script:
        if any(each.name == name for each in CASES):
            raise ValueError(f"two cases are called {name}")
        CASES.append(Case(name, rule, script))
        return script

    return enter
