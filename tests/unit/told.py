"""Answers, as far as they can be compared: in few words, or without numbers and times."""

from __future__ import annotations

from dataclasses import dataclass, replace

from purser_server.domain.decisions import Answer, Result
from purser_server.domain.errors import Refusal
from purser_server.domain.transactions import RollbackOutcome, TransactionState
from tests.unit.memory_store import FIRST_DAY


@dataclass(frozen=True)
class Told:
    """What a client hears: a refusal (`reason`), or the figures of a transaction."""

    reason: str = ""
    field: str = ""
    replayed: bool = False
    rolled_back: bool = False
    amount: int = 0
    before: int | None = None
    after: int | None = None
    sequence: int = 0
    outcome: RollbackOutcome = RollbackOutcome.NONE
    round: tuple[int, ...] = ()


def told(result: Result) -> Told:
    """Return what the real rules tell, in the same few words."""
    if isinstance(result, Refusal):
        named = result.metadata.get("field") or result.metadata.get("index", "")
        return Told(result.reason, named, replayed="replayed" in result.metadata)
    done = result.transaction
    shown = done.round
    return Told(
        replayed=result.replayed,
        rolled_back=done.state is TransactionState.ROLLED_BACK,
        amount=done.amount,
        before=done.balance_before,
        after=done.balance_after,
        sequence=done.wallet_sequence,
        outcome=done.rollback_outcome,
        round=(shown.bets, shown.total_bet, shown.wins, shown.total_win) if shown else (),
    )


def timeless(results: list[list[Result]]) -> list[list[Result]]:
    """Leave out what depends on the flush alone: numbers and times."""
    return [[_timeless_one(result) for result in answers] for answers in results]


def _timeless_one(result: Result) -> Result:
    if isinstance(result, Refusal):
        return result
    done = result.transaction
    shown = done.round and replace(done.round, number=0, covered_to=0, settlers=None)
    return Answer(
        replace(done, number=0, create_time=FIRST_DAY, round=shown), replayed=result.replayed
    )
