"""What a client may ask of a wallet: one frozen value per kind of movement.

All carry the client's own `transaction_id`; amounts are in minor units and never negative.
Their form (ids, signs, known currencies) was judged before they were made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from purser_server.domain.transactions import Transaction, TransactionType, WinType
from purser_server.domain.values import value


@value
class Deposit:
    """Money comes into the wallet from the operator."""

    transaction_id: str
    player_id: str
    currency_code: str
    amount: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@value
class Withdraw:
    """Money leaves the wallet towards the operator; `amount` None takes all there is."""

    transaction_id: str
    player_id: str
    currency_code: str
    amount: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)


@value
class Bet:
    """A stake in a round; the round opens by itself with its first bet."""

    transaction_id: str
    player_id: str
    currency_code: str
    amount: int
    game_id: str
    round_id: str
    session_id: str = ""


@value
class Win:
    """A payout, of one bet (`bet_transaction_id`), of a round, or of neither (promotions)."""

    transaction_id: str
    player_id: str
    currency_code: str
    amount: int
    game_id: str = ""
    round_id: str = ""
    bet_transaction_id: str = ""
    win_type: WinType = WinType.REGULAR
    close_round: bool = False


@value
class Rollback:
    """Undo a bet or a win, as if it had not been, whether or not it has arrived."""

    transaction_id: str
    player_id: str
    original_transaction_id: str


@value
class CloseRound:
    """End a round; what is open in it is lost."""

    transaction_id: str
    player_id: str
    game_id: str
    round_id: str


Command = Deposit | Withdraw | Bet | Win | Rollback | CloseRound

TYPE_OF: Mapping[type, TransactionType] = {
    Deposit: TransactionType.DEPOSIT,
    Withdraw: TransactionType.WITHDRAWAL,
    Bet: TransactionType.BET,
    Win: TransactionType.WIN,
    Rollback: TransactionType.ROLLBACK,
    CloseRound: TransactionType.CLOSE_ROUND,
}
"""The type of the transaction that a command becomes."""

Fixed = tuple[str, str, str, WinType, bool, bool, Mapping[str, str]]
"""What a command fixes of its transaction, beside player and amount: game, round, what it refers
to, win type, whether it closes its round, whether it takes all, metadata."""

_NO_METADATA: Mapping[str, str] = {}
_PLAIN = (WinType.REGULAR, False, False, _NO_METADATA)

_FIXED: Mapping[type, Callable[[Any], Fixed]] = {
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


def fixed_by(command: Command, original: Transaction | None = None) -> Fixed:
    """Return what a command fixes of its transaction; a rollback has the round of its original."""
    fixed = _FIXED[type(command)](command)
    return fixed if original is None else (original.game_id, original.round_id, *fixed[2:])
