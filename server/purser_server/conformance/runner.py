"""Plays all cases, one after the other, and leaves the player's balance as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from purser_server.conformance import (
    cases_money,
    cases_prizes,
    cases_races,
    cases_refusals,
    cases_replays,
    cases_rollbacks,
    cases_signatures,
)
from purser_server.conformance.caller import Caller, Target
from purser_server.conformance.outcomes import ACCEPTED, STATUS
from purser_server.conformance.play import (
    BrokenRule,
    Play,
    SkippedCase,
    Step,
    UnreachableCasinoError,
)
from purser_server.conformance.registry import CASES, Case

_CHAPTERS = [
    module.__name__
    for module in (
        cases_replays,
        cases_rollbacks,
        cases_refusals,
        cases_prizes,
        cases_money,
        cases_signatures,
        cases_races,
    )
]
MIN_BALANCE_MINOR = 100_000
"""What the player must hold: 1,000.00 of a currency with two decimal places."""


class Verdict(Enum):
    """What came of a case."""

    HOLDS = "holds"
    FAILS = "FAILS"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One case that was played. `reason` tells why it was skipped."""

    case: Case
    verdict: Verdict
    steps: Sequence[Step]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """All cases of a run, and the player's balance before and after it, in minor units."""

    results: Sequence[Result]
    start_balance: int
    end_balance: int

    @property
    def fails(self) -> list[str]:
        """The names of the cases that fail."""
        return [each.case.name for each in self.results if each.verdict is Verdict.FAILS]


class CannotRunError(Exception):
    """There is nothing to tell about the casino; the text says why."""


Told: TypeAlias = Callable[[Result], None]
"""Is told of each case as it is played."""


def cases(only: str = "") -> list[Case]:
    """Return the cases whose name contains `only`, chapter by chapter."""
    in_order = sorted(CASES, key=lambda each: _CHAPTERS.index(each.script.__module__))
    return [each for each in in_order if only in each.name]


async def run(target: Target, chosen: Sequence[Case], told: Told) -> Run:
    """Play cases at a casino. Raises CannotRunError, also when the casino goes away meanwhile."""
    async with Caller(target) as caller:
        try:
            start_balance = await _check_player(caller, target)
            results = []
            for each in chosen:
                results.append(await _played(caller, target, each))
                told(results[-1])
            end_balance = (await _opened(caller, target)).balance
        except UnreachableCasinoError as error:
            raise CannotRunError(str(error)) from error
        return Run(results, start_balance, end_balance)


async def _played(caller: Caller, target: Target, each: Case) -> Result:
    """Play a case from the balance that there is, and bring that back."""
    play = await _opened(caller, target)
    verdict, reason = Verdict.HOLDS, ""
    try:
        await each.script(play)
    except BrokenRule:
        verdict = Verdict.FAILS
    except UnreachableCasinoError as error:
        verdict = Verdict.FAILS
        play.steps.append(Step("GetBalance", ACCEPTED, str(error)))
    except SkippedCase as skipped:
        verdict, reason = Verdict.SKIPPED, str(skipped)
    await play.restore()
    return Result(each, verdict, play.steps, reason)


async def _opened(caller: Caller, target: Target) -> Play:
    play = Play(caller, target, 0)
    play.start_balance = play.balance = await play.told_balance()
    return play


async def _check_player(caller: Caller, target: Target) -> int:
    """Return the balance. Raises CannotRunError unless the casino answers and the player plays."""
    play = await _opened(caller, target)
    if play.balance < MIN_BALANCE_MINOR:
        raise CannotRunError(
            f"the player holds {play.balance} minor units of {target.currency_code}, and the "
            f"cases need {MIN_BALANCE_MINOR} (1,000.00 where there are two decimal places)"
        )
    answer = await caller.call(play.bet(0))
    if answer.came.startswith(("PLAYER_", STATUS)):
        raise CannotRunError(f"the player cannot bet: {answer.shown}")
    return play.balance
