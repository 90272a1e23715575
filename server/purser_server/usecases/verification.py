"""The check of the ledger: zero sums, balances that equal their postings, gapless sequences."""

from __future__ import annotations

from purser_server.domain.verification import Verification
from purser_server.usecases.operators import Operators
from purser_server.usecases.ports import VerificationStore


class LedgerVerification:
    """Verifies one operator's ledger, or all of them."""

    def __init__(self, store: VerificationStore, operators: Operators) -> None:
        self._store = store
        self._operators = operators

    async def verify(self, operator_id: str) -> Verification:
        """Verify an operator's ledger, or (empty id) every one.

        Raises RefusedError: OPERATOR_NOT_FOUND.
        """
        if not operator_id:
            return await self._store.verify(None)
        operator = await self._operators.get(operator_id)
        return await self._store.verify(operator.number)
