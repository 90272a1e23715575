"""How the domain's values become rows, and rows values again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.outcomes import Phase
from purser_server.domain.pending import Pending
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import (
    RollbackOutcome,
    Transaction,
    TransactionState,
    TransactionType,
    WinType,
)


class Row(Protocol):
    """A row of the driver or of SQLAlchemy, by column name."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column's value."""


CLOSES_ROUND = 1
TAKES_ALL = 2
COUNTS_IN_ROUND = 4
AT_CASINO = 8

_TYPES = {int(value): value for value in TransactionType}
_STATES = {int(value): value for value in TransactionState}
_WIN_TYPES = {int(value): value for value in WinType}
_OUTCOMES = {int(value): value for value in RollbackOutcome}
_PHASES = {int(value): value for value in Phase}
_NO_DETAIL: Mapping[str, Any] = {}
_NO_CASINO = ("", None)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970, as times travel in columns."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def flags_of(transaction: Transaction) -> int:
    """Return a transaction's yes-or-no fields as bits."""
    return (
        CLOSES_ROUND * transaction.closes_round
        + TAKES_ALL * transaction.takes_all
        + COUNTS_IN_ROUND * transaction.counts_in_round
        + AT_CASINO * transaction.at_casino
    )


def detail_of(transaction: Transaction) -> dict[str, Any] | None:
    """Return what only few transactions have, as JSON; None for most."""
    detail: dict[str, Any] = {}
    if transaction.refusal is not None:
        detail["refusal"] = refusal_to_json(transaction.refusal)
    if transaction.metadata:
        detail["metadata"] = dict(transaction.metadata)
    if transaction.loyalty is not None:
        detail["loyalty"] = dict(transaction.loyalty)
    if transaction.prize_id:
        detail["prize_id"] = transaction.prize_id
    if transaction.round is not None:
        detail["round"] = _round_to_json(transaction.round)
    if transaction.game_id and not transaction.round_id:
        detail["game_id"] = transaction.game_id
    if transaction.at_casino:
        detail["casino"] = [transaction.casino_transaction_id, transaction.casino_balance]
    if transaction.currency_code and transaction.balance_before is None:
        # There may be no wallet whose account would tell the currency.
        detail["currency_code"] = transaction.currency_code
    return detail or None


def transaction_from_row(row: Row) -> Transaction:
    """Make a transaction of a row with `statements.TRANSACTION_COLUMNS`."""
    detail = row["detail"] or _NO_DETAIL
    flags = row["flags"]
    state = _STATES[row["state"]]
    if row["is_reversed"]:
        state = TransactionState.ROLLED_BACK
    refusal = detail.get("refusal")
    closed_round = detail.get("round")
    casino_id, casino_balance = detail.get("casino", _NO_CASINO)
    return Transaction(
        number=row["transaction_no"],
        transaction_id=row["transaction_id"],
        type=_TYPES[row["type"]],
        state=state,
        player_id=row["player_id"],
        create_time=row["create_time"],
        currency_code=row["unit"] or detail.get("currency_code", ""),
        amount=row["amount"],
        change=row["change"],
        balance_before=row["balance_before"],
        wallet_sequence=row["sequence"],
        game_id=row["game_id"] or detail.get("game_id", ""),
        round_id=row["round_id"] or "",
        related_transaction_id=row["related_id"] or "",
        win_type=_WIN_TYPES[row["win_type"]],
        closes_round=bool(flags & CLOSES_ROUND),
        takes_all=bool(flags & TAKES_ALL),
        counts_in_round=bool(flags & COUNTS_IN_ROUND),
        rollback_outcome=_OUTCOMES[row["outcome"]],
        refusal=refusal_from_json(refusal) if refusal else None,
        round=_round_from_json(closed_round) if closed_round else None,
        metadata=detail.get("metadata", _NO_DETAIL),
        at_casino=bool(flags & AT_CASINO),
        casino_balance=casino_balance,
        casino_transaction_id=casino_id,
        loyalty=detail.get("loyalty"),
        prize_id=detail.get("prize_id", ""),
    )


def pending_from_row(row: Row) -> Pending:
    """Make an intent of a row with `statements.PENDING_COLUMNS`."""
    flags = row["flags"]
    transaction = Transaction(
        number=row["intent_no"],
        transaction_id=row["transaction_id"],
        type=_TYPES[row["type"]],
        state=TransactionState.PENDING,
        player_id=row["player_id"],
        create_time=row["create_time"],
        currency_code=row["currency_code"],
        amount=row["amount"],
        game_id=row["game_id"],
        round_id=row["round_id"],
        related_transaction_id=row["related_id"],
        win_type=_WIN_TYPES[row["win_type"]],
        closes_round=bool(flags & CLOSES_ROUND),
        rollback_outcome=(
            RollbackOutcome.PENDING
            if row["type"] == TransactionType.ROLLBACK
            else RollbackOutcome.NONE
        ),
        at_casino=True,
        prize_id=row["prize_id"],
    )
    return Pending(
        transaction,
        _PHASES[row["phase"]],
        row["undo_id"],
        row["due_time"],
        row["attempts"],
        row["is_case"],
        row["last_error"],
        _TYPES[row["original_type"]],
    )


def round_from_row(row: Row, player_id: str) -> Round:
    """Make a round of its row; its settlers are not loaded."""
    return Round(
        number=row["round_no"],
        player_id=player_id,
        game_id=row["game_id"],
        round_id=row["round_id"],
        opened=row["opened"],
        currency_code=row["currency_code"],
        bets=row["bets"],
        wins=row["wins"],
        total_bet=row["total_bet"],
        total_win=row["total_win"],
        closers=row["closers"],
        covered_to=row["covered_to"],
    )


def _round_to_json(round_: Round) -> dict[str, Any]:
    return {
        "number": round_.number,
        "player_id": round_.player_id,
        "game_id": round_.game_id,
        "round_id": round_.round_id,
        "opened": round_.opened,
        "currency_code": round_.currency_code,
        "bets": round_.bets,
        "wins": round_.wins,
        "total_bet": round_.total_bet,
        "total_win": round_.total_win,
        "closers": round_.closers,
    }


def _round_from_json(stored: Mapping[str, Any]) -> Round:
    return Round(
        number=stored["number"],
        player_id=stored["player_id"],
        game_id=stored["game_id"],
        round_id=stored["round_id"],
        opened=stored["opened"],
        currency_code=stored["currency_code"],
        bets=stored["bets"],
        wins=stored["wins"],
        total_bet=stored["total_bet"],
        total_win=stored["total_win"],
        closers=stored["closers"],
    )


def refusal_to_json(refusal: Refusal) -> list[Any]:
    """Return a refusal as it is kept."""
    return [refusal.reason, refusal.message, dict(refusal.metadata)]


def refusal_from_json(stored: Sequence[Any]) -> Refusal:
    """Make a refusal of what is kept of it."""
    return Refusal(Reason(stored[0]), stored[1], stored[2])
