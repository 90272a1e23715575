"""Open cases: what only a person can end is shown, and ended as the person says."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from purser_server.domain.cases import (
    Case,
    CaseDecision,
    CaseState,
    case_already_resolved,
    case_not_found,
    case_numbers,
)
from purser_server.domain.errors import RefusedError, accepted
from purser_server.domain.intents import Settle
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.operators import Operators
from purser_server.usecases.pages import AskedPage
from purser_server.usecases.ports import CaseStore

_log = logging.getLogger(__name__)


class Cases:
    """Lists cases, and ends them through the ledger, as every movement ends."""

    def __init__(self, store: CaseStore, operators: Operators, ledger: Ledger) -> None:
        self._store = store
        self._operators = operators
        self._ledger = ledger

    async def list_open(
        self, operator_id: str, page_size: int, token: str
    ) -> tuple[Sequence[Case], str]:
        """Return a page of open cases of an operator, or (empty id) of all, oldest first.

        Raises RefusedError: OPERATOR_NOT_FOUND.
        """
        operator = None
        if operator_id:
            operator = (await self._operators.get(operator_id)).number
        asked = AskedPage(("open_cases", operator), page_size, token, int)
        found = await self._store.open_cases(operator, asked.position or 0, asked.limit + 1)
        return asked.cut(found, lambda case: case.pending.transaction.number)

    async def get(self, case_id: str) -> Case:
        """Return a case, open or ended. Raises RefusedError: CASE_NOT_FOUND."""
        numbers = case_numbers(case_id)
        found = await self._store.case(*numbers) if numbers else None
        if found is None:
            raise RefusedError(case_not_found(case_id))
        return found

    async def resolve(self, case_id: str, decision: CaseDecision, note: str) -> tuple[Case, bool]:
        """End a case as a person says; True when this was decided before.

        Raises RefusedError: CASE_NOT_FOUND, CASE_ALREADY_RESOLVED.
        """
        case = await self.get(case_id)
        replayed = True
        if case.state is CaseState.OPEN:
            replayed = await self._settle(case, decision, note)
            # Whoever was quicker, a person or the casino, has ended it: what stands is told.
            case = await self.get(case_id)
        if case.decision is not decision:
            raise RefusedError(case_already_resolved(case))
        if not replayed:
            _log.info("case %s resolved as %s", case_id, decision.name)
        return case, replayed

    async def _settle(self, case: Case, decision: CaseDecision, note: str) -> bool:
        """Let the ledger end a case; True when it had ended before."""
        intent = case.pending.transaction
        settle = Settle(
            intent.transaction_id, intent.player_id, intent, decision=decision, note=note
        )
        return accepted(await self._ledger.execute(Request(case.operator, settle))).replayed
