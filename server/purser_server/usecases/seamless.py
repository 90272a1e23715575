"""Seamless mode: the casino decides over each movement, and no outcome is lost, doubled or guessed.

An intent is stored before the casino is asked, and its outcome before the game is answered. Between
any two steps this process may die: whoever finds the intent goes on from what is stored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any, TypeVar

from cachetools import LRUCache

from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.commands import Bet, Command
from purser_server.domain.decisions import Answer, Result
from purser_server.domain.errors import Refusal, RefusedError
from purser_server.domain.intents import Settle
from purser_server.domain.outcomes import CallbackOutcome, Phase, Report, casino_unreachable
from purser_server.domain.pending import Delays, Pending
from purser_server.domain.players import WalletBalance, player_not_found
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.ports import Casinos, HistoryStore, PendingStore, Seamless

SETTINGS_AGE_S = 1.0
_OPERATORS_CACHED = 10_000

FIRST_ASK_AGAIN_S = 0.1
ASKED_FOR_DEADLINES = 3
"""IN_PROGRESS is asked again after this long, doubling, for so many deadlines."""

_LEASE_MARGIN_S = 3.0
T = TypeVar("T")
_JITTER = 0.2


class Step(StrEnum):
    """The points of a movement between which the process may die."""

    INTENT_STORED = "intent stored"
    ANSWER_HEARD = "answer heard"
    OUTCOME_STORED = "outcome stored"


Reached = Callable[[Step], None]
"""Is told of each step; tests let the process die there."""


class SeamlessMovements:
    """Carries movements to the casinos and back. `delays` are those of repetitions."""

    def __init__(
        self,
        ledger: Ledger,
        casinos: Casinos,
        store: PendingStore,
        history: HistoryStore,
        *,
        delays: Delays,
        reached: Reached = lambda _step: None,
    ) -> None:
        self._ledger = ledger
        self._casinos = casinos
        self._store = store
        self._history = history
        self._delays = delays
        self._reached = reached
        self._settings: LRUCache[int, tuple[Seamless | None, float]] = LRUCache(_OPERATORS_CACHED)
        self._looking: set[int] = set()
        self._working: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """Wait for what is under way."""
        while self._working:
            await asyncio.gather(*self._working, return_exceptions=True)

    def last_known(self, operator: int) -> Seamless | None:
        """Return how the operator's casino was called when it was last looked at, if it was.

        Without waiting, so that calls keep their order. The ledger decides by the mode itself.
        """
        found = self._settings.get(operator)
        if found is None:
            return None
        seamless, looked_at = found
        if self._now() - looked_at > SETTINGS_AGE_S and operator not in self._looking:
            self._looking.add(operator)
            self._begin(self._look_again(operator))
        return seamless

    async def mode_of(self, operator: int) -> Seamless | None:
        """Return how the operator's casino is called, or None in transfer mode; a second old."""
        found = self._settings.get(operator)
        if found is None or self._now() - found[1] > SETTINGS_AGE_S:
            return await self._look(operator)
        return found[0]

    async def _look_again(self, operator: int) -> None:
        try:
            await self._look(operator)
        finally:
            self._looking.discard(operator)

    async def _look(self, operator: int) -> Seamless | None:
        seamless = await self._store.settings(operator)
        self._settings[operator] = seamless, self._now()
        return seamless

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- a game's request --------------------------------------------------------------------

    async def execute(self, operator: int, seamless: Seamless, command: Command) -> Answer:
        """Execute one command. Raises RefusedError with the command's own refusal."""
        callback = seamless.callback
        gate = self._casinos.gate(operator)
        if isinstance(command, Bet) and not gate.may_send():
            known = await self._history.transaction(operator, command.transaction_id)
            if known is None:
                raise RefusedError(casino_unreachable(command.transaction_id, is_sent=False))
        # A movement that was begun goes on, whether or not its caller still waits.
        return await asyncio.shield(
            self._begin(self._execute(operator, seamless, callback, command))
        )

    async def _execute(
        self, operator: int, seamless: Seamless, callback: CallbackSettings, command: Command
    ) -> Answer:
        gate = self._casinos.gate(operator)
        async with gate.place(callback.max_calls_in_flight, callback.deadline_ms / 1_000):
            answer = _answer_of(await self._ledger.execute(Request(operator, command)))
            if answer.pending is None or answer.replayed:
                return answer
            return await self.carry(operator, seamless, answer)

    async def carry_late(self, operator: int, answer: Answer) -> Answer:
        """Carry what became an intent though the operator was not known to be in seamless mode.

        Raises RefusedError as `carry` does.
        """
        if answer.pending is None or answer.replayed:
            return answer
        seamless = await self._look(operator)
        if seamless is None:
            return answer
        return await asyncio.shield(self._begin(self.carry(operator, seamless, answer)))

    async def carry(self, operator: int, seamless: Seamless, answer: Answer) -> Answer:
        """Ask the casino for a new intent, and tell the game what came of it.

        Raises RefusedError: the casino's refusal, or CASINO_UNREACHABLE for a bet.
        """
        pending = answer.pending
        assert pending is not None, "there is an intent to carry"
        self._reached(Step.INTENT_STORED)
        if pending.phase is Phase.WAITING:
            return Answer(pending.transaction, replayed=False)
        result = await self._attempt(operator, seamless, pending)
        after = result.pending
        if after is None:
            return _told(result.transaction)
        if after.phase is Phase.UNDOING:
            self._begin(self._attempt(operator, seamless, after))
        if after.transaction.type is TransactionType.BET:
            raise RefusedError(casino_unreachable(after.transaction.transaction_id, is_sent=True))
        return Answer(after.transaction, replayed=False)

    # -- an intent that is due ---------------------------------------------------------------

    async def resolve(self, operator: int, pending: Pending) -> None:
        """Go on with an intent that nobody works on. Raises RefusedError: it waits on."""
        seamless = await self.mode_of(operator)
        if seamless is None:
            return
        intent = pending.transaction
        if pending.phase is Phase.WAITING:
            after = (await self._settle(operator, pending, None)).pending
        elif pending.phase is Phase.SENDING and intent.type is TransactionType.BET:
            # Whoever sent it is gone, and nobody knows what the casino made of it.
            gone = Report(Phase.SENDING, CallbackOutcome.UNKNOWN, message="no answer was kept")
            after = (await self._settle(operator, pending, gone)).pending
        else:
            after = pending
        while after is not None and after.phase is not Phase.WAITING:
            before = after
            after = (await self._attempt(operator, seamless, before)).pending
            if after is not None and after.phase is before.phase:
                return

    # -- one attempt -------------------------------------------------------------------------

    async def _attempt(self, operator: int, seamless: Seamless, pending: Pending) -> Answer:
        """Ask the casino once, however often it says IN_PROGRESS, and store what came of it."""
        callback = seamless.callback
        clock = asyncio.get_running_loop().time
        until = clock() + ASKED_FOR_DEADLINES * callback.deadline_ms / 1_000
        pause_s = FIRST_ASK_AGAIN_S
        report = await self._casinos.ask(callback, seamless.operator_id, pending)
        while report.outcome is CallbackOutcome.IN_PROGRESS and clock() + pause_s < until:
            held_s = pause_s + callback.deadline_ms / 1_000 + _LEASE_MARGIN_S
            await self._store.hold(operator, pending.transaction.transaction_id, held_s)
            await asyncio.sleep(pause_s)
            pause_s *= 2
            report = await self._casinos.ask(callback, seamless.operator_id, pending)
        is_known = report.outcome not in (CallbackOutcome.UNKNOWN, CallbackOutcome.IN_PROGRESS)
        self._casinos.gate(operator).note(is_known=is_known)
        self._reached(Step.ANSWER_HEARD)
        answer = await self._settle(operator, pending, report)
        self._reached(Step.OUTCOME_STORED)
        return answer

    async def _settle(self, operator: int, pending: Pending, report: Report | None) -> Answer:
        intent = pending.transaction
        settle = Settle(
            intent.transaction_id,
            intent.player_id,
            intent,
            report,
            self._delays,
            random.uniform(1 - _JITTER, 1 + _JITTER),  # noqa: S311
        )
        return _answer_of(await self._ledger.execute(Request(operator, settle)))

    # -- balances ----------------------------------------------------------------------------

    async def balance(
        self, operator: int, seamless: Seamless, player_id: str, currency_code: str
    ) -> WalletBalance:
        """Ask the casino for a balance.

        Raises RefusedError: PLAYER_NOT_FOUND, CASINO_UNREACHABLE, OVERLOADED.
        """
        callback = seamless.callback
        gate = self._casinos.gate(operator)
        if not gate.may_send():
            raise RefusedError(casino_unreachable("", is_sent=False))
        async with gate.place(callback.max_calls_in_flight, callback.deadline_ms / 1_000):
            report = await self._casinos.balance(
                callback, seamless.operator_id, player_id, currency_code
            )
        gate.note(is_known=report.outcome is not CallbackOutcome.UNKNOWN)
        if report.outcome is CallbackOutcome.PLAYER_NOT_FOUND:
            raise RefusedError(player_not_found(player_id))
        if report.outcome is not CallbackOutcome.ACCEPTED or report.balance is None:
            raise RefusedError(casino_unreachable("", is_sent=False))
        return WalletBalance(currency_code, report.balance, 0)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            # Nobody may wait for it any more; what it says is stored.
            task.exception()


def _answer_of(result: Result) -> Answer:
    if isinstance(result, Refusal):
        raise RefusedError(result)
    return result


def _told(transaction: Transaction) -> Answer:
    """Tell a game the outcome. Raises RefusedError when it was refused, or rolled back."""
    if transaction.state is not TransactionState.COMPLETED and transaction.refusal is not None:
        raise RefusedError(transaction.refusal)
    return Answer(transaction, replayed=False)
