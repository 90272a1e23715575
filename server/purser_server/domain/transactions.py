"""Transactions: what a client asked for under its own id, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.rounds import Round
from purser_server.domain.values import Number, value


class TransactionType(Number):
    """The kinds of transaction; the numbers are those of the contract and of the store."""

    UNSPECIFIED = 0
    DEPOSIT = 1
    WITHDRAWAL = 2
    BET = 3
    WIN = 4
    ROLLBACK = 5
    CLOSE_ROUND = 6
    CASHBACK = 7
    CASHBACK_REVERSAL = 8
    PRIZE_CASHBACK = 9
    ADJUSTMENT = 10
    REDEMPTION = 11
    REDEMPTION_REFUND = 12
    POINTS_EXPIRY = 13


class TransactionState(Number):
    """The states of a transaction; the numbers are those of the contract and of the store."""

    COMPLETED = 1
    REFUSED = 2
    PENDING = 3
    ROLLED_BACK = 4
    TOMBSTONE = 5


class WinType(Number):
    """Why a win is paid; the numbers are those of the contract and of the store."""

    REGULAR = 1
    FREE_ROUND = 2
    JACKPOT = 3
    PROMO = 4
    TOURNAMENT = 5


class RollbackOutcome(Number):
    """What a rollback found; the numbers are those of the contract and of the store."""

    NONE = 0
    ROLLED_BACK = 1
    TOMBSTONED = 2
    NOTHING_TO_ROLL_BACK = 3
    PENDING = 4


@value
class Transaction:
    """One entry of the history: the request, the decision, and its one transfer, if it has one.

    Amounts are minor units. `number` ascends in the order in which a wallet's transactions were
    decided. `change` is what the wallet gained (negative: gave); 0 when nothing was posted, and
    then `wallet_sequence` is 0. The balances are None where there is no wallet to speak of.
    """

    number: int
    transaction_id: str
    type: TransactionType
    state: TransactionState
    player_id: str
    create_time: datetime
    currency_code: str = ""
    amount: int = 0
    game_id: str = ""
    round_id: str = ""
    related_transaction_id: str = ""
    win_type: WinType = WinType.REGULAR
    closes_round: bool = False
    takes_all: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    change: int = 0
    balance_before: int | None = None
    wallet_sequence: int = 0
    counts_in_round: bool = False
    rollback_outcome: RollbackOutcome = RollbackOutcome.NONE
    refusal: Refusal | None = None
    round: Round | None = None
    at_casino: bool = False
    """Whether the casino keeps the money that it moved."""
    casino_balance: int | None = None
    casino_transaction_id: str = ""
    loyalty: Mapping[str, Any] | None = None
    """What rewards and movements of points have beside: their content, and how they came about."""
    prize_id: str = ""
    """The prize that it pays for."""

    @property
    def balance_after(self) -> int | None:
        """The balance once it was posted, in minor units; as the casino told it, if it keeps it."""
        if self.balance_before is None:
            return self.casino_balance
        return self.balance_before + self.change


def transaction_not_found(transaction_id: str) -> Refusal:
    """Refuse because there is no such transaction, or it is another player's."""
    return Refusal(
        Reason.TRANSACTION_NOT_FOUND,
        f"there is no transaction {quoted(transaction_id)}",
        {"transaction_id": transaction_id},
    )
