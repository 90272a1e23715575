"""Purser's side of the callback contract, in words of a story."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser.wallet.v1.wallet_pb2 import WinType
from purser_casino import ReferenceCasino
from purser_server.conformance.caller import Answer, Caller, Request, Signing, Target
from tests.support.client import eur

OPERATOR = "lucky"
SECRET = "the secret of lucky"
_attempts = count()


class Desk:
    """Calls a casino as Purser does; each verb returns what came."""

    def __init__(self, casino: ReferenceCasino, deadline_s: float = 10.0) -> None:
        self.casino = casino
        self.answer = Answer("nothing")
        self._caller = Caller(
            Target(casino.address, OPERATOR, "anna", "EUR", SECRET, deadline_s=deadline_s)
        )

    async def close(self) -> None:
        await self._caller._channel.close()

    async def send(self, request: Request, signing: Signing | None = None) -> str:
        request.request_id = f"attempt-{next(_attempts)}"
        if not request.operator_id:
            request.operator_id = OPERATOR
        self.answer = await self._caller.call(request, signing)
        return self.answer.came

    async def bet(self, transaction_id: str, amount: str = "5.00", **other: Any) -> str:
        return await self.send(a_bet(transaction_id, amount, **other))

    async def win(
        self, transaction_id: str, amount: str = "7.00", bet: str = "b-1", **other: Any
    ) -> str:
        win_type = WinType.Value(f"WIN_TYPE_{other.pop('win_type', 'REGULAR')}")
        content = {"player_id": "anna", "game_id": "slots", "round_id": "r-1", **other}
        request = pb.WinRequest(
            transaction_id=transaction_id,
            amount=eur(amount),
            bet_transaction_id=bet,
            win_type=win_type,
            **content,
        )
        return await self.send(request)

    async def rollback(self, transaction_id: str, original: str = "b-1", **other: Any) -> str:
        content = {"player_id": "anna", "amount": eur("5.00"), **other}
        request = pb.RollbackRequest(
            transaction_id=transaction_id, original_transaction_id=original, **content
        )
        return await self.send(request)

    async def prize(self, transaction_id: str, amount: str = "2.50", **other: Any) -> str:
        content = {"player_id": "anna", "prize_id": "kettle", **other}
        return await self.send(
            pb.PrizeCashbackRequest(transaction_id=transaction_id, amount=eur(amount), **content)
        )

    async def get_balance(self, player_id: str = "anna", currency_code: str = "EUR") -> str:
        return await self.send(
            pb.GetBalanceRequest(player_id=player_id, currency_code=currency_code)
        )

    @property
    def money(self) -> str:
        """What anna has at the casino: "100.00"."""
        return str(Decimal(self.casino.balance("anna", "EUR")).scaleb(-2))

    @property
    def told(self) -> str | None:
        """The balance in the last answer."""
        balance = self.answer.balance
        return None if balance is None else str(Decimal(balance[1]).scaleb(-2))


def a_bet(transaction_id: str, amount: str = "5.00", **other: Any) -> pb.BetRequest:
    content = {"player_id": "anna", "game_id": "slots", "round_id": "r-1", **other}
    return pb.BetRequest(transaction_id=transaction_id, amount=eur(amount), **content)
