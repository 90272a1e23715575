"""The same id again: told the stored answer when the content is the same, refused when not.

The stored transaction holds every field that counts as content, so it is its own fingerprint:
the comparison is exact, and it can name the field that differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.points_commands import Content
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.domain.wallet import transaction_rolled_back


def replay(command: Command, known: Transaction) -> Transaction | Refusal:
    """Answer a command whose id is known: the stored transaction, or why it is refused."""
    if known.state is TransactionState.TOMBSTONE:
        return _late_arrival(command)
    differs = first_difference(command, known)
    if differs:
        return id_reused(command.transaction_id, differs)
    if known.refusal is not None:
        return known.refusal.told_again()
    return known


def replay_content(
    known: Transaction, kind: TransactionType, player_id: str, content: Content
) -> Transaction | Refusal:
    """Answer a loyalty request whose id is known; its content was stored field by field."""
    if known.state is TransactionState.TOMBSTONE or known.type is not kind:
        return id_reused(known.transaction_id, "type")
    if known.player_id != player_id:
        return id_reused(known.transaction_id, "player_id")
    differs = first_difference_of((known.loyalty or {}).get("content", ()), content)
    if differs:
        return id_reused(known.transaction_id, differs)
    return known.refusal.told_again() if known.refusal is not None else known


def first_difference_of(stored: Iterable[Sequence[Any]], content: Content) -> str | None:
    """Return the path of the first field that differs from the stored content."""
    before: dict[str, Any] = {path: told for path, told in stored}  # noqa: C416 - typed so
    now = dict(content)
    for path in (*now, *before):
        if before.get(path) != now.get(path):
            return path
    return None


def first_difference(command: Command, known: Transaction) -> str | None:
    """Return the path of the first field in which the request differs from the stored content.

    Metadata and session_id are not content.
    """
    if TYPE_OF[type(command)] is not known.type:
        return "type"
    if command.player_id != known.player_id:
        return "player_id"
    match command:
        case Deposit():
            return _money_differs(command, known)
        case Withdraw():
            return _withdraw_differs(command, known)
        case Bet():
            return _money_differs(command, known) or _round_differs(command, known)
        case Win():
            return (
                _money_differs(command, known)
                or _round_differs(command, known)
                or _win_differs(command, known)
            )
        case Rollback():
            same = command.original_transaction_id == known.related_transaction_id
            return None if same else "original_transaction_id"
        case CloseRound():
            return _round_differs(command, known)


def _money_differs(command: Deposit | Bet | Win, known: Transaction) -> str | None:
    if command.currency_code != known.currency_code:
        return "amount.currency_code"
    return None if command.amount == known.amount else "amount.minor_units"


def _withdraw_differs(command: Withdraw, known: Transaction) -> str | None:
    if command.amount is None:
        same = known.takes_all and command.currency_code == known.currency_code
        return None if same else "all_of_currency_code"
    if known.takes_all:
        return "amount"
    if command.currency_code != known.currency_code:
        return "amount.currency_code"
    return None if command.amount == known.amount else "amount.minor_units"


def _round_differs(command: Bet | Win | CloseRound, known: Transaction) -> str | None:
    if command.game_id != known.game_id:
        return "game_id"
    return None if command.round_id == known.round_id else "round_id"


def _win_differs(command: Win, known: Transaction) -> str | None:
    if command.bet_transaction_id != known.related_transaction_id:
        return "bet_transaction_id"
    if command.win_type is not known.win_type:
        return "win_type"
    return None if command.close_round == known.closes_round else "close_round"


def _late_arrival(command: Command) -> Refusal:
    """Refuse what was rolled back before it came; only bets and wins can be late."""
    if not isinstance(command, Bet | Win):
        return id_reused(command.transaction_id, "type")
    return transaction_rolled_back(command.transaction_id, command.round_id)


def id_reused(transaction_id: str, path: str) -> Refusal:
    """Refuse an id that stands for another content; `path` is the first field that differs."""
    return Refusal(
        Reason.TRANSACTION_ID_REUSED,
        f"transaction id {quoted(transaction_id)} was used before with another {path}",
        {"transaction_id": transaction_id, "field": path},
    )
