"""When a movement without an outcome is asked for again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from purser_server.domain.outcomes import Phase
from purser_server.domain.pending import Delays, Pending, put_off
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def pending(attempts: int = 0, age: timedelta = timedelta()) -> Pending:
    win = Transaction(1, "w", TransactionType.WIN, TransactionState.PENDING, "anna", NOW - age)
    return Pending(win, Phase.SENDING, "undo", NOW, attempts)


def delay_s(of: Pending, luck: float = 1.0, *, is_case: bool = False) -> float:
    after = put_off(of, NOW, Delays(), luck, "UNKNOWN", is_case=is_case)
    return (after.due_time - NOW).total_seconds()


def test_the_delay_doubles_from_half_a_second_to_a_minute() -> None:
    delays = [delay_s(pending(attempts)) for attempts in range(10)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delay_s(pending(10**9)) == 60


def test_luck_varies_it() -> None:
    assert delay_s(pending(1), 0.8) == 0.8
    assert delay_s(pending(1), 1.2) == 1.2


def test_after_a_day_it_is_a_case_and_comes_every_quarter_of_an_hour() -> None:
    young = put_off(pending(5, timedelta(hours=23.9)), NOW, Delays(), 1, "X", is_case=False)
    old = put_off(pending(5, timedelta(hours=24)), NOW, Delays(), 1, "X", is_case=False)
    assert not young.is_case
    assert old.is_case
    assert old.due_time - NOW == timedelta(minutes=15)
    assert old.attempts == 6
    assert old.last_error == "X"


def test_a_refused_win_is_a_case_at_once_and_stays_one() -> None:
    case = put_off(pending(), NOW, Delays(), 1, "REFUSED", is_case=True)
    again = put_off(case, NOW, Delays(), 1, "UNKNOWN", is_case=False)
    assert case.is_case
    assert again.is_case
