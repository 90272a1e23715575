"""Prizes: granted, shipped, returned for money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from purser_server.domain.decisions import PrizeAnswer
from purser_server.domain.errors import RefusedError, accepted
from purser_server.domain.prize_cashbacks import (
    PrizeCashback,
    PrizeCashbackState,
    cashback_of,
    player_message,
)
from purser_server.domain.prizes import (
    GrantPrize,
    Prize,
    ReturnPrize,
    ShipPrize,
    prize_not_found,
)
from purser_server.domain.transactions import transaction_not_found
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.loyalty_ports import PrizeCashbackFilter, PrizeFilter, PrizeStore
from purser_server.usecases.movements import Movements
from purser_server.usecases.pages import AskedPage


@dataclass(frozen=True, slots=True)
class Told:
    """A request to return a prize, and what to tell the player where it came to nothing."""

    cashback: PrizeCashback
    player_message: str
    replayed: bool = False


class Prizes:
    """The verbs of prizes."""

    def __init__(self, ledger: Ledger, movements: Movements, store: PrizeStore) -> None:
        self._ledger = ledger
        self._movements = movements
        self._store = store

    async def change(self, operator: int, command: GrantPrize | ShipPrize) -> PrizeAnswer:
        """Grant or ship a prize. Raises RefusedError with the command's own refusal."""
        result = accepted(await self._ledger.execute_prize(Request(operator, command)))
        assert isinstance(result, PrizeAnswer), "grants and shipments are answered with prizes"
        return result

    async def prize(self, operator: int, prize_id: str) -> tuple[Prize, datetime]:
        """Return a prize, and the time as of which it is so. Raises RefusedError: not found."""
        found = await self._store.prize(operator, prize_id)
        if found is None:
            raise RefusedError(prize_not_found(prize_id))
        return found

    async def prizes(
        self, operator: int, only: PrizeFilter, page_size: int, token: str
    ) -> tuple[Sequence[tuple[Prize, datetime]], str]:
        """Return a page of prizes, newest first, and the next page's token."""
        asked = AskedPage(("prizes", operator, only), page_size, token, int)
        found = await self._store.prizes(operator, only, asked.position, asked.limit + 1)
        return asked.cut(found, lambda prize_at: prize_at[0].number)

    async def request_cashback(self, operator: int, asked: ReturnPrize) -> Told:
        """Return a prize for money. Raises RefusedError where nothing was stored."""
        answer = await self._movements.execute(operator, asked)
        cashback = cashback_of(answer.transaction, answer.pending)
        return await self._told(operator, cashback, replayed=answer.replayed)

    async def cashback(self, operator: int, transaction_id: str) -> Told:
        """Return what became of a request to return a prize.

        Raises RefusedError: TRANSACTION_NOT_FOUND.
        """
        found = await self._store.cashback(operator, transaction_id)
        if found is None:
            raise RefusedError(transaction_not_found(transaction_id))
        return await self._told(operator, found)

    async def cashbacks(
        self, operator: int, only: PrizeCashbackFilter, page_size: int, token: str
    ) -> tuple[Sequence[Told], str]:
        """Return a page of requests to return prizes, newest first, and the next page's token."""
        asked = AskedPage(("prize_cashbacks", operator, only), page_size, token, int)
        found = await self._store.cashbacks(operator, only, asked.position, asked.limit + 1)
        page, following = asked.cut(found, lambda cashback: cashback.transaction.number)
        own = await self._own_messages(operator, page)
        return [Told(cashback, player_message(cashback, own)) for cashback in page], following

    async def _told(
        self, operator: int, cashback: PrizeCashback, *, replayed: bool = False
    ) -> Told:
        own = await self._own_messages(operator, (cashback,))
        return Told(cashback, player_message(cashback, own), replayed)

    async def _own_messages(
        self, operator: int, cashbacks: Sequence[PrizeCashback]
    ) -> Mapping[str, str]:
        """Return the operator's texts, if any of these cashbacks needs one."""
        came_to_nothing = {PrizeCashbackState.DENIED, PrizeCashbackState.FAILED}
        if came_to_nothing.isdisjoint(cashback.state for cashback in cashbacks):
            return {}
        return await self._store.player_messages(operator)
