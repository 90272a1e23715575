"""Seamless mode: the casino decides over each movement, and no outcome is lost, doubled or guessed.

An intent is stored before the casino is asked, and its outcome before the game is answered. Between
any two steps this process may die: whoever finds the intent goes on from what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from purser_server.domain.callbacks import LEASE_MARGIN, lease_of
from purser_server.domain.commands import Bet, Command
from purser_server.domain.decisions import Answer
from purser_server.domain.errors import Reason, Refusal, RefusedError, accepted
from purser_server.domain.intents import Settle
from purser_server.domain.outcomes import (
    UNDONE_IF_UNHEARD,
    Alert,
    CallbackOutcome,
    Phase,
    Report,
    alerts,
    balance_unknown,
    casino_refused,
    casino_unreachable,
    contradicts,
)
from purser_server.domain.pending import Delays, Pending
from purser_server.domain.players import WalletBalance, player_not_found
from purser_server.domain.prizes import ReturnPrize
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.casino_ports import Casinos, Gate
from purser_server.usecases.modes import Modes
from purser_server.usecases.ports import HistoryStore, PendingStore, Seamless

_log = logging.getLogger(__name__)

FIRST_ASK_AGAIN_S = 0.1
ASKED_FOR_DEADLINES = 3
"""IN_PROGRESS is asked again after this long, doubling, for so many deadlines."""

FIRST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.4
"""A movement that waits for its bet is looked at after this long, doubling, for one deadline."""

STOP_WITHIN_S = 5.0
"""How long a stop waits for what is under way; another process goes on with the rest."""

_JITTER = 0.2
T = TypeVar("T")


class Step(StrEnum):
    """The points of a movement between which the process may die."""

    INTENT_STORED = "intent stored"
    ANSWER_HEARD = "answer heard"
    OUTCOME_STORED = "outcome stored"


Reached = Callable[[Step], None]
"""Is told of each step; tests let the process die there."""

Raise = Callable[[str, Alert, str], None]
"""Is told of what people must look at: operator id, kind, a few words."""


class SeamlessMovements:
    """Carries movements to the casinos and back. `delays` are those of repetitions."""

    def __init__(
        self,
        ledger: Ledger,
        casinos: Casinos,
        modes: Modes,
        store: PendingStore,
        history: HistoryStore,
        *,
        delays: Delays,
        alert: Raise,
        reached: Reached = lambda _step: None,
    ) -> None:
        self._ledger = ledger
        self._casinos = casinos
        self._modes = modes
        self._store = store
        self._history = history
        self._delays = delays
        self._alert = alert
        self._reached = reached
        self._working: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """Wait for what is under way, though not for long: what is stored is taken up again."""
        if self._working:
            await asyncio.wait(self._working, timeout=STOP_WITHIN_S)
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    # -- a game's request --------------------------------------------------------------------

    async def execute(self, operator: int, command: Command | ReturnPrize) -> Answer:
        """Execute one command. Raises RefusedError with the command's own refusal."""
        gate = self._casinos.gate(operator)
        if await self._needs_no_call(operator, gate, command):
            return accepted(await self._ledger.execute(Request(operator, command)))
        is_probe = False
        if gate.is_open and isinstance(command, Bet | ReturnPrize):
            if not gate.may_send():
                return await self._unheard(operator, command)
            is_probe = True
        # A movement that was begun goes on, whether or not its caller still waits.
        work = self._execute(operator, gate, command, is_probe=is_probe)
        return await asyncio.shield(self._begin(work))

    async def _needs_no_call(
        self, operator: int, gate: Gate, command: Command | ReturnPrize
    ) -> bool:
        """Tell what is only to be told again, where a place or the probe is hard to have."""
        if not gate.is_open:
            seamless = await self._modes.of(operator)
            if seamless is None or gate.has_place(seamless.callback):
                return False
        return await self._history.transaction(operator, command.transaction_id) is not None

    async def _unheard(self, operator: int, asked: Bet | ReturnPrize) -> Answer:
        """Refuse a bet, and let the return of a prize fail at once: the casino answers nobody.

        It takes no place: they may all be held by calls that hang. Raises RefusedError.
        """
        if isinstance(asked, Bet):
            raise RefusedError(casino_unreachable(asked.transaction_id, is_sent=False))
        request = Request(operator, replace(asked, is_unheard=True))
        return accepted(await self._ledger.execute(request))

    async def _execute(
        self, operator: int, gate: Gate, command: Command | ReturnPrize, *, is_probe: bool
    ) -> Answer:
        seamless = await self._modes.of(operator)
        if seamless is None:
            # It has left seamless mode since.
            return accepted(await self._ledger.execute(Request(operator, command)))
        async with AsyncExitStack() as place:
            await place.enter_async_context(gate.place(seamless.callback, is_probe=is_probe))
            answer = accepted(await self._ledger.execute(Request(operator, command)))
            pending = answer.pending
            if pending is None or answer.replayed:
                return answer
            self._reached(Step.INTENT_STORED)
            if pending.phase is Phase.SENDING:
                # The wait may have been long; and the lease is that of the settings of now.
                seamless = within_lease(await self._modes.of(operator) or seamless, pending)
                answer = await self._attempt(operator, seamless, pending)
                return self._told(operator, answer, place)
        # Who waits for another movement takes no place away from it.
        return await self._wait_and_carry(operator, seamless, pending)

    async def carry_late(self, operator: int, answer: Answer) -> Answer:
        """Carry what became an intent though the operator was not known to be in seamless mode.

        Raises RefusedError: the casino's refusal, or CASINO_UNREACHABLE for a bet.
        """
        if answer.pending is None or answer.replayed:
            return answer
        carried = self._begin(self._carry_late(operator, answer.pending))
        return await asyncio.shield(carried)

    async def _carry_late(self, operator: int, pending: Pending) -> Answer:
        seamless = await self._modes.look(operator)
        if seamless is None:
            return Answer(pending.transaction, replayed=False)
        if pending.phase is Phase.SENDING:
            return await self._carry_in_place(operator, seamless, pending)
        return await self._wait_and_carry(operator, seamless, pending)

    async def _wait_and_carry(self, operator: int, seamless: Seamless, pending: Pending) -> Answer:
        answer = await self._await_turn(operator, seamless, pending)
        if answer.replayed or answer.pending is None:
            return self._told(operator, answer)
        return await self._carry_in_place(operator, seamless, answer.pending)

    async def _carry_in_place(self, operator: int, seamless: Seamless, pending: Pending) -> Answer:
        """Ask the casino for an intent that has no place yet; without one it is asked later."""
        try:
            answer = await self._attempt_in_place(operator, seamless, pending)
        except RefusedError as error:
            _log.warning("%s waits: %s", pending.transaction.transaction_id, error)
            answer = Answer(pending.transaction, replayed=False, pending=pending)
        return self._told(operator, answer)

    def _told(self, operator: int, answer: Answer, place: AsyncExitStack | None = None) -> Answer:
        """Tell a game what became of its movement so far; a rollback goes on in its place.

        Raises RefusedError: the casino's refusal, or CASINO_UNREACHABLE for a bet. What became of
        a prize is an answer, whatever it is.
        """
        after = answer.pending
        if after is None:
            return _final(answer.transaction)
        if after.phase is Phase.UNDOING:
            self._begin(self._undo(operator, after, place.pop_all() if place else None))
        if after.transaction.type is TransactionType.PRIZE_CASHBACK:
            return Answer(after.transaction, replayed=False, pending=after)
        if after.transaction.type is TransactionType.BET:
            raise RefusedError(casino_unreachable(after.transaction.transaction_id, is_sent=True))
        return Answer(after.transaction, replayed=False)

    async def _undo(self, operator: int, pending: Pending, place: AsyncExitStack | None) -> None:
        """Roll a movement back at once; should that fail, it is due again soon.

        It has the place of what it undoes: it may not wait for those who have not begun.
        """
        async with place or AsyncExitStack():
            seamless = await self._modes.of(operator)
            if seamless is not None:
                await self._attempt(operator, seamless, pending)

    async def _await_turn(self, operator: int, seamless: Seamless, pending: Pending) -> Answer:
        """Wait, though not for long, until the bet of a win or rollback has its outcome.

        Returns the movement with its outcome, or to be sent now, or as it waits on.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + seamless.callback.deadline_ms / 1_000
        pause_s = FIRST_LOOK_S
        answer = Answer(pending.transaction, replayed=False, pending=pending)
        while clock() < until:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_LOOK_S)
            answer = await self._settle(operator, pending, None)
            is_ours = not answer.replayed
            if answer.pending is None or (is_ours and answer.pending.phase is Phase.SENDING):
                return answer
        # Whoever else sends it will store what comes of it.
        return Answer(pending.transaction, replayed=True, pending=pending)

    # -- an intent that is due ---------------------------------------------------------------

    async def resolve(self, operator: int, pending: Pending) -> None:
        """Go on with an intent that nobody works on. Raises RefusedError: it waits on."""
        seamless = await self._modes.of(operator)
        if seamless is None:
            return
        after: Pending | None = pending
        if pending.phase is Phase.WAITING:
            answer = await self._settle(operator, pending, None)
            # Whoever waited for it as well may have been quicker, and sends it.
            after = None if answer.replayed else answer.pending
        elif pending.phase is Phase.SENDING and pending.transaction.type in UNDONE_IF_UNHEARD:
            # Whoever sent it is gone, and nobody knows what the casino made of it.
            gone = Report(Phase.SENDING, CallbackOutcome.UNKNOWN, message="no answer was kept")
            after = (await self._settle(operator, pending, gone)).pending
        while after is not None and after.phase is not Phase.WAITING:
            before = after
            after = (await self._attempt_in_place(operator, seamless, before)).pending
            if after is not None and after.phase is before.phase:
                return

    # -- one attempt -------------------------------------------------------------------------

    async def _attempt_in_place(
        self, operator: int, seamless: Seamless, pending: Pending
    ) -> Answer:
        """Make an attempt that no caller has a place for. Raises RefusedError (OVERLOADED)."""
        async with self._casinos.gate(operator).place(seamless.callback):
            # The wait for the place has used the lease up.
            await self._hold(operator, seamless, pending, 0.0)
            return await self._attempt(operator, seamless, pending)

    async def _attempt(self, operator: int, seamless: Seamless, pending: Pending) -> Answer:
        """Ask the casino once, however often it says IN_PROGRESS, and store what came of it."""
        report = await self._ask(operator, seamless, pending)
        is_known = report.outcome not in (CallbackOutcome.UNKNOWN, CallbackOutcome.IN_PROGRESS)
        self._casinos.gate(operator).note(is_known=is_known)
        self._reached(Step.ANSWER_HEARD)
        answer = await self._settle(operator, pending, report)
        self._reached(Step.OUTCOME_STORED)
        self._raise_alerts(seamless, pending, report, answer)
        if report.message and pending.transaction.type is TransactionType.PRIZE_CASHBACK:
            # The player hears our words, and people may want the casino's.
            words = report.outcome.name, report.message
            _log.info("the casino on %s: %s %s", pending.transaction.transaction_id, *words)
        return answer

    async def _ask(self, operator: int, seamless: Seamless, pending: Pending) -> Report:
        callback = seamless.callback
        clock = asyncio.get_running_loop().time
        until = clock() + ASKED_FOR_DEADLINES * callback.deadline_ms / 1_000
        pause_s = FIRST_ASK_AGAIN_S
        report = await self._casinos.ask(callback, seamless.operator_id, pending)
        while report.outcome is CallbackOutcome.IN_PROGRESS and clock() + pause_s < until:
            await self._hold(operator, seamless, pending, pause_s)
            await asyncio.sleep(pause_s)
            pause_s *= 2
            left_ms = max(1, round((until - clock()) * 1_000))
            last = replace(callback, deadline_ms=min(callback.deadline_ms, left_ms))
            report = await self._casinos.ask(last, seamless.operator_id, pending)
        return report

    async def _hold(
        self, operator: int, seamless: Seamless, pending: Pending, pause_s: float
    ) -> None:
        """Hold an intent for an attempt that begins after a pause."""
        held_s = pause_s + lease_of(seamless.callback.deadline_ms).total_seconds()
        await self._store.hold(operator, pending.transaction.transaction_id, held_s)

    def _raise_alerts(
        self, seamless: Seamless, pending: Pending, report: Report, answer: Answer
    ) -> None:
        of, after = pending.transaction, answer.pending
        words = f"{of.type.name} {of.transaction_id}: {report.outcome.name} {report.message}"
        for alert in alerts(pending.movement, report):
            self._alert(seamless.operator_id, alert, words)
        if after is None and answer.replayed and contradicts(report, answer.transaction.state):
            state = answer.transaction.state.name
            self._alert(seamless.operator_id, Alert.ANSWER_TOO_LATE, f"{words}, but it is {state}")
        if after is not None and after.is_case and not pending.is_case:
            self._alert(seamless.operator_id, Alert.CASE_OPENED, words)

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
        result = await self._ledger.execute(Request(operator, settle))
        if isinstance(result, Refusal) and result.reason is Reason.AMOUNT_RANGE:
            # The casino has done what no account can hold: a person must look at it.
            result = await self._ledger.execute(Request(operator, replace(settle, is_stuck=True)))
        return accepted(result)

    # -- balances ----------------------------------------------------------------------------

    async def balance(
        self, operator: int, seamless: Seamless, player_id: str, currency_code: str
    ) -> WalletBalance:
        """Ask the casino for a balance.

        Raises RefusedError: PLAYER_NOT_FOUND, CASINO_REFUSED, CASINO_UNREACHABLE, OVERLOADED.
        """
        gate = self._casinos.gate(operator)
        if not gate.may_send():
            raise RefusedError(balance_unknown())
        async with gate.place(seamless.callback, is_probe=gate.is_open):
            report = await self._casinos.balance(
                seamless.callback, seamless.operator_id, player_id, currency_code
            )
        gate.note(is_known=report.outcome is not CallbackOutcome.UNKNOWN)
        if report.outcome is CallbackOutcome.PLAYER_NOT_FOUND:
            raise RefusedError(player_not_found(player_id))
        if report.outcome is CallbackOutcome.CURRENCY_NOT_SUPPORTED:
            raise RefusedError(casino_refused(report))
        if report.outcome is not CallbackOutcome.ACCEPTED or report.balance is None:
            raise RefusedError(balance_unknown())
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


def within_lease(seamless: Seamless, pending: Pending) -> Seamless:
    """Return settings whose deadline a new intent's lease covers: they may be a second old."""
    held = pending.due_time - pending.transaction.create_time - LEASE_MARGIN
    deadline_ms = min(seamless.callback.deadline_ms, round(held.total_seconds() * 1_000))
    return replace(seamless, callback=replace(seamless.callback, deadline_ms=deadline_ms))


def _final(transaction: Transaction) -> Answer:
    """Tell a caller the outcome. Raises RefusedError when it was refused, or rolled back.

    Of a prize these are answers.
    """
    if transaction.type is TransactionType.PRIZE_CASHBACK:
        return Answer(transaction, replayed=False)
    if transaction.state is not TransactionState.COMPLETED and transaction.refusal is not None:
        raise RefusedError(transaction.refusal)
    return Answer(transaction, replayed=False)
