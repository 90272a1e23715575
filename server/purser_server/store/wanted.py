"""Which rows a flush must read, as told by what it is asked to do."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime

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
from purser_server.domain.refunds import RefundPurchase
from purser_server.domain.rewards import EarnReward, StoredReward
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


_NAMES_HOLD = HoldPoints | ReleaseHold | RedeemPoints | EarnReward


def holds_named(requests: Iterable[Request]) -> Iterable[tuple[int, str]]:
    """Return the holds that requests name, with their operators."""
    for request in requests:
        command = request.command
        if isinstance(command, _NAMES_HOLD) and command.hold_id:
            yield request.operator, command.hold_id


def redemptions_named(requests: Iterable[Request]) -> Iterable[tuple[int, str]]:
    """Return the redemptions that are to be given back, or pay for orders."""
    for request in requests:
        command = request.command
        if isinstance(command, RefundRedemption | EarnReward):
            named = command.redemption_transaction_id
            if named:
                yield request.operator, named


def rewards_named(
    requests: Iterable[Request], known: Container[tuple[int, str]]
) -> Iterable[tuple[int, str]]:
    """Return the rewards that are told again, reversed by refunds, or given up by a person."""
    for request in requests:
        key = (request.operator, request.command.transaction_id)
        if isinstance(request.command, RefundPurchase):
            yield request.operator, request.command.reverse_transaction_id
        elif isinstance(request.command, Settle):
            yield request.operator, request.command.intent.related_transaction_id
        elif isinstance(request.command, EarnReward) and key in known:
            yield key


def redemptions_refunded(
    requests: Iterable[Request], rewards: Mapping[tuple[int, str], StoredReward]
) -> Iterable[tuple[int, str]]:
    """Return the redemptions that had paid for what refunds reverse."""
    for request in requests:
        if isinstance(request.command, RefundPurchase):
            rewarded = rewards.get((request.operator, request.command.reverse_transaction_id))
            if rewarded is not None and rewarded.redemption_transaction_id:
                yield request.operator, rewarded.redemption_transaction_id


def order_times(requests: Iterable[Request]) -> Iterable[tuple[int, datetime, datetime]]:
    """Return each operator that campaigns may matter to, and its first and last order's time."""
    times: dict[int, list[datetime]] = {}
    for request in requests:
        command = request.command
        if isinstance(command, EarnReward) and command.order.line_items:
            times.setdefault(request.operator, []).append(command.transaction_time)
    return [(operator, min(of), max(of)) for operator, of in times.items()]
