"""A busy casino: pairs of players whose games never pause, until they are told to."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from purser.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    DepositRequest,
    Operation,
    RollbackRequest,
    WinRequest,
    WithdrawRequest,
)
from tests.faults.book import Book, Call
from tests.support.client import eur, new_id

GAME = "slots"


class Table:
    """Two players who share money: makes the next call, out of what came before."""

    def __init__(self, dice: random.Random, players: tuple[str, str]) -> None:
        self._dice = dice
        self._players = players
        self._bets: deque[tuple[str, str, str]] = deque(maxlen=12)
        self._makers: list[tuple[int, Callable[[], Call]]] = [
            (3, lambda: single(self._deposit())),
            (8, lambda: single(self._bet())),
            (4, lambda: single(self._win())),
            (3, lambda: single(self._rollback())),
            (1, self._rollback_before_its_bet),
            (3, self._execute),
            (4, self._transfer),
        ]
        self._late: list[Operation] = []

    def next_call(self) -> Call:
        """Return a call that was never sent."""
        weights, makers = zip(*self._makers, strict=True)
        return self._dice.choices(makers, weights)[0]()

    def _player(self) -> str:
        return self._dice.choice(self._players)

    def _deposit(self) -> Operation:
        amount = eur(f"{self._dice.randint(1, 60)}.00")
        return Operation(
            deposit=DepositRequest(
                transaction_id=new_id("deposit"), player_id=self._player(), amount=amount
            )
        )

    def _bet(self) -> Operation:
        player, round_id = self._player(), f"round-{self._dice.randint(1, 20)}"
        made = bet(player, round_id, f"{self._dice.randint(0, 15)}.50")
        self._bets.append((made.bet.transaction_id, player, round_id))
        return made

    def _win(self) -> Operation:
        if not self._bets:
            return self._bet()
        bet_id, player, round_id = self._dice.choice(self._bets)
        return Operation(
            win=WinRequest(
                transaction_id=new_id("win"),
                player_id=player,
                amount=eur(f"{self._dice.choice([0, 0, 1, 5, 20])}.25"),
                game_id=GAME,
                round_id=round_id,
                bet_transaction_id=self._dice.choice([bet_id, ""]),
            )
        )

    def _rollback(self) -> Operation:
        if not self._bets:
            return self._bet()
        bet_id, player, _ = self._dice.choice(self._bets)
        return rollback(player, bet_id)

    def _rollback_before_its_bet(self) -> Call:
        if self._late:
            return single(self._late.pop())
        player = self._player()
        late = bet(player, "round-late", "1.00")
        self._late.append(late)
        return single(rollback(player, late.bet.transaction_id))

    def _execute(self) -> Call:
        makers = (self._deposit, self._bet, self._bet, self._win, self._rollback)
        count = self._dice.randint(2, 20)
        return Call(tuple(self._dice.choice(makers)() for _ in range(count)), execute=True)

    def _transfer(self) -> Call:
        giver, taker = self._dice.sample(self._players, 2)
        return transfer(giver, taker, f"{self._dice.randint(1, 80)}.00")


def single(operation: Operation) -> Call:
    """Return a call of one operation by its own rpc."""
    return Call((operation,))


def bet(player: str, round_id: str, amount: str) -> Operation:
    """Return a new bet."""
    return Operation(
        bet=BetRequest(
            transaction_id=new_id("bet"),
            player_id=player,
            amount=eur(amount),
            game_id=GAME,
            round_id=round_id,
        )
    )


def rollback(player: str, original: str) -> Operation:
    """Return a new rollback of an id, whether or not it was ever sent."""
    return Operation(
        rollback=RollbackRequest(
            transaction_id=new_id("rollback"), player_id=player, original_transaction_id=original
        )
    )


def deposit(player: str, amount: str) -> Operation:
    """Return a new deposit."""
    return Operation(
        deposit=DepositRequest(
            transaction_id=new_id("deposit"), player_id=player, amount=eur(amount)
        )
    )


def transfer(giver: str, taker: str, amount: str) -> Call:
    """Return an atomic group that moves money from one player to another."""
    taken = WithdrawRequest(transaction_id=new_id("taken"), player_id=giver, amount=eur(amount))
    given = DepositRequest(transaction_id=new_id("given"), player_id=taker, amount=eur(amount))
    return Call((Operation(withdraw=taken), Operation(deposit=given)), execute=True, atomic=True)


class Traffic:
    """Plays at many tables at once, from `start` to `stop`; the book keeps all of it."""

    def __init__(self, book: Book, dice: random.Random, tables: int = 8, seats: int = 2) -> None:
        self._book = book
        self._dice = dice
        self._tables = tables
        self._seats = seats
        self._open = True
        self._games: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Let new players in, with some money, and begin to play."""
        for _ in range(self._tables):
            pair = (await self._book.client.new_player(), await self._book.client.new_player())
            for player in pair:
                assert await self._book.send(single(deposit(player, "100.00")))
            table = Table(self._dice, pair)
            for _ in range(self._seats):
                self._games.append(asyncio.create_task(self._play(table)))

    async def _play(self, table: Table) -> None:
        while self._open:
            if not await self._book.send(table.next_call()):
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Make no new calls, and wait for the answers to those under way."""
        self._open = False
        await asyncio.gather(*self._games)
