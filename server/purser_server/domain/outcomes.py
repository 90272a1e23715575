"""Outcomes of calls to a casino: what each of its answers means, and what to do next.

The table is that of `casino_callback_service.proto`. Everything here is total: an answer that makes
no sense is unknown, and what is unknown is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.transactions import TransactionState, TransactionType
from purser_server.domain.values import Number, value


class CallbackOutcome(Number):
    """What a casino answers; the numbers are those of the contract. UNKNOWN is no answer at all."""

    UNKNOWN = 0
    ACCEPTED = 1
    DUPLICATE = 2
    INSUFFICIENT_FUNDS = 3
    PLAYER_NOT_FOUND = 4
    PLAYER_SUSPENDED = 5
    PLAYER_SELF_EXCLUDED = 6
    LIMIT_REACHED = 7
    CURRENCY_NOT_SUPPORTED = 8
    NOT_ELIGIBLE = 9
    REFUSED = 10
    TRANSACTION_ID_REUSED = 11
    TRANSACTION_ROLLED_BACK = 12
    TOMBSTONED = 13
    NOTHING_TO_ROLL_BACK = 14
    STANDS = 15
    IN_PROGRESS = 16


class Phase(Number):
    """What is asked of the casino for a movement; the numbers are those of the store."""

    WAITING = 1
    """Nothing yet: it waits for the bet, or the original, that it refers to."""
    SENDING = 2
    """The movement itself."""
    UNDOING = 3
    """To roll a bet or a prize back of which nobody knows whether it was applied."""


@value
class Report:
    """What came of one attempt. `balance` is in minor units, None when missing or nonsense."""

    phase: Phase
    outcome: CallbackOutcome
    balance: int | None = None
    casino_transaction_id: str = ""
    message: str = ""
    is_call_refused: bool = False
    """Whether the casino would not listen at all: one side has a defect."""


class Alert(StrEnum):
    """What people must look at, for it will not mend itself."""

    CALL_REFUSED = "call_refused"
    """The casino would not listen: UNAUTHENTICATED, PERMISSION_DENIED and their like."""
    ANSWER_FORBIDDEN = "answer_forbidden"
    """The casino's answer is one that a sound casino does not give to this."""
    BALANCE_UNUSABLE = "balance_unusable"
    """The casino's answer has no balance, or one that makes no sense."""
    ANSWER_TOO_LATE = "answer_too_late"
    """The casino's answer contradicts an outcome that was stored before, as by a person."""
    CASE_OPENED = "case_opened"
    """A movement waits for a person from now on."""


class Fate(Number):
    """What becomes of a movement."""

    COMPLETED = 1
    REFUSED = 2
    ROLLED_BACK = 3
    TO_BE_UNDONE = 4
    """Unknown whether a bet or a prize was applied: it must be rolled back."""
    TO_BE_REPEATED = 5
    """Not known yet: the same again, later."""
    CASE = 6
    """A person must look at it; meanwhile the same again, seldom."""


ENDS = frozenset({Fate.COMPLETED, Fate.REFUSED, Fate.ROLLED_BACK})
"""With these a movement has its outcome."""


@value
class Verdict:
    """What a report means for a movement. An alert tells people that one side has a defect."""

    fate: Fate
    refusal: Refusal | None = None
    is_alert: bool = False


_SUCCESS = frozenset({CallbackOutcome.ACCEPTED, CallbackOutcome.DUPLICATE})

_REFUSALS = frozenset(
    {
        CallbackOutcome.INSUFFICIENT_FUNDS,
        CallbackOutcome.PLAYER_NOT_FOUND,
        CallbackOutcome.PLAYER_SUSPENDED,
        CallbackOutcome.PLAYER_SELF_EXCLUDED,
        CallbackOutcome.LIMIT_REACHED,
        CallbackOutcome.CURRENCY_NOT_SUPPORTED,
        CallbackOutcome.NOT_ELIGIBLE,
        CallbackOutcome.REFUSED,
        CallbackOutcome.TRANSACTION_ID_REUSED,
        CallbackOutcome.TRANSACTION_ROLLED_BACK,
    }
)
"""Answers to a bet, a win or a prize: it was surely not applied."""

_DEFECTS = frozenset(
    {CallbackOutcome.TRANSACTION_ID_REUSED, CallbackOutcome.TRANSACTION_ROLLED_BACK}
)
"""Refusals that a sound casino gives to no request of ours."""

_UNDONE = frozenset(
    {
        CallbackOutcome.ACCEPTED,
        CallbackOutcome.DUPLICATE,
        CallbackOutcome.TOMBSTONED,
        CallbackOutcome.TRANSACTION_ROLLED_BACK,
    }
)
"""Answers to a rollback: its original has no effect and will have none."""

UNDONE_IF_UNHEARD = frozenset({TransactionType.BET, TransactionType.PRIZE_CASHBACK})
"""What is rolled back when nobody knows whether the casino applied it."""

_OWN_REASON: Mapping[CallbackOutcome, Reason] = {
    CallbackOutcome.INSUFFICIENT_FUNDS: Reason.INSUFFICIENT_FUNDS,
    CallbackOutcome.PLAYER_NOT_FOUND: Reason.PLAYER_NOT_FOUND,
    CallbackOutcome.PLAYER_SUSPENDED: Reason.PLAYER_SUSPENDED,
    CallbackOutcome.PLAYER_SELF_EXCLUDED: Reason.PLAYER_SELF_EXCLUDED,
}


@value
class Movement:
    """What a verdict must know of a movement: what it is, and the names that refusals tell."""

    type: TransactionType
    transaction_id: str
    player_id: str
    currency_code: str = ""
    amount: int = 0
    round_id: str = ""
    original_type: TransactionType = TransactionType.UNSPECIFIED
    original_id: str = ""


