"""The rules of seamless mode: what may be asked of the casino, when, and what comes of it.

A movement is first stored as an intent: a pending transaction. Purser's own rules are asked before
the casino is, and of two intents that exclude each other the one that was stored first decides. An
intent changes no round and posts nothing; that comes with its outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace

from purser_server.domain.cases import CaseDecision
from purser_server.domain.commands import Bet, Rollback, Win
from purser_server.domain.decisions import Decision, Session, Wallet
from purser_server.domain.errors import Refusal
from purser_server.domain.money import amount_range, fits
from purser_server.domain.outcomes import Phase, Report
from purser_server.domain.pending import Delays, Pending
from purser_server.domain.rollbacks import (
    REVERSIBLE,
    bet_already_settled,
    give_back_bet,
    refuse_or_settle_early,
    take_back_win,
)
from purser_server.domain.rounds import Round, with_bet
from purser_server.domain.transactions import (
    RollbackOutcome,
    Transaction,
    TransactionState,
    TransactionType,
    WinType,
)
from purser_server.domain.values import value
from purser_server.domain.wallet import (
    accept_bet,
    accept_win,
    bet_not_found,
    refuse_bet,
    refuse_bet_reference,
    refuse_round,
    refuse_round_currency,
    round_closed,
    transaction_rolled_back,
)


@value
class Settle:
    """A command of Purser's own: an attempt for this intent was made, or may be made now.

    Without a report it asks whether an intent that waited may be sent. `luck` varies the time until
    the next attempt, should one be needed. With a `decision` a person ends it. `is_stuck`: what the
    casino answered cannot be booked, as where a total would grow beyond 64 bits.
    """

    transaction_id: str
    player_id: str
    intent: Transaction
    report: Report | None = None
    delays: Delays = field(default_factory=Delays)
    luck: float = 1.0
    decision: CaseDecision | None = None
    note: str = ""
    is_stuck: bool = False

    @property
    def gives_up_cashback(self) -> bool:
        """Whether a person says that cashback was never paid; the casino cannot refuse it."""
        is_cashback = self.intent.type is TransactionType.CASHBACK
        return is_cashback and self.decision is CaseDecision.NOT_APPLIED


# -- an intent arrives ---------------------------------------------------------------------------


def begin_bet(
    bet: Bet, wallet: Wallet, round_: Round, session: Session | None, others: Iterable[Pending]
) -> Refusal | Phase:
    """Refuse a bet by Purser's own rules, or let it be sent. The casino knows of the money."""
    expected = _expected(round_, others)
    refusal = refuse_bet(bet, wallet, expected, session)
    if refusal is None and _is_closing(bet, others):
        return round_closed(bet.transaction_id, bet.round_id)
    if refusal is None and not fits(expected.total_bet + bet.amount):
        return amount_range(bet.currency_code)
    return refusal or Phase.SENDING


def begin_win(
    win: Win, round_: Round | None, bet: Transaction | None, others: Sequence[Pending]
) -> Refusal | Phase:
    """Refuse a win by Purser's own rules, let it be sent, or let it wait for its bets."""
    if any(_undoes(other, win.bet_transaction_id) for other in others):
        return transaction_rolled_back(win.bet_transaction_id, win.round_id)
    expected = _expected(round_, others) if round_ is not None else None
    if _awaits_bets(win, others):
        # The bets are not in their round yet; whether they will be, the casino says.
        refusal = None if expected is None else _refuse_sum(win, expected)
        is_open = round_ is None or not round_.closers
    else:
        refusal = refuse_bet_reference(win, bet) or refuse_round(win, round_)
        refusal = refusal or (None if expected is None else _refuse_sum(win, expected))
        is_open = True
    if refusal is not None:
        return refusal
    if win.win_type is WinType.REGULAR and (not is_open or _is_closing(win, others)):
        return round_closed(win.transaction_id, win.round_id)
    if _awaits_bets(win, others) or _may_lose_its_bets(win, round_, others):
        return Phase.WAITING
    return Phase.SENDING


def _refuse_sum(win: Win, expected: Round) -> Refusal | None:
    """Refuse a win in another currency than its round's, or beyond what its total can hold."""
    refusal = refuse_round_currency(expected, win.currency_code)
    if refusal is None and not fits(expected.total_win + win.amount):
        return amount_range(win.currency_code)
    return refusal


def begin_rollback(
    rollback: Rollback,
    pending: Pending | None,
    original: Transaction | None,
    round_: Round | None,
    others: Sequence[Pending],
) -> Refusal | Decision | Phase:
    """Settle a rollback here where nothing was sent, else let it be sent, or wait.

    What it names is `pending`, or it is the `original`, or neither. `round_` is the original's,
    with its settlers, if it has one.
    """
    if pending is not None:
        of = pending.transaction
        if of.player_id != rollback.player_id or of.type not in REVERSIBLE:
            early = refuse_or_settle_early(rollback, of, at_casino=True)
            assert isinstance(early, Refusal), "neither another's nor this type can be undone"
            return early
        return bet_already_settled(of) if _is_paid(of, others) else Phase.WAITING
    early = refuse_or_settle_early(rollback, original, at_casino=True)
    if early is not None:
        return early
    assert original is not None
    if original.type is TransactionType.BET:
        assert round_ is not None, "a standing bet has a round"
        is_settled = round_.is_settled(original.number, original.transaction_id)
        if is_settled or _is_paid(original, others):
            return bet_already_settled(original)
    return Phase.SENDING


