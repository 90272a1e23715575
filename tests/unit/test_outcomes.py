"""What each answer of a casino means: the table of the callback contract."""

from __future__ import annotations

import pytest

from purser_server.domain.errors import Reason
from purser_server.domain.outcomes import (
    Alert,
    CallbackOutcome,
    Fate,
    Movement,
    Phase,
    Report,
    Verdict,
    alerts,
    contradicts,
    judge,
)
from purser_server.domain.transactions import TransactionState, TransactionType

C = CallbackOutcome
SUCCESS = {C.ACCEPTED, C.DUPLICATE}
REFUSALS = {
    C.INSUFFICIENT_FUNDS,
    C.PLAYER_NOT_FOUND,
    C.PLAYER_SUSPENDED,
    C.PLAYER_SELF_EXCLUDED,
    C.LIMIT_REACHED,
    C.CURRENCY_NOT_SUPPORTED,
    C.NOT_ELIGIBLE,
    C.REFUSED,
    C.TRANSACTION_ID_REUSED,
    C.TRANSACTION_ROLLED_BACK,
}
UNDONE = {C.ACCEPTED, C.DUPLICATE, C.TOMBSTONED, C.TRANSACTION_ROLLED_BACK}


def verdict(
    kind: TransactionType,
    outcome: CallbackOutcome,
    phase: Phase = Phase.SENDING,
    original: TransactionType = TransactionType.BET,
) -> Verdict:
    movement = Movement(kind, "t", "p", "EUR", 500, "r", original)
    return judge(movement, Report(phase, outcome, message="said so"))


@pytest.mark.parametrize("outcome", list(CallbackOutcome))
def test_a_bet_stands_is_refused_or_must_be_undone(outcome: CallbackOutcome) -> None:
    found = verdict(TransactionType.BET, outcome)
    if outcome in SUCCESS:
        assert found.fate is Fate.COMPLETED
    elif outcome in REFUSALS:
        assert found.fate is Fate.REFUSED
        assert found.refusal is not None
    else:
        assert found.fate is Fate.TO_BE_UNDONE


@pytest.mark.parametrize("outcome", list(CallbackOutcome))
def test_a_win_is_paid_repeated_or_shown_to_a_person_and_never_dropped(
    outcome: CallbackOutcome,
) -> None:
    found = verdict(TransactionType.WIN, outcome)
    if outcome in SUCCESS:
        assert found.fate is Fate.COMPLETED
    elif outcome in REFUSALS:
        assert found.fate is Fate.CASE
        assert found.is_alert
    else:
        assert found.fate is Fate.TO_BE_REPEATED


@pytest.mark.parametrize("outcome", list(CallbackOutcome))
def test_the_undoing_of_a_bet_ends_with_a_definitive_answer_alone(
    outcome: CallbackOutcome,
) -> None:
    found = verdict(TransactionType.BET, outcome, Phase.UNDOING)
    if outcome in UNDONE:
        assert found.fate is Fate.ROLLED_BACK
    elif outcome is C.STANDS:
        assert found.fate is Fate.COMPLETED
    elif outcome is C.NOTHING_TO_ROLL_BACK:
        assert found.fate is Fate.REFUSED
    else:
        assert found.fate is Fate.TO_BE_REPEATED
        assert found.is_alert == (outcome in REFUSALS)