def judge(movement: Movement, report: Report) -> Verdict:
    """Tell what a report means for a movement (casino_callback_service.proto tells each)."""
    if report.phase is Phase.UNDOING:
        return _judge_undoing(movement, report)
    if movement.type is TransactionType.ROLLBACK:
        return _judge_rollback(movement, report)
    if report.outcome in _SUCCESS:
        return Verdict(Fate.COMPLETED)
    if report.outcome not in _REFUSALS:
        is_undone = movement.type in UNDONE_IF_UNHEARD
        return Verdict(Fate.TO_BE_UNDONE if is_undone else Fate.TO_BE_REPEATED)
    if movement.type in (TransactionType.WIN, TransactionType.CASHBACK):
        # A win that the casino does not want is owed all the same; cashback is sent as one.
        return Verdict(Fate.CASE, is_alert=True)
    is_alert = report.outcome in _DEFECTS
    return Verdict(Fate.REFUSED, refusal_of(movement, report), is_alert=is_alert)


def alerts(movement: Movement, report: Report) -> Sequence[Alert]:
    """Tell what people must look at in a report."""
    found = []
    if report.is_call_refused:
        found.append(Alert.CALL_REFUSED)
    if judge(movement, report).is_alert:
        found.append(Alert.ANSWER_FORBIDDEN)
    if report.outcome in _SUCCESS and report.balance is None:
        found.append(Alert.BALANCE_UNUSABLE)
    return found


def contradicts(report: Report, state: TransactionState) -> bool:
    """Tell whether an answer that came too late says the opposite of the outcome that stands."""
    stands = state is TransactionState.COMPLETED
    if report.phase is Phase.UNDOING:
        says_it_stands = report.outcome is CallbackOutcome.STANDS
        return report.outcome in _UNDONE if stands else says_it_stands
    return report.outcome in _SUCCESS and not stands


def _judge_undoing(lost: Movement, report: Report) -> Verdict:
    """Judge the answer to Purser's own rollback of a bet or a prize."""
    if report.outcome in _UNDONE:
        return Verdict(Fate.ROLLED_BACK)
    if report.outcome is CallbackOutcome.STANDS:
        return Verdict(Fate.COMPLETED)
    if report.outcome is CallbackOutcome.NOTHING_TO_ROLL_BACK:
        return Verdict(Fate.REFUSED, refusal_of(lost, report))
    return Verdict(Fate.TO_BE_REPEATED, is_alert=report.outcome in _REFUSALS)


def _judge_rollback(rollback: Movement, report: Report) -> Verdict:
    """Judge the answer to a rollback that the game asked for."""
    if report.outcome in _UNDONE:
        return Verdict(Fate.COMPLETED)
    if report.outcome is CallbackOutcome.NOTHING_TO_ROLL_BACK:
        # Purser sends the rollback of what stands alone: the two sides have not agreed before.
        return Verdict(Fate.COMPLETED, is_alert=True)
    if report.outcome is CallbackOutcome.STANDS:
        return Verdict(Fate.REFUSED, _stands(rollback))
    is_of_win = rollback.original_type is TransactionType.WIN
    if report.outcome is CallbackOutcome.INSUFFICIENT_FUNDS and is_of_win:
        return Verdict(Fate.REFUSED, refusal_of(rollback, report))
    if report.outcome in _REFUSALS:
        return Verdict(Fate.CASE, is_alert=True)
    return Verdict(Fate.TO_BE_REPEATED)


def refusal_of(movement: Movement, report: Report) -> Refusal:
    """Return how a game hears a casino's refusal."""
    reason = _OWN_REASON.get(report.outcome, Reason.CASINO_REFUSED)
    if reason is Reason.INSUFFICIENT_FUNDS:
        balance = "" if report.balance is None else str(report.balance)
        metadata = {
            "balance": balance,
            "required": str(movement.amount),
            "currency_code": movement.currency_code,
        }
        return Refusal(reason, "the casino says that the player's balance is too low", metadata)
    if reason is Reason.CASINO_REFUSED:
        return casino_refused(report)
    return Refusal(
        reason,
        f"the casino refused it: {report.outcome.name}",
        {"player_id": movement.player_id},
    )


def casino_refused(report: Report) -> Refusal:
    """Refuse because the casino did, for a reason of its own."""
    outcome = report.outcome.name
    return Refusal(
        Reason.CASINO_REFUSED,
        f"the casino refused it: {outcome}",
        {"outcome": outcome, "casino_message": report.message},
    )


def casino_unreachable(transaction_id: str, *, is_sent: bool) -> Refusal:
    """Refuse because the casino's answer is not known (`is_sent`), or it was not asked at all."""
    if is_sent:
        text = "the casino's answer is not known; Purser settles it: do not send it again"
    else:
        text = "the casino cannot be reached and was not asked; the same id may be sent again"
    state = "PENDING" if is_sent else "NOT_SENT"
    return Refusal(
        Reason.CASINO_UNREACHABLE, text, {"transaction_id": transaction_id, "state": state}
    )


def balance_unknown() -> Refusal:
    """Refuse because the casino did not tell a balance; asking moves nothing."""
    return Refusal(
        Reason.CASINO_UNREACHABLE,
        "the casino has not told the balance; ask again in a moment",
        {"transaction_id": "", "state": "NOT_SENT"},
    )


def _stands(rollback: Movement) -> Refusal:
    return Refusal(
        Reason.BET_ALREADY_SETTLED,
        "the casino says that it is settled and cannot be undone",
        {"transaction_id": rollback.original_id, "round_id": rollback.round_id},
    )