def resume_win(
    win: Win, round_: Round | None, bet: Transaction | None, earlier: Sequence[Pending]
) -> Refusal | Phase:
    """Tell whether a win that waited may be sent now. `earlier` are the intents before it."""
    if _awaits_bets(win, earlier) or _may_lose_its_bets(win, round_, earlier):
        return Phase.WAITING
    refusal = refuse_bet_reference(win, bet)
    needs_bet = win.win_type is WinType.REGULAR and bet is None
    if refusal is None and needs_bet and (round_ is None or not round_.bets):
        return bet_not_found(win.bet_transaction_id, win.round_id)
    return refusal or Phase.SENDING


# -- its outcome is known ------------------------------------------------------------------------


def complete(
    intent: Transaction, original: Transaction | None, round_: Round | None, number: int
) -> Decision:
    """Return what a movement does now that it is known to stand; `number` is its own."""
    if intent.type is TransactionType.BET:
        assert round_ is not None, "a bet has a round"
        return accept_bet(bet_of(intent), round_)
    if intent.type is TransactionType.WIN:
        return accept_win(win_of(intent), round_, number)
    if intent.type in (TransactionType.CASHBACK, TransactionType.PRIZE_CASHBACK):
        return Decision(intent.currency_code, intent.amount, change=intent.amount)
    return _complete_rollback(original, round_)


def _complete_rollback(original: Transaction | None, round_: Round | None) -> Decision:
    assert original is not None, "what was never stored is not sent"
    if original.state is not TransactionState.COMPLETED:
        # Another rollback was quicker, or the bet had been refused.
        was_refused = original.state is TransactionState.REFUSED
        outcome = (
            RollbackOutcome.NOTHING_TO_ROLL_BACK if was_refused else RollbackOutcome.ROLLED_BACK
        )
        return Decision(original.currency_code, 0, outcome=outcome)
    if original.type is TransactionType.BET:
        assert round_ is not None, "a standing bet has a round"
        return give_back_bet(original, round_)
    return take_back_win(original, round_)


def bet_of(intent: Transaction) -> Bet:
    """Return the bet that an intent asks for."""
    return Bet(
        intent.transaction_id,
        intent.player_id,
        intent.currency_code,
        intent.amount,
        intent.game_id,
        intent.round_id,
    )


def win_of(intent: Transaction) -> Win:
    """Return the win that an intent asks for."""
    return Win(
        intent.transaction_id,
        intent.player_id,
        intent.currency_code,
        intent.amount,
        intent.game_id,
        intent.round_id,
        intent.related_transaction_id,
        intent.win_type,
        intent.closes_round,
    )


def rollback_of(intent: Transaction) -> Rollback:
    """Return the rollback that an intent asks for."""
    return Rollback(intent.transaction_id, intent.player_id, intent.related_transaction_id)


# -- among intents -------------------------------------------------------------------------------


def _same_round(of: Bet | Win | Transaction, other: Transaction | Round) -> bool:
    return (of.player_id, of.game_id, of.round_id) == (
        other.player_id,
        other.game_id,
        other.round_id,
    )


def _expected(round_: Round, others: Iterable[Pending]) -> Round:
    """Return a round as it will be if all that is pending in it completes, but for its end."""
    for other in others:
        of = other.transaction
        if not _same_round(of, round_):
            continue
        if of.type is TransactionType.BET and (
            not round_.opened or round_.currency_code == of.currency_code
        ):
            round_ = with_bet(round_, of.currency_code, of.amount)
        elif of.type is TransactionType.WIN:
            round_ = replace(round_, total_win=round_.total_win + of.amount)
    return round_


def _is_closing(of: Bet | Win, others: Iterable[Pending]) -> bool:
    """Tell whether a win that closes this round is under way."""
    return any(
        other.transaction.closes_round and _same_round(of, other.transaction) for other in others
    )


def _undoes(other: Pending, bet_transaction_id: str) -> bool:
    """Tell whether an intent is the rollback of this bet."""
    of = other.transaction
    return (
        bool(bet_transaction_id)
        and of.type is TransactionType.ROLLBACK
        and of.related_transaction_id == bet_transaction_id
    )


def _awaits_bets(win: Win, others: Iterable[Pending]) -> bool:
    """Tell whether a bet that a win is about is pending: the one it names, or any of its round."""
    if not win.bet_transaction_id and win.win_type is not WinType.REGULAR:
        return False
    return any(
        other.transaction.type is TransactionType.BET
        and _same_round(win, other.transaction)
        and win.bet_transaction_id in ("", other.transaction.transaction_id)
        for other in others
    )


def _may_lose_its_bets(win: Win, round_: Round | None, others: Iterable[Pending]) -> bool:
    """Tell whether all bets that a win covers are being rolled back: it needs one that stands."""
    if win.bet_transaction_id or win.win_type is not WinType.REGULAR or round_ is None:
        return False
    undone = {
        other.transaction.related_transaction_id
        for other in others
        if other.original_type is TransactionType.BET and _same_round(win, other.transaction)
    }
    return 0 < round_.bets <= len(undone)


def _is_paid(bet: Transaction, others: Iterable[Pending]) -> bool:
    """Tell whether a win of this bet, or of its round, is under way."""
    return bet.type is TransactionType.BET and any(
        other.transaction.type is TransactionType.WIN
        and _same_round(bet, other.transaction)
        and (
            other.transaction.related_transaction_id == bet.transaction_id
            or (
                not other.transaction.related_transaction_id
                and other.transaction.win_type is WinType.REGULAR
            )
            or other.transaction.closes_round
        )
        for other in others
    )
