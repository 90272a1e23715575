"""The verbs of the asyncio client; `_verbs_sync` is made of this file by `make gen`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from purser.wallet.v1 import player_service_pb2
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import _requests
from purser_client._errors import PurserError, of_item
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
    WinType,
)

_PAGE_SIZE = 500


class AsyncVerbs:
    """What a casino can ask for. How a movement and a call are made is the client's matter."""

    _wallet: Any
    _players: Any
    _read: Reader

    async def _move(self, request: _requests.MovementRequest) -> Movement:
        raise NotImplementedError

    async def _call(self, rpc: Any, request: Any) -> Any:
        raise NotImplementedError

    # -- movements --------------------------------------------------------------------------------

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
