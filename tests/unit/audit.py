"""What must hold of a store after every flush, recomputed from the history alone."""

from __future__ import annotations

from collections import defaultdict

from purser_server.domain.accounts import CONTRA_KIND
from purser_server.domain.money import fits
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from tests.unit.memory_store import MemoryStore

_STANDING = TransactionState.COMPLETED
_ACCEPTED = (TransactionState.COMPLETED, TransactionState.ROLLED_BACK)


def audit(store: MemoryStore) -> None:
    """Check all that is checked here."""
    assert_zero_sum(store)
    assert_house_equals_postings(store)
    assert_postings_form_chains(store)
    assert_only_movements_of_money_post(store)
    assert_rounds_equal_history(store)


def assert_zero_sum(store: MemoryStore) -> None:
    """Wallets and house cancel out, per operator and currency."""
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for (operator, _, currency), wallet in store.wallets.items():
        sums[operator, currency] += wallet.balance
    for account in store.house.values():
        sums[account.operator, account.currency_code] += account.balance
    assert set(sums.values()) <= {0}, dict(sums)


def assert_house_equals_postings(store: MemoryStore) -> None:
    """Each house account holds what the postings across from it say."""
    sums: dict[int, int] = defaultdict(int)
    for entry in store.history:
        if not entry.transaction.change:
            assert entry.contra_account is None
            continue
        assert entry.contra_account is not None
        account = store.house[entry.contra_account]
        assert account.kind is CONTRA_KIND[entry.transaction.type]
        assert account.operator == entry.operator
        assert account.currency_code == entry.transaction.currency_code
        sums[entry.contra_account] -= entry.transaction.change
    for number, account in store.house.items():
        assert account.balance == sums[number]


def assert_postings_form_chains(store: MemoryStore) -> None:
    """Each posting begins where the wallet's last one ended; numbers have no gap from 1."""
    balances: dict[tuple[int, str, str], int] = defaultdict(int)
    sequences: dict[tuple[int, str, str], int] = defaultdict(int)
    for entry in sorted(store.history, key=lambda entry: entry.transaction.number):
        posted = entry.transaction
        key = (entry.operator, posted.player_id, posted.currency_code)
        if posted.balance_before is not None:
            assert posted.balance_before == balances[key]
        if posted.change:
            sequences[key] += 1
            assert posted.wallet_sequence == sequences[key]
            balances[key] += posted.change
            assert posted.balance_after == balances[key]
            assert balances[key] >= 0 and fits(balances[key])
    for key, wallet in store.wallets.items():
        assert (wallet.balance, wallet.sequence) == (balances[key], sequences[key])


_SIGNS = {
    TransactionType.DEPOSIT: 1,
    TransactionType.WITHDRAWAL: -1,
    TransactionType.BET: -1,
    TransactionType.WIN: 1,
    TransactionType.CLOSE_ROUND: 0,
}


def assert_only_movements_of_money_post(store: MemoryStore) -> None:
    """Refusals and tombstones move nothing; a movement moves its amount, in its direction."""
    by_number = {entry.transaction.number: entry for entry in store.history}
    for entry in store.history:
        posted = entry.transaction
        assert posted.amount >= 0
        assert (posted.wallet_sequence == 0) == (posted.change == 0)
        assert (posted.refusal is not None) == (posted.state is TransactionState.REFUSED)
        if posted.state is not TransactionState.COMPLETED:
            assert posted.change == 0
        elif posted.type in _SIGNS:
            assert posted.change == _SIGNS[posted.type] * posted.amount
    for original, rollback in store.reversals.items():
        undone, undoing = by_number[original].transaction, by_number[rollback].transaction
        assert undoing.related_transaction_id == undone.transaction_id
        assert (undoing.amount, undoing.change) == (undone.amount, -undone.change)


def assert_rounds_equal_history(store: MemoryStore) -> None:
    """The sums of a round are those over what stands in it."""
    for (operator, player_id, game_id, round_id), round_ in store.rounds.items():
        in_it = [
            store.as_it_is(entry)
            for entry in store.history
            if entry.operator == operator
            and entry.transaction.player_id == player_id
            and (entry.transaction.game_id, entry.transaction.round_id) == (game_id, round_id)
        ]
        accepted_bets = [
            bet for bet in in_it if bet.type is TransactionType.BET and bet.state in _ACCEPTED
        ]
        assert round_.opened == bool(accepted_bets)
        if not round_.opened:
            assert (round_.bets, round_.wins, round_.total_bet, round_.total_win) == (0, 0, 0, 0)
            assert round_.closers == 0
            continue
        opening = min(accepted_bets, key=lambda bet: bet.number)
        assert round_.currency_code == opening.currency_code
        standing = [transaction for transaction in in_it if transaction.state is _STANDING]
        bets = [bet for bet in standing if bet.type is TransactionType.BET]
        wins = [win for win in standing if _counts(win, opening)]
        assert (round_.bets, round_.total_bet) == (len(bets), sum(bet.amount for bet in bets))
        assert (round_.wins, round_.total_win) == (len(wins), sum(win.amount for win in wins))
        closing = [
            transaction
            for transaction in standing
            if transaction.type is TransactionType.CLOSE_ROUND or transaction.closes_round
        ]
        assert round_.closers == len(closing)


def _counts(win: Transaction, opening: Transaction) -> bool:
    """A promotion that was paid before the round existed is no part of it."""
    return win.type is TransactionType.WIN and win.number > opening.number
