"""One flush: many commands, decided one after another over the state that was read under lock.

A later command sees what an earlier one of the same flush did. Nothing here waits or fails for
technical reasons; a refused command leaves its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from purser_server.domain.accounts import CONTRA_KIND
from purser_server.domain.commands import (
    TYPE_OF,
    Bet,
    CloseRound,
    Command,
    Deposit,
    Rollback,
    Win,
    Withdraw,
)
from purser_server.domain.decisions import Answer, Decision, Result, Wallet, group_failed
from purser_server.domain.errors import Refusal
from purser_server.domain.players import player_not_found, wallet_not_found
from purser_server.domain.replay import replay
from purser_server.domain.rollbacks import decide_rollback, refuse_or_settle_early
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import (
    Transaction,
    TransactionState,
    TransactionType,
    WinType,
)
from purser_server.domain.values import value
from purser_server.domain.wallet import (
    decide_bet,
    decide_close_round,
    decide_deposit,
    decide_win,
    decide_withdraw,
    round_not_found,
)
from purser_server.ledger.ports import Changes, Entry, Loaded, Request, Reversal, RoundKey

_ABSENT: Any = object()


@value
class Group:
    """What succeeds or fails together: one request, or all those of an atomic group."""

    requests: tuple[Request, ...]


class Batch:
    """The working state of a flush."""

    def __init__(self, loaded: Loaded) -> None:
        self._now = loaded.now
        self._next_number = loaded.numbers_from
        self._players = loaded.players
        self._house_accounts = loaded.house
        self._sessions = loaded.sessions
        self._wallets = dict(loaded.wallets)
        self._known = dict(loaded.known)
        self._rounds = dict(loaded.rounds)
        self._stored_rounds = loaded.rounds.keys()
        self._touched_wallets: dict[tuple[int, str, str], None] = {}
        self._touched_rounds: dict[RoundKey, None] = {}
        self._house: dict[tuple[int, int], int] = {}
        self._entries: list[Entry] = []
        self._reversals: list[Reversal] = []
        self._undo: list[tuple[dict[Any, Any], Any, Any]] | None = None

    def decide(self, groups: Iterable[Group]) -> list[list[Result]]:
        """Decide all groups in order; the results stand in the order of their requests."""
        return [
            [self._decide_one(group.requests[0])]
            if len(group.requests) == 1
            else self._decide_group(group.requests)
            for group in groups
        ]

    def changes(self) -> Changes:
        """Return all that is to be written."""
        changes = Changes(entries=self._entries, reversals=self._reversals)
        for key in self._touched_rounds:
            operator, player_id = key[0], key[1]
            if key in self._stored_rounds:
                changes.rounds.append((operator, self._rounds[key]))
            else:
                player = self._players[operator, player_id]
                changes.new_rounds.append((operator, player, self._rounds[key]))
        changes.wallets = [(key[0], self._wallets[key]) for key in self._touched_wallets]
        changes.house = [(*account, change) for account, change in self._house.items() if change]
        return changes

    # -- groups ------------------------------------------------------------------------------

    def _decide_group(self, requests: Sequence[Request]) -> list[Result]:
        """Let all requests succeed, or none; the failing one's own refusal is kept."""
        self._undo = []
        entries, reversals = len(self._entries), len(self._reversals)
        results: list[Result] = []
        for index, request in enumerate(requests):
            result = self._decide_one(request)
            if isinstance(result, Refusal):
                self._take_back(entries, reversals)
                self._keep_refusal(request, result)
                others = group_failed(index)
                return [result if at == index else others for at in range(len(requests))]
            results.append(result)
        self._undo = None
        return results

    def _take_back(self, entries: int, reversals: int) -> None:
        """Restore the state as it was before the group began."""
        assert self._undo is not None
        for mapping, key, before in reversed(self._undo):
            if before is _ABSENT:
                del mapping[key]
            else:
                mapping[key] = before
        self._undo = None
        del self._entries[entries:]
        del self._reversals[reversals:]

    def _keep_refusal(self, request: Request, refusal: Refusal) -> None:
        """Store what refused a group, if it is final and was not stored before the group."""
        key = (request.operator, request.command.transaction_id)
        # A tombstone of the group may have refused a player that does not exist.
        exists = (request.operator, request.command.player_id) in self._players
        if refusal.is_final and exists and key not in self._known:
            self._store_refusal(request.operator, request.command, self._take_number(), refusal)

    def _set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Change the working state so that a failing group can take it back."""
        if self._undo is not None:
            self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    # -- one command -------------------------------------------------------------------------

    def _decide_one(self, request: Request) -> Result:
        operator, command = request.operator, request.command
        known = self._known.get((operator, command.transaction_id))
        if known is not None:
            answer = replay(command, known)
            return answer if isinstance(answer, Refusal) else Answer(answer, replayed=True)
        if (operator, command.player_id) not in self._players:
            return player_not_found(command.player_id)
        number = self._take_number()
        judge = _JUDGES[type(command)]
        decision = judge(self, operator, command, number)
        if isinstance(decision, Refusal):
            if decision.is_final:
                self._store_refusal(operator, command, number, decision)
            return decision
        return Answer(self._carry_out(operator, command, number, decision), replayed=False)

    def _take_number(self) -> int:
        number = self._next_number
        self._next_number += 1
        return number

    def _wallet(self, operator: int, player_id: str, currency_code: str) -> Wallet | Refusal:
        wallet = self._wallets.get((operator, player_id, currency_code))
        return wallet if wallet is not None else wallet_not_found(player_id, currency_code)

    def _round(self, operator: int, command: Bet | Win, number: int) -> Round:
        """Return the round as it stands; a new one takes the number of what names it first."""
        key = (operator, command.player_id, command.game_id, command.round_id)
        known = self._rounds.get(key)
        if known is not None:
            return known
        return _new_round(number, command.player_id, command.game_id, command.round_id)

    # -- the rules, each with the state it needs ------------------------------------------------

    def _judge_deposit(self, operator: int, deposit: Deposit, _: int) -> Decision | Refusal:
        wallet = self._wallet(operator, deposit.player_id, deposit.currency_code)
        return wallet if isinstance(wallet, Refusal) else decide_deposit(deposit, wallet)

    def _judge_withdraw(self, operator: int, withdraw: Withdraw, _: int) -> Decision | Refusal:
        wallet = self._wallet(operator, withdraw.player_id, withdraw.currency_code)
        return wallet if isinstance(wallet, Refusal) else decide_withdraw(withdraw, wallet)

    def _judge_bet(self, operator: int, bet: Bet, number: int) -> Decision | Refusal:
        wallet = self._wallet(operator, bet.player_id, bet.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        session = self._sessions.get((operator, bet.session_id)) if bet.session_id else None
        return decide_bet(bet, wallet, self._round(operator, bet, number), session)

    def _judge_win(self, operator: int, win: Win, number: int) -> Decision | Refusal:
        wallet = self._wallet(operator, win.player_id, win.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        bet = None
        if win.bet_transaction_id:
            bet = self._known.get((operator, win.bet_transaction_id))
        round_ = self._round(operator, win, number) if win.round_id else None
        return decide_win(win, wallet, round_, bet, number)

    def _judge_close_round(self, operator: int, close: CloseRound, _: int) -> Decision | Refusal:
        key = (operator, close.player_id, close.game_id, close.round_id)
        round_ = self._rounds.get(key)
        if round_ is None:
            return round_not_found(close.game_id, close.round_id)
        return decide_close_round(close, round_)

    def _judge_rollback(self, operator: int, rollback: Rollback, _: int) -> Decision | Refusal:
        original = self._known.get((operator, rollback.original_transaction_id))
        early = refuse_or_settle_early(rollback, original)
        if early is not None:
            return early
        assert original is not None
        wallet = self._wallet(operator, rollback.player_id, original.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        key = (operator, original.player_id, original.game_id, original.round_id)
        return decide_rollback(original, wallet, self._rounds.get(key))

    # -- carrying out --------------------------------------------------------------------------

    def _carry_out(
        self, operator: int, command: Command, number: int, decision: Decision
    ) -> Transaction:
        """Apply a decision to the working state and record its transaction."""
        kind, change, after = type(command), decision.change, decision.round
        wallet = self._wallets.get((operator, command.player_id, decision.currency_code))
        game_id, round_id, related_id, win_type, closes, takes_all, metadata = _CONTENT[kind](
            command
        )
        if isinstance(command, Rollback):
            game_id, round_id = self._undo_original(operator, command, number, decision)
        if after is not None:
            key = (operator, after.player_id, after.game_id, after.round_id)
            self._set(self._rounds, key, after)
            self._set(self._touched_rounds, key, None)
        # By position: by name it would take twice as long.
        transaction = Transaction(
            number,
            command.transaction_id,
            TYPE_OF[kind],
            TransactionState.COMPLETED,
            command.player_id,
            self._now,
            decision.currency_code,
            decision.amount,
            game_id,
            round_id,
            related_id,
            win_type,
            closes,
            takes_all,
            metadata,
            change,
            wallet.balance if wallet is not None else None,
            wallet.sequence + 1 if wallet is not None and change else 0,
            decision.counts_in_round,
            decision.outcome,
            None,
            after if kind is CloseRound else None,
        )
        self._record(operator, transaction, wallet.account_number if wallet is not None else None)
        if wallet is not None and change:
            self._post(operator, wallet, transaction)
        return transaction

    def _undo_original(
        self, operator: int, rollback: Rollback, number: int, decision: Decision
    ) -> tuple[str, str]:
        """Mark the original as rolled back, or leave a tombstone where it has not arrived.

        Returns the original's game and round.
        """
        key = (operator, rollback.original_transaction_id)
        original = self._known.get(key)
        if original is None:
            self._bury(operator, rollback)
            return "", ""
        if decision.reverses_original:
            undone = replace(original, state=TransactionState.ROLLED_BACK)
            self._set(self._known, key, undone)
            self._reversals.append(Reversal(operator, original.number, number))
        return original.game_id, original.round_id

    def _bury(self, operator: int, rollback: Rollback) -> None:
        tombstone = Transaction(
            number=self._take_number(),
            transaction_id=rollback.original_transaction_id,
            type=TransactionType.UNSPECIFIED,
            state=TransactionState.TOMBSTONE,
            player_id=rollback.player_id,
            create_time=self._now,
            related_transaction_id=rollback.transaction_id,
        )
        self._record(operator, tombstone, None)

    def _store_refusal(
        self, operator: int, command: Command, number: int, refusal: Refusal
    ) -> None:
        currency = getattr(command, "currency_code", "")
        wallet = self._wallets.get((operator, command.player_id, currency))
        content = _CONTENT[type(command)](command)
        if isinstance(command, Rollback):
            # In a group that failed, the original may be gone with it.
            original = self._known.get((operator, command.original_transaction_id))
            if original is not None:
                content = (original.game_id, original.round_id, *content[2:])
        transaction = Transaction(
            number,
            command.transaction_id,
            TYPE_OF[type(command)],
            TransactionState.REFUSED,
            command.player_id,
            self._now,
            currency,
            getattr(command, "amount", 0) or 0,
            *content,
            refusal=refusal,
        )
        self._record(operator, transaction, wallet.account_number if wallet else None)

    def _record(self, operator: int, transaction: Transaction, account: int | None) -> None:
        """Add a transaction to the history, and its round's name where it is not yet stored."""
        self._set(self._known, (operator, transaction.transaction_id), transaction)
        round_number = None
        if transaction.round_id:
            round_number = self._name_round(operator, transaction)
        contra = None
        if transaction.change:
            kind = CONTRA_KIND[transaction.type]
            contra = self._house_accounts[operator, kind, transaction.currency_code]
        player = self._players[operator, transaction.player_id]
        self._entries.append(Entry(operator, player, transaction, account, contra, round_number))

    def _name_round(self, operator: int, transaction: Transaction) -> int:
        """Return the number of the transaction's round, which is stored from now on."""
        key = (operator, transaction.player_id, transaction.game_id, transaction.round_id)
        round_ = self._rounds.get(key)
        if round_ is None:
            round_ = _new_round(transaction.number, *key[1:])
            self._set(self._rounds, key, round_)
            self._set(self._touched_rounds, key, None)
        return round_.number

    def _post(self, operator: int, wallet: Wallet, transaction: Transaction) -> None:
        """Move the money: the wallet gains what this writer's house account gives."""
        after = Wallet(
            wallet.account_number,
            wallet.player_id,
            wallet.player_status,
            wallet.currency_code,
            wallet.balance + transaction.change,
            transaction.wallet_sequence,
        )
        key = (operator, wallet.player_id, wallet.currency_code)
        self._set(self._wallets, key, after)
        self._set(self._touched_wallets, key, None)
        contra = self._entries[-1].contra_account
        assert contra is not None, "a posting has two sides"
        house = (operator, contra)
        self._set(self._house, house, self._house.get(house, 0) - transaction.change)