@pytest.mark.parametrize("outcome", list(CallbackOutcome))
@pytest.mark.parametrize("original", [TransactionType.BET, TransactionType.WIN])
def test_a_games_rollback(outcome: CallbackOutcome, original: TransactionType) -> None:
    found = verdict(TransactionType.ROLLBACK, outcome, original=original)
    if outcome in UNDONE:
        assert found == Verdict(Fate.COMPLETED)
    elif outcome is C.NOTHING_TO_ROLL_BACK:
        # Only what stands is sent: the two sides disagree, and the casino has the money.
        assert found == Verdict(Fate.COMPLETED, is_alert=True)
    elif outcome is C.STANDS:
        assert found.fate is Fate.REFUSED
        assert found.refusal is not None
        assert found.refusal.reason is Reason.BET_ALREADY_SETTLED
    elif outcome is C.INSUFFICIENT_FUNDS and original is TransactionType.WIN:
        assert found.fate is Fate.REFUSED
    elif outcome in REFUSALS:
        assert found.fate is Fate.CASE
    else:
        assert found.fate is Fate.TO_BE_REPEATED


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (C.INSUFFICIENT_FUNDS, Reason.INSUFFICIENT_FUNDS),
        (C.PLAYER_NOT_FOUND, Reason.PLAYER_NOT_FOUND),
        (C.PLAYER_SUSPENDED, Reason.PLAYER_SUSPENDED),
        (C.PLAYER_SELF_EXCLUDED, Reason.PLAYER_SELF_EXCLUDED),
        (C.LIMIT_REACHED, Reason.CASINO_REFUSED),
        (C.TRANSACTION_ID_REUSED, Reason.CASINO_REFUSED),
    ],
)
def test_a_game_hears_the_casinos_reason(outcome: CallbackOutcome, reason: Reason) -> None:
    refusal = verdict(TransactionType.BET, outcome).refusal
    assert refusal is not None
    assert refusal.reason is reason
    if reason is Reason.CASINO_REFUSED:
        assert refusal.metadata == {"outcome": outcome.name, "casino_message": "said so"}


def test_what_a_sound_casino_never_answers_is_an_alert() -> None:
    for outcome in (C.TRANSACTION_ID_REUSED, C.TRANSACTION_ROLLED_BACK):
        assert verdict(TransactionType.BET, outcome).is_alert
    assert not verdict(TransactionType.BET, C.LIMIT_REACHED).is_alert


@pytest.mark.parametrize(
    ("kind", "report", "expected"),
    [
        ("BET", Report(Phase.SENDING, C.ACCEPTED, balance=5), []),
        ("BET", Report(Phase.SENDING, C.ACCEPTED), [Alert.BALANCE_UNUSABLE]),
        ("BET", Report(Phase.SENDING, C.REFUSED), []),
        ("BET", Report(Phase.SENDING, C.UNKNOWN), []),
        ("BET", Report(Phase.SENDING, C.UNKNOWN, is_call_refused=True), [Alert.CALL_REFUSED]),
        ("BET", Report(Phase.UNDOING, C.LIMIT_REACHED), [Alert.ANSWER_FORBIDDEN]),
        ("WIN", Report(Phase.SENDING, C.REFUSED), [Alert.ANSWER_FORBIDDEN]),
        ("ROLLBACK", Report(Phase.SENDING, C.DUPLICATE, balance=0), []),
        ("ROLLBACK", Report(Phase.SENDING, C.REFUSED), [Alert.ANSWER_FORBIDDEN]),
        ("ROLLBACK", Report(Phase.SENDING, C.STANDS), []),
    ],
)
def test_people_are_told_of_what_does_not_mend_itself(
    kind: str, report: Report, expected: list[Alert]
) -> None:
    movement = Movement(TransactionType[kind], "t", "anna", original_type=TransactionType.BET)
    assert list(alerts(movement, report)) == expected


@pytest.mark.parametrize(
    ("phase", "outcome", "state", "expected"),
    [
        (Phase.SENDING, C.ACCEPTED, TransactionState.REFUSED, True),
        (Phase.SENDING, C.DUPLICATE, TransactionState.ROLLED_BACK, True),
        (Phase.SENDING, C.ACCEPTED, TransactionState.COMPLETED, False),
        (Phase.SENDING, C.UNKNOWN, TransactionState.REFUSED, False),
        (Phase.UNDOING, C.TOMBSTONED, TransactionState.COMPLETED, True),
        (Phase.UNDOING, C.TOMBSTONED, TransactionState.ROLLED_BACK, False),
        (Phase.UNDOING, C.STANDS, TransactionState.ROLLED_BACK, True),
        (Phase.UNDOING, C.STANDS, TransactionState.COMPLETED, False),
        (Phase.UNDOING, C.UNKNOWN, TransactionState.ROLLED_BACK, False),
    ],
)
def test_a_late_answer_may_contradict_what_stands(
    phase: Phase, outcome: CallbackOutcome, state: TransactionState, expected: bool
) -> None:
    assert contradicts(Report(phase, outcome), state) is expected
