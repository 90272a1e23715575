"""One flush: many commands, decided one after another over the state that was read under lock.

A later command sees what an earlier one of the same flush did. Nothing here waits or fails for
technical reasons; a refused command leaves its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from purser_server.domain.commands import Bet, CloseRound, Command, Deposit, Rollback, Win, Withdraw
from purser_server.domain.decisions import Answer, AnyResult, Decision, group_failed
from purser_server.domain.errors import Refusal
from purser_server.domain.intents import Settle
from purser_server.domain.players import player_not_found
from purser_server.domain.points_commands import PointsCommand
from purser_server.domain.prizes import PrizeCommand
from purser_server.domain.replay import replay
from purser_server.domain.rollbacks import decide_rollback, refuse_or_settle_early
from purser_server.domain.transactions import TransactionState
from purser_server.domain.values import value
from purser_server.domain.wallet import (
    decide_bet,
    decide_close_round,
    decide_deposit,
    decide_win,
    decide_withdraw,
    round_not_found,
    wrong_mode,
)
from purser_server.ledger.loyalty import LoyaltyRules
from purser_server.ledger.loyalty_book import LoyaltyBook
from purser_server.ledger.loyalty_state import LoyaltyState
from purser_server.ledger.ports import Changes, Loaded, LoyaltyLoaded, Request
from purser_server.ledger.prizes import PrizeBook, PrizeRules
from purser_server.ledger.refunds import RefundRules
from purser_server.ledger.rewards import RewardRules
from purser_server.ledger.seamless import SeamlessRules, told_again
from purser_server.ledger.state import State


@value
class Group:
    """What succeeds or fails together: one request, or all those of an atomic group."""

    requests: tuple[Request, ...]
    is_atomic: bool = False


class Batch:
    """Decides the requests of a flush."""

    def __init__(self, loaded: Loaded) -> None:
        self._state = State(loaded)
        self._seamless = loaded.seamless
        self._prizes = PrizeBook(self._state, loaded.prizes)
        self._loyalty = LoyaltyState(loaded.loyalty or LoyaltyLoaded())
        book = LoyaltyBook(self._state, self._loyalty, loaded.seamless)
        rewards = RewardRules(book)
        self._loyalty_rules = LoyaltyRules(book, rewards, RefundRules(book))
        self._seamless_rules = SeamlessRules(
            self._state, loaded.seamless, self._prizes, rewards.give_up
        )
        keep_intent = self._seamless_rules.keep
        self._prize_rules = PrizeRules(self._state, self._prizes, loaded.seamless, keep_intent)

    def decide(self, groups: Iterable[Group]) -> list[list[AnyResult]]:
        """Decide all groups in order; the results stand in the order of their requests."""
        return [
            self._decide_group(group.requests)
            if group.is_atomic
            else [self._decide_one(group.requests[0])]
            for group in groups
        ]

    def changes(self) -> Changes:
        """Return all that is to be written."""
        changes = self._state.changes()
        changes.loyalty = self._loyalty.changes(self._state.players)
        changes.prizes = self._prizes.changes()
        return changes

    # -- groups ------------------------------------------------------------------------------

    def _decide_group(self, requests: Sequence[Request]) -> list[AnyResult]:
        """Let all requests succeed, or none; the failing one's own refusal is kept."""
        if requests[0].operator in self._seamless:
            return [wrong_mode()] * len(requests)
        self._state.begin_group()
        results: list[AnyResult] = []
        for index, request in enumerate(requests):
            result = self._decide_one(request)
            if isinstance(result, Refusal):
                self._state.take_back_group()
                self._keep_refusal(request, result)
                others = group_failed(index)
                return [result if at == index else others for at in range(len(requests))]
            results.append(result)
        self._state.end_group()
        return results

    def _keep_refusal(self, request: Request, refusal: Refusal) -> None:
        """Store what refused a group, if it is final and was not stored before the group."""
        state, operator, command = self._state, request.operator, request.command
        assert not isinstance(command, Settle | PointsCommand | PrizeCommand), "never in a group"
        if refusal.is_final and (operator, command.transaction_id) not in state.known:
            state.store_refusal(operator, command, state.take_number(), refusal)

    # -- one command -------------------------------------------------------------------------

    def _decide_one(self, request: Request) -> AnyResult:
        operator, command, state = request.operator, request.command, self._state
        if isinstance(command, Settle | PointsCommand | PrizeCommand):
            return self._decide_other(operator, command)
        known = state.known.get((operator, command.transaction_id))
        exists = (operator, command.player_id) in state.players
        # A tombstone's refusal is stored, which needs the player.
        if known is not None and (exists or known.state is not TransactionState.TOMBSTONE):
            answer = replay(command, known)
            return answer if isinstance(answer, Refusal) else Answer(answer, replayed=True)
        pending = state.intents.find(operator, command.transaction_id)
        if pending is not None:
            return told_again(command, pending)
        if not exists:
            return player_not_found(command.player_id)
        if operator in self._seamless and not isinstance(command, CloseRound):
            return self._seamless_rules.begin(operator, command)
        number = state.take_number()
        judge = _JUDGES[type(command)]
        decision = judge(state, operator, command, number)
        if isinstance(decision, Refusal):
            if decision.is_final:
                state.store_refusal(operator, command, number, decision)
            return decision
        return Answer(state.carry_out(operator, command, number, decision), replayed=False)

    def _decide_other(
        self, operator: int, command: Settle | PointsCommand | PrizeCommand
    ) -> AnyResult:
        """Decide what is no movement that a client asks of a wallet."""
        if isinstance(command, Settle):
            return self._seamless_rules.settle(operator, command)
        if isinstance(command, PointsCommand):
            return self._loyalty_rules.decide(operator, command)
        return self._prize_rules.decide(operator, command)


