"""Seamless mode within a flush: intents are stored, and their outcomes applied.

Nothing is sent from here. Who is answered with a pending intent asks the casino, and comes back
with a `Settle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from purser_server.domain.callbacks import DEFAULT_DEADLINE_MS, lease_of
from purser_server.domain.cases import CaseDecision, EndedCase, decide
from purser_server.domain.commands import (
    TYPE_OF,
    Bet,
    Command,
    Deposit,
    Rollback,
    Win,
    Withdraw,
    fixed_by,
)
from purser_server.domain.decisions import Answer, Decision, Result
from purser_server.domain.errors import Refusal
from purser_server.domain.intents import (
    Settle,
    begin_bet,
    begin_rollback,
    begin_win,
    complete,
    resume_win,
    rollback_of,
    win_of,
)
from purser_server.domain.outcomes import (
    ENDS,
    Fate,
    Phase,
    Report,
    Verdict,
    casino_unreachable,
    judge,
)
from purser_server.domain.pending import Pending, in_phase, put_off
from purser_server.domain.replay import replay
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import (
    RollbackOutcome,
    Transaction,
    TransactionState,
    TransactionType,
    transaction_not_found,
)
from purser_server.domain.wallet import transaction_rolled_back, wrong_mode
from purser_server.ledger.own_ids import own_id
from purser_server.ledger.prizes import PrizeBook
from purser_server.ledger.state import State


class SeamlessRules:
    """The rules, each with the state it needs. `leases`: how long an attempt holds an intent.

    `give_up` is told of cashback of which a person says that it was never paid.
    """

    def __init__(
        self,
        state: State,
        leases: Mapping[int, timedelta],
        prizes: PrizeBook,
        give_up: Callable[[int, Transaction], None],
    ) -> None:
        self._state = state
        self._leases = leases
        self._prizes = prizes
        self._give_up = give_up

    # -- a game's request --------------------------------------------------------------------

    def begin(self, operator: int, command: Command) -> Result:
        """Refuse a command by Purser's own rules, or store it as an intent."""
        if isinstance(command, Deposit | Withdraw):
            return wrong_mode()
        number = self._state.take_number()
        found = self._judge(operator, command, number)
        if isinstance(found, Refusal):
            if found.is_final:
                self._state.store_refusal(operator, command, number, found)
            return found
        intent = self._intent(operator, command, number)
        if isinstance(found, Decision):
            return Answer(self._complete(operator, intent, found, None), replayed=False)
        return self.keep(operator, intent, found)

    def _judge(self, operator: int, command: Command, number: int) -> Refusal | Decision | Phase:
        state = self._state
        others = state.intents.of(operator, command.player_id)
        if isinstance(command, Rollback):
            return self._judge_rollback(operator, command, others)
        assert isinstance(command, Bet | Win), "nothing else is asked of a casino"
        wallet = state.wallet(operator, command.player_id, command.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        if isinstance(command, Bet):
            session = state.sessions.get((operator, command.session_id))
            round_ = state.round_of(operator, command, number)
            return begin_bet(command, wallet, round_, session, others)
        bet = state.known.get((operator, command.bet_transaction_id))
        won = state.round_of(operator, command, number) if command.round_id else None
        return begin_win(command, won, bet, others)

    def _judge_rollback(
        self, operator: int, rollback: Rollback, others: Sequence[Pending]
    ) -> Refusal | Decision | Phase:
        key = (operator, rollback.original_transaction_id)
        pending, original = self._state.intents.find(*key), self._state.known.get(key)
        round_ = self._round_of(operator, original)
        return begin_rollback(rollback, pending, original, round_, others)

    def _intent(self, operator: int, command: Command, number: int) -> Transaction:
        original = None
        if isinstance(command, Rollback):
            original = self._original(operator, command.original_transaction_id)
        of = command if original is None else original
        currency, amount = getattr(of, "currency_code", ""), getattr(of, "amount", 0)
        return Transaction(
            number,
            command.transaction_id,
            TYPE_OF[type(command)],
            TransactionState.PENDING,
            command.player_id,
            self._state.now,
            currency,
            amount,
            *fixed_by(command, original),
            rollback_outcome=_outcome_of_pending(command),
            at_casino=True,
        )

    def _original(self, operator: int, transaction_id: str) -> Transaction | None:
        """Return what a rollback names, with or without an outcome."""
        pending = self._state.intents.find(operator, transaction_id)
        if pending is not None:
            return pending.transaction
        return self._state.known.get((operator, transaction_id))

    def keep(self, operator: int, intent: Transaction, phase: Phase) -> Answer:
        """Store an intent, held for the attempt that is made for it now."""
        original = None
        if intent.type is TransactionType.ROLLBACK:
            original = self._original(operator, intent.related_transaction_id)
        pending = Pending(
            intent,
            phase,
            own_id(),
            self._held_until(operator),
            original_type=original.type if original else TransactionType.UNSPECIFIED,
        )
        self._state.intents.begin(operator, pending)
        return Answer(intent, replayed=False, pending=pending)

    # -- an attempt was made -----------------------------------------------------------------

    def settle(self, operator: int, settle: Settle) -> Result:
        """Apply what is known of an intent; tell what became of it, or what is to be asked next.

        Whoever comes late finds what stands: an outcome that is stored is never overruled.
        """
        key = (operator, settle.transaction_id)
        pending = self._state.intents.find(*key)
        if pending is None:
            known = self._state.known.get(key)
            if known is None:
                return transaction_not_found(settle.transaction_id)
            return Answer(known, replayed=True)
        if settle.decision is not None:
            return self._decide(operator, pending, settle, settle.decision)
        if settle.is_stuck:
            return self._put_off(operator, pending, settle, "its outcome cannot be booked", True)
        if settle.report is None:
            return self._resume(operator, pending)
        if settle.report.phase is not pending.phase:
            return Answer(pending.transaction, replayed=True, pending=pending)
        return self._apply(operator, pending, settle, settle.report)

    def _decide(
        self, operator: int, pending: Pending, settle: Settle, decision: CaseDecision
    ) -> Result:
        """End a case as a person says; what is none goes on as before."""
        if not pending.is_case:
            return Answer(pending.transaction, replayed=True, pending=pending)
        if settle.gives_up_cashback:
            self._give_up(operator, pending.transaction)
        end = EndedCase(pending, decision, settle.note)
        return self._end_as(operator, end, decide(pending.movement, decision), None)

    def _apply(self, operator: int, pending: Pending, settle: Settle, report: Report) -> Result:
        verdict = judge(pending.movement, report)
        if verdict.fate in ENDS:
            return self._end_as(operator, EndedCase(pending), verdict, report)
        if verdict.fate is Fate.TO_BE_UNDONE:
            after = in_phase(pending, Phase.UNDOING, self._held_until(operator))
            self._state.intents.keep(operator, after)
            return Answer(after.transaction, replayed=False, pending=after)
        error = f"{report.outcome.name} {report.message}".strip()
        return self._put_off(operator, pending, settle, error, verdict.fate is Fate.CASE)

    def _put_off(
        self, operator: int, pending: Pending, settle: Settle, error: str, is_case: bool
    ) -> Answer:
        after = put_off(
            pending, self._state.now, settle.delays, settle.luck, error, is_case=is_case
        )
        self._state.intents.keep(operator, after)
        return Answer(after.transaction, replayed=False, pending=after)

    def _resume(self, operator: int, pending: Pending) -> Result:
        """Send what waited for its bet, or end it without a call."""
        state, intent = self._state, pending.transaction
        if pending.phase is not Phase.WAITING:
            return Answer(intent, replayed=True, pending=pending)
        number = intent.number
        earlier = [
            other
            for other in state.intents.of(operator, intent.player_id)
            if other.transaction.number < number
        ]
        related = state.known.get((operator, intent.related_transaction_id))
        round_ = self._round_of(operator, intent)
        found: Refusal | Decision | Phase
        if intent.type is TransactionType.WIN:
            found = resume_win(win_of(intent), round_, related, earlier)
        else:
            found = self._judge_rollback(operator, rollback_of(intent), earlier)
        if isinstance(found, Refusal):
            refused = Verdict(Fate.REFUSED, found)
            return self._end_as(operator, EndedCase(pending), refused, None)
        if isinstance(found, Decision):
            state.intents.end(operator, pending)
            number = state.take_number()
            intent = replace(intent, number=number)
            return Answer(self._complete(operator, intent, found, None), replayed=False)
        after = in_phase(pending, found, self._held_until(operator))
        state.intents.keep(operator, after)
        return Answer(intent, replayed=False, pending=after)

    # -- ends --------------------------------------------------------------------------------

    def _end_as(
        self, operator: int, end: EndedCase, verdict: Verdict, report: Report | None
    ) -> Answer:
        """End an intent with its outcome, and let those who waited for it go on."""
        pending = end.pending
        self._state.intents.end(operator, pending)
        is_paid = verdict.fate is Fate.COMPLETED
        self._prizes.end_return(operator, pending.transaction, is_paid=is_paid)
        if pending.is_case:
            self._state.intents.end_case(operator, end)
        for other in self._state.intents.of(operator, pending.transaction.player_id):
            if other.phase is Phase.WAITING:
                self._state.intents.keep(operator, replace(other, due_time=self._state.now))
        if verdict.fate is Fate.COMPLETED:
            return self._end_completed(operator, pending.transaction, report)
        ended = self._ended(pending.transaction, verdict, report)
        self._state.record(operator, ended, None)
        return Answer(ended, replayed=False)

    def _end_completed(self, operator: int, intent: Transaction, report: Report | None) -> Answer:
        state = self._state
        number = state.take_number()
        round_ = state.round_of(operator, intent, number) if intent.round_id else None
        original = state.known.get((operator, intent.related_transaction_id))
        decision = complete(intent, original, round_, number)
        intent = replace(intent, number=number)
        return Answer(self._complete(operator, intent, decision, report), replayed=False)

    def _ended(self, intent: Transaction, verdict: Verdict, report: Report | None) -> Transaction:
        """Return the transaction of a movement that does not stand."""
        is_rolled_back = verdict.fate is Fate.ROLLED_BACK
        refusal = verdict.refusal
        if is_rolled_back:
            refusal = transaction_rolled_back(intent.transaction_id, intent.round_id)
        assert refusal is not None, "what does not stand says why"
        if intent.type is TransactionType.ROLLBACK:
            # What was not rolled back has no amount of its own.
            intent = replace(intent, currency_code="", amount=0)
        return replace(
            intent,
            number=self._state.take_number(),
            state=TransactionState.ROLLED_BACK if is_rolled_back else TransactionState.REFUSED,
            create_time=self._state.now,
            refusal=refusal,
            rollback_outcome=RollbackOutcome.NONE,
            casino_transaction_id=report.casino_transaction_id if report else "",
        )

    def _complete(
        self, operator: int, intent: Transaction, decision: Decision, report: Report | None
    ) -> Transaction:
        transaction = replace(
            intent,
            state=TransactionState.COMPLETED,
            create_time=self._state.now,
            currency_code=decision.currency_code or intent.currency_code,
            amount=decision.amount,
            change=decision.change,
            counts_in_round=decision.counts_in_round,
            rollback_outcome=decision.outcome,
            casino_balance=report.balance if report else None,
            casino_transaction_id=report.casino_transaction_id if report else "",
        )
        return self._state.carry_out_at_casino(operator, transaction, decision)

    # -- what is looked up -------------------------------------------------------------------

    def _round_of(self, operator: int, of: Transaction | None) -> Round | None:
        if of is None or not of.round_id:
            return None
        return self._state.rounds.get((operator, of.player_id, of.game_id, of.round_id))

    def _held_until(self, operator: int) -> datetime:
        return self._state.now + self._leases.get(operator, lease_of(DEFAULT_DEADLINE_MS))


def _outcome_of_pending(command: Command) -> RollbackOutcome:
    return RollbackOutcome.PENDING if isinstance(command, Rollback) else RollbackOutcome.NONE


def told_again(command: Command, pending: Pending) -> Result:
    """Answer a repeated request whose outcome is not known: of a bet nobody may rely on it."""
    answer = replay(command, pending.transaction)
    if isinstance(answer, Refusal):
        return answer
    if isinstance(command, Bet):
        return casino_unreachable(command.transaction_id, is_sent=True)
    return Answer(answer, replayed=True)
