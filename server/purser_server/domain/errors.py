"""Refusals: why something was not done, in a form that knows nothing of transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import TypeVar

from purser_server.domain.values import value

Result = TypeVar("Result")


class Reason(StrEnum):
    """The reasons that this release can raise; names as in the published catalogue of errors."""

    INVALID_FIELD = "INVALID_FIELD"
    AMOUNT_RANGE = "AMOUNT_RANGE"
    CURRENCY_UNKNOWN = "CURRENCY_UNKNOWN"
    UNAUTHENTICATED_KEY = "UNAUTHENTICATED_KEY"
    ROLE_MISSING = "ROLE_MISSING"
    PLAYER_NOT_FOUND = "PLAYER_NOT_FOUND"
    WALLET_NOT_FOUND = "WALLET_NOT_FOUND"
    TRANSACTION_NOT_FOUND = "TRANSACTION_NOT_FOUND"
    ROUND_NOT_FOUND = "ROUND_NOT_FOUND"
    BET_NOT_FOUND = "BET_NOT_FOUND"
    API_KEY_NOT_FOUND = "API_KEY_NOT_FOUND"
    CAMPAIGN_NOT_FOUND = "CAMPAIGN_NOT_FOUND"
    HOLD_NOT_FOUND = "HOLD_NOT_FOUND"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    PRIZE_NOT_FOUND = "PRIZE_NOT_FOUND"
    CASE_NOT_FOUND = "CASE_NOT_FOUND"
    OPERATOR_NOT_FOUND = "OPERATOR_NOT_FOUND"
    PLAYER_EXISTS = "PLAYER_EXISTS"
    OPERATOR_EXISTS = "OPERATOR_EXISTS"
    TRANSACTION_ID_REUSED = "TRANSACTION_ID_REUSED"
    CAMPAIGN_EXISTS = "CAMPAIGN_EXISTS"
    PRIZE_EXISTS = "PRIZE_EXISTS"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INSUFFICIENT_POINTS = "INSUFFICIENT_POINTS"
    PLAYER_SUSPENDED = "PLAYER_SUSPENDED"
    PLAYER_SELF_EXCLUDED = "PLAYER_SELF_EXCLUDED"
    PLAYER_CLOSED = "PLAYER_CLOSED"
    ROUND_CLOSED = "ROUND_CLOSED"
    BET_ALREADY_SETTLED = "BET_ALREADY_SETTLED"
    TRANSACTION_ROLLED_BACK = "TRANSACTION_ROLLED_BACK"
    TRANSACTION_NOT_REVERSIBLE = "TRANSACTION_NOT_REVERSIBLE"
    SESSION_INVALID = "SESSION_INVALID"
    WRONG_MODE = "WRONG_MODE"
    MODE_CHANGE_BLOCKED = "MODE_CHANGE_BLOCKED"
    CASINO_REFUSED = "CASINO_REFUSED"
    CASINO_UNREACHABLE = "CASINO_UNREACHABLE"
    CASE_ALREADY_RESOLVED = "CASE_ALREADY_RESOLVED"
    HOLD_NOT_ACTIVE = "HOLD_NOT_ACTIVE"
    PRIZE_NOT_RETURNABLE = "PRIZE_NOT_RETURNABLE"
    PRIZE_NOT_SHIPPABLE = "PRIZE_NOT_SHIPPABLE"
    REFUND_EXCEEDS_ORDER = "REFUND_EXCEEDS_ORDER"
    REFUND_LINE_UNKNOWN = "REFUND_LINE_UNKNOWN"
    REFUND_LINE_AMBIGUOUS = "REFUND_LINE_AMBIGUOUS"
    REFUND_LINES_REQUIRED = "REFUND_LINES_REQUIRED"
    ATOMIC_GROUP_FAILED = "ATOMIC_GROUP_FAILED"
    OVERLOADED = "OVERLOADED"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


FINAL_REASONS = frozenset(
    {
        Reason.INSUFFICIENT_FUNDS,
        Reason.INSUFFICIENT_POINTS,
        Reason.PLAYER_SUSPENDED,
        Reason.PLAYER_SELF_EXCLUDED,
        Reason.PLAYER_CLOSED,
        Reason.ROUND_CLOSED,
        Reason.BET_ALREADY_SETTLED,
        Reason.TRANSACTION_ROLLED_BACK,
        Reason.BET_NOT_FOUND,
        Reason.SESSION_INVALID,
        Reason.TRANSACTION_NOT_REVERSIBLE,
        Reason.CASINO_REFUSED,
        Reason.REFUND_EXCEEDS_ORDER,
    }
)
"""Refusals of a movement that depend on state: stored, and final for their transaction id."""

REPLAYED = "replayed"
"""Metadata key that a stored refusal carries when it is told again."""


@value
class Refusal:
    """Why a request was not carried out: a reason, a sentence for people, figures for programs."""

    reason: Reason
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether this refusal of a movement is stored and answered again for ever."""
        return self.reason in FINAL_REASONS

    def told_again(self) -> Refusal:
        """Return the refusal as a repeated request hears it."""
        return replace(self, metadata={**self.metadata, REPLAYED: "true"})


class RefusedError(Exception):
    """Carries a refusal to the edge, where there is no batch whose neighbours it could disturb."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.reason}: {refusal.message}")
        self.refusal = refusal


def accepted(result: Result | Refusal) -> Result:
    """Return a result that is no refusal. Raises RefusedError with the refusal that it is."""
    if isinstance(result, Refusal):
        raise RefusedError(result)
    return result


def overloaded(queue: str) -> Refusal:
    """Refuse because a queue is full: nothing was done, and the call may be sent again."""
    return Refusal(
        Reason.OVERLOADED,
        f"the {queue} queue is full; nothing was done; try again in a moment",
        {"queue": queue},
    )


def ledger_unavailable() -> Refusal:
    """Refuse because the database cannot be reached; a retry with the same ids settles it."""
    return Refusal(
        Reason.LEDGER_UNAVAILABLE,
        "the database cannot be reached or does not answer in time; repeat with the same ids",
    )


def invalid_field(path: str, problem: str) -> Refusal:
    """Refuse a request's field; `path` is its path in the request, `problem` completes "… must"."""
    return Refusal(Reason.INVALID_FIELD, f"{path} {problem}", {"field": path})