# -- the rules, each with the state it needs --------------------------------------------------


def _judge_deposit(state: State, operator: int, deposit: Deposit, _: int) -> Decision | Refusal:
    wallet = state.wallet(operator, deposit.player_id, deposit.currency_code)
    return wallet if isinstance(wallet, Refusal) else decide_deposit(deposit, wallet)


def _judge_withdraw(state: State, operator: int, withdraw: Withdraw, _: int) -> Decision | Refusal:
    wallet = state.wallet(operator, withdraw.player_id, withdraw.currency_code)
    return wallet if isinstance(wallet, Refusal) else decide_withdraw(withdraw, wallet)


def _judge_bet(state: State, operator: int, bet: Bet, number: int) -> Decision | Refusal:
    wallet = state.wallet(operator, bet.player_id, bet.currency_code)
    if isinstance(wallet, Refusal):
        return wallet
    session = state.sessions.get((operator, bet.session_id)) if bet.session_id else None
    return decide_bet(bet, wallet, state.round_of(operator, bet, number), session)


def _judge_win(state: State, operator: int, win: Win, number: int) -> Decision | Refusal:
    wallet = state.wallet(operator, win.player_id, win.currency_code)
    if isinstance(wallet, Refusal):
        return wallet
    bet = None
    if win.bet_transaction_id:
        bet = state.known.get((operator, win.bet_transaction_id))
    round_ = state.round_of(operator, win, number) if win.round_id else None
    return decide_win(win, wallet, round_, bet, number)


def _judge_close_round(
    state: State, operator: int, close: CloseRound, _: int
) -> Decision | Refusal:
    key = (operator, close.player_id, close.game_id, close.round_id)
    round_ = state.rounds.get(key)
    if round_ is None:
        return round_not_found(close.game_id, close.round_id)
    return decide_close_round(close, round_)


def _judge_rollback(state: State, operator: int, rollback: Rollback, _: int) -> Decision | Refusal:
    original = state.known.get((operator, rollback.original_transaction_id))
    early = refuse_or_settle_early(rollback, original, at_casino=False)
    if early is not None:
        return early
    assert original is not None
    wallet = state.wallet(operator, rollback.player_id, original.currency_code)
    if isinstance(wallet, Refusal):
        return wallet
    key = (operator, original.player_id, original.game_id, original.round_id)
    return decide_rollback(original, wallet, state.rounds.get(key))


_JUDGES: Mapping[type[Command], Callable[..., Decision | Refusal]] = {
    Deposit: _judge_deposit,
    Withdraw: _judge_withdraw,
    Bet: _judge_bet,
    Win: _judge_win,
    CloseRound: _judge_close_round,
    Rollback: _judge_rollback,
}
