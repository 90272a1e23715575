"""What the write path needs of a store, and what passes between them.

The store implements `Writer`: one connection of one lane. Everything that a flush must
know comes in one `Loaded`, read under lock; everything that it changes goes back as `Changes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from purser_server.domain.accounts import AccountKind
from purser_server.domain.cases import EndedCase
from purser_server.domain.commands import Command
from purser_server.domain.decisions import Session, Wallet
from purser_server.domain.errors import Refusal
from purser_server.domain.intents import Settle
from purser_server.domain.pending import Pending
from purser_server.domain.points import Hold, HoldState, Lot, Points
from purser_server.domain.points_commands import Content, PointsCommand
from purser_server.domain.prizes import Prize, PrizeCommand
from purser_server.domain.programs import Campaign, Program
from purser_server.domain.redemptions import Redemption
from purser_server.domain.rewards import StoredReward
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction
from purser_server.domain.values import value

RoundKey = tuple[int, str, str, str]
"""operator number, player id, game id, round id"""

NUMBERS_PER_FLUSH = 32_768
"""How many transaction numbers one flush may use; the store hands them out in such blocks."""

UNASKED_PER_FLUSH = 10_000
"""How many expiries and payments, which nobody asked for, one flush posts; others wait."""


class StoreUnavailableError(Exception):
    """The connection was lost, or could not be made, before COMMIT was sent: nothing happened."""


class CommitUnknownError(Exception):
    """The connection was lost while COMMIT was on its way: it may or may not have happened."""


class ContentionError(Exception):
    """Another writer was in the way (deadlock, lock timeout, an id written just now): try again."""


class PoisonedError(Exception):
    """PostgreSQL refuses a value of this flush; `out_of_range` when a number grew too large."""

    def __init__(self, cause: str, *, out_of_range: bool) -> None:
        super().__init__(cause)
        self.out_of_range = out_of_range


@value
class Request:
    """One command of one operator, given by the operator's number in the store."""

    operator: int
    command: Command | Settle | PointsCommand | PrizeCommand


PlayerKey = tuple[int, str]
"""operator number, player id"""

IdKey = tuple[int, str]
"""operator number, a client's id"""

WalletKey = tuple[int, str, str]
"""operator number, player id, currency"""


@value
class StoredHold:
    """A hold with its player, and the content of the request that made it, or was refused."""

    player_id: str
    hold: Hold
    content: Content
    refusal: Refusal | None = None


@dataclass(slots=True)
class LoyaltyLoaded:
    """What is known of points before a flush is decided; the players are locked until its end."""

    points: dict[PlayerKey, Points] = field(default_factory=dict)
    holds: dict[IdKey, StoredHold] = field(default_factory=dict)
    """All active holds of these players, and whatever else these ids name."""
    redemptions: dict[IdKey, Redemption] = field(default_factory=dict)
    rewards: dict[IdKey, StoredReward] = field(default_factory=dict)
    """Those that commands name, and those of these players whose cash is to be paid by now."""
    owed: dict[WalletKey, int] = field(default_factory=dict)
    """What these players owe of cashback that was taken back, in minor units."""
    programs: dict[int, list[Program]] = field(default_factory=dict)
    campaigns: dict[int, list[Campaign]] = field(default_factory=dict)
    """Of each operator those that are on at the time of one of its orders."""

    def active_holds(self, operator: int, player_id: str) -> list[Hold]:
        """Return a player's active holds."""
        return [
            stored.hold
            for (of, _), stored in self.holds.items()
            if (of, stored.player_id) == (operator, player_id)
            and stored.hold.state is HoldState.ACTIVE
            and stored.refusal is None
        ]


@dataclass(slots=True)
class LoyaltyChanges:
    """What a flush writes of points, beside its transactions."""

    lots: list[tuple[int, int, Lot]] = field(default_factory=list)
    """operator number, player number, a lot as it is now"""
    gone: list[tuple[int, int]] = field(default_factory=list)
    """operator number, number of a lot that is empty"""
    new_holds: list[tuple[int, int, StoredHold]] = field(default_factory=list)
    holds: list[tuple[int, int, StoredHold]] = field(default_factory=list)
    redemptions: list[tuple[int, int, Redemption]] = field(default_factory=list)
    rewards: list[tuple[int, int, StoredReward]] = field(default_factory=list)
    """Like lots, holds and redemptions with the numbers of operator and player."""
    refunds: list[tuple[int, int, int, int]] = field(default_factory=list)
    """operator number, number of a refund, of its player, of its reward; comes with the reward"""
    expired: list[tuple[int, int, int]] = field(default_factory=list)
    """operator number, number of a reward, how many of its points have expired unspent"""
    owed: list[tuple[int, int, str, int]] = field(default_factory=list)
    """operator number, player number, currency, what is owed now"""

    @property
    def has_rewards(self) -> bool:
        """Whether there is anything to write of rewards."""
        return bool(self.rewards or self.owed or self.expired)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        has_holds = bool(self.new_holds or self.holds)
        return bool(self.lots or self.gone or self.redemptions) or has_holds or self.has_rewards


