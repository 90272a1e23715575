"""How the changes of a flush travel to PostgreSQL: the columns that SAVE and SAVE_PENDING take."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from purser_server.domain.cases import EndedCase
from purser_server.domain.pending import Pending
from purser_server.domain.rounds import Round
from purser_server.ledger.ports import Changes, Entry
from purser_server.store import statements as sql
from purser_server.store.arrays import columns
from purser_server.store.rows import detail_of, flags_of, microseconds


def save_columns(changes: Changes) -> Iterator[str]:
    """Yield the columns of `statements.SAVE`, behind the time of the flush."""
    yield from columns(_new_rounds(changes), sql.NEW_ROUNDS)
    yield from columns(
        [(operator, round_.number, *_sums(round_)) for operator, round_ in changes.rounds],
        sql.CHANGED_ROUNDS,
    )
    yield from columns(
        [
            (operator, wallet.account_number, wallet.balance, wallet.sequence)
            for operator, wallet in changes.wallets
        ],
        sql.WALLETS,
    )
    yield from columns(changes.house, sql.HOUSE_CHANGES)
    yield from columns(
        [(r.operator, r.original, r.rollback) for r in changes.reversals], sql.REVERSALS
    )
    yield from columns(_journal(changes), sql.JOURNAL)
    # Ids go into their index in one order, so that no two writers wait for each other.
    yield from columns(map(_entry, sorted(changes.entries, key=_by_id)), sql.ENTRIES)


def pending_columns(changes: Changes) -> Iterator[str]:
    """Yield the columns of `statements.SAVE_PENDING`."""
    ended = set(changes.ended)
    final = {_by_id(entry) for entry in changes.entries} - ended
    yield from columns(sorted(final), sql.IDS)
    yield from columns(changes.ended, sql.IDS)
    new, kept = [], []
    for operator, player, pending in changes.pending:
        if pending.transaction.number in changes.begun:
            new.append(_intent(operator, player, pending))
        else:
            kept.append(_progress(operator, pending))
    yield from columns(new, sql.NEW_INTENTS)
    yield from columns(kept, sql.KEPT_INTENTS)


def case_columns(changes: Changes) -> Iterator[str]:
    """Yield the columns of `statements.END_CASES`, behind the time of the flush."""
    yield from columns(itertools.starmap(_ended_case, changes.ended_cases), sql.ENDED_CASES)


def _new_rounds(changes: Changes) -> list[tuple[object, ...]]:
    return [
        (operator, round_.number, player, round_.game_id, round_.round_id, *_sums(round_))
        for operator, player, round_ in changes.new_rounds
    ]


def _sums(round_: Round) -> tuple[Any, ...]:
    return (
        round_.opened,
        round_.currency_code,
        round_.bets,
        round_.wins,
        round_.total_bet,
        round_.total_win,
        round_.closers,
        round_.covered_to,
    )


def _entry(entry: Entry) -> tuple[object, ...]:
    of = entry.transaction
    detail = detail_of(of)
    return (
        entry.operator,
        of.number,
        of.transaction_id,
        int(of.type),
        int(of.state),
        entry.player,
        entry.account,
        entry.contra_account,
        of.amount,
        of.change,
        of.balance_before,
        of.wallet_sequence,
        entry.round,
        of.related_transaction_id,
        int(of.win_type),
        flags_of(of),
        int(of.rollback_outcome),
        "" if detail is None else json.dumps(detail),
    )


def _by_id(entry: Entry) -> tuple[int, str]:
    return entry.operator, entry.transaction.transaction_id


def _journal(changes: Changes) -> list[tuple[int, int, int, int, int]]:
    """Return what each operator's history grows by: size, first and last number, and its mode."""
    numbers: dict[int, list[int]] = {}
    for entry in changes.entries:
        numbers.setdefault(entry.operator, []).append(entry.transaction.number)
    for operator, _, _ in changes.pending:
        numbers.setdefault(operator, [])
    return [
        (
            operator,
            len(mine),
            min(mine, default=0),
            max(mine, default=0),
            changes.mode_changes.get(operator, 0),
        )
        for operator, mine in sorted(numbers.items())
    ]


def _intent(operator: int, player: int, pending: Pending) -> tuple[object, ...]:
    of = pending.transaction
    return (
        operator,
        of.transaction_id,
        of.number,
        int(of.type),
        player,
        of.currency_code,
        of.amount,
        of.game_id,
        of.round_id,
        of.related_transaction_id,
        int(of.win_type),
        flags_of(of),
        int(pending.original_type),
        pending.undo_id,
        microseconds(of.create_time),
        int(pending.phase),
        microseconds(pending.due_time),
        of.prize_id,
    )


def _progress(operator: int, pending: Pending) -> tuple[object, ...]:
    return (
        operator,
        pending.transaction.transaction_id,
        int(pending.phase),
        microseconds(pending.due_time),
        pending.attempts,
        pending.is_case,
        pending.last_error,
    )


def _ended_case(operator: int, player: int, case: EndedCase) -> tuple[object, ...]:
    of = case.pending.transaction
    return (
        operator,
        of.number,
        of.transaction_id,
        int(of.type),
        player,
        of.currency_code,
        of.amount,
        microseconds(of.create_time),
        case.pending.attempts,
        case.pending.last_error,
        None if case.decision is None else int(case.decision),
        case.note,
    )
