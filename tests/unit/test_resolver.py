"""The resolver: each casino's movements have room beside those of one that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from purser_server.casino.resolver import MOST_AT_ONCE, MOST_OF_ONE, Resolver
from purser_server.domain.errors import RefusedError, ledger_unavailable
from purser_server.domain.outcomes import Phase
from purser_server.domain.pending import Pending
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HANGS, ANSWERS = 1, 2


def intent(number: int) -> Pending:
    win = Transaction(
        number, f"w{number}", TransactionType.WIN, TransactionState.PENDING, "anna", NOW
    )
    return Pending(win, Phase.SENDING, "undo", NOW)


class Due:
    """Intents that are due, in order; a taken one is gone."""

    def __init__(self, **waiting: int) -> None:
        self.waiting = [
            (operator, intent(number))
            for operator, count in ((HANGS, waiting["hangs"]), (ANSWERS, waiting["answers"]))
            for number in range(count)
        ]
        self.failures = 0

    async def take(
        self, limit: int, each: int, busy: Sequence[int]
    ) -> Sequence[tuple[int, Pending]]:
        if self.failures:
            self.failures -= 1
            raise RefusedError(ledger_unavailable())
        taken: list[tuple[int, Pending]] = []
        for due in list(self.waiting):
            of_this = sum(operator == due[0] for operator, _ in taken)
            if len(taken) < limit and of_this < each and due[0] not in busy:
                taken.append(due)
                self.waiting.remove(due)
        return taken


async def test_an_operator_whose_casino_hangs_takes_no_room_of_others() -> None:
    due = Due(hangs=10 * MOST_AT_ONCE, answers=3 * MOST_OF_ONE)
    answered: list[int] = []
    under_way = most_under_way = 0
    all_answered = asyncio.Event()

    async def resolve(operator: int, pending: Pending) -> None:
        nonlocal under_way, most_under_way
        if operator == HANGS:
            under_way += 1
            most_under_way = max(most_under_way, under_way)
            await asyncio.Event().wait()
        answered.append(pending.transaction.number)
        if len(answered) == 3 * MOST_OF_ONE:
            all_answered.set()

    resolver = Resolver(due.take, resolve)
    resolver.start()
    await asyncio.wait_for(all_answered.wait(), 30)
    assert most_under_way < 2 * MOST_OF_ONE
    # Nobody waits for a casino that hangs.
    await asyncio.wait_for(resolver.stop(), 30)


async def test_neither_a_store_that_is_away_nor_a_movement_that_fails_ends_the_resolver() -> None:
    due = Due(hangs=0, answers=2)
    due.failures = 1
    seen: list[int] = []
    done = asyncio.Event()

    async def resolve(operator: int, pending: Pending) -> None:
        seen.append(pending.transaction.number)
        if len(seen) == 3:
            done.set()
        raise ValueError("no rule foresees this")

    resolver = Resolver(due.take, resolve)
    resolver.start()
    await asyncio.sleep(0)
    due.waiting.append((ANSWERS, intent(7)))
    await asyncio.wait_for(done.wait(), 30)
    await resolver.stop()
    assert seen == [0, 1, 7]
