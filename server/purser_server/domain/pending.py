"""Pending movements: intents whose outcome at the casino is not known, and when to ask again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from purser_server.domain.outcomes import Movement, Phase
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.domain.values import value


@value
class Pending:
    """An intent. Its transaction's number orders it among intents.

    `due_time` is when someone may take it up: until then whoever works on it holds it. `undo_id`
    is the id of Purser's own rollback, should one be needed. `original_type` is the type of what
    a rollback undoes.
    """

    transaction: Transaction
    phase: Phase
    undo_id: str
    due_time: datetime
    attempts: int = 0
    is_case: bool = False
    last_error: str = ""
    original_type: TransactionType = TransactionType.UNSPECIFIED

    @property
    def movement(self) -> Movement:
        """What verdicts need to know of it."""
        of = self.transaction
        return Movement(
            of.type,
            of.transaction_id,
            of.player_id,
            of.currency_code,
            of.amount,
            of.round_id,
            self.original_type,
            of.related_transaction_id,
        )


@value
class Delays:
    """When to ask again: after `first`, doubling up to `most`; a case of a person's more seldom."""

    first: timedelta = timedelta(seconds=0.5)
    most: timedelta = timedelta(seconds=60)
    case_after: timedelta = timedelta(hours=24)
    case_every: timedelta = timedelta(minutes=15)


_DOUBLINGS = 20
"""Beyond this many the longest delay is long reached."""


def in_phase(pending: Pending, phase: Phase, due_time: datetime) -> Pending:
    """Return the intent in its next phase."""
    return replace(pending, phase=phase, due_time=due_time, attempts=0)


def put_off(
    pending: Pending, now: datetime, delays: Delays, luck: float, error: str, *, is_case: bool
) -> Pending:
    """Return the intent after an attempt that brought no outcome; `luck` varies the delay.

    It becomes a case when its age, or the casino's answer (`is_case`), asks for a person.
    """
    is_case = is_case or pending.is_case
    is_case = is_case or now - pending.transaction.create_time >= delays.case_after
    delay = delays.case_every if is_case else _backoff(pending.attempts, delays)
    return replace(
        pending,
        due_time=now + delay * luck,
        attempts=pending.attempts + 1,
        is_case=is_case,
        last_error=error,
    )


def _backoff(attempts: int, delays: Delays) -> timedelta:
    doubled: int = 2 ** min(attempts, _DOUBLINGS)
    return min(delays.first * doubled, delays.most)
