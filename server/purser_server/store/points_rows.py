"""Points in the write path: their statements, and how lots and holds become rows and back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from purser_server.domain.accounts import POINTS, AccountKind
from purser_server.domain.points import NEVER, Hold, HoldState, Lot, Part
from purser_server.domain.redemptions import Redemption
from purser_server.ledger.ports import LoyaltyChanges, StoredHold
from purser_server.store.arrays import columns, moment, unnest
from purser_server.store.rows import Row, microseconds, refusal_from_json, refusal_to_json
from purser_server.store.statements import IDS, NUMBERS

_POINTS_KIND = int(AccountKind.PLAYER_POINTS)
_ACTIVE = int(HoldState.ACTIVE)

# Given: operator numbers, player numbers.
MAKE_POINTS_ACCOUNTS = f"""
INSERT INTO accounts (operator_no, player_no, kind, unit)
SELECT operator_no, player_no, {_POINTS_KIND}, '{POINTS}'
FROM {unnest(NUMBERS)} AS w (operator_no, player_no)
ON CONFLICT ON CONSTRAINT accounts_owner_key DO NOTHING
"""

# The players are locked by their wallets. Given: operator numbers, player numbers.
POINTS_ACCOUNTS = f"""
SELECT a.operator_no, a.player_no, a.account_no, a.balance, a.sequence
FROM {unnest(NUMBERS)} AS w (operator_no, player_no)
JOIN accounts a ON a.operator_no = w.operator_no AND a.player_no = w.player_no
               AND a.kind = {_POINTS_KIND} AND a.unit = '{POINTS}' AND a.stripe = 0
"""

LOTS_OF = f"""
SELECT l.operator_no, l.player_no, l.lot_no, l.earned_no, l.points, l.available_time, l.expire_time
FROM {unnest(NUMBERS)} AS w (operator_no, player_no)
JOIN lots l ON l.player_no = w.player_no AND l.operator_no = w.operator_no
ORDER BY l.lot_no
"""

# The active holds of these players, and those with these ids. Given: operator numbers, player
# numbers; operator numbers, ids.
HOLDS_OF = f"""
SELECT h.operator_no, h.hold_id, p.player_id, h.state, h.expire_time, h.detail
FROM (
    SELECT own.operator_no, own.hold_id
    FROM {unnest(NUMBERS)} AS w (operator_no, player_no)
    -- By player, whatever PostgreSQL thinks of how few active holds there are in all.
    CROSS JOIN LATERAL (
        SELECT h.operator_no, h.hold_id FROM holds h
        WHERE h.player_no = w.player_no AND h.operator_no = w.operator_no
          AND h.state = {_ACTIVE}
        OFFSET 0
    ) AS own
    UNION
    SELECT operator_no, hold_id FROM {unnest(IDS, 3)} AS i (operator_no, hold_id)
) AS wanted
JOIN holds h ON h.operator_no = wanted.operator_no AND h.hold_id = wanted.hold_id
JOIN players p ON p.operator_no = h.operator_no AND p.player_no = h.player_no
"""

REDEMPTION_COLUMNS = """
       r.operator_no, r.transaction_id, r.redemption_no, p.player_id, r.points, r.currency_code,
       r.amount, r.parts, r.hold_id, r.order_id
"""

REDEMPTIONS = f"""
SELECT {REDEMPTION_COLUMNS}
FROM {unnest(IDS)} AS w (operator_no, transaction_id)
JOIN redemptions r ON r.operator_no = w.operator_no AND r.transaction_id = w.transaction_id
JOIN players p ON p.operator_no = r.operator_no AND p.player_no = r.player_no
"""

PROGRAMS = f"""
SELECT p.operator_no, p.version, p.since, p.settings
FROM {unnest("integer")} AS w (operator_no)
JOIN programs p ON p.operator_no = w.operator_no
"""

LOTS = "integer bigint bigint bigint bigint bigint bigint"
NEW_HOLDS = "integer text bigint smallint bigint text"
KEPT_HOLDS = "integer text smallint text"
REDEEMED = "integer text text bigint bigint bigint text bigint text text"

# Given: operator numbers and numbers of empty lots; rows of lots, of new holds, of what has become
# of others, of redemptions. Two players may be given one id for a hold at once: the second fails.
SAVE_POINTS = f"""
WITH gone AS (
    DELETE FROM lots l USING {unnest(NUMBERS)} AS g (operator_no, lot_no)
    WHERE l.operator_no = g.operator_no AND l.lot_no = g.lot_no
), kept AS (
    INSERT INTO lots
    SELECT operator_no, lot_no, player_no, earned_no, points, {moment("available_time")},
           {moment("expire_time")}
    FROM {unnest(LOTS, 3)} AS l (operator_no, lot_no, player_no, earned_no, points,
                                 available_time, expire_time)
    ON CONFLICT (operator_no, lot_no) DO UPDATE SET points = excluded.points
), held AS (
    INSERT INTO holds
    SELECT operator_no, hold_id, player_no, state, {moment("expire_time")}, detail::jsonb
    FROM {unnest(NEW_HOLDS, 10)} AS h (operator_no, hold_id, player_no, state, expire_time, detail)
), changed AS (
    UPDATE holds h SET state = c.state, detail = c.detail::jsonb
    FROM {unnest(KEPT_HOLDS, 16)} AS c (operator_no, hold_id, state, detail)
    WHERE h.operator_no = c.operator_no AND h.hold_id = c.hold_id
)
INSERT INTO redemptions
SELECT operator_no, transaction_id, parts::jsonb, redemption_no, player_no, points,
       -- A lone empty text travels as NULL.
       coalesce(currency_code, ''), amount, coalesce(hold_id, ''), coalesce(order_id, '')
