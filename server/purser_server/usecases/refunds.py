"""Refunds: what returned purchases take back, what that would be, and what it was."""

from __future__ import annotations

from collections.abc import Sequence

from purser_server.domain.decisions import RefundAnswer
from purser_server.domain.errors import RefusedError, accepted
from purser_server.domain.refunds import RefundPurchase, StoredRefund
from purser_server.domain.transactions import transaction_not_found
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.loyalty_ports import RefundFilter, RefundStore
from purser_server.usecases.pages import AskedPage


class Refunds:
    """The verbs of refunds."""

    def __init__(self, ledger: Ledger, store: RefundStore) -> None:
        self._ledger = ledger
        self._store = store

    async def refund(self, operator: int, command: RefundPurchase) -> RefundAnswer:
        """Refund a purchase, or quote what that would do.

        Raises RefusedError with the command's own refusal.
        """
        result = accepted(await self._ledger.execute_points(Request(operator, command)))
        assert isinstance(result, RefundAnswer), "refunds are answered with refunds"
        return result

    async def stored(self, operator: int, transaction_id: str) -> StoredRefund:
        """Return a refund as it was answered. Raises RefusedError: TRANSACTION_NOT_FOUND."""
        found = await self._store.refund(operator, transaction_id)
        if found is None:
            raise RefusedError(transaction_not_found(transaction_id))
        return found

    async def page(
        self, operator: int, only: RefundFilter, page_size: int, token: str
    ) -> tuple[Sequence[StoredRefund], str]:
        """Return a page of refunds, newest first, and the next page's token."""
        asked = AskedPage(("refunds", operator, only), page_size, token, int)
        page, more = await self._store.refunds(operator, only, asked.position, asked.limit)
        return page, asked.next_token(page[-1].number) if more else ""
