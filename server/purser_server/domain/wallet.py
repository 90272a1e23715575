"""The rules of a wallet in transfer mode: deposit, withdraw, bet, win, close round.

Each takes the state as it stands under lock and answers with a decision or a refusal. The order
of the checks is part of the rules: what is missing, then who may not, then what the round says,
then the money.
"""

from __future__ import annotations

from purser_server.domain.commands import Bet, CloseRound, Deposit, Win, Withdraw
from purser_server.domain.decisions import Decision, Session, Wallet
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import quoted
from purser_server.domain.money import amount_range, fits
from purser_server.domain.players import (
    Activity,
    WalletBalance,
    refuse_activity,
)
from purser_server.domain.rounds import Round, Settler, with_bet, with_close, with_win
from purser_server.domain.transactions import (
    Transaction,
    TransactionState,
    TransactionType,
    WinType,
)


def decide_deposit(deposit: Deposit, wallet: Wallet) -> Decision | Refusal:
    """Credit the wallet, if the player's status allows it."""
    refusal = refuse_activity(wallet.player_id, wallet.player_status, Activity.DEPOSIT)
    if refusal:
        return refusal
    if not fits(wallet.balance + deposit.amount):
        return amount_range(wallet.currency_code)
    return Decision(wallet.currency_code, deposit.amount, change=deposit.amount)


def decide_withdraw(withdraw: Withdraw, wallet: Wallet) -> Decision | Refusal:
    """Debit the wallet by the amount, or by all it holds."""
    refusal = refuse_activity(wallet.player_id, wallet.player_status, Activity.WITHDRAW)
    if refusal:
        return refusal
    amount = wallet.balance if withdraw.amount is None else withdraw.amount
    # An empty wallet has nothing to give: "all" of it asks for at least one minor unit.
    required = max(amount, 1)
    if wallet.balance < required:
        return insufficient_funds(wallet.currency_code, wallet.balance, required)
    return Decision(wallet.currency_code, amount, change=-amount)


def decide_bet(
    bet: Bet, wallet: Wallet, round_: Round, session: Session | None
) -> Decision | Refusal:
    """Debit a stake and count it in its round, which opens with its first bet."""
    refusal = refuse_bet(bet, wallet, round_, session)
    if refusal:
        return refusal
    if wallet.balance < bet.amount:
        return insufficient_funds(wallet.currency_code, wallet.balance, bet.amount)
    if not fits(round_.total_bet + bet.amount):
        return amount_range(bet.currency_code)
    return accept_bet(bet, round_)


def refuse_bet(bet: Bet, wallet: Wallet, round_: Round, session: Session | None) -> Refusal | None:
    """Refuse a bet for anything but its money: the player's status, the session, the round."""
    refusal = (
        refuse_activity(wallet.player_id, wallet.player_status, Activity.BET)
        or _refuse_session(bet, session)
        or refuse_round_currency(round_, bet.currency_code)
    )
    if refusal is None and round_.closers:
        return round_closed(bet.transaction_id, bet.round_id)
    return refusal


def accept_bet(bet: Bet, round_: Round) -> Decision:
    """Return what a bet does that nothing speaks against."""
    return Decision(
        bet.currency_code,
        bet.amount,
        change=-bet.amount,
        round=with_bet(round_, bet.currency_code, bet.amount),
        counts_in_round=True,
    )


def decide_win(
    win: Win, wallet: Wallet, round_: Round | None, bet: Transaction | None, number: int
) -> Decision | Refusal:
    """Credit a payout; `bet` is what `bet_transaction_id` names, `number` the win's own number."""
    refusal = refuse_bet_reference(win, bet) or refuse_round(win, round_)
    if refusal:
        return refusal
    if not fits(wallet.balance + win.amount):
        return amount_range(win.currency_code)
    if round_ is not None and round_.opened and not fits(round_.total_win + win.amount):
        return amount_range(win.currency_code)
    return accept_win(win, round_, number)


def accept_win(win: Win, round_: Round | None, number: int) -> Decision:
    """Return what a win does that nothing speaks against; `number` is its own."""
    if round_ is None or not round_.opened:
        return Decision(win.currency_code, win.amount, change=win.amount)
    settler = None
    if win.bet_transaction_id or win.win_type is WinType.REGULAR:
        settler = Settler(number, win.transaction_id, win.bet_transaction_id)
    return Decision(
        win.currency_code,
        win.amount,
        change=win.amount,
        round=with_win(round_, win.amount, settler, win.close_round),
        counts_in_round=True,
    )


def decide_close_round(close: CloseRound, round_: Round) -> Decision | Refusal:
    """Close the round; a closed one stays closed, and that is a success."""
    if not round_.opened:
        return round_not_found(close.game_id, close.round_id)
    return Decision(round_.currency_code, 0, round=with_close(round_), counts_in_round=True)


def refuse_entry(balance: WalletBalance) -> Refusal | None:
    """Refuse to open a game session on an empty wallet."""
    return None if balance.balance else insufficient_funds(balance.currency_code, 0, required=1)


