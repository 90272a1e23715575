"""The rules of a rollback: give a bet back, take a win back, or remember what never arrived."""

from __future__ import annotations

from purser_server.domain.commands import Rollback
from purser_server.domain.decisions import Decision, Wallet
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.money import amount_range, fits
from purser_server.domain.rounds import Round, without_bet, without_win
from purser_server.domain.transactions import (
    RollbackOutcome,
    Transaction,
    TransactionState,
    TransactionType,
    transaction_not_found,
)
from purser_server.domain.wallet import insufficient_funds

REVERSIBLE = frozenset({TransactionType.BET, TransactionType.WIN})
"""What a game may have rolled back."""


def refuse_or_settle_early(
    rollback: Rollback, original: Transaction | None, *, at_casino: bool
) -> Decision | Refusal | None:
    """Answer what needs no money to move; None when the original stands and can be undone.

    An unknown original leaves a tombstone, so that it is refused should it arrive later. What was
    moved in the other mode cannot be undone in this one: the money is not where it was.
    """
    if original is None:
        return Decision("", 0, outcome=RollbackOutcome.TOMBSTONED)
    if original.player_id != rollback.player_id:
        return transaction_not_found(rollback.original_transaction_id)
    if original.state is TransactionState.TOMBSTONE:
        return Decision("", 0, outcome=RollbackOutcome.TOMBSTONED)
    if original.type not in REVERSIBLE:
        return _not_reversible(original)
    currency = original.currency_code
    if original.state is TransactionState.REFUSED:
        return Decision(currency, 0, outcome=RollbackOutcome.NOTHING_TO_ROLL_BACK)
    if original.state is TransactionState.ROLLED_BACK:
        return Decision(currency, 0, outcome=RollbackOutcome.ROLLED_BACK)
    return None if original.at_casino is at_casino else _of_other_mode(original)


def decide_rollback(
    original: Transaction, wallet: Wallet, round_: Round | None
) -> Decision | Refusal:
    """Undo a standing bet or win; `round_` is its round, with settlers, if it has one."""
    if original.type is TransactionType.BET:
        assert round_ is not None, "a standing bet has a round"
        return _undo_bet(original, wallet, round_)
    return _undo_win(original, wallet, round_)


def _undo_bet(bet: Transaction, wallet: Wallet, round_: Round) -> Decision | Refusal:
    if round_.is_settled(bet.number, bet.transaction_id):
        return bet_already_settled(bet)
    if not fits(wallet.balance + bet.amount):
        return amount_range(wallet.currency_code)
    return give_back_bet(bet, round_)


def give_back_bet(bet: Transaction, round_: Round) -> Decision:
    """Return what the rollback of a standing bet does."""
    return Decision(
        bet.currency_code,
        bet.amount,
        change=bet.amount,
        round=without_bet(round_, bet.amount),
        outcome=RollbackOutcome.ROLLED_BACK,
        reverses_original=True,
    )


def _undo_win(win: Transaction, wallet: Wallet, round_: Round | None) -> Decision | Refusal:
    if wallet.balance < win.amount:
        return insufficient_funds(wallet.currency_code, wallet.balance, win.amount)
    return take_back_win(win, round_)


def take_back_win(win: Transaction, round_: Round | None) -> Decision:
    """Return what the rollback of a standing win does."""
    after = None
    if round_ is not None and win.counts_in_round:
        after = without_win(round_, win.transaction_id, win.amount, win.closes_round)
    return Decision(
        win.currency_code,
        win.amount,
        change=-win.amount,
        round=after,
        outcome=RollbackOutcome.ROLLED_BACK,
        reverses_original=True,
    )


def bet_already_settled(bet: Transaction) -> Refusal:
    """Refuse because a win stands on the bet, or its round is closed."""
    return Refusal(
        Reason.BET_ALREADY_SETTLED,
        f"bet {quoted(bet.transaction_id)} is settled: a win stands on it, or its round is closed",
        {"transaction_id": bet.transaction_id, "round_id": bet.round_id},
    )


def _of_other_mode(original: Transaction) -> Refusal:
    return Refusal(
        Reason.TRANSACTION_NOT_REVERSIBLE,
        f"transaction {quoted(original.transaction_id)} was carried out in the other wallet mode",
        {"transaction_id": original.transaction_id, "round_id": original.round_id},
    )


def _not_reversible(original: Transaction) -> Refusal:
    return Refusal(
        Reason.TRANSACTION_NOT_REVERSIBLE,
        f"transaction {quoted(original.transaction_id)} is a {original.type.name}: only bets and "
        "wins can be rolled back",
        {"transaction_id": original.transaction_id, "round_id": original.round_id},
    )
