"""What the use cases need of the store. All calls may raise RefusedError(LEDGER_UNAVAILABLE)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.cases import Case
from purser_server.domain.decisions import Session
from purser_server.domain.game_result import Played
from purser_server.domain.operators import ApiKey, Operator, Role
from purser_server.domain.players import Player, PlayerStatus, WalletBalance
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.domain.verification import Verification


@dataclass(frozen=True, slots=True)
class PlayerChange:
    """What an update of a player asks for; None and empty mean: leave it."""

    status: PlayerStatus | None = None
    add_currency_codes: Sequence[str] = ()
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CreatedAs:
    """The content of the request that created a player, for comparison with a repeated one."""

    currency_codes: tuple[str, ...]


class PlayerStore(Protocol):
    """Players and what their wallets hold."""

    async def create(
        self, operator: int, player_id: str, created_as: CreatedAs, metadata: Mapping[str, str]
    ) -> CreatedAs | None:
        """Create the player with a wallet per currency; None, or as what it exists already."""

    async def get(
        self, operator: int, player_id: str
    ) -> tuple[Player, Sequence[WalletBalance]] | None:
        """Return the player and its balances by currency code."""

    async def update(self, operator: int, player_id: str, change: PlayerChange) -> None:
        """Change the player under the locks that movements take.

        Raises RefusedError: PLAYER_NOT_FOUND, PLAYER_CLOSED.
        """

    async def list(
        self, operator: int, statuses: Sequence[PlayerStatus], after: int, limit: int
    ) -> Sequence[tuple[int, Player]]:
        """Return players with their numbers, oldest first, from behind number `after`."""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which transactions to list; empty and None mean: all."""

    player_id: str = ""
    round_id: str = ""
    types: tuple[TransactionType, ...] = ()
    states: tuple[TransactionState, ...] = ()
    start_time: datetime | None = None
    end_time: datetime | None = None


class HistoryStore(Protocol):
    """The history of transactions and rounds."""

    async def transaction(self, operator: int, transaction_id: str) -> Transaction | None:
        """Return a transaction by the client's id."""

    async def transactions(
        self, operator: int, only: HistoryFilter, before: int | None, limit: int
    ) -> Sequence[Transaction]:
        """Return transactions, newest first, from before the number `before`."""

    async def round(
        self, operator: int, player_id: str, game_id: str, round_id: str
    ) -> Round | None:
        """Return a round, if a bet has opened it."""


class FeedStore(Protocol):
    """The history in commit order. Positions of an operator ascend by one from 1."""

    async def page(
        self, operator: int, after: int, limit: int
    ) -> Sequence[tuple[int, Transaction]]:
        """Return the transactions behind position `after`, with their positions, in order."""

    async def last_positions(self, operators: Sequence[int]) -> Mapping[int, int]:
        """Return the position of each operator's last transaction; those without are left out."""


class SessionStore(Protocol):
    """Game sessions."""

    async def open(self, operator: int, session: Session) -> None:
        """Store an open session."""

    async def close(self, operator: int, session_id: str) -> bool:
        """Close a session, perhaps again; False when there is none."""


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """What an update of an operator asks for; None and empty mean: leave it."""

    display_name: str = ""
    add_currencies: Mapping[str, int] = field(default_factory=dict)
    player_messages: Mapping[str, str] | None = None
    callback: CallbackSettings | None = None


class OperatorStore(Protocol):
    """Operators."""

    async def create(
        self, operator_id: str, display_name: str, currencies: Mapping[str, int]
    ) -> tuple[Operator, bool]:
        """Create the operator, or return it as it was created first; True when created now."""

    async def get(self, operator_id: str) -> Operator | None:
        """Return an operator as it is now."""

    async def update(self, operator_id: str, change: OperatorChange) -> Operator | None:
        """Change what is given; None when there is no such operator."""

    async def list(self, after: int, limit: int) -> Sequence[Operator]:
        """Return operators, oldest first, from behind number `after`."""


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """An API key that is valid, and its operator (None for the installation's own)."""

    key: ApiKey
    operator: Operator | None


class KeyStore(Protocol):
    """API keys, of which only hashes are kept."""

    async def add(self, key_id: str, key_hash: bytes, operator: int, roles: Sequence[Role]) -> None:
        """Store a key of an operator; operator 0 is the installation."""

    async def owner(self, key_hash: bytes) -> KeyOwner | None:
        """Return whose key has this hash, unless it is unknown or revoked."""

    async def revoke(self, key_id: str) -> ApiKey | None:
        """Revoke a key, perhaps again; None when there is none."""

    async def list(self, operator: int, after: str, limit: int) -> Sequence[ApiKey]:
        """Return an operator's keys in the order of their ids, from behind `after`."""

    async def has_installation_key(self) -> bool:
        """Tell whether an admin key was made at a first start."""


class VerificationStore(Protocol):
    """The check of the whole ledger."""

    async def verify(self, operator: int | None) -> Verification:
        """Check one operator's ledger, or all, in one snapshot."""


@dataclass(frozen=True, slots=True)
class Seamless:
    """An operator in seamless mode: its id, and how its casino is called."""

    operator_id: str
    callback: CallbackSettings


class PendingStore(Protocol):
    """Movements whose outcome is not known."""

    async def hold(self, operator: int, transaction_id: str, seconds: float) -> None:
        """Hold an intent for so many seconds from now."""


class ModeStore(Protocol):
    """The modes of operators."""

    async def seamless(self, operator: int) -> Seamless | None:
        """Return an operator's id and callback settings, or None in transfer mode."""


class CaseStore(Protocol):
    """Cases. A case's number is that of its intent."""

    async def case(self, operator: int, number: int) -> Case | None:
        """Return a case, open or ended."""

    async def open_cases(self, operator: int | None, after: int, limit: int) -> Sequence[Case]:
        """Return open cases of one operator, or of all, oldest first, from behind a number."""


class GameResultStore(Protocol):
    """Sums of what was played."""

    async def played(
        self, operator: int, start: datetime | None, end: datetime | None
    ) -> Sequence[Played]:
        """Return what was played from `start` on and before `end`; None leaves a side open."""
