"""The casino under load: an operator with funded players, and what its ledger says afterwards."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from random import choice, getrandbits
from types import TracebackType
from typing import Any, Self

import grpc.aio

from purser.admin.v1 import operator_pb2
from purser.admin.v1.ledger_service_pb2 import VerifyLedgerRequest
from purser.admin.v1.ledger_service_pb2_grpc import LedgerServiceStub
from purser.admin.v1.operator_service_pb2 import CreateApiKeyRequest, CreateOperatorRequest
from purser.admin.v1.operator_service_pb2_grpc import OperatorServiceStub
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser.wallet.v1.player_service_pb2 import CreatePlayerRequest
from purser.wallet.v1.player_service_pb2_grpc import PlayerServiceStub
from purser.wallet.v1.wallet_pb2 import (
    TRANSACTION_STATE_COMPLETED,
    WIN_TYPE_PROMO,
    Transaction,
)
from purser.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub

FUNDS = Money(currency_code="EUR", minor_units=10**12)
STAKE_MINOR = 100
PAYOUT_MINOR = 97
"""Less than the stake, so that a bet and a win that are both missing show in a balance."""

_STAKE = Money(currency_code="EUR", minor_units=STAKE_MINOR)
_PAYOUT = Money(currency_code="EUR", minor_units=PAYOUT_MINOR)
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
CALLS_AT_ONCE = 64
_MESSAGES_AT_ONCE = 4
MESSAGE_OPERATIONS = 1_000
_BOUND_S = 600.0

Progress = Callable[[int], None]
"""Is told how many more are done."""


class LedgerError(Exception):
    """The ledger does not verify, or does not hold what was acknowledged."""


def new_id() -> str:
    """Return an id as clients make them: 128 random bits."""
    return f"{getrandbits(128):032x}"


def new_operator_id() -> str:
    """Return an id for an operator of one run."""
    return f"bench-{secrets.token_hex(4)}"


def player_names(count: int) -> list[str]:
    """Return the ids of so many players."""
    return [f"player-{number}" for number in range(count)]


class Casino:
    """One operator of the server at `address`; use it as a context manager.

    `keeper_pid` is the process that keeps its players' money, if it is another than Purser's;
    `points` are those that its players have, by what was acknowledged.
    """

    def __init__(self, address: str, admin_key: str, operator_id: str = "") -> None:
        self.address = address
        self.api_key = ""
        self.players: list[str] = []
        self.operator_id = operator_id or new_operator_id()
        self.keeper_pid: int | None = None
        self.points: Counter[str] = Counter()
        self._position = 0
        options = (
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        )
        self.channel: Any = grpc.aio.insecure_channel(address, options=options)
        self.admin = (("authorization", f"Bearer {admin_key}"),)
        self.operators: Any = OperatorServiceStub(self.channel)
        self._ledger: Any = LedgerServiceStub(self.channel)
        self._players: Any = PlayerServiceStub(self.channel)
        self.wallet: Any = WalletServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        """Create the operator and its key."""
        await self.operators.CreateOperator(
            CreateOperatorRequest(operator_id=self.operator_id), metadata=self.admin
        )
        made = await self.operators.CreateApiKey(
            CreateApiKeyRequest(
                operator_id=self.operator_id,
                roles=[operator_pb2.API_KEY_ROLE_BACKEND, operator_pb2.API_KEY_ROLE_LOYALTY],
            ),
            metadata=self.admin,
        )
        self.api_key = made.api_key
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.channel.close()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call of this casino carries."""
        return (("authorization", f"Bearer {self.api_key}"),)

    async def add_players(self, count: int, done: Progress) -> None:
        """Create players and fund each with far more than a run can lose."""
        await self.link_players(player_names(count), done)
        for some in _in_parts(self.players, MESSAGE_OPERATIONS):
            await self.execute(
                [
                    pb.Operation(
                        deposit=pb.DepositRequest(
                            transaction_id=f"funds-{player}", player_id=player, amount=FUNDS
                        )
                    )
                    for player in some
                ]
            )

    async def link_players(self, players: list[str], done: Progress) -> None:
        """Create players."""
        self.players = players
        waiting = iter(players)

        async def create() -> None:
            for player in waiting:
                request = CreatePlayerRequest(player_id=player, currency_codes=["EUR"])
                await self._players.CreatePlayer(request, metadata=self.metadata)
                done(1)

        await asyncio.gather(*(create() for _ in range(CALLS_AT_ONCE)))

    async def fill(self, transactions: int, done: Progress) -> None:
        """Play bets and wins of random players until so many transactions are written."""
        parts = iter(range(0, transactions, MESSAGE_OPERATIONS))

        async def play() -> None:
            for start in parts:
                size = min(MESSAGE_OPERATIONS, transactions - start)
                await self.execute(pairs(size, lambda: choice(self.players)))
                done(size)

        await asyncio.gather(*(play() for _ in range(_MESSAGES_AT_ONCE)))

    async def execute(self, operations: Sequence[pb.Operation]) -> None:
        """Execute new operations before a measurement: the next one begins behind them.

        Raises LedgerError when one is refused.
        """
        await self.play(operations)
        self._position += len(operations)

    async def play(self, operations: Sequence[pb.Operation]) -> list[str]:
        """Execute operations in one call; return what is acknowledged.

        Raises LedgerError when one is refused.
        """
        request = pb.ExecuteRequest(operations=operations)
        response = await self.wallet.Execute(request, metadata=self.metadata)
        return acknowledged(response.results)

    async def verify(self, ids: Sequence[str]) -> None:
        """Raise LedgerError unless the ledger verifies and holds each of these once.

        `ids` are those of what was answered since the last time; what is beyond them
        in the history was answered too late to count.
        """
        verified = await self._ledger.VerifyLedger(
            VerifyLedgerRequest(operator_id=self.operator_id),
            metadata=self.admin,
            timeout=_BOUND_S,
        )
        if not verified.consistent:
            raise LedgerError(f"the ledger does not verify: {verified.findings[0].message}")
        found: Counter[str] = Counter()
        async for transaction in self._history_since():
            if transaction.state == TRANSACTION_STATE_COMPLETED:
                found[transaction.transaction_id] += 1
                self.note(transaction)
        for transaction_id in ids:
            if found[transaction_id] != 1:
                raise LedgerError(f"{transaction_id} stands {found[transaction_id]} times")

    def note(self, transaction: Transaction) -> None:
        """Is told by `verify` of each transaction that took place."""

    async def _history_since(self) -> AsyncIterator[Transaction]:
        """Follow the feed from where the last verification ended up to a win made now.

        That win pays nothing and belongs to no round: it can be made in either mode.
        """
        end = new_id()
        nothing = pb.WinRequest(
            transaction_id=end,
            player_id=self.players[0],
            amount=Money(currency_code="EUR"),
            win_type=WIN_TYPE_PROMO,
        )
        await self.wallet.Win(nothing, metadata=self.metadata)
        feed = self.wallet.WatchTransactions(
            pb.WatchTransactionsRequest(after_position=self._position), metadata=self.metadata
        )
        async for news in feed:
            yield news.transaction
            self._position = news.position
            if news.transaction.transaction_id == end:
                feed.cancel()
                return
        raise LedgerError("the feed ended before its end was seen")