def _new_round(number: int, player_id: str, game_id: str, round_id: str) -> Round:
    # A round that begins in this flush has all its wins in this flush: none so far.
    return Round(number, player_id, game_id, round_id, settlers=())


Content = tuple[str, str, str, WinType, bool, bool, Mapping[str, str]]
"""What a command fixes of its transaction, beside player and amount: game, round, what it refers
to, win type, whether it closes its round, whether it takes all, metadata."""

_NO_METADATA: Mapping[str, str] = {}
_PLAIN = (WinType.REGULAR, False, False, _NO_METADATA)

_CONTENT: Mapping[type, Callable[[Any], Content]] = {
    Deposit: lambda it: ("", "", "", *_PLAIN[:3], it.metadata),
    Withdraw: lambda it: ("", "", "", WinType.REGULAR, False, it.amount is None, it.metadata),
    Bet: lambda it: (it.game_id, it.round_id, "", *_PLAIN),
    CloseRound: lambda it: (it.game_id, it.round_id, "", *_PLAIN),
    Win: lambda it: (
        it.game_id,
        it.round_id,
        it.bet_transaction_id,
        it.win_type,
        it.close_round,
        *_PLAIN[2:],
    ),
    Rollback: lambda it: ("", "", it.original_transaction_id, *_PLAIN),
}

_JUDGES: Mapping[type, Callable[..., Decision | Refusal]] = {
    Deposit: Batch._judge_deposit,
    Withdraw: Batch._judge_withdraw,
    Bet: Batch._judge_bet,
    Win: Batch._judge_win,
    CloseRound: Batch._judge_close_round,
    Rollback: Batch._judge_rollback,
}
