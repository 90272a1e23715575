"""The wallet: operators, keys, players, accounts, rounds, the history of transactions."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE operators (
    operator_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator_id text NOT NULL UNIQUE,
    display_name text NOT NULL,
    player_messages jsonb NOT NULL DEFAULT '{}',
    created_as jsonb NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE operator_currencies (
    operator_no integer NOT NULL,
    code text NOT NULL,
    exponent smallint NOT NULL,
    PRIMARY KEY (operator_no, code)
);

CREATE TABLE api_keys (
    key_id text PRIMARY KEY,
    operator_no integer,
    hash bytea NOT NULL UNIQUE,
    roles smallint[] NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoke_time timestamptz
);
CREATE INDEX api_keys_by_operator ON api_keys (operator_no, create_time);

CREATE TABLE players (
    operator_no integer NOT NULL,
    player_no bigint GENERATED ALWAYS AS IDENTITY,
    player_id text NOT NULL,
    status smallint NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_as jsonb NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (operator_no, player_no),
    CONSTRAINT players_player_id_key UNIQUE (operator_no, player_id)
);

-- Room is left in the pages of accounts and rounds, and vacuum comes early, so that updates
-- stay within their page and touch no index.
CREATE TABLE accounts (
    operator_no integer NOT NULL,
    account_no bigint GENERATED ALWAYS AS IDENTITY,
    kind smallint NOT NULL,
    player_no bigint NOT NULL DEFAULT 0,
    stripe smallint NOT NULL DEFAULT 0,
    unit text NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    sequence bigint NOT NULL DEFAULT 0,
    player_status smallint NOT NULL DEFAULT 1,
    PRIMARY KEY (operator_no, account_no),
    CONSTRAINT accounts_owner_key UNIQUE (operator_no, player_no, kind, unit, stripe),
    CONSTRAINT accounts_wallet_not_negative CHECK (kind <> 1 OR balance >= 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE rounds (
    operator_no integer NOT NULL,
    round_no bigint NOT NULL,
    player_no bigint NOT NULL,
    game_id text NOT NULL,
    round_id text NOT NULL,
    opened boolean NOT NULL,
    currency_code text NOT NULL,
    bets bigint NOT NULL,
    wins bigint NOT NULL,
    total_bet bigint NOT NULL,
    total_win bigint NOT NULL,
    closers bigint NOT NULL,
    covered_to bigint NOT NULL,
    PRIMARY KEY (operator_no, round_no),
    CONSTRAINT rounds_key UNIQUE (operator_no, round_id, player_no, game_id)
) WITH (fillfactor = 80);

CREATE TABLE transactions (
    operator_no integer NOT NULL,
    transaction_no bigint NOT NULL,
    transaction_id text NOT NULL,
    type smallint NOT NULL,
    state smallint NOT NULL,
    player_no bigint NOT NULL,
    account_no bigint,
    contra_account_no bigint,
    amount bigint NOT NULL,
    change bigint NOT NULL,
    balance_before bigint,
    sequence bigint NOT NULL,
    round_no bigint,
    related_id text,
    win_type smallint NOT NULL,
    flags smallint NOT NULL,
    outcome smallint NOT NULL,
    create_time timestamptz NOT NULL,
    detail jsonb,
    PRIMARY KEY (operator_no, transaction_no),
    CONSTRAINT transactions_id_key UNIQUE (operator_no, transaction_id)
);
CREATE INDEX transactions_by_player ON transactions (operator_no, player_no, transaction_no);
CREATE INDEX transactions_by_round ON transactions (operator_no, round_no)
    WHERE round_no IS NOT NULL;

CREATE TABLE reversals (
    operator_no integer NOT NULL,
    original_no bigint NOT NULL,
    rollback_no bigint NOT NULL,
    PRIMARY KEY (operator_no, original_no)
);

CREATE TABLE game_sessions (
    operator_no integer NOT NULL,
    session_id text NOT NULL,
    player_no bigint NOT NULL,
    game_id text NOT NULL,
    currency_code text NOT NULL,
    open_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    close_time timestamptz,
    PRIMARY KEY (operator_no, session_id)
);

CREATE SEQUENCE transaction_numbers INCREMENT BY 32768;
"""

_REFUSE_CHANGE_OF_HISTORY = """
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history in % is never updated or deleted', TG_TABLE_NAME;
END
$$
"""

_APPEND_ONLY = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()
"""


def upgrade() -> None:
    """Create the tables, and a wall around the history."""
    # The driver prepares what it sends, and so takes one statement at a time.
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(_REFUSE_CHANGE_OF_HISTORY)
    for table in ("transactions", "reversals"):
        op.execute(_APPEND_ONLY.format(table=table))


def downgrade() -> None:
    """A ledger is not migrated backwards; restore a backup instead."""
    raise NotImplementedError