@dataclass(slots=True)
class PrizeChanges:
    """What a flush writes of prizes, beside their transactions."""

    new: list[tuple[int, int, Prize]] = field(default_factory=list)
    """operator number, player number, a prize that was granted"""
    changed: list[tuple[int, Prize]] = field(default_factory=list)
    """operator number, a prize as it is now"""

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.new or self.changed)


@value
class Loaded:
    """What is known before a flush is decided; the wallets are locked until its end.

    `numbers_from` is the first of NUMBERS_PER_FLUSH transaction numbers; they ascend with the
    order in which flushes got their locks. `players` maps (operator, player id) to the player's
    number. `house` maps (operator, kind, currency) to this writer's own stripe of that account.
    """

    numbers_from: int
    now: datetime
    players: Mapping[PlayerKey, int]
    wallets: Mapping[WalletKey, Wallet]
    house: Mapping[tuple[int, AccountKind, str], int]
    known: Mapping[IdKey, Transaction]
    rounds: Mapping[RoundKey, Round]
    sessions: Mapping[IdKey, Session]
    seamless: Mapping[int, timedelta] = field(default_factory=dict)
    """The operators in seamless mode, and for how long an attempt holds an intent."""
    pending: Mapping[IdKey, Pending] = field(default_factory=dict)
    """The intents of these players and ids, by operator and transaction id."""
    mode_changes: Mapping[int, int] = field(default_factory=dict)
    """How often these operators' mode was changed, where it ever was."""
    loyalty: LoyaltyLoaded | None = None
    """What is known of points, if a command concerns them."""
    prizes: Mapping[IdKey, Prize] = field(default_factory=dict)
    """The prizes that are named, by operator and prize id."""


@value
class Entry:
    """A transaction to be written, with the numbers of the rows that it belongs to."""

    operator: int
    player: int
    transaction: Transaction
    account: int | None = None
    contra_account: int | None = None
    round: int | None = None


@value
class Reversal:
    """`original` was rolled back by `rollback`, both as transaction numbers."""

    operator: int
    original: int
    rollback: int


@dataclass(slots=True)
class Changes:
    """What a flush writes, all at once. House accounts are given as the sum of their changes.

    `mode_changes` tells in which mode of its operators it was decided.
    """

    time: datetime
    mode_changes: Mapping[int, int]
    entries: list[Entry] = field(default_factory=list)
    reversals: list[Reversal] = field(default_factory=list)
    new_rounds: list[tuple[int, int, Round]] = field(default_factory=list)
    """operator number, player number, round"""
    rounds: list[tuple[int, Round]] = field(default_factory=list)
    wallets: list[tuple[int, Wallet]] = field(default_factory=list)
    house: list[tuple[int, int, int]] = field(default_factory=list)
    """operator number, account number, change in minor units"""
    pending: list[tuple[int, int, Pending]] = field(default_factory=list)
    """operator number, player number, an intent as it is now"""
    ended: list[tuple[int, str]] = field(default_factory=list)
    """operator number, transaction id of an intent that is no more"""
    begun: set[int] = field(default_factory=set)
    """The numbers of the intents that are new."""
    ended_cases: list[tuple[int, int, EndedCase]] = field(default_factory=list)
    """operator number, player number, a case that has ended with this flush"""
    loyalty: LoyaltyChanges | None = None
    prizes: PrizeChanges | None = None

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of all that is new; one of them found means that all of it was written."""
        new_prizes = self.prizes.new if self.prizes is not None else ()
        return frozenset(
            {entry.transaction.number for entry in self.entries}
            | self.begun
            | {prize.number for _, _, prize in new_prizes}
        )

    def __bool__(self) -> bool:
        """Whether there is anything to write; all else comes with an entry or an intent."""
        return bool(self.entries or self.pending or self.ended or self.loyalty or self.prizes)


class Writer(Protocol):
    """One lane's connection. Between `begin` and `commit` nothing else runs on it."""

    async def connect(self, patience_s: float) -> None:
        """Connect if not connected, trying for at most so many seconds.

        Ends a transaction that an earlier, lost connection of this writer may have left open.
        Raises StoreUnavailableError.
        """

    async def begin(self) -> None:
        """Open the SQL transaction."""

    async def load(self, requests: Sequence[Request]) -> Loaded:
        """Lock the wallets of these requests in sorted order, then read what is known of them."""

    async def save(self, changes: Changes) -> None:
        """Write everything, in few statements."""

    async def commit(self) -> None:
        """Commit. Raises CommitUnknownError when the answer was lost."""

    async def rollback(self) -> None:
        """Give the SQL transaction up; never raises."""

    async def close(self) -> None:
        """Close the connection; never raises."""
