"""The working state of a flush: what was read under lock, as the flush changes it.

Whatever is decided is applied here at once, so that a later command of the same flush sees it, and
comes out as `Changes` at the end. While a group is decided, everything can be taken back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from purser_server.domain.accounts import AccountKind, contra_kind
from purser_server.domain.commands import (
    TYPE_OF,
    Bet,
    CloseRound,
    Command,
    Rollback,
    Win,
    fixed_by,
)
from purser_server.domain.decisions import Decision, Wallet
from purser_server.domain.errors import Refusal
from purser_server.domain.intents import rollback_of
from purser_server.domain.players import wallet_not_found
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import (
    Transaction,
    TransactionState,
    TransactionType,
)
from purser_server.ledger.intents import IntentBook
from purser_server.ledger.ports import (
    NUMBERS_PER_FLUSH,
    Changes,
    Entry,
    Loaded,
    Reversal,
    RoundKey,
)

_ABSENT: Any = object()


class State:
    """Everything that the rules of a flush look at, and what it is going to write."""

    def __init__(self, loaded: Loaded) -> None:
        self.now = loaded.now
        self._next_number = loaded.numbers_from
        self._numbers_end = loaded.numbers_from + NUMBERS_PER_FLUSH
        self.players = loaded.players
        self.house_accounts = loaded.house
        self.sessions = loaded.sessions
        self.wallets = dict(loaded.wallets)
        self.known = dict(loaded.known)
        self.rounds = dict(loaded.rounds)
        self._stored_rounds = loaded.rounds.keys()
        self._touched_wallets: dict[tuple[int, str, str], None] = {}
        self._touched_rounds: dict[RoundKey, None] = {}
        self._house: dict[tuple[int, int], int] = {}
        self.entries: list[Entry] = []
        self.reversals: list[Reversal] = []
        self._undo: list[tuple[dict[Any, Any], Any, Any]] | None = None
        self._before_group = 0, 0
        self.intents = IntentBook(loaded)
        self._mode_changes = loaded.mode_changes

    def changes(self) -> Changes:
        """Return all that is to be written."""
        changes = Changes(
            self.now,
            self._mode_changes,
            entries=self.entries,
            reversals=self.reversals,
        )
        for key in self._touched_rounds:
            operator, player_id = key[0], key[1]
            if key in self._stored_rounds:
                changes.rounds.append((operator, self.rounds[key]))
            else:
                player = self.players[operator, player_id]
                changes.new_rounds.append((operator, player, self.rounds[key]))
        changes.wallets = [(key[0], self.wallets[key]) for key in self._touched_wallets]
        changes.house = [(*account, change) for account, change in self._house.items() if change]
        self.intents.add_to(changes)
        return changes

    def begin_group(self) -> None:
        """Remember from now on how everything was."""
        self._undo = []
        self._before_group = len(self.entries), len(self.reversals)

    def end_group(self) -> None:
        """Let what was done since `begin_group` stand."""
        self._undo = None

    def take_back_group(self) -> None:
        """Restore the state as it was before the group began."""
        assert self._undo is not None
        entries, reversals = self._before_group
        for mapping, key, before in reversed(self._undo):
            if before is _ABSENT:
                del mapping[key]
            else:
                mapping[key] = before
        self._undo = None
        del self.entries[entries:]
        del self.reversals[reversals:]

    def set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Change the working state so that a failing group can take it back."""
        if self._undo is not None:
            self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    def take_number(self) -> int:
        """Return the next transaction number."""
        number = self._next_number
        assert number < self._numbers_end, "a flush has no more numbers than its block"
        self._next_number += 1
        return number

    def wallet(self, operator: int, player_id: str, currency_code: str) -> Wallet | Refusal:
        """Return a wallet, or why there is none."""
        wallet = self.wallets.get((operator, player_id, currency_code))
        return wallet if wallet is not None else wallet_not_found(player_id, currency_code)

    def round_of(self, operator: int, of: Bet | Win | Transaction, number: int) -> Round:
        """Return the round as it stands; a new one takes the number of what names it first."""
        key = (operator, of.player_id, of.game_id, of.round_id)
        known = self.rounds.get(key)
        return known if known is not None else _new_round(number, *key[1:])

    # -- what is decided ---------------------------------------------------------------------

    def carry_out(
        self, operator: int, command: Command, number: int, decision: Decision
    ) -> Transaction:
        """Apply a decision and record its transaction."""
        kind, change, after = type(command), decision.change, decision.round
        wallet = self.wallets.get((operator, command.player_id, decision.currency_code))
        game_id, round_id, related_id, win_type, closes, takes_all, metadata = fixed_by(command)
        if isinstance(command, Rollback):
            game_id, round_id = self._undo_original(operator, command, number, decision)
        if after is not None:
            self._set_round(operator, after)
        # By position: by name it would take twice as long.
        transaction = Transaction(
            number,
            command.transaction_id,
            TYPE_OF[kind],
            TransactionState.COMPLETED,
            command.player_id,
            self.now,
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
        self.record(operator, transaction, wallet.account_number if wallet is not None else None)
        if wallet is not None and change:
            self._post(operator, wallet, transaction)
        return transaction

    def carry_out_at_casino(
        self, operator: int, transaction: Transaction, decision: Decision
    ) -> Transaction:
        """Record a movement of money that the casino keeps: its debt to the game's result."""
        if transaction.type is TransactionType.ROLLBACK:
            rollback = rollback_of(transaction)
            self._undo_original(operator, rollback, transaction.number, decision)
        if decision.round is not None:
            self._set_round(operator, decision.round)
        account = None
        if transaction.change:
            unit = transaction.currency_code
            account = self.house_accounts[operator, AccountKind.CASINO_SETTLEMENT, unit]
        self.record(operator, transaction, account)
        if account is not None:
            contra = self.entries[-1].contra_account
            assert contra is not None, "a posting has two sides"
            self._move(operator, account, transaction.change)
            self._move(operator, contra, -transaction.change)
        return transaction

    def record_posting(self, operator: int, transaction: Transaction) -> Transaction:
        """Record a movement of a player's account, which gives it its balance and number."""
        unit = transaction.currency_code
        wallet = self.wallets[operator, transaction.player_id, unit]
        posted = replace(
            transaction,
            balance_before=wallet.balance,
            wallet_sequence=wallet.sequence + 1 if transaction.change else 0,
        )
        self.record(operator, posted, wallet.account_number)
        if posted.change:
            self._post(operator, wallet, posted)
        return posted

    def _set_round(self, operator: int, after: Round) -> None:
        key = (operator, after.player_id, after.game_id, after.round_id)
        self.set(self.rounds, key, after)
        self.set(self._touched_rounds, key, None)

    def store_refusal(self, operator: int, command: Command, number: int, refusal: Refusal) -> None:
        """Add a refused command to the history: it is refused for ever."""
        currency = getattr(command, "currency_code", "")
        wallet = self.wallets.get((operator, command.player_id, currency))
        original = None
        if isinstance(command, Rollback):
            # In a group that failed, the original may be gone with it.
            original = self.known.get((operator, command.original_transaction_id))
        transaction = Transaction(
            number,
            command.transaction_id,
            TYPE_OF[type(command)],
            TransactionState.REFUSED,
            command.player_id,
            self.now,
            currency,
            getattr(command, "amount", 0) or 0,
            *fixed_by(command, original),
            refusal=refusal,
        )
        self.record(operator, transaction, wallet.account_number if wallet else None)

    def _undo_original(
        self, operator: int, rollback: Rollback, number: int, decision: Decision
    ) -> tuple[str, str]:
        """Mark the original as rolled back, or leave a tombstone where it has not arrived.

        Returns the original's game and round.
        """
        key = (operator, rollback.original_transaction_id)
        original = self.known.get(key)
        if original is None:
            self._bury(operator, rollback)
            return "", ""
        if decision.reverses_original:
            undone = replace(original, state=TransactionState.ROLLED_BACK)
            self.set(self.known, key, undone)
            self.reversals.append(Reversal(operator, original.number, number))
        return original.game_id, original.round_id

    def _bury(self, operator: int, rollback: Rollback) -> None:
        tombstone = Transaction(
            number=self.take_number(),
            transaction_id=rollback.original_transaction_id,
            type=TransactionType.UNSPECIFIED,
            state=TransactionState.TOMBSTONE,
            player_id=rollback.player_id,
            create_time=self.now,
            related_transaction_id=rollback.transaction_id,
        )
        self.record(operator, tombstone, None)

    def record(self, operator: int, transaction: Transaction, account: int | None) -> None:
        """Add a transaction to the history, and its round's name where it is not yet stored."""
        self.set(self.known, (operator, transaction.transaction_id), transaction)
        round_number = None
        if transaction.round_id:
            round_number = self._name_round(operator, transaction)
        contra = None
        if transaction.change:
            kind = contra_kind(transaction.type, transaction.currency_code)
            contra = self.house_accounts[operator, kind, transaction.currency_code]
        player = self.players[operator, transaction.player_id]
        self.entries.append(Entry(operator, player, transaction, account, contra, round_number))

    def _name_round(self, operator: int, transaction: Transaction) -> int:
        """Return the number of the transaction's round, which is stored from now on."""
        key = (operator, transaction.player_id, transaction.game_id, transaction.round_id)
        round_ = self.rounds.get(key)
        if round_ is None:
            round_ = _new_round(transaction.number, *key[1:])
            self.set(self.rounds, key, round_)
            self.set(self._touched_rounds, key, None)
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
        self.set(self.wallets, key, after)
        self.set(self._touched_wallets, key, None)
        contra = self.entries[-1].contra_account
        assert contra is not None, "a posting has two sides"
        self._move(operator, contra, -transaction.change)

    def _move(self, operator: int, account: int, change: int) -> None:
        """Change one of this writer's house accounts."""
        key = (operator, account)
        self.set(self._house, key, self._house.get(key, 0) + change)


def _new_round(number: int, player_id: str, game_id: str, round_id: str) -> Round:
    # A round that begins in this flush has all its wins in this flush: none so far.
    return Round(number, player_id, game_id, round_id, settlers=())
