"""WalletService: convert, call, convert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

from grpc.aio import ServicerContext

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser.wallet.v1.wallet_service_pb2_grpc import WalletServiceServicer
from purser_server.domain.transactions import (
    Transaction,
    TransactionState,
    TransactionType,
)
from purser_server.rpc import from_proto, to_proto
from purser_server.rpc.calls import caller, still_allowed
from purser_server.rpc.operations import ExecuteStream, Operations
from purser_server.usecases.balances import Balances
from purser_server.usecases.feed import Feed
from purser_server.usecases.history import History
from purser_server.usecases.movements import Movements
from purser_server.usecases.ports import HistoryFilter
from purser_server.usecases.sessions import Sessions

Context = ServicerContext[Any, Any]

_ALLOWED_S = 1.0
"""How long a watcher is sent transactions before its key is looked at again."""


class WalletServicer(WalletServiceServicer):
    """Serves purser.wallet.v1.WalletService; the operator is the caller's own.

    `stopping` is set when the server begins to stop: open streams end then.
    """

    def __init__(
        self,
        movements: Movements,
        balances: Balances,
        sessions: Sessions,
        history: History,
        *,
        feed: Feed,
        stopping: asyncio.Event,
    ) -> None:
        self._movements = movements
        self._operations = Operations(movements)
        self._feed = feed
        self._stopping = stopping
        self._balances = balances
        self._sessions = sessions
        self._history = history

    async def GetBalance(
        self, request: pb.GetBalanceRequest, context: Context
    ) -> pb.GetBalanceResponse:
        """Return what the player's wallets hold."""
        _, balances = await self._balances.of(
            caller().operator, request.player_id, request.currency_code
        )
        return pb.GetBalanceResponse(balances=map(to_proto.wallet_balance, balances))

    async def Deposit(self, request: pb.DepositRequest, context: Context) -> pb.DepositResponse:
        """Credit the wallet."""
        transaction, replayed = await self._move(request)
        return pb.DepositResponse(transaction=to_proto.transaction(transaction), replayed=replayed)

    async def Withdraw(self, request: pb.WithdrawRequest, context: Context) -> pb.WithdrawResponse:
        """Debit the wallet."""
        transaction, replayed = await self._move(request)
        return pb.WithdrawResponse(transaction=to_proto.transaction(transaction), replayed=replayed)

    async def Bet(self, request: pb.BetRequest, context: Context) -> pb.BetResponse:
        """Debit a stake."""
        transaction, replayed = await self._move(request)
        return pb.BetResponse(transaction=to_proto.transaction(transaction), replayed=replayed)

    async def Win(self, request: pb.WinRequest, context: Context) -> pb.WinResponse:
        """Credit a payout."""
        transaction, replayed = await self._move(request)
        return pb.WinResponse(transaction=to_proto.transaction(transaction), replayed=replayed)

    async def Rollback(self, request: pb.RollbackRequest, context: Context) -> pb.RollbackResponse:
        """Undo a bet or a win."""
        transaction, replayed = await self._move(request)
        return pb.RollbackResponse(
            transaction=to_proto.transaction(transaction),
            replayed=replayed,
            outcome=transaction.rollback_outcome,  # type: ignore[arg-type]
        )

    async def CloseRound(
        self, request: pb.CloseRoundRequest, context: Context
    ) -> pb.CloseRoundResponse:
        """End a round."""
        transaction, replayed = await self._move(request)
        assert transaction.round is not None
        return pb.CloseRoundResponse(round=to_proto.round_(transaction.round), replayed=replayed)

    async def Execute(self, request: pb.ExecuteRequest, context: Context) -> pb.ExecuteResponse:
        """Execute many operations, each on its own or all or none."""
        response = pb.ExecuteResponse()
        await self._operations.execute(request.operations, response.results, atomic=request.atomic)
        return response

    def StreamExecute(
        self, request: AsyncIterator[pb.StreamExecuteRequest], context: Context
    ) -> AsyncIterator[pb.StreamExecuteResponse]:
        """Execute message after message, many at a time."""
        return ExecuteStream(self._operations, request, self._stopping).answers()

    async def WatchTransactions(
        self, request: pb.WatchTransactionsRequest, context: Context
    ) -> AsyncIterator[pb.WatchTransactionsResponse]:
        """Follow the history, in commit order."""
        watched = self._feed.follow(caller().operator, request.after_position, self._stopping)
        allowed_until = 0.0
        async for position, transaction in watched:
            if monotonic() > allowed_until:
                await still_allowed()
                allowed_until = monotonic() + _ALLOWED_S
            yield pb.WatchTransactionsResponse(
                position=position, transaction=to_proto.transaction(transaction)
            )

    async def OpenGameSession(
        self, request: pb.OpenGameSessionRequest, context: Context
    ) -> pb.OpenGameSessionResponse:
        """Let a player enter a game."""
        session_id, balance = await self._sessions.open(
            caller().operator, request.player_id, request.game_id, request.currency_code
        )
        return pb.OpenGameSessionResponse(
            session_id=session_id, balance=to_proto.wallet_balance(balance)
        )

    async def CloseGameSession(
        self, request: pb.CloseGameSessionRequest, context: Context
    ) -> pb.CloseGameSessionResponse:
        """Let a player leave a game."""
        await self._sessions.close(caller().operator, request.session_id)
        return pb.CloseGameSessionResponse()

    async def GetRound(self, request: pb.GetRoundRequest, context: Context) -> pb.GetRoundResponse:
        """Return what stands in a round."""
        found = await self._history.round(
            caller().operator, request.player_id, request.game_id, request.round_id
        )
        return pb.GetRoundResponse(round=to_proto.round_(found))

    async def GetTransaction(
        self, request: pb.GetTransactionRequest, context: Context
    ) -> pb.GetTransactionResponse:
        """Return a transaction by its id."""
        found = await self._history.transaction(caller().operator, request.transaction_id)
        return pb.GetTransactionResponse(transaction=to_proto.transaction(found))

    async def ListTransactions(
        self, request: pb.ListTransactionsRequest, context: Context
    ) -> pb.ListTransactionsResponse:
        """Return a page of the history, newest first."""
        start_time, end_time = from_proto.period(request)
        only = HistoryFilter(
            player_id=request.player_id,
            round_id=request.round_id,
            types=tuple(sorted({TransactionType(kind) for kind in request.types})),
            states=tuple(sorted({TransactionState(state) for state in request.states})),
            start_time=start_time,
            end_time=end_time,
        )
        page, token = await self._history.transactions(
            caller().operator, only, request.page_size, request.page_token
        )
        return pb.ListTransactionsResponse(
            transactions=map(to_proto.transaction, page), next_page_token=token
        )

    async def _move(self, request: Any) -> tuple[Transaction, bool]:
        answer = await self._movements.execute(caller().operator, from_proto.command_of(request))
        return answer.transaction, answer.replayed
