"""Prizes in the write path: their statements, and how prizes become rows and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

import asyncpg

from purser_server.domain.intents import Settle
from purser_server.domain.points import NEVER
from purser_server.domain.prizes import Prize, PrizeCommand, PrizeState
from purser_server.ledger.ports import IdKey, PrizeChanges, Request
from purser_server.store.arrays import columns, moment, unnest
from purser_server.store.rows import Row, microseconds
from purser_server.store.statements import IDS

PRIZE_COLUMNS = """
       z.operator_no, z.prize_id, z.prize_no, p.player_id, z.name, z.currency_code, z.cash_value,
       z.create_time, z.expire_time, z.state, z.return_id
"""

# The player who asks is locked by the wallets; of another player's prize nothing is asked that
# ever changes. Given: operator numbers, prize ids.
PRIZES = f"""
SELECT {PRIZE_COLUMNS}
FROM {unnest(IDS)} AS wanted (operator_no, prize_id)
JOIN prizes z ON z.operator_no = wanted.operator_no AND z.prize_id = wanted.prize_id
JOIN players p ON p.operator_no = z.operator_no AND p.player_no = z.player_no
"""

NEW_PRIZES = "integer text bigint bigint text text bigint bigint bigint smallint text"
CHANGED_PRIZES = "integer text smallint text"

# Given: rows of new prizes, and of what has become of others.
SAVE_PRIZES = f"""
WITH changed AS (
    UPDATE prizes z SET state = c.state, return_id = coalesce(c.return_id, '')
    FROM {unnest(CHANGED_PRIZES, 12)} AS c (operator_no, prize_id, state, return_id)
    WHERE z.operator_no = c.operator_no AND z.prize_id = c.prize_id
)
INSERT INTO prizes
SELECT operator_no, prize_id, prize_no, player_no, coalesce(name, ''), currency_code, cash_value,
       {moment("create_time")}, {moment("expire_time")}, state, coalesce(return_id, '')
FROM {unnest(NEW_PRIZES)}
     AS n (operator_no, prize_id, prize_no, player_no, name, currency_code, cash_value,
           create_time, expire_time, state, return_id)
"""


async def load_prizes(
    connection: asyncpg.Connection, requests: Sequence[Request]
) -> dict[IdKey, Prize]:
    """Return the prizes that a flush is about; most are about none."""
    named = set(_prizes_named(requests))
    if not named:
        return {}
    rows = await connection.fetch(PRIZES, *columns(named, IDS))
    return {(row["operator_no"], row["prize_id"]): prize_from_row(row) for row in rows}


def _prizes_named(requests: Iterable[Request]) -> Iterator[IdKey]:
    for request in requests:
        command = request.command
        if isinstance(command, PrizeCommand):
            yield request.operator, command.prize_id
        elif isinstance(command, Settle) and command.intent.prize_id:
            yield request.operator, command.intent.prize_id


def prize_columns(changes: PrizeChanges) -> Iterator[str]:
    """Yield the columns of SAVE_PRIZES."""
    # Ids go into their index in one order, so that no two writers wait for each other.
    new = sorted(itertools.starmap(_new_row, changes.new), key=itemgetter(0, 1))
    yield from columns(new, NEW_PRIZES)
    changed = (
        (operator, prize.prize_id, int(prize.stored_state), prize.return_id)
        for operator, prize in changes.changed
    )
    yield from columns(changed, CHANGED_PRIZES)


def _new_row(operator: int, player: int, prize: Prize) -> tuple[object, ...]:
    return (
        operator,
        prize.prize_id,
        prize.number,
        player,
        prize.name,
        prize.currency_code,
        prize.cash_value,
        microseconds(prize.create_time),
        None if prize.expire_time == NEVER else microseconds(prize.expire_time),
        int(prize.stored_state),
        prize.return_id,
    )


def prize_from_row(row: Row) -> Prize:
    """Make a prize of a row with PRIZE_COLUMNS."""
    return Prize(
        row["prize_no"],
        row["prize_id"],
        row["player_id"],
        row["name"],
        row["currency_code"],
        row["cash_value"],
        row["create_time"],
        row["expire_time"] or NEVER,
        PrizeState(row["state"]),
        row["return_id"],
    )
