"""The tables of loyalty: points, rewards, programs. What holds for all tables is in `tables`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from purser_server.store.tables import metadata, time_column

__all__ = (
    "campaigns",
    "holds",
    "lots",
    "metadata",
    "owed_cashback",
    "prizes",
    "programs",
    "redemptions",
    "refunds",
    "rewards",
)

# A player's points that arrived together; what is empty is no more. NULL never expires.
lots = Table(
    "lots",
    metadata,
    Column("operator_no", Integer, nullable=False),
    # The number of the transaction that made the lot.
    Column("lot_no", BigInteger, nullable=False, autoincrement=False),
    Column("player_no", BigInteger, nullable=False),
    # The number of the transaction that earned the points: a lot may be what came back of one.
    Column("earned_no", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("available_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True)),
    PrimaryKeyConstraint("operator_no", "lot_no"),
    # The player first: in a small table both indexes would else seem alike to the planner.
    Index("lots_by_player", "player_no", "operator_no"),
    Index("lots_by_expire_time", "expire_time", postgresql_where=text("expire_time IS NOT NULL")),
    postgresql_with={"fillfactor": "80"},
)

# Points set aside, in any state, and requests for holds that were refused for ever.
holds = Table(
    "holds",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("hold_id", Text, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    # Its parts, what they pay for, the content of the request, a refusal.
    Column("detail", JSONB, nullable=False),
    PrimaryKeyConstraint("operator_no", "hold_id"),
    Index("holds_by_player", "player_no", "operator_no", "state"),
    Index("holds_by_expire_time", "expire_time", postgresql_where=text("state = 1")),
    postgresql_with={"fillfactor": "80"},
)

# Points that were spent, by the id that clients know: where an order captured a hold, the order's.
redemptions = Table(
    "redemptions",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("transaction_id", Text, nullable=False),
    # What may still come back.
    Column("parts", JSONB, nullable=False),
    # The number of the transaction that spent them.
    Column("redemption_no", BigInteger, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("hold_id", Text, nullable=False),
    # The order that they paid a part of, or empty.
    Column("order_id", Text, nullable=False),
    PrimaryKeyConstraint("operator_no", "transaction_id"),
)

# What orders and cashbacks earned, and what was taken back since.
rewards = Table(
    "rewards",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("reward_no", BigInteger, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # When its cash is to be paid; NULL once that is done, and where there is none.
    Column("due_time", DateTime(timezone=True)),
    Column("redemption_id", Text, nullable=False),
    # How many of its points have expired unspent, and how many of those refunds have told.
    Column("expired", BigInteger, nullable=False, server_default=text("0")),
    Column("expired_told", BigInteger, nullable=False),
    # How much of its cash went to what the player owed.
    Column("collected", BigInteger, nullable=False),
    # What refunds have asked so far, and how much of its cash a person has given up (`unpaid`).
    Column("refunded", JSONB, nullable=False),
    Column("reward", JSONB, nullable=False),
    PrimaryKeyConstraint("operator_no", "transaction_id"),
    Index("rewards_by_number", "operator_no", "reward_no", unique=True),
    Index(
        "rewards_unpaid",
        "player_no",
        "operator_no",
        "due_time",
        postgresql_where=text("due_time IS NOT NULL"),
    ),
    Index("rewards_due", "due_time", postgresql_where=text("due_time IS NOT NULL")),
    postgresql_with={"fillfactor": "80"},
)

# Which transactions are refunds, of whom and of what: to list them by.
refunds = Table(
    "refunds",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("refund_no", BigInteger, nullable=False, autoincrement=False),
    Column("player_no", BigInteger, nullable=False),
    Column("reward_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("operator_no", "refund_no"),
    Index("refunds_by_player", "operator_no", "player_no", "refund_no"),
    Index("refunds_by_reward", "operator_no", "reward_no", "refund_no"),
)

# What players owe of cashback that was taken back and had been spent.
owed_cashback = Table(
    "owed_cashback",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("owed", BigInteger, nullable=False),
    PrimaryKeyConstraint("operator_no", "player_no", "currency_code"),
)

# The versions of each operator's program.
programs = Table(
    "programs",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("version", Integer, nullable=False, autoincrement=False),
    # From when on it counts; NULL for the first version, which reaches back without limit.
    Column("since", DateTime(timezone=True)),
    # As `store.programs` writes it, decimals as they were given.
    Column("settings", JSONB, nullable=False),
    time_column("create_time"),
    PrimaryKeyConstraint("operator_no", "version"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("campaign_no", BigInteger, Identity(always=True), nullable=False),
    # The request that created it, which a repeated request is compared with.
    Column("content", JSONB, nullable=False),
    # Its window as it is now; NULL is without limit. Only the end ever changes.
    Column("start_time", DateTime(timezone=True)),
    Column("end_time", DateTime(timezone=True)),
    time_column("create_time"),
    PrimaryKeyConstraint("operator_no", "campaign_id"),
    Index("campaigns_by_number", "operator_no", "campaign_no", unique=True),
)

# Prizes. None is ever stored as expired: that follows from the time.
prizes = Table(
    "prizes",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("prize_id", Text, nullable=False),
    Column("prize_no", BigInteger, nullable=False, autoincrement=False),
    Column("player_no", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("cash_value", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # NULL never expires.
    Column("expire_time", DateTime(timezone=True)),
    Column("state", SmallInteger, nullable=False),
    # The transaction that returns it, or has returned it; empty for none.
    Column("return_id", Text, nullable=False),
    PrimaryKeyConstraint("operator_no", "prize_id"),
    Index("prizes_by_number", "operator_no", "prize_no", unique=True),
    # The player first: in a small table both indexes would else seem alike to the planner.
    Index("prizes_by_player", "player_no", "operator_no", "prize_no"),
    postgresql_with={"fillfactor": "80"},
)