def insufficient_funds(currency_code: str, balance: int, required: int) -> Refusal:
    """Refuse because the wallet holds less than is required, in minor units."""
    return Refusal(
        Reason.INSUFFICIENT_FUNDS,
        f"the wallet holds {balance} and {required} are required (minor units of {currency_code})",
        {"balance": str(balance), "required": str(required), "currency_code": currency_code},
    )


def wrong_mode() -> Refusal:
    """Refuse what only transfer mode has, where the casino keeps the money."""
    return Refusal(
        Reason.WRONG_MODE,
        "the operator is in seamless mode: the casino keeps the money",
        {"wallet_mode": "SEAMLESS"},
    )


def round_closed(transaction_id: str, round_id: str) -> Refusal:
    """Refuse because the round takes no more bets and regular wins."""
    return Refusal(
        Reason.ROUND_CLOSED,
        f"round {quoted(round_id)} is closed",
        {"transaction_id": transaction_id, "round_id": round_id},
    )


def round_not_found(game_id: str, round_id: str) -> Refusal:
    """Refuse because no bet has opened such a round."""
    return Refusal(
        Reason.ROUND_NOT_FOUND,
        f"the player has no round {quoted(round_id)} in game {quoted(game_id)}",
        {"round_id": round_id},
    )


def transaction_rolled_back(transaction_id: str, round_id: str) -> Refusal:
    """Refuse because the transaction was rolled back, perhaps before it arrived."""
    return Refusal(
        Reason.TRANSACTION_ROLLED_BACK,
        f"transaction {quoted(transaction_id)} was rolled back",
        {"transaction_id": transaction_id, "round_id": round_id},
    )


def bet_not_found(bet_transaction_id: str, round_id: str) -> Refusal:
    """Refuse because no such bet stands (an empty id: no bet at all)."""
    named = f"no bet {quoted(bet_transaction_id)}" if bet_transaction_id else "no standing bet"
    return Refusal(
        Reason.BET_NOT_FOUND,
        f"there is {named} of this player in round {quoted(round_id)}",
        {"bet_transaction_id": bet_transaction_id, "round_id": round_id},
    )


def _refuse_session(bet: Bet, session: Session | None) -> Refusal | None:
    if not bet.session_id:
        return None
    if (
        session is not None
        and session.is_open
        and session.player_id == bet.player_id
        and session.game_id == bet.game_id
        and session.currency_code == bet.currency_code
    ):
        return None
    return session_invalid(bet.session_id, bet.transaction_id, bet.round_id)


def session_invalid(session_id: str, transaction_id: str = "", round_id: str = "") -> Refusal:
    """Refuse because the session is unknown, closed, or of another player, game or currency."""
    return Refusal(
        Reason.SESSION_INVALID,
        "the game session is unknown, closed, or of another player, game or currency",
        {"session_id": session_id, "transaction_id": transaction_id, "round_id": round_id},
    )


def refuse_round_currency(round_: Round, currency_code: str) -> Refusal | None:
    """Refuse another currency than that of the round's first bet."""
    if not round_.opened or round_.currency_code == currency_code:
        return None
    return invalid_field(
        "amount.currency_code", f"must be {round_.currency_code}, as in the round's first bet"
    )


def refuse_bet_reference(win: Win, bet: Transaction | None) -> Refusal | None:
    """Refuse a win that names a bet which is not there, not this round's, or rolled back."""
    if not win.bet_transaction_id:
        return None
    if bet is None or bet.player_id != win.player_id:
        return bet_not_found(win.bet_transaction_id, win.round_id)
    if bet.state is TransactionState.TOMBSTONE:
        return transaction_rolled_back(win.bet_transaction_id, win.round_id)
    same_round = bet.game_id == win.game_id and bet.round_id == win.round_id
    is_bet = bet.type is TransactionType.BET and bet.state is not TransactionState.REFUSED
    if not (is_bet and same_round):
        return bet_not_found(win.bet_transaction_id, win.round_id)
    if bet.state is TransactionState.ROLLED_BACK:
        return transaction_rolled_back(win.bet_transaction_id, win.round_id)
    return None


def refuse_round(win: Win, round_: Round | None) -> Refusal | None:
    """Refuse what the round forbids: regular wins need a bet and an open round."""
    opened = round_ is not None and round_.opened
    if win.close_round and not opened and win.win_type is not WinType.REGULAR:
        return invalid_field("close_round", "needs a round that a bet has opened")
    if round_ is not None:
        refusal = refuse_round_currency(round_, win.currency_code)
        if refusal:
            return refusal
    if win.win_type is not WinType.REGULAR:
        return None
    if round_ is None or not round_.opened:
        return bet_not_found(win.bet_transaction_id, win.round_id)
    if round_.closers:
        return round_closed(win.transaction_id, win.round_id)
    if not win.bet_transaction_id and round_.bets == 0:
        return bet_not_found("", win.round_id)
    return None
