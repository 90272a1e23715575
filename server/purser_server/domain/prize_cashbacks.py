"""Requests to return prizes: what their transactions mean to the caller, and to the player."""

from __future__ import annotations

from collections.abc import Mapping

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.outcomes import CallbackOutcome, Phase, casino_unreachable
from purser_server.domain.pending import Pending
from purser_server.domain.prizes import ReturnPrize
from purser_server.domain.replay import id_reused
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.domain.values import Number, value


class PrizeCashbackState(Number):
    """What came of a request to return a prize; the numbers are those of the contract."""

    CONFIRMED = 1
    DENIED = 2
    FAILED = 3
    PENDING = 4


@value
class PrizeCashback:
    """A request to return a prize, as it is now. `phase` is what is asked of the casino, if any."""

    transaction: Transaction
    phase: Phase | None = None

    @property
    def state(self) -> PrizeCashbackState:
        """What came of it."""
        match self.transaction.state:
            case TransactionState.COMPLETED:
                return PrizeCashbackState.CONFIRMED
            case TransactionState.PENDING:
                is_undoing = self.phase is Phase.UNDOING
                return PrizeCashbackState.FAILED if is_undoing else PrizeCashbackState.PENDING
            case TransactionState.REFUSED if not _was_unheard(self.transaction):
                return PrizeCashbackState.DENIED
        return PrizeCashbackState.FAILED

    @property
    def refusal(self) -> Refusal | None:
        """Why it came to nothing; None where it did not."""
        if self.state is PrizeCashbackState.FAILED and self.phase is not None:
            return casino_unreachable(self.transaction.transaction_id, is_sent=True)
        return self.transaction.refusal


def cashback_of(transaction: Transaction, pending: Pending | None) -> PrizeCashback:
    """Return a cashback as its transaction and its intent, if it is one, tell."""
    return PrizeCashback(transaction, None if pending is None else pending.phase)


def replay_return(asked: ReturnPrize, known: Transaction) -> Refusal | None:
    """Refuse a request whose id is known with another content; None if it is the same."""
    if known.type is not TransactionType.PRIZE_CASHBACK:
        return id_reused(asked.transaction_id, "type")
    if known.player_id != asked.player_id:
        return id_reused(asked.transaction_id, "player_id")
    return None if known.prize_id == asked.prize_id else id_reused(asked.transaction_id, "prize_id")


def casino_unheard(transaction_id: str) -> Refusal:
    """Refuse because the casino answers nobody: it was not asked, and that is final for this id."""
    return Refusal(
        Reason.CASINO_UNREACHABLE,
        "the casino cannot be reached and was not asked; ask for the prize again with a new id",
        {"transaction_id": transaction_id, "state": "NOT_SENT"},
    )


def _was_unheard(refused: Transaction) -> bool:
    """Tell whether the caller was told FAILED: it must hear the same for ever."""
    refusal = refused.refusal
    assert refusal is not None, "what is refused says why"
    # Found by the rollback alone: the casino had refused what it was never heard to refuse.
    had_refused = refusal.metadata.get("outcome") == CallbackOutcome.NOTHING_TO_ROLL_BACK.name
    return refusal.reason is Reason.CASINO_UNREACHABLE or had_refused


# -- words for players ---------------------------------------------------------------------------

_STILL_YOURS = "The prize is still yours."

PLAYER_MESSAGES: Mapping[Reason, str] = {
    Reason.PLAYER_SUSPENDED: "Your account is suspended, so the prize cannot be exchanged for"
    f" money now. {_STILL_YOURS} Please contact support.",
    Reason.PLAYER_SELF_EXCLUDED: "You have excluded yourself from play, so the prize cannot be"
    f" exchanged for money now. {_STILL_YOURS}",
    Reason.PLAYER_CLOSED: "Your account is closed, so the prize cannot be exchanged for money."
    " Please contact support.",
    Reason.PLAYER_NOT_FOUND: "We could not find your account at the casino. "
    f"{_STILL_YOURS} Please contact support.",
    Reason.CASINO_REFUSED: f"The casino could not exchange this prize for money. {_STILL_YOURS}"
    " Please contact support.",
    Reason.CASINO_UNREACHABLE: "The prize could not be exchanged for money just now."
    " Please try again in a few minutes.",
}
"""Purser's own texts. An operator may give others for any reason."""

_ANY_OTHER = f"The prize could not be exchanged for money. {_STILL_YOURS}"


def player_message(cashback: PrizeCashback, own: Mapping[str, str]) -> str:
    """Return what to tell the player, in the operator's own words if there are some.

    A FAILED one has the words of CASINO_UNREACHABLE, however it was settled since.
    """
    refusal = cashback.refusal
    if refusal is None or cashback.state is PrizeCashbackState.CONFIRMED:
        return ""
    is_failed = cashback.state is PrizeCashbackState.FAILED
    reason = Reason.CASINO_UNREACHABLE if is_failed else refusal.reason
    return own.get(reason, "") or PLAYER_MESSAGES.get(reason, _ANY_OTHER)
