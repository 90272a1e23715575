"""The casino's database: players, balances, and every movement with its answer.

With a file, what `Store.run` has returned is on disk. In memory, all of it ends with the process.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import TypeVar

from purser.wallet.v1 import wallet_pb2
from purser_casino.movements import Kind, Movement, Outcome, Verdict

T = TypeVar("T")
MEMORY = ":memory:"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS players (
    player_id TEXT PRIMARY KEY,
    status TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balances (
    player_id TEXT NOT NULL REFERENCES players,
    currency_code TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (player_id, currency_code)
) WITHOUT ROWID;
-- Ids are kept for ever: nothing is ever deleted here.
CREATE TABLE IF NOT EXISTS movements (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    transaction_id TEXT NOT NULL UNIQUE,
    player_id TEXT NOT NULL,
    currency_code TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    game_id TEXT NOT NULL,
    round_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    prize_id TEXT NOT NULL,
    win_type INTEGER NOT NULL,
    close_round INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    message TEXT NOT NULL,
    rolled_back INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS movements_of_a_round ON movements (player_id, game_id, round_id)
    WHERE kind IN ('bet', 'win');
"""
_FIELDS = [field.name for field in fields(Movement)]
_CONTENT = ", ".join(_FIELDS)
_values_of = attrgetter(*_FIELDS)
_PLACES = ", ".join("?" for _ in _FIELDS)
_FIND = f"""
SELECT number, outcome, message, rolled_back, {_CONTENT} FROM movements WHERE transaction_id = ?
"""
_ADD = f"INSERT INTO movements ({_CONTENT}, outcome, message) VALUES ({_PLACES}, ?, ?)"
_WALLET = """
SELECT p.status, b.amount_minor FROM players p
LEFT JOIN balances b ON b.player_id = p.player_id AND b.currency_code = ?
WHERE p.player_id = ?
"""
_PAY = """
UPDATE balances SET amount_minor = amount_minor + ? WHERE player_id = ? AND currency_code = ?
"""
_STANDING_BET = f"""
SELECT 1 FROM movements WHERE player_id = ? AND game_id = ? AND round_id = ? AND kind = 'bet'
AND outcome = {Outcome.ACCEPTED:d} AND NOT rolled_back LIMIT 1
"""
# A win settles the bet that it names; one that names none settles the bets that came before it in
# the round, if it is their result; one that closes the round settles all of them.
_SETTLING_WIN = f"""
SELECT 1 FROM movements WHERE player_id = ? AND game_id = ? AND round_id = ? AND kind = 'win'
AND outcome = {Outcome.ACCEPTED:d} AND NOT rolled_back AND (
    reference = ? OR close_round
    OR (reference = '' AND win_type = {wallet_pb2.WIN_TYPE_REGULAR:d} AND number > ?)
) LIMIT 1
"""


class Status(StrEnum):
    """Whether a player may play."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    SELF_EXCLUDED = "self-excluded"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A player's state in one currency; `balance_minor` is None where there is no such balance."""

    status: Status
    balance_minor: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the casino remembers of a transaction id."""

    number: int
    movement: Movement
    verdict: Verdict
    rolled_back: bool


class Store:
    """Statements over one SQLite database. `run` is the way to several of them at once."""

    def __init__(self, database: str = MEMORY) -> None:
        self._is_file = database != MEMORY
        # Used by one thread at a time: see `_transact`.
        self._db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._lock = threading.RLock()
        self._waiting: list[tuple[Callable[[], object], asyncio.Future[object]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._db.execute("PRAGMA journal_mode = WAL")
        # Each commit waits for the disk: an answer must not be forgotten by a power cut.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    async def close(self) -> None:
        """Let what was begun come to its end, and close the database."""
        if self._writer is not None:
            await self._writer
        self._db.close()

    async def run(self, work: Callable[[], T]) -> T:
        """Do some work in one SQLite transaction and return its result once that is committed.

        With a file, work that waits together is committed together: a disk takes some hundred
        commits a second, and a casino some thousand calls.
        """
        if not self._is_file:
            return self.transact([work])[0]
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))  # type: ignore[arg-type]
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await future

    def transact(self, works: list[Callable[[], T]]) -> list[T]:
        """Do all of it in one SQLite transaction, or, when any of it fails, none."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                results = [work() for work in works]
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            return results

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self.transact, [work for work, _ in batch])
            except Exception as error:  # it is each caller's, and none is let hang
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():  # the caller has hung up
                    future.set_result(result)
        self._writer = None

    def find(self, transaction_id: str) -> Known | None:
        """Return what is remembered of an id."""
        row = self._db.execute(_FIND, (transaction_id,)).fetchone()
        if row is None:
            return None
        number, outcome, message, rolled_back, kind, *content = row
        movement = Movement(Kind(kind), *content)
        return Known(number, movement, Verdict(Outcome(outcome), message), bool(rolled_back))

    def add(self, movement: Movement, verdict: Verdict) -> int:
        """Remember a movement with its answer; return the casino's own number of it."""
        values = (*_values_of(movement), int(verdict.outcome), verdict.message)
        return self._db.execute(_ADD, values).lastrowid or 0

    def mark_rolled_back(self, known: Known) -> None:
        """Remember that a movement was undone."""
        self._db.execute("UPDATE movements SET rolled_back = 1 WHERE number = ?", (known.number,))

    def wallet(self, player_id: str, currency_code: str) -> Wallet | None:
        """Return a player's state, or None when there is no such player."""
        row = self._db.execute(_WALLET, (currency_code, player_id)).fetchone()
        return None if row is None else Wallet(Status(row[0]), row[1])

    def pay(self, movement: Movement, change_minor: int) -> None:
        """Change the balance of a movement's player; the balance must exist and suffice."""
        self._db.execute(_PAY, (change_minor, movement.player_id, movement.currency_code))

    def has_standing_bet(self, movement: Movement) -> bool:
        """Tell whether a bet stands in the movement's round."""
        found = (movement.player_id, movement.game_id, movement.round_id)
        return self._db.execute(_STANDING_BET, found).fetchone() is not None

    def is_settled(self, bet: Known) -> bool:
        """Tell whether a standing win names or covers a bet, or has closed its round."""
        of = bet.movement
        values = (of.player_id, of.game_id, of.round_id, of.transaction_id, bet.number)
        return self._db.execute(_SETTLING_WIN, values).fetchone() is not None

    def add_players(self, players: Iterable[tuple[str, str, int]]) -> None:
        """Add active players: (player, currency, minor units). Balances that exist stay."""
        rows = list(players)
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR IGNORE INTO players VALUES (?, 'active')", [row[:1] for row in rows]
            )
            self._db.executemany("INSERT OR IGNORE INTO balances VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def set_status(self, player_id: str, status: Status) -> bool:
        """Change a player's status; tell whether there is such a player."""
        with self._lock:
            change = (status.value, player_id)
            changed = self._db.execute("UPDATE players SET status = ? WHERE player_id = ?", change)
            return changed.rowcount > 0

    def total(self, currency_code: str) -> int:
        """Return the sum of all balances of a currency, in minor units."""
        query = "SELECT COALESCE(SUM(amount_minor), 0) FROM balances WHERE currency_code = ?"
        with self._lock:
            return int(self._db.execute(query, (currency_code,)).fetchone()[0])
