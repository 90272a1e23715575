"""Which rows a flush must read, as told by what it is asked to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from purser_server.domain.commands import Bet, CloseRound, Command, Rollback, Win
from purser_server.domain.intents import Settle
from purser_server.domain.points_commands import (
    HoldPoints,
    PointsCommand,
    RedeemPoints,
    RefundRedemption,
    ReleaseHold,
)
from purser_server.domain.prizes import PrizeCommand
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.ledger.ports import Request, RoundKey

Asked = Command | Settle | PointsCommand | PrizeCommand
"""Whatever a flush may be asked to do."""


def references(requests: Iterable[Request]) -> Iterable[tuple[int, str]]:
    """Return the ids of the transactions that requests refer to, with their operators."""
    for request in requests:
        command = request.command
        if isinstance(command, Rollback):
            yield request.operator, command.original_transaction_id
        elif isinstance(command, Win) and command.bet_transaction_id:
            yield request.operator, command.bet_transaction_id
        elif isinstance(command, Settle) and command.intent.related_transaction_id:
            yield request.operator, command.intent.related_transaction_id
        elif isinstance(command, RefundRedemption):
            yield request.operator, command.redemption_transaction_id


def rounds_named(requests: Iterable[Request]) -> Iterable[RoundKey]:
    """Return the rounds that bets, wins and closings name."""
    for request in requests:
        command = request.command
        if isinstance(command, Settle):
            if command.intent.round_id:
                yield _round_key(request.operator, command.intent)
        elif isinstance(command, Bet | Win | CloseRound) and command.round_id:
            yield _round_key(request.operator, command)


def rounds_of_rollbacks(
    requests: Sequence[Request], known: Mapping[tuple[int, str], Transaction]
) -> set[RoundKey]:
    """Return the rounds of all originals that are to be rolled back, stored or in this flush."""
    wanted = {
        (request.operator, original)
        for request in requests
        if (original := _original_of(request.command))
    }
    if not wanted:
        return set()
    stored = ((key[0], known[key]) for key in wanted & known.keys())
    coming = (
        (request.operator, arriving)
        for request in requests
        if (arriving := _arriving(request.command)) is not None
        and (request.operator, arriving.transaction_id) in wanted
    )
    return {
        _round_key(operator, original)
        for operator, original in (*stored, *coming)
        if original.round_id
    }


def _arriving(command: Asked) -> Bet | Win | Transaction | None:
    """Return the bet or win that may come into the history with a command."""
    if isinstance(command, Settle):
        return command.intent
    return command if isinstance(command, Bet | Win) else None


def _original_of(command: Asked) -> str:
    """Return the id of what a command rolls back, or an empty one."""
    if isinstance(command, Rollback):
        return command.original_transaction_id
    if isinstance(command, Settle) and command.intent.type is TransactionType.ROLLBACK:
        return command.intent.related_transaction_id
    return ""


def _round_key(operator: int, of: Transaction | Bet | Win | CloseRound) -> RoundKey:
    return operator, of.player_id, of.game_id, of.round_id


def holds_named(requests: Iterable[Request]) -> Iterable[tuple[int, str]]:
    """Return the holds that requests name, with their operators."""
    for request in requests:
        command = request.command
        if isinstance(command, HoldPoints | ReleaseHold | RedeemPoints) and command.hold_id:
            yield request.operator, command.hold_id


def redemptions_named(requests: Iterable[Request]) -> Iterable[tuple[int, str]]:
    """Return the redemptions that are to be given back, with their operators."""
    for request in requests:
        if isinstance(request.command, RefundRedemption):
            yield request.operator, request.command.redemption_transaction_id
