"""The synchronous client: the same verbs as the asyncio one, a call at a time per thread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import grpc

from purser.wallet.v1 import player_service_pb2, player_service_pb2_grpc, wallet_service_pb2_grpc
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import _requests
from purser_client._channel import DEFAULT_TIMEOUT_S, OPTIONS, Tls, authorization, pauses_s
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


class PurserClient:
    """A casino's wallets, for threads. Use one per process; it may be shared by threads.

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
        _channel: grpc.Channel | None = None,
    ) -> None:
        channel = _channel or _connect(target, tls)
        self._channel = channel
        self._wallet: Any = wallet_service_pb2_grpc.WalletServiceStub(channel)
        self._players: Any = player_service_pb2_grpc.PlayerServiceStub(channel)
        self._metadata = authorization(api_key)
        self._timeout_s = timeout_s
        self._read = Reader(currencies or {})

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    # -- movements: combined ------------------------------------------------------------------

    def deposit(
        self,
        player_id: str,
        amount: Money,
        *,
        transaction_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Movement:
        """Credit a wallet."""
        return self._move(
            self._wallet.Deposit, _requests.deposit(player_id, amount, transaction_id, metadata)
        )

    def withdraw(
        self,
        player_id: str,
        amount: Money,
        *,
        transaction_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Movement:
        """Debit a wallet. Raises InsufficientFunds."""
        return self._move(
            self._wallet.Withdraw, _requests.withdraw(player_id, amount, transaction_id, metadata)
        )

    def withdraw_all(
        self,
        player_id: str,
        currency_code: str,
        *,
        transaction_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Movement:
        """Take all that a wallet holds. Raises InsufficientFunds when it is empty."""
        return self._move(
            self._wallet.Withdraw,
            _requests.withdraw_all(player_id, currency_code, transaction_id, metadata),
        )

    def bet(
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
        return self._move(
            self._wallet.Bet,
            _requests.bet(player_id, amount, game_id, round_id, transaction_id, session_id),
        )

    def win(
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
        return self._move(
            self._wallet.Win,
            _requests.win(
                player_id,
                amount,
                game_id,
                round_id,
                transaction_id,
                bet_transaction_id,
                win_type,
                close_round,
            ),
        )

    def rollback(
        self, player_id: str, original_transaction_id: str, *, transaction_id: str = ""
    ) -> Movement:
        """Undo a bet or a win; `outcome` tells what was found. Raises Refused."""
        return self._move(
            self._wallet.Rollback,
            _requests.rollback(player_id, original_transaction_id, transaction_id),
        )

    def close_round(
        self, player_id: str, *, game_id: str, round_id: str, transaction_id: str = ""
    ) -> Round:
        """End a round; return what stands in it. Raises NotFound."""
        request = _requests.close_round(player_id, game_id, round_id, transaction_id)
        return self._read.round(self._call(self._wallet.CloseRound, request).round)

    def execute(
        self, requests: Sequence[_requests.MovementRequest], *, atomic: bool = False
    ) -> list[Movement | PurserError]:
        """Carry out many movements in one call: each on its own, or all or none.

        The requests are those of the contract; a refused one is a PurserError in its place.
        """
        operations = [_requests.operation(request) for request in requests]
        response = self._call(
            self._wallet.Execute, pb.ExecuteRequest(operations=operations, atomic=atomic)
        )
        return [
            of_item(result.error, request.transaction_id)
            if result.HasField("error")
            else self._read.movement(result, result.rollback_outcome)
            for request, result in zip(requests, response.results, strict=True)
        ]

    # -- sessions -------------------------------------------------------------------------------

    def open_session(self, player_id: str, *, game_id: str, currency_code: str) -> Session:
        """Let a player enter a game. Raises InsufficientFunds when the wallet is empty."""
        response = self._call(
            self._wallet.OpenGameSession,
            pb.OpenGameSessionRequest(
                player_id=player_id, game_id=game_id, currency_code=currency_code
            ),
        )
        return Session(response.session_id, self._read.balance(response.balance))

    def close_session(self, session_id: str) -> None:
        """Let a player leave a game."""
        request = pb.CloseGameSessionRequest(session_id=session_id)
        self._call(self._wallet.CloseGameSession, request)

    # -- players --------------------------------------------------------------------------------

    def create_player(
        self,
        player_id: str,
        currency_codes: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> Player:
        """Link a player and make the wallets; the same again is fine. Raises AlreadyExists."""
        response = self._call(
            self._players.CreatePlayer,
            player_service_pb2.CreatePlayerRequest(
                player_id=player_id, currency_codes=currency_codes, metadata=metadata or {}
            ),
        )
        return self._read.player(response.player)

    def get_player(self, player_id: str) -> Player:
        """Return a player. Raises NotFound."""
        request = player_service_pb2.GetPlayerRequest(player_id=player_id)
        return self._read.player((self._call(self._players.GetPlayer, request)).player)

    def update_player(
        self,
        player_id: str,
        *,
        status: PlayerStatus | None = None,
        add_currency_codes: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> Player:
        """Change what is given. Raises NotFound, Refused (CLOSED is final)."""
        response = self._call(
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

    def list_players(self, statuses: Sequence[PlayerStatus] = ()) -> Iterator[Player]:
        """Yield all players, oldest first."""
        token = ""
        while True:
            response = self._call(
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

    def balance(self, player_id: str, currency_code: str) -> WalletBalance:
        """Return what a wallet holds. Raises NotFound."""
        request = pb.GetBalanceRequest(player_id=player_id, currency_code=currency_code)
        response = self._call(self._wallet.GetBalance, request)
        return self._read.balance(response.balances[0])

    def balances(self, player_id: str) -> list[WalletBalance]:
        """Return what all wallets of a player hold. Raises NotFound."""
        request = pb.GetBalanceRequest(player_id=player_id)
        response = self._call(self._wallet.GetBalance, request)
        return [self._read.balance(balance) for balance in response.balances]

    # -- history --------------------------------------------------------------------------------

    def get_transaction(self, transaction_id: str) -> Transaction:
        """Return a transaction by its id. Raises NotFound."""
        request = pb.GetTransactionRequest(transaction_id=transaction_id)
        response = self._call(self._wallet.GetTransaction, request)
        return self._read.transaction(response.transaction)

    def get_round(self, player_id: str, *, game_id: str, round_id: str) -> Round:
        """Return what stands in a round. Raises NotFound."""
        request = pb.GetRoundRequest(player_id=player_id, game_id=game_id, round_id=round_id)
        return self._read.round((self._call(self._wallet.GetRound, request)).round)

    def list_transactions(
        self,
        *,
        player_id: str = "",
        round_id: str = "",
        types: Sequence[TransactionType] = (),
        states: Sequence[TransactionState] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Iterator[Transaction]:
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
            response = self._call(self._wallet.ListTransactions, request)
            for transaction in response.transactions:
                yield self._read.transaction(transaction)
            request.page_token = response.next_page_token
            if not request.page_token:
                return

    def watch_transactions(self, after_position: int = 0) -> Iterator[Watched]:
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
                for message in stream:
                    after_position = message.position
                    pauses = pauses_s()
                    yield Watched(message.position, self._read.transaction(message.transaction))
            except grpc.RpcError as error:
                told = of_status(error)
                if not may_be_repeated(told):
                    raise told from None
            finally:
                stream.cancel()
            time.sleep(next(pauses))

    # -- how calls are made -----------------------------------------------------------------------

    def _move(self, rpc: Any, request: _requests.MovementRequest) -> Movement:
        """Make a movement; its refusal is raised."""
        response = self._call(rpc, request)
        return self._read.movement(response, getattr(response, "outcome", 0))

    def _call(self, rpc: Any, request: Any) -> Any:
        """Make a call; repeat it while it is unavailable and there is time."""
        deadline = time.monotonic() + self._timeout_s
        transaction_id = getattr(request, "transaction_id", "")
        for pause_s in pauses_s():
            try:
                return rpc(
                    request,
                    metadata=self._metadata,
                    timeout=max(deadline - time.monotonic(), 0.001),
                )
            except grpc.RpcError as error:
                told = of_status(error, transaction_id)
                if not may_be_repeated(told) or time.monotonic() + pause_s >= deadline:
                    raise told from None
            time.sleep(pause_s)
        raise AssertionError("pauses have no end")


def _connect(target: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, tls.credentials(), options=OPTIONS)
