"""A stand-in for the store, in memory: it loads and saves as the store does, for unit tests alone.

It gives a flush no more than the store would give, and refuses what the store's constraints
refuse: a used id, an unknown round, a second reversal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from purser_server.domain.accounts import AccountKind, house_kinds
from purser_server.domain.commands import Bet, CloseRound, Rollback, Win
from purser_server.domain.decisions import Session, Wallet
from purser_server.domain.players import PlayerStatus
from purser_server.domain.rounds import Round, Settler
from purser_server.domain.transactions import (
    Transaction,
    TransactionState,
    TransactionType,
    WinType,
)
from purser_server.ledger.ports import (
    NUMBERS_PER_FLUSH,
    Changes,
    Entry,
    Loaded,
    Request,
    RoundKey,
)

FIRST_DAY = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class HouseAccount:
    """One of an operator's own accounts; its balance may be negative."""

    operator: int
    kind: AccountKind
    currency_code: str
    balance: int = 0


class MemoryStore:
    """Everything that is written, by the keys that the rules use."""

    def __init__(self) -> None:
        self.players: dict[tuple[int, str], int] = {}
        self.wallets: dict[tuple[int, str, str], Wallet] = {}
        self.house: dict[int, HouseAccount] = {}
        self.sessions: dict[tuple[int, str], Session] = {}
        self.rounds: dict[RoundKey, Round] = {}
        self.history: list[Entry] = []
        self.reversals: dict[int, int] = {}
        """original's number -> rollback's number"""
        self._by_id: dict[tuple[int, str], Entry] = {}
        self._numbers: set[int] = set()
        self._accounts = 0
        self._flushes = 0

    def copy(self) -> MemoryStore:
        """Return the store as it is now, untouched by what comes later."""
        copied = copy(self)
        copied.wallets, copied.rounds = dict(self.wallets), dict(self.rounds)
        copied.house = {number: replace(account) for number, account in self.house.items()}
        copied._by_id, copied._numbers = dict(self._by_id), set(self._numbers)
        copied.history, copied.reversals = list(self.history), dict(self.reversals)
        return copied

    # -- what is there before the first flush --------------------------------------------------

    def add_player(
        self, operator: int, player_id: str, status: PlayerStatus, currencies: Iterable[str]
    ) -> None:
        self.players[operator, player_id] = len(self.players) + 1
        for currency in currencies:
            self.wallets[operator, player_id, currency] = Wallet(
                self._new_account(), player_id, status, currency, balance=0, sequence=0
            )

    def set_status(self, operator: int, player_id: str, status: PlayerStatus) -> None:
        for key, wallet in self.wallets.items():
            if key[:2] == (operator, player_id):
                self.wallets[key] = replace(wallet, player_status=status)

    def _new_account(self) -> int:
        self._accounts += 1
        return self._accounts

    # -- reading -------------------------------------------------------------------------------

    def find(self, operator: int, transaction_id: str) -> Transaction | None:
        """Return a transaction as it is now: rolled back, when it was."""
        entry = self._by_id.get((operator, transaction_id))
        return None if entry is None else self.as_it_is(entry)

    def as_it_is(self, entry: Entry) -> Transaction:
        if entry.transaction.number in self.reversals:
            return replace(entry.transaction, state=TransactionState.ROLLED_BACK)
        return entry.transaction

    def load(self, requests: Sequence[Request]) -> Loaded:
        self._flushes += 1
        players = {(request.operator, request.command.player_id) for request in requests}
        wallets = {key: wallet for key, wallet in self.wallets.items() if key[:2] in players}
        ids = {(request.operator, request.command.transaction_id) for request in requests}
        ids.update(_references(requests))
        known = {key: found for key in ids if (found := self.find(*key)) is not None}
        undone = set(_rounds_of_rollbacks(requests, known))
        rounds = {
            key: replace(self.rounds[key], settlers=self._settlers(key) if key in undone else None)
            for key in {*_rounds_named(requests), *undone}
            if key in self.rounds and key[:2] in self.players
        }
        return Loaded(
            numbers_from=self._flushes * NUMBERS_PER_FLUSH,
            now=FIRST_DAY + timedelta(seconds=self._flushes),
            players={key: self.players[key] for key in players if key in self.players},
            wallets=wallets,
            house=self._house_accounts((key[0], key[2]) for key in wallets),
            known=known,
            rounds=rounds,
            sessions={
                (request.operator, request.command.session_id): session
                for request in requests
                if isinstance(request.command, Bet)
                and (session := self.sessions.get((request.operator, request.command.session_id)))
            },
        )

    def _settlers(self, key: RoundKey) -> tuple[Settler, ...]:
        """Return the round's standing wins that settle bets, in the order of their numbers."""
        number = self.rounds[key].number
        wins = [
            entry.transaction
            for entry in self.history
            if entry.round == number
            and entry.transaction.type is TransactionType.WIN
            and self.as_it_is(entry).state is TransactionState.COMPLETED
            and entry.transaction.counts_in_round
        ]
        return tuple(
            Settler(won.number, won.transaction_id, won.related_transaction_id)
            for won in sorted(wins, key=lambda won: won.number)
            if won.related_transaction_id or won.win_type is WinType.REGULAR
        )

    def _house_accounts(
        self, units: Iterable[tuple[int, str]]
    ) -> dict[tuple[int, AccountKind, str], int]:
        for operator, currency in dict.fromkeys(units):
            known = {(a.operator, a.kind, a.currency_code) for a in self.house.values()}
            for kind in house_kinds(currency):
                if (operator, kind, currency) not in known:
                    self.house[self._new_account()] = HouseAccount(operator, kind, currency)
        return {(a.operator, a.kind, a.currency_code): no for no, a in self.house.items()}

    # -- writing -------------------------------------------------------------------------------

    def save(self, changes: Changes) -> None:
        """Apply all changes of a flush."""
        for operator, player, round_ in changes.new_rounds:
            key = (operator, round_.player_id, round_.game_id, round_.round_id)
            assert key not in self.rounds, f"{key} exists"
            assert player == self.players[operator, round_.player_id]
            assert round_.number not in {other.number for other in self.rounds.values()}
            assert round_.number > 0
            self.rounds[key] = replace(round_, settlers=None)
        for operator, round_ in changes.rounds:
            key = (operator, round_.player_id, round_.game_id, round_.round_id)
            assert self.rounds[key].number == round_.number
            self.rounds[key] = replace(round_, settlers=None)
        for operator, wallet in changes.wallets:
            key_of_wallet = (operator, wallet.player_id, wallet.currency_code)
            assert self.wallets[key_of_wallet].account_number == wallet.account_number
            self.wallets[key_of_wallet] = wallet
        for operator, account, change in changes.house:
            assert self.house[account].operator == operator
            self.house[account].balance += change
        for entry in changes.entries:
            self._append(entry)
        for reversal in changes.reversals:
            assert reversal.original not in self.reversals, "rolled back twice"
            self.reversals[reversal.original] = reversal.rollback

    def _append(self, entry: Entry) -> None:
        transaction = entry.transaction
        key = (entry.operator, transaction.transaction_id)
        assert key not in self._by_id, f"id {key} exists"
        assert entry.player == self.players[entry.operator, transaction.player_id]
        assert transaction.number not in self._numbers, "number used twice"
        assert transaction.number // NUMBERS_PER_FLUSH == self._flushes, "not of this flush's block"
        self._assert_rows_of(entry)
        self._by_id[key] = replace(entry, transaction=_as_stored(entry))
        self._numbers.add(transaction.number)
        self.history.append(self._by_id[key])

    def _assert_rows_of(self, entry: Entry) -> None:
        """The rows that an entry points to tell its currency, game and round again."""
        transaction = entry.transaction
        if entry.account is not None:
            key = (entry.operator, transaction.player_id, transaction.currency_code)
            assert self.wallets[key].account_number == entry.account
        if transaction.round_id:
            round_key = (
                entry.operator,
                transaction.player_id,
                transaction.game_id,
                transaction.round_id,
            )
            assert self.rounds[round_key].number == entry.round
        else:
            assert entry.round is None


