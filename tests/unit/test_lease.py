"""An attempt ends before the lease of its intent does, whatever settings were read when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from purser_server.domain.callbacks import CallbackSettings, lease_of
from purser_server.domain.outcomes import Phase
from purser_server.domain.pending import Pending
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.usecases.ports import Seamless
from purser_server.usecases.seamless import within_lease

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked_with_ms", "stored_with_ms", "attempt_ms"),
    [(2_000, 2_000, 2_000), (10_000, 500, 500), (500, 10_000, 500)],
)
def test_an_attempt_is_as_short_as_the_lease_allows(
    asked_with_ms: int, stored_with_ms: int, attempt_ms: int
) -> None:
    bet = Transaction(1, "b", TransactionType.BET, TransactionState.PENDING, "anna", NOW)
    intent = Pending(bet, Phase.SENDING, "undo", NOW + lease_of(stored_with_ms))
    known = Seamless("lucky", CallbackSettings("casino:1", deadline_ms=asked_with_ms))

    assert within_lease(known, intent).callback.deadline_ms == attempt_ms
