"""Rewards in the write path: their statements, and how rewards become rows and back."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from purser_server.domain.earning import Reward, RewardLine
from purser_server.domain.programs import LinesMissingPolicy, NegativeBalancePolicy, RewardMode
from purser_server.domain.reversals import Refunded
from purser_server.domain.rewards import StoredReward
from purser_server.ledger.ports import LoyaltyChanges
from purser_server.store.arrays import columns, moment, unnest
from purser_server.store.rows import Row, microseconds
from purser_server.store.statements import IDS, NUMBERS

REWARD_COLUMNS = """
       r.operator_no, r.transaction_id, r.reward_no, p.player_id, r.create_time, r.due_time,
       r.redemption_id, r.expired, r.expired_told, r.collected, r.refunded, r.reward
"""

# Rewards with these ids, and those of these players whose cash is to be paid by now. Given:
# operator numbers, ids; operator numbers, player numbers.
REWARDS_OF = f"""
SELECT {REWARD_COLUMNS}
FROM (
    SELECT operator_no, transaction_id FROM {unnest(IDS)} AS i (operator_no, transaction_id)
    UNION
    SELECT due.operator_no, due.transaction_id
    FROM {unnest(NUMBERS, 3)} AS w (operator_no, player_no)
    -- By player, whatever PostgreSQL thinks of how few rewards wait in all.
    CROSS JOIN LATERAL (
        SELECT r.operator_no, r.transaction_id FROM rewards r
        WHERE r.player_no = w.player_no AND r.operator_no = w.operator_no
          AND r.due_time IS NOT NULL AND r.due_time <= clock_timestamp()
        ORDER BY r.due_time
        LIMIT 100
    ) AS due
) AS wanted
JOIN rewards r ON r.operator_no = wanted.operator_no AND r.transaction_id = wanted.transaction_id
JOIN players p ON p.operator_no = r.operator_no AND p.player_no = r.player_no
"""

# Given: operator numbers, player numbers.
OWED_BY = f"""
SELECT o.operator_no, o.player_no, o.currency_code, o.owed
FROM {unnest(NUMBERS)} AS w (operator_no, player_no)
JOIN owed_cashback o ON o.operator_no = w.operator_no AND o.player_no = w.player_no
"""

TIMES = "integer bigint bigint"

# The campaigns that are on at some time between two. Given: operator numbers, and of each the
# first and the last time, in microseconds since 1970.
CAMPAIGNS_ON = f"""
SELECT c.operator_no, c.campaign_id, c.content, c.end_time
FROM {unnest(TIMES)} AS w (operator_no, first, last)
JOIN campaigns c ON c.operator_no = w.operator_no
WHERE (c.start_time IS NULL
       OR c.start_time <= {moment("w.last")})
  AND (c.end_time IS NULL
       OR c.end_time > {moment("w.first")})
"""

EXPIRED = "integer bigint bigint"

# Given: operator numbers, numbers of rewards, how many of their points have expired.
COUNT_EXPIRED = f"""
UPDATE rewards r SET expired = r.expired + e.points
FROM {unnest(EXPIRED)} AS e (operator_no, reward_no, points)
WHERE r.operator_no = e.operator_no AND r.reward_no = e.reward_no
"""

REWARDS = "integer text bigint bigint bigint bigint text bigint bigint text text"
OWED = "integer bigint text bigint"
REFUNDS = "integer bigint bigint bigint"

# Given: rows of rewards, of what is owed, of refunds. A lone empty text travels as NULL.
SAVE_REWARDS = f"""
WITH owing AS (
    INSERT INTO owed_cashback
    SELECT operator_no, player_no, currency_code, owed
    FROM {unnest(OWED, 12)} AS o (operator_no, player_no, currency_code, owed)
    ON CONFLICT (operator_no, player_no, currency_code) DO UPDATE SET owed = excluded.owed
), listed AS (
    INSERT INTO refunds
    SELECT * FROM {unnest(REFUNDS, 16)} AS f (operator_no, refund_no, player_no, reward_no)
)
INSERT INTO rewards (operator_no, transaction_id, reward_no, player_no, create_time, due_time,
                     redemption_id, expired_told, collected, refunded, reward)
SELECT operator_no, transaction_id, reward_no, player_no, {moment("create_time")},
       {moment("due_time")}, coalesce(redemption_id, ''), expired_told, collected,
       refunded::jsonb, reward::jsonb
FROM {unnest(REWARDS)} AS r (operator_no, transaction_id, reward_no, player_no, create_time,
                             due_time, redemption_id, expired_told, collected, refunded, reward)
ON CONFLICT (operator_no, transaction_id)
    DO UPDATE SET due_time = excluded.due_time, expired_told = excluded.expired_told,
                  collected = excluded.collected, refunded = excluded.refunded
"""


def reward_columns(changes: LoyaltyChanges) -> Iterator[str]:
    """Yield the columns of SAVE_REWARDS."""
    yield from columns(itertools.starmap(_reward_row, changes.rewards), REWARDS)
    yield from columns(changes.owed, OWED)
    yield from columns(changes.refunds, REFUNDS)


def _reward_row(operator: int, player: int, of: StoredReward) -> tuple[object, ...]:
    return (
        operator,
        of.transaction_id,
        of.number,
        player,
        microseconds(of.create_time),
        None if of.is_paid else microseconds(of.reward.available_time),
        of.redemption_transaction_id,
        of.expired_told,
        of.collected,
        json.dumps({**_fields_of(of.refunded), "unpaid": of.unpaid}),
        json.dumps(_reward_to_json(of.reward)),
    )


def reward_from_row(row: Row) -> StoredReward:
    """Make a reward of a row with REWARD_COLUMNS."""
    # Those that were written before anything could be given up do not tell it.
    refunded = {"unpaid": 0, **row["refunded"]}
    unpaid = refunded.pop("unpaid")
    return StoredReward(
        row["reward_no"],
        row["transaction_id"],
        row["player_id"],
        row["create_time"],
        _reward_from_json(row["reward"]),
        _refunded_from_json(refunded),
        row["redemption_id"],
        row["expired"],
        row["expired_told"],
        row["due_time"] is None,
        row["collected"],
        unpaid,
    )


def _fields_of(of: Any) -> dict[str, Any]:
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def _reward_to_json(reward: Reward) -> dict[str, Any]:
    expires = reward.expire_time
    return {
        **_fields_of(reward),
        "transaction_time": reward.transaction_time.isoformat(),
        "available_time": reward.available_time.isoformat(),
        "expire_time": expires.isoformat() if expires is not None else None,
        "lines": [_fields_of(line) for line in reward.lines],
    }


def _reward_from_json(stored: Mapping[str, Any]) -> Reward:
    expires = stored["expire_time"]
    return Reward(
        **{
            **stored,
            "reward_mode": RewardMode(stored["reward_mode"]),
            "negative_balance_policy": NegativeBalancePolicy(stored["negative_balance_policy"]),
            "lines_missing_policy": LinesMissingPolicy(stored["lines_missing_policy"]),
            "transaction_time": datetime.fromisoformat(stored["transaction_time"]),
            "available_time": datetime.fromisoformat(stored["available_time"]),
            "expire_time": datetime.fromisoformat(expires) if expires else None,
            "lines": tuple(RewardLine(**line) for line in stored["lines"]),
        }
    )


def _refunded_from_json(stored: Mapping[str, Any]) -> Refunded:
    return Refunded(**{**stored, "quantities": tuple(stored["quantities"])})