FROM {unnest(REDEEMED, 20)} AS r (operator_no, transaction_id, parts, redemption_no, player_no,
                                  points, currency_code, amount, hold_id, order_id)
ON CONFLICT (operator_no, transaction_id)
    DO UPDATE SET parts = excluded.parts, order_id = excluded.order_id
"""


def points_columns(changes: LoyaltyChanges) -> Iterator[str]:
    """Yield the columns of SAVE_POINTS."""
    yield from columns(changes.gone, NUMBERS)
    yield from columns(itertools.starmap(_lot_row, changes.lots), LOTS)
    # Ids go into their index in one order, so that no two writers wait for each other.
    new = sorted(itertools.starmap(_new_hold_row, changes.new_holds), key=itemgetter(0, 1))
    yield from columns(new, NEW_HOLDS)
    yield from columns(
        (
            (operator, kept.hold.hold_id, _stored_state(kept), _hold_detail(kept))
            for operator, _, kept in changes.holds
        ),
        KEPT_HOLDS,
    )
    yield from columns(itertools.starmap(_redemption_row, changes.redemptions), REDEEMED)


def _lot_row(operator: int, player: int, lot: Lot) -> tuple[object, ...]:
    return (
        operator,
        lot.number,
        player,
        lot.earned_by,
        lot.points,
        microseconds(lot.available_time),
        None if lot.expire_time == NEVER else microseconds(lot.expire_time),
    )


def lot_from_row(row: Row) -> Lot:
    """Make a lot of a row of LOTS_OF."""
    return Lot(
        row["lot_no"],
        row["earned_no"],
        row["points"],
        row["available_time"],
        row["expire_time"] or NEVER,
    )


def _new_hold_row(operator: int, player: int, stored: StoredHold) -> tuple[object, ...]:
    return (
        operator,
        stored.hold.hold_id,
        player,
        _stored_state(stored),
        microseconds(stored.hold.expire_time),
        _hold_detail(stored),
    )


def _stored_state(stored: StoredHold) -> int:
    # What was refused is no hold, and has none of its states.
    return 0 if stored.refusal else int(stored.hold.state)


def _hold_detail(stored: StoredHold) -> str:
    held = stored.hold
    detail = {
        "parts": json.loads(_parts_to_json(held.parts)),
        "create_time": held.create_time.isoformat(),
        "value": [held.currency_code, held.amount],
        "redeemed_by": held.redeemed_by,
        "content": stored.content,
        "refusal": refusal_to_json(stored.refusal) if stored.refusal else None,
    }
    return json.dumps(detail)


def hold_from_row(row: Row) -> StoredHold:
    """Make a hold of a row of HOLDS_OF."""
    detail: Mapping[str, Any] = row["detail"]
    currency_code, amount = detail["value"]
    refusal = detail["refusal"]
    held = Hold(
        row["hold_id"],
        parts_from_json(detail["parts"]),
        row["expire_time"],
        datetime.fromisoformat(detail["create_time"]),
        HoldState(row["state"] or HoldState.ACTIVE),
        currency_code,
        amount,
        detail["redeemed_by"],
    )
    content = tuple((path, told) for path, told in detail["content"])
    return StoredHold(
        row["player_id"], held, content, refusal_from_json(refusal) if refusal else None
    )


def _redemption_row(operator: int, player: int, of: Redemption) -> tuple[object, ...]:
    return (
        operator,
        of.transaction_id,
        _parts_to_json(of.left),
        of.number,
        player,
        of.points,
        of.currency_code,
        of.amount,
        of.hold_id,
        of.order_transaction_id,
    )


def redemption_from_row(row: Row) -> Redemption:
    """Make a redemption of a row with REDEMPTION_COLUMNS."""
    return Redemption(
        row["transaction_id"],
        row["redemption_no"],
        row["player_id"],
        row["points"],
        row["currency_code"],
        row["amount"],
        parts_from_json(row["parts"]),
        row["hold_id"],
        row["order_id"],
    )


def _parts_to_json(parts: Sequence[Part]) -> str:
    return json.dumps(
        [
            [
                part.lot_number,
                part.earned_by,
                part.points,
                part.available_time.isoformat(),
                None if part.expire_time == NEVER else part.expire_time.isoformat(),
            ]
            for part in parts
        ]
    )


def parts_from_json(stored: Sequence[Sequence[Any]]) -> tuple[Part, ...]:
    """Make the parts of a hold or a redemption."""
    return tuple(
        Part(
            lot_number,
            earned_by,
            points,
            datetime.fromisoformat(available),
            datetime.fromisoformat(expires).astimezone(UTC) if expires else NEVER,
        )
        for lot_number, earned_by, points, available, expires in stored
    )
