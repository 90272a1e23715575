"""What Purser asks for and what a casino answers, free of protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser.wallet.v1 import wallet_pb2


class Outcome(IntEnum):
    """What came of a call; the comments of CallbackOutcome in the contract explain each."""

    ACCEPTED = pb.CALLBACK_OUTCOME_ACCEPTED
    DUPLICATE = pb.CALLBACK_OUTCOME_DUPLICATE
    INSUFFICIENT_FUNDS = pb.CALLBACK_OUTCOME_INSUFFICIENT_FUNDS
    PLAYER_NOT_FOUND = pb.CALLBACK_OUTCOME_PLAYER_NOT_FOUND
    PLAYER_SUSPENDED = pb.CALLBACK_OUTCOME_PLAYER_SUSPENDED
    PLAYER_SELF_EXCLUDED = pb.CALLBACK_OUTCOME_PLAYER_SELF_EXCLUDED
    LIMIT_REACHED = pb.CALLBACK_OUTCOME_LIMIT_REACHED
    CURRENCY_NOT_SUPPORTED = pb.CALLBACK_OUTCOME_CURRENCY_NOT_SUPPORTED
    NOT_ELIGIBLE = pb.CALLBACK_OUTCOME_NOT_ELIGIBLE
    REFUSED = pb.CALLBACK_OUTCOME_REFUSED
    TRANSACTION_ID_REUSED = pb.CALLBACK_OUTCOME_TRANSACTION_ID_REUSED
    TRANSACTION_ROLLED_BACK = pb.CALLBACK_OUTCOME_TRANSACTION_ROLLED_BACK
    TOMBSTONED = pb.CALLBACK_OUTCOME_TOMBSTONED
    NOTHING_TO_ROLL_BACK = pb.CALLBACK_OUTCOME_NOTHING_TO_ROLL_BACK
    STANDS = pb.CALLBACK_OUTCOME_STANDS
    IN_PROGRESS = pb.CALLBACK_OUTCOME_IN_PROGRESS


class Kind(StrEnum):
    """What is remembered under a transaction id."""

    BET = "bet"
    WIN = "win"
    ROLLBACK = "rollback"
    PRIZE_CASHBACK = "prize cashback"
    TOMBSTONE = "tombstone"


class Verdict(NamedTuple):
    """An outcome, and a line for people where there is more to say."""

    outcome: Outcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """The content of a transaction id: two movements that are equal ask for the same.

    `amount_minor` is in minor units. `reference` is the bet of a win or the original of a rollback.
    """

    kind: Kind
    transaction_id: str
    player_id: str
    currency_code: str
    amount_minor: int
    game_id: str = ""
    round_id: str = ""
    reference: str = ""
    prize_id: str = ""
    win_type: int = 0
    close_round: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Purser. `balance_minor` is None where the player has no such balance."""

    verdict: Verdict
    balance_minor: int | None
    casino_transaction_id: str = ""


def read_bet(request: Any) -> Movement:
    """Return the content of a BetRequest."""
    return Movement(
        Kind.BET,
        request.transaction_id,
        request.player_id,
        request.amount.currency_code,
        request.amount.minor_units,
        request.game_id,
        request.round_id,
    )


def read_win(request: Any) -> Movement:
    """Return the content of a WinRequest. A win without a type is a regular one."""
    return Movement(
        Kind.WIN,
        request.transaction_id,
        request.player_id,
        request.amount.currency_code,
        request.amount.minor_units,
        request.game_id,
        request.round_id,
        reference=request.bet_transaction_id,
        win_type=request.win_type or wallet_pb2.WIN_TYPE_REGULAR,
        close_round=request.close_round,
    )


def read_rollback(request: Any) -> Movement:
    """Return the content of a RollbackRequest."""
    return Movement(
        Kind.ROLLBACK,
        request.transaction_id,
        request.player_id,
        request.amount.currency_code,
        request.amount.minor_units,
        request.game_id,
        request.round_id,
        reference=request.original_transaction_id,
        prize_id=request.prize_id,
    )


def read_prize_cashback(request: Any) -> Movement:
    """Return the content of a PrizeCashbackRequest."""
    return Movement(
        Kind.PRIZE_CASHBACK,
        request.transaction_id,
        request.player_id,
        request.amount.currency_code,
        request.amount.minor_units,
        prize_id=request.prize_id,
    )


def malformed(movement: Movement) -> str:
    """Say what makes a movement no movement at all; empty when it is well formed.

    Purser sends no such thing, so it is no business answer: the call is refused as it stands, and
    nothing is remembered.
    """
    if not (movement.transaction_id and movement.player_id and movement.currency_code):
        return "transaction_id, player_id and amount must be given"
    if movement.amount_minor < 0:
        return "amount must not be negative"
    if movement.kind is Kind.ROLLBACK and not movement.reference:
        return "original_transaction_id must be given"
    if movement.reference == movement.transaction_id:
        return "a movement cannot refer to itself"
    return ""