def _as_stored(entry: Entry) -> Transaction:
    """Return the transaction as it can be read again."""
    stored = entry.transaction
    if stored.round is not None:
        stored = replace(stored, round=replace(stored.round, settlers=None, covered_to=0))
    return stored


def _references(requests: Iterable[Request]) -> Iterable[tuple[int, str]]:
    for request in requests:
        if isinstance(request.command, Rollback):
            yield request.operator, request.command.original_transaction_id
        elif isinstance(request.command, Win) and request.command.bet_transaction_id:
            yield request.operator, request.command.bet_transaction_id


def _key(operator: int, of: Bet | Win | CloseRound | Transaction) -> RoundKey:
    return operator, of.player_id, of.game_id, of.round_id


def _rounds_named(requests: Iterable[Request]) -> Iterable[RoundKey]:
    for request in requests:
        if isinstance(request.command, Bet | Win | CloseRound) and request.command.round_id:
            yield _key(request.operator, request.command)


def _rounds_of_rollbacks(
    requests: Sequence[Request], known: dict[tuple[int, str], Transaction]
) -> Iterable[RoundKey]:
    """Return the rounds of what is to be rolled back, stored before or arriving just now."""
    wanted = {
        (request.operator, request.command.original_transaction_id)
        for request in requests
        if isinstance(request.command, Rollback)
    }
    for key in wanted & known.keys():
        if known[key].round_id:
            yield _key(key[0], known[key])
    for request in requests:
        arriving = (request.operator, request.command.transaction_id) in wanted
        if arriving and isinstance(request.command, Bet | Win) and request.command.round_id:
            yield _key(request.operator, request.command)