def acknowledged(results: Iterable[pb.OperationResult]) -> list[str]:
    """Return the ids of what was carried out. Raises LedgerError when something was refused."""
    ids = []
    for result in results:
        if result.HasField("error"):
            raise LedgerError(f"refused: {result.error.message}")
        ids.append(result.transaction.transaction_id)
    return ids


def pairs(size: int, pick: Callable[[], str]) -> list[pb.Operation]:
    """Return a bet and its closing win for each of `size / 2` rounds, all bets first."""
    rounds = [(new_id(), pick()) for _ in range((size + 1) // 2)]
    bets = [pb.Operation(bet=bet(player, round_id)) for round_id, player in rounds]
    wins = [pb.Operation(win=win(player, round_id)) for round_id, player in rounds]
    return (bets + wins)[:size]


def bet(player: str, round_id: str) -> pb.BetRequest:
    """Return a bet of 1.00 that opens a round; its own id follows from the round's."""
    return pb.BetRequest(
        transaction_id=f"{round_id}-b",
        player_id=player,
        amount=_STAKE,
        game_id="slots",
        round_id=round_id,
    )


def win(player: str, round_id: str) -> pb.WinRequest:
    """Return the win of the round's bet, a bit less than the stake, which closes the round."""
    return pb.WinRequest(
        transaction_id=f"{round_id}-w",
        player_id=player,
        amount=_PAYOUT,
        game_id="slots",
        round_id=round_id,
        bet_transaction_id=f"{round_id}-b",
        close_round=True,
    )


def _in_parts(items: Sequence[str], size: int) -> Sequence[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
