"""The asyncio client: single calls, combined by themselves into messages of one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from purser.wallet.v1 import player_service_pb2, player_service_pb2_grpc, wallet_service_pb2_grpc
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import _requests
from purser_client._channel import DEFAULT_TIMEOUT_S, OPTIONS, Tls, authorization, pauses_s
from purser_client._combiner import Combiner
from purser_client._errors import PurserError, may_be_repeated, of_item, of_status
from purser_client._nouns import (
    Money,
    Movement,
    Player,
    PlayerStatus,
    Reader,
    Round,
    Session,
    Transaction,
    TransactionState,
    TransactionType,
    WalletBalance,
    Watched,
    WinType,
)

_PAGE_SIZE = 500


class AsyncPurserClient:
    """A casino's wallets, for asyncio. Use one per process: it combines what is concurrent.

    `timeout_s` bounds every call, its retries included. `currencies` gives the exponents of
    currencies that the operator declared beside ISO 4217.
    """

    def __init__(
        self,
        target: str,
        api_key: str,
        *,
        tls: Tls | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        currencies: Mapping[str, int] | None = None,
    ) -> None:
        if tls is None:
            self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, tls.credentials(), options=OPTIONS)
        channel: Any = self._channel
        self._wallet: Any = wallet_service_pb2_grpc.WalletServiceStub(channel)
        self._players: Any = player_service_pb2_grpc.PlayerServiceStub(channel)
        self._metadata = authorization(api_key)
        self._timeout_s = timeout_s
        self._read = Reader(currencies or {})
        self._combiner = Combiner(self._wallet, self._metadata)

    async def close(self) -> None:
        """Wait for the answers to what was asked, then close the connection."""
        await self._combiner.close()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    # -- movements: combined ------------------------------------------------------------------

    async def deposit(
        self,
        player_id: str,
        amount: Money,
        *,
        transaction_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Movement:
        """Credit a wallet."""
        return await self._move(_requests.deposit(player_id, amount, transaction_id, metadata))

    async def withdraw(
        self,
        player_id: str,
        amount: Money,
        *,
        transaction_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Movement:
        """Debit a wallet. Raises InsufficientFunds."""
        return await self._move(_requests.withdraw(player_id, amount, transaction_id, metadata))

    async def withdraw_all(
        self,
        player_id: str,
        currency_code: str,
        *,
        transaction_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Movement:
        """Take all that a wallet holds. Raises InsufficientFunds when it is empty."""
        return await self._move(
            _requests.withdraw_all(player_id, currency_code, transaction_id, metadata)
        )

    async def bet(
        self,
        player_id: str,
        amount: Money,
        *,
        game_id: str,
        round_id: str,
        transaction_id: str = "",
        session_id: str = "",
    ) -> Movement:
        """Debit a stake. Raises InsufficientFunds, Refused."""
        return await self._move(
            _requests.bet(player_id, amount, game_id, round_id, transaction_id, session_id)
        )

    async def win(
        self,
        player_id: str,
        amount: Money,
        *,
        game_id: str = "",
        round_id: str = "",
        transaction_id: str = "",
        bet_transaction_id: str = "",
        win_type: WinType = WinType.REGULAR,
        close_round: bool = False,
    ) -> Movement:
        """Credit a payout. Raises NotFound (no such bet), Refused."""
        return await self._move(
            _requests.win(
                player_id,
                amount,
                game_id,
                round_id,
                transaction_id,
                bet_transaction_id,
                win_type,
                close_round,
            )
        )

    async def rollback(
        self, player_id: str, original_transaction_id: str, *, transaction_id: str = ""
    ) -> Movement:
        """Undo a bet or a win; `outcome` tells what was found. Raises Refused."""
        return await self._move(
            _requests.rollback(player_id, original_transaction_id, transaction_id)
        )

    async def close_round(
        self, player_id: str, *, game_id: str, round_id: str, transaction_id: str = ""
    ) -> Round:
        """End a round; return what stands in it. Raises NotFound."""
        request = _requests.close_round(player_id, game_id, round_id, transaction_id)
        return self._read.round((await self._call(self._wallet.CloseRound, request)).round)

    async def execute(
        self, requests: Sequence[_requests.MovementRequest], *, atomic: bool = False
    ) -> list[Movement | PurserError]:
        """Carry out many movements in one call: each on its own, or all or none.

        The requests are those of the contract; a refused one is a PurserError in its place.
        """
        operations = [_requests.operation(request) for request in requests]
        response = await self._call(
            self._wallet.Execute, pb.ExecuteRequest(operations=operations, atomic=atomic)
        )
        return [
            of_item(result.error, request.transaction_id)
            if result.HasField("error")
            else self._read.movement(result, result.rollback_outcome)
            for request, result in zip(requests, response.results, strict=True)
        ]

    # -- sessions -------------------------------------------------------------------------------

    async def open_session(self, player_id: str, *, game_id: str, currency_code: str) -> Session:
        """Let a player enter a game. Raises InsufficientFunds when the wallet is empty."""
        response = await self._call(
            self._wallet.OpenGameSession,
            pb.OpenGameSessionRequest(
                player_id=player_id, game_id=game_id, currency_code=currency_code
            ),
        )
        return Session(response.session_id, self._read.balance(response.balance))

    async def close_session(self, session_id: str) -> None:
        """Let a player leave a game."""
        request = pb.CloseGameSessionRequest(session_id=session_id)
        await self._call(self._wallet.CloseGameSession, request)

    # -- players --------------------------------------------------------------------------------

    async def create_player(
        self,
        player_id: str,
        currency_codes: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> Player:
        """Link a player and make the wallets; the same again is fine. Raises AlreadyExists."""
        response = await self._call(
            self._players.CreatePlayer,
            player_service_pb2.CreatePlayerRequest(
                player_id=player_id, currency_codes=currency_codes, metadata=metadata or {}
            ),
        )
        return self._read.player(response.player)

    async def get_player(self, player_id: str) -> Player:
        """Return a player. Raises NotFound."""
        request = player_service_pb2.GetPlayerRequest(player_id=player_id)
        return self._read.player((await self._call(self._players.GetPlayer, request)).player)

    async def update_player(
        self,
        player_id: str,
        *,
        status: PlayerStatus | None = None,
        add_currency_codes: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> Player:
        """Change what is given. Raises NotFound, Refused (CLOSED is final)."""
        response = await self._call(
            self._players.UpdatePlayer,
            player_service_pb2.UpdatePlayerRequest(
                player_id=player_id,
                status=status or 0,  # type: ignore[arg-type]
                add_currency_codes=add_currency_codes,
                metadata=metadata or {},
                clear_metadata=metadata is not None and not metadata,
            ),
        )
        return self._read.player(response.player)

    async def list_players(self, statuses: Sequence[PlayerStatus] = ()) -> AsyncIterator[Player]:
        """Yield all players, oldest first."""
        token = ""
        while True:
            response = await self._call(
                self._players.ListPlayers,
                player_service_pb2.ListPlayersRequest(
                    page_size=_PAGE_SIZE,
                    page_token=token,
                    statuses=statuses,  # type: ignore[arg-type]
                ),
            )
            for player in response.players:
                yield self._read.player(player)
            token = response.next_page_token
            if not token:
                return

    async def balance(self, player_id: str, currency_code: str) -> WalletBalance:
        """Return what a wallet holds. Raises NotFound."""
        request = pb.GetBalanceRequest(player_id=player_id, currency_code=currency_code)
        response = await self._call(self._wallet.GetBalance, request)
        return self._read.balance(response.balances[0])

    async def balances(self, player_id: str) -> list[WalletBalance]:
        """Return what all wallets of a player hold. Raises NotFound."""
        request = pb.GetBalanceRequest(player_id=player_id)
        response = await self._call(self._wallet.GetBalance, request)
        return [self._read.balance(balance) for balance in response.balances]

    # -- history --------------------------------------------------------------------------------

    async def get_transaction(self, transaction_id: str) -> Transaction:
        """Return a transaction by its id. Raises NotFound."""
        request = pb.GetTransactionRequest(transaction_id=transaction_id)
        response = await self._call(self._wallet.GetTransaction, request)
        return self._read.transaction(response.transaction)

    async def get_round(self, player_id: str, *, game_id: str, round_id: str) -> Round:
        """Return what stands in a round. Raises NotFound."""
        request = pb.GetRoundRequest(player_id=player_id, game_id=game_id, round_id=round_id)
        return self._read.round((await self._call(self._wallet.GetRound, request)).round)

    async def list_transactions(
        self,
        *,
        player_id: str = "",
        round_id: str = "",
        types: Sequence[TransactionType] = (),
        states: Sequence[TransactionState] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> AsyncIterator[Transaction]:
        """Yield the transactions that match all that is given, newest first."""
        request = pb.ListTransactionsRequest(
            player_id=player_id,
            round_id=round_id,
            types=types,  # type: ignore[arg-type]
            states=states,  # type: ignore[arg-type]
            start_time=start_time,  # type: ignore[arg-type]
            end_time=end_time,  # type: ignore[arg-type]
            page_size=_PAGE_SIZE,
        )
        while True:
            response = await self._call(self._wallet.ListTransactions, request)
            for transaction in response.transactions:
                yield self._read.transaction(transaction)
            request.page_token = response.next_page_token
            if not request.page_token:
                return

    async def watch_transactions(self, after_position: int = 0) -> AsyncIterator[Watched]:
        """Yield every transaction behind a position in commit order, then live, without end.

        A broken connection is mended, and the feed goes on where it was.
        """
        pauses = pauses_s()
        while True:
            stream = self._wallet.WatchTransactions(
                pb.WatchTransactionsRequest(after_position=after_position),
                metadata=self._metadata,
            )
            try:
                async for message in stream:
                    after_position = message.position
                    pauses = pauses_s()
                    yield Watched(message.position, self._read.transaction(message.transaction))
            except grpc.aio.AioRpcError as error:
                told = of_status(error)
                if not may_be_repeated(told):
                    raise told from None
            finally:
                stream.cancel()
            await asyncio.sleep(next(pauses))

    # -- how calls are made -----------------------------------------------------------------------

    async def _move(self, request: _requests.MovementRequest) -> Movement:
        """Send a movement with whatever else is under way; repeat it while that may help."""
        operation = _requests.operation(request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        pauses = None
        while True:
            try:
                result = await self._combiner.submit(operation, deadline)
            except PurserError as error:
                error.transaction_id = request.transaction_id
                raise
            if not result.HasField("error"):
                return self._read.movement(result, result.rollback_outcome)
            refused = of_item(result.error, request.transaction_id)
            pauses = pauses or pauses_s()
            pause_s = next(pauses)
            if not may_be_repeated(refused) or loop.time() + pause_s >= deadline:
                raise refused
            await asyncio.sleep(pause_s)

    async def _call(self, rpc: Any, request: Any) -> Any:
        """Make a call; repeat it while it is unavailable and there is time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        for pause_s in pauses_s():
            try:
                return await rpc(
                    request,
                    metadata=self._metadata,
                    timeout=max(deadline - loop.time(), 0.001),
                )
            except grpc.aio.AioRpcError as error:
                told = of_status(error)
                if not may_be_repeated(told) or loop.time() + pause_s >= deadline:
                    raise told from None
            await asyncio.sleep(pause_s)
        raise AssertionError("pauses have no end")
