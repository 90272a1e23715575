"""Prizes within a flush: granted, shipped, returned for money, and given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from purser_server.domain.decisions import Answer, PrizeAnswer, PrizeResult
from purser_server.domain.errors import Refusal
from purser_server.domain.money import amount_range, fits
from purser_server.domain.outcomes import Phase
from purser_server.domain.players import player_not_found
from purser_server.domain.prize_cashbacks import casino_unheard, replay_return
from purser_server.domain.prizes import (
    GrantPrize,
    Prize,
    PrizeCommand,
    PrizeState,
    PrizeStep,
    ReturnPrize,
    ShipPrize,
    granted,
    prize_not_found,
    prize_not_shippable,
    refuse_grant,
    refuse_return,
    take,
)
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.ledger.ports import PrizeChanges
from purser_server.ledger.state import State


class PrizeBook:
    """The prizes as a flush changes them."""

    def __init__(self, state: State, prizes: Mapping[tuple[int, str], Prize]) -> None:
        self._state = state
        self._stored = prizes
        self._prizes = dict(prizes)

    def find(self, operator: int, prize_id: str) -> Prize | None:
        """Return a prize as it is now."""
        return self._prizes.get((operator, prize_id))

    def add(self, operator: int, prize: Prize) -> None:
        """Store a new prize."""
        self._prizes[operator, prize.prize_id] = prize

    def step(
        self, operator: int, prize: Prize, step: PrizeStep, return_id: str = ""
    ) -> Prize | None:
        """Let a prize take a step; None if it cannot."""
        after = take(prize, step, self._state.now, return_id)
        if after is not None:
            self._prizes[operator, prize.prize_id] = after
        return after

    def end_return(self, operator: int, of: Transaction, *, is_paid: bool) -> None:
        """Let a prize go whose return has its outcome; other movements have none."""
        if of.type is not TransactionType.PRIZE_CASHBACK:
            return
        prize = self._prizes[operator, of.prize_id]
        step = PrizeStep.CONFIRM if is_paid else PrizeStep.RELEASE
        after = self.step(operator, prize, step, of.transaction_id if is_paid else "")
        assert after is not None, "a prize that is being returned waits for its outcome"

    def changes(self) -> PrizeChanges:
        """Return all that is to be written."""
        changes = PrizeChanges()
        for key, prize in self._prizes.items():
            before = self._stored.get(key)
            if before is None:
                player = self._state.players[key[0], prize.player_id]
                changes.new.append((key[0], player, prize))
            elif before is not prize:
                changes.changed.append((key[0], prize))
        return changes


class PrizeRules:
    """The rules, each with the state it needs.

    `seamless` holds the operators in seamless mode, for whom `keep_intent` stores what is then
    asked of their casino.
    """

    def __init__(
        self,
        state: State,
        book: PrizeBook,
        seamless: Mapping[int, Any],
        keep_intent: Callable[[int, Transaction, Phase], Answer],
    ) -> None:
        self._state = state
        self._book = book
        self._seamless = seamless
        self._keep_intent = keep_intent

    def decide(self, operator: int, command: PrizeCommand) -> PrizeResult:
        """Carry a command out, refuse it, or tell what it was answered before."""
        if isinstance(command, ReturnPrize):
            answer = self._told_before(operator, command)
            if answer is not None:
                return answer
        if isinstance(command, GrantPrize):
            known = self._book.find(operator, command.prize_id)
            if known is not None:
                return refuse_grant(command, known) or self._told(known, replayed=True)
        if (operator, command.player_id) not in self._state.players:
            return player_not_found(command.player_id)
        return _DECIDE[type(command)](self, operator, command)

    # -- grants and shipments ----------------------------------------------------------------

    def _grant(self, operator: int, grant: GrantPrize) -> PrizeResult:
        wallet = self._state.wallet(operator, grant.player_id, grant.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        prize = granted(grant, self._state.take_number(), self._state.now)
        self._book.add(operator, prize)
        return self._told(prize, replayed=False)

    def _ship(self, operator: int, ship: ShipPrize) -> PrizeResult:
        prize = self._prize_of(operator, ship)
        if isinstance(prize, Refusal):
            return prize
        state = prize.state_at(self._state.now)
        if state is PrizeState.SHIPMENT_ORDERED:
            return self._told(prize, replayed=True)
        after = self._book.step(operator, prize, PrizeStep.SHIP)
        if after is None:
            return prize_not_shippable(prize.prize_id, state)
        return self._told(after, replayed=False)

    def _told(self, prize: Prize, *, replayed: bool) -> PrizeAnswer:
        return PrizeAnswer(prize, self._state.now, replayed)

    def _prize_of(self, operator: int, command: PrizeCommand) -> Prize | Refusal:
        prize = self._book.find(operator, command.prize_id)
        if prize is None or prize.player_id != command.player_id:
            return prize_not_found(command.prize_id)
        return prize

    # -- returns -----------------------------------------------------------------------------

    def _told_before(self, operator: int, asked: ReturnPrize) -> Answer | Refusal | None:
        """Answer a request whose id is known, with or without an outcome."""
        key = (operator, asked.transaction_id)
        pending = self._state.intents.find(*key)
        known = self._state.known.get(key) if pending is None else pending.transaction
        if known is None:
            return None
        return replay_return(asked, known) or Answer(known, replayed=True, pending=pending)

    def _return(self, operator: int, asked: ReturnPrize) -> PrizeResult:
        state, prize = self._state, self._prize_of(operator, asked)
        if isinstance(prize, Refusal):
            return prize
        wallet = state.wallet(operator, prize.player_id, prize.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        refusal = refuse_return(prize, wallet.player_status, state.now)
        if refusal is not None:
            return self._deny(operator, asked, prize, refusal) if refusal.is_final else refusal
        if operator in self._seamless:
            return self._ask(operator, asked, prize)
        if not fits(wallet.balance + prize.cash_value):
            return amount_range(prize.currency_code)
        return self._pay(operator, asked, prize)

    def _deny(
        self, operator: int, asked: ReturnPrize, prize: Prize, refusal: Refusal
    ) -> PrizeResult:
        """Store a request that came to nothing: it is answered so for ever."""
        denied = self._transaction(asked, prize, TransactionState.REFUSED, refusal)
        self._state.record(operator, denied, None)
        return Answer(denied, replayed=False)

    def _pay(self, operator: int, asked: ReturnPrize, prize: Prize) -> PrizeResult:
        """Let the wallet have the prize's cash value."""
        self._must_step(operator, asked, prize, PrizeStep.PAY)
        paid = self._transaction(asked, prize, TransactionState.COMPLETED)
        return Answer(self._state.record_posting(operator, paid), replayed=False)

    def _ask(self, operator: int, asked: ReturnPrize, prize: Prize) -> PrizeResult:
        """Store what the casino is asked then, or that nobody can be asked."""
        if asked.is_unheard:
            return self._deny(operator, asked, prize, casino_unheard(asked.transaction_id))
        self._must_step(operator, asked, prize, PrizeStep.ASK)
        intent = self._transaction(asked, prize, TransactionState.PENDING)
        return self._keep_intent(operator, intent, Phase.SENDING)

    def _must_step(self, operator: int, asked: ReturnPrize, prize: Prize, step: PrizeStep) -> None:
        after = self._book.step(operator, prize, step, asked.transaction_id)
        assert after is not None, "what cannot be returned was refused"

    def _transaction(
        self,
        asked: ReturnPrize,
        prize: Prize,
        state: TransactionState,
        refusal: Refusal | None = None,
    ) -> Transaction:
        return Transaction(
            self._state.take_number(),
            asked.transaction_id,
            TransactionType.PRIZE_CASHBACK,
            state,
            prize.player_id,
            self._state.now,
            prize.currency_code,
            prize.cash_value,
            change=prize.cash_value if state is TransactionState.COMPLETED else 0,
            refusal=refusal,
            at_casino=state is TransactionState.PENDING,
            prize_id=prize.prize_id,
        )


_DECIDE: Mapping[type, Callable[[PrizeRules, int, Any], PrizeResult]] = {
    GrantPrize: PrizeRules._grant,
    ShipPrize: PrizeRules._ship,
    ReturnPrize: PrizeRules._return,
}
