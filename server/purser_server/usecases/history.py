"""History: one transaction, many of them, or what a round sums up to."""

from __future__ import annotations

from collections.abc import Sequence

from purser_server.domain.errors import RefusedError
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction, transaction_not_found
from purser_server.domain.wallet import round_not_found
from purser_server.usecases.pages import AskedPage
from purser_server.usecases.ports import HistoryFilter, HistoryStore


class History:
    """Reads what happened; nothing here changes anything."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    async def transaction(self, operator: int, transaction_id: str) -> Transaction:
        """Return a transaction. Raises RefusedError: TRANSACTION_NOT_FOUND."""
        found = await self._store.transaction(operator, transaction_id)
        if found is None:
            raise RefusedError(transaction_not_found(transaction_id))
        return found

    async def transactions(
        self, operator: int, only: HistoryFilter, page_size: int, token: str
    ) -> tuple[Sequence[Transaction], str]:
        """Return a page of transactions, newest first, and the next page's token."""
        asked = AskedPage(("transactions", operator, only), page_size, token, int)
        found = await self._store.transactions(operator, only, asked.position, asked.limit + 1)
        return asked.cut(found, lambda transaction: transaction.number)

    async def round(self, operator: int, player_id: str, game_id: str, round_id: str) -> Round:
        """Return a round. Raises RefusedError: ROUND_NOT_FOUND."""
        found = await self._store.round(operator, player_id, game_id, round_id)
        if found is None:
            raise RefusedError(round_not_found(game_id, round_id))
        return found
