"""Open cases: movements that wait for a person's decision, and how cases ended."""

from __future__ import annotations

import re
from datetime import datetime

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.outcomes import UNDONE_IF_UNHEARD, Fate, Movement, Verdict
from purser_server.domain.pending import Pending
from purser_server.domain.values import Number, value


class CaseDecision(Number):
    """What a person says of a movement; the numbers are those of the contract and of the store."""

    APPLIED = 1
    NOT_APPLIED = 2


class CaseState(Number):
    """How far a case is; the numbers are those of the contract."""

    OPEN = 1
    RESOLVED = 2
    """A person has decided."""
    ANSWERED = 3
    """The casino gave a definitive answer after all."""


@value
class Case:
    """A case, open or ended. `pending` is the movement as it was when it ended, or as it is."""

    operator: int
    operator_id: str
    pending: Pending
    end_time: datetime | None = None
    decision: CaseDecision | None = None
    note: str = ""

    @property
    def case_id(self) -> str:
        """The case's id, which leads to its operator."""
        return f"case-{self.operator}-{self.pending.transaction.number}"

    @property
    def state(self) -> CaseState:
        """How far it is."""
        if self.end_time is None:
            return CaseState.OPEN
        return CaseState.ANSWERED if self.decision is None else CaseState.RESOLVED


@value
class EndedCase:
    """A movement that was a case and has its outcome now; without a decision the casino's."""

    pending: Pending
    decision: CaseDecision | None = None
    note: str = ""


_CASE_ID = re.compile(r"case-([0-9]{1,9})-([0-9]{1,18})", re.ASCII)


def case_numbers(case_id: str) -> tuple[int, int] | None:
    """Return the operator's and the intent's number that a case's id tells; None if it is none."""
    found = _CASE_ID.fullmatch(case_id)
    return (int(found[1]), int(found[2])) if found else None


def decide(movement: Movement, decision: CaseDecision) -> Verdict:
    """Tell what a person's decision means for a movement: it stands, or it never was."""
    if decision is CaseDecision.APPLIED:
        return Verdict(Fate.COMPLETED)
    if movement.type in UNDONE_IF_UNHEARD:
        return Verdict(Fate.ROLLED_BACK)
    return Verdict(Fate.REFUSED, _not_applied())


def _not_applied() -> Refusal:
    return Refusal(
        Reason.CASINO_REFUSED,
        "a person decided, with the casino: it was not applied",
        {"outcome": CaseDecision.NOT_APPLIED.name, "casino_message": ""},
    )


def case_not_found(case_id: str) -> Refusal:
    """Refuse because there is no such case, open or ended."""
    return Refusal(
        Reason.CASE_NOT_FOUND, f"there is no case {quoted(case_id)}", {"case_id": case_id}
    )


def case_already_resolved(case: Case) -> Refusal:
    """Refuse because the case ended in another way."""
    how = case.decision.name if case.decision is not None else CaseState.ANSWERED.name
    return Refusal(
        Reason.CASE_ALREADY_RESOLVED,
        f"case {quoted(case.case_id)} has ended already: {how}",
        {"state": how},
    )
