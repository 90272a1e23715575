"""The tables, as SQLAlchemy Core knows them; the migrations create them.

Every key begins with the operator: it is the wall between tenants. Clients' own ids stand in one
unique index each; everything else refers to our own ascending numbers.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()


def time_column(name: str) -> Column[object]:
    """Make a column of the time at which a row was written."""
    return Column(
        name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()
    )


operators = Table(
    "operators",
    metadata,
    Column("operator_no", Integer, Identity(always=True), primary_key=True),
    Column("operator_id", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("player_messages", JSONB, nullable=False, server_default=text("'{}'")),
    # The settings of `domain.callbacks`, secrets included; NULL when none were ever given.
    Column("callback", JSONB(none_as_null=True)),
    # The request that created it, which a repeated request is compared with.
    Column("created_as", JSONB, nullable=False),
    time_column("create_time"),
)

operator_currencies = Table(
    "operator_currencies",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("exponent", SmallInteger, nullable=False),
    PrimaryKeyConstraint("operator_no", "code"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    # NULL: the key belongs to the installation, not to an operator.
    Column("operator_no", Integer),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("roles", ARRAY(SmallInteger), nullable=False),
    time_column("create_time"),
    Column("revoke_time", DateTime(timezone=True)),
    Index("api_keys_by_operator", "operator_no", "create_time"),
)

players = Table(
    "players",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("player_no", BigInteger, Identity(always=True), nullable=False),
    Column("player_id", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    Column("created_as", JSONB, nullable=False),
    time_column("create_time"),
    PrimaryKeyConstraint("operator_no", "player_no"),
    UniqueConstraint("operator_no", "player_id", name="players_player_id_key"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("account_no", BigInteger, Identity(always=True), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    # 0 for the house, whose accounts are striped: each writer has its own row to update.
    Column("player_no", BigInteger, nullable=False, server_default=text("0")),
    Column("stripe", SmallInteger, nullable=False, server_default=text("0")),
    Column("unit", Text, nullable=False),
    Column("balance", BigInteger, nullable=False, server_default=text("0")),
    Column("sequence", BigInteger, nullable=False, server_default=text("0")),
    # A copy of the player's status, so that it is read under the lock that a movement takes.
    Column("player_status", SmallInteger, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("operator_no", "account_no"),
    UniqueConstraint(
        "operator_no", "player_no", "kind", "unit", "stripe", name="accounts_owner_key"
    ),
    # The last wall: the rules refuse this long before.
    CheckConstraint("kind <> 1 OR balance >= 0", name="accounts_wallet_not_negative"),
    postgresql_with={"fillfactor": "80"},
)

rounds = Table(
    "rounds",
    metadata,
    Column("operator_no", Integer, nullable=False),
    # The number of the transaction that first named the round.
    Column("round_no", BigInteger, nullable=False, autoincrement=False),
    Column("player_no", BigInteger, nullable=False),
    Column("game_id", Text, nullable=False),
    Column("round_id", Text, nullable=False),
    Column("opened", Boolean, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("bets", BigInteger, nullable=False),
    Column("wins", BigInteger, nullable=False),
    Column("total_bet", BigInteger, nullable=False),
    Column("total_win", BigInteger, nullable=False),
    Column("closers", BigInteger, nullable=False),
    Column("covered_to", BigInteger, nullable=False),
    PrimaryKeyConstraint("operator_no", "round_no"),
    UniqueConstraint("operator_no", "round_id", "player_no", "game_id", name="rounds_key"),
    postgresql_with={"fillfactor": "80"},
)

# One row is a transaction and the one transfer that it posts: `change` moves from the contra
# account to the wallet's account (a negative one the other way).
transactions = Table(
    "transactions",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("transaction_no", BigInteger, nullable=False, autoincrement=False),
    Column("transaction_id", Text, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("account_no", BigInteger),
    Column("contra_account_no", BigInteger),
    Column("amount", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("balance_before", BigInteger),
    Column("sequence", BigInteger, nullable=False),
    Column("round_no", BigInteger),
    Column("related_id", Text),
    Column("win_type", SmallInteger, nullable=False),
    Column("flags", SmallInteger, nullable=False),
    Column("outcome", SmallInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # What few transactions have: a refusal, metadata, the round as it was closed.
    Column("detail", JSONB),
    PrimaryKeyConstraint("operator_no", "transaction_no"),
    UniqueConstraint("operator_no", "transaction_id", name="transactions_id_key"),
    Index("transactions_by_player", "operator_no", "player_no", "transaction_no"),
    Index(
        "transactions_of_prizes",
        "operator_no",
        "transaction_no",
        postgresql_where=text("type = 9"),
    ),
    Index(
        "transactions_by_round",
        "operator_no",
        "round_no",
        postgresql_where=text("round_no IS NOT NULL"),
    ),
    # The history is written in the order of time, so this costs next to nothing.
    Index(
        "transactions_by_time",
        "create_time",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

# Which transactions were rolled back, and by which: the history itself is never updated.
reversals = Table(
    "reversals",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("original_no", BigInteger, nullable=False, autoincrement=False),
    Column("rollback_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("operator_no", "original_no"),
)

# How many transactions an operator has. Its row is locked from the end of a flush until the flush
# is committed, so that positions ascend in commit order.
journal_ends = Table(
    "journal_ends",
    metadata,
    Column("operator_no", Integer, primary_key=True, autoincrement=False),
    Column("last_position", BigInteger, nullable=False),
    # How often the operator's mode was changed. A flush that was decided in another mode than
    # the one it would be written in is not written.
    Column("mode_changes", Integer, nullable=False, server_default=text("0")),
    postgresql_with={"fillfactor": "50"},
)

# Movements of seamless mode whose outcome is not known: what was asked, and how far it is. A row
# ends with the transaction that it becomes.
pending = Table(
    "pending",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("intent_no", BigInteger, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("game_id", Text, nullable=False),
    Column("round_id", Text, nullable=False),
    Column("related_id", Text, nullable=False),
    Column("win_type", SmallInteger, nullable=False),
    Column("flags", SmallInteger, nullable=False),
    Column("original_type", SmallInteger, nullable=False),
    # The id of Purser's own rollback, should one be needed.
    Column("undo_id", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("phase", SmallInteger, nullable=False),
    # When someone may take it up; until then whoever works on it holds it.
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("is_case", Boolean, nullable=False),
    Column("last_error", Text, nullable=False),
    # The prize that it pays for; empty for all else.
    Column("prize_id", Text, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("operator_no", "transaction_id"),
    # The player first: in a small table both indexes would else seem alike to the planner.
    Index("pending_by_player", "player_no", "operator_no"),
    Index("pending_by_due_time", "due_time"),
    Index("pending_cases", "operator_no", "intent_no", postgresql_where=text("is_case")),
    postgresql_with={"fillfactor": "50"},
)

# Cases that have their outcome, and how they got it: a person's decision, or (NULL) the casino's.
ended_cases = Table(
    "ended_cases",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("intent_no", BigInteger, nullable=False, autoincrement=False),
    Column("transaction_id", Text, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("end_time", DateTime(timezone=True), nullable=False),
    Column("decision", SmallInteger),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("operator_no", "intent_no"),
)

# What each flush added to an operator's history: `size` transactions, whose numbers lie between
# the two given ones, at the positions up to `last_position`.
journal = Table(
    "journal",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("numbers_from", BigInteger, nullable=False),
    Column("numbers_to", BigInteger, nullable=False),
    PrimaryKeyConstraint("operator_no", "last_position"),
)

game_sessions = Table(
    "game_sessions",
    metadata,
    Column("operator_no", Integer, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("player_no", BigInteger, nullable=False),
    Column("game_id", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    time_column("open_time"),
    Column("close_time", DateTime(timezone=True)),
    PrimaryKeyConstraint("operator_no", "session_id"),
)

transaction_numbers = Sequence("transaction_numbers", metadata=metadata, increment=32_768)
"""Each flush takes one block of numbers, under its locks, and so they ascend per wallet."""
