"""The statements of the write path, straight for the driver.

All are set-wise: one statement serves a whole flush. What it is given are rows, whose columns
travel as `arrays` says; a name in capitals beside a statement is the types of such columns.
"""

from __future__ import annotations

from purser_server.domain.accounts import AccountKind
from purser_server.domain.transactions import TransactionState, TransactionType, WinType
from purser_server.store.arrays import moment, unnest
from purser_server.store.rows import COUNTS_IN_ROUND

_WALLET = int(AccountKind.PLAYER_CASH)
_WIN, _COMPLETED = int(TransactionType.WIN), int(TransactionState.COMPLETED)
_REGULAR = int(WinType.REGULAR)

IDS = "integer text"
"""operator number, a client's id"""

NUMBERS = "integer bigint"
"""operator number, our own number"""

ROUND_KEYS = "integer bigint text text"
"""operator number, player number, game id, round id"""

HOUSE_KEYS = "integer smallint text"
"""operator number, kind, unit"""

# -- the connection -------------------------------------------------------------------------

# Ends the backend of an earlier connection, which may still hold locks; its start time tells it
# from a stranger who was given the same process id.
END_LOST_BACKEND = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2
"""

OWN_BACKEND = """
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""

# Claims a stripe of the house accounts that no other living writer has.
CLAIM_STRIPE = """
SELECT stripe FROM generate_series(0, 1023) AS stripe
WHERE pg_try_advisory_lock(1886745459, stripe) LIMIT 1
"""

# A plan that was made when its tables were empty may read them whole; ANALYZE would see to it a
# minute too late.
BEGIN_WITH_NEW_PLANS = "DISCARD PLANS; BEGIN"

# -- reading a flush ------------------------------------------------------------------------

# Locks all wallets of these players, lowest account first: writers that share players never
# wait for each other in a circle. Given: operator numbers, player ids.
LOCK_WALLETS = f"""
SELECT p.operator_no, p.player_id, p.player_no,
       a.account_no, a.unit, a.balance, a.sequence, a.player_status
FROM {unnest(IDS)} AS wanted (operator_no, player_id)
JOIN players p ON p.operator_no = wanted.operator_no AND p.player_id = wanted.player_id
JOIN accounts a ON a.operator_no = p.operator_no AND a.player_no = p.player_no
                AND a.kind = {_WALLET}
ORDER BY a.account_no
FOR NO KEY UPDATE OF a
"""

TRANSACTION_COLUMNS = """
       t.operator_no, t.transaction_no, t.transaction_id, t.type, t.state, t.player_no, t.amount,
       t.change, t.balance_before, t.sequence, t.related_id, t.win_type, t.flags, t.outcome,
       t.create_time, t.detail, p.player_id, a.unit, r.game_id, r.round_id,
       v.rollback_no IS NOT NULL AS is_reversed
"""

# Without what only replays and refunds look at, which for a thousand long orders is very much.
LISTED_COLUMNS = TRANSACTION_COLUMNS.replace(
    "t.detail", "t.detail #- '{loyalty,content}' #- '{loyalty,refund}' AS detail"
)

TRANSACTION_JOINS = """
JOIN players p ON p.operator_no = t.operator_no AND p.player_no = t.player_no
LEFT JOIN accounts a ON a.operator_no = t.operator_no AND a.account_no = t.account_no
LEFT JOIN rounds r ON r.operator_no = t.operator_no AND r.round_no = t.round_no
LEFT JOIN reversals v ON v.operator_no = t.operator_no AND v.original_no = t.transaction_no
"""

# What is known of these ids. Given: operator numbers, transaction ids.
KNOWN_TRANSACTIONS = f"""
SELECT {TRANSACTION_COLUMNS}
FROM {unnest(IDS)} AS wanted (operator_no, transaction_id)
JOIN transactions t
  ON t.operator_no = wanted.operator_no AND t.transaction_id = wanted.transaction_id
{TRANSACTION_JOINS}
"""

# A block of transaction numbers, the time, those of these operators whose mode was ever changed
# (how often, and in seamless mode the deadline of their callbacks), and these rounds as far as they
# exist. It runs when the locks are held, so that its snapshot is newer than what any other writer
# did before. Given: operator numbers, player numbers, game ids, round ids; operators.
FLUSH_AND_ROUNDS = f"""
WITH flush AS (
    SELECT nextval('transaction_numbers') AS numbers_from, clock_timestamp() AS now,
           (SELECT jsonb_object_agg(e.operator_no, jsonb_build_array(
                e.mode_changes,
                CASE WHEN o.callback ->> 'target' <> '' THEN o.callback -> 'deadline_ms' END))
            FROM {unnest("integer", 5)} AS own (operator_no)
            JOIN journal_ends e ON e.operator_no = own.operator_no AND e.mode_changes > 0
            JOIN operators o ON o.operator_no = e.operator_no) AS modes
)
SELECT flush.numbers_from, flush.now, flush.modes, found.*
FROM flush LEFT JOIN (
    SELECT wanted.place, r.round_no, r.game_id, r.round_id, r.opened, r.currency_code, r.bets,
           r.wins, r.total_bet, r.total_win, r.closers, r.covered_to
    FROM {unnest(ROUND_KEYS)}
         WITH ORDINALITY AS wanted (operator_no, player_no, game_id, round_id, place)
    JOIN rounds r ON r.operator_no = wanted.operator_no AND r.player_no = wanted.player_no
                 AND r.game_id = wanted.game_id AND r.round_id = wanted.round_id
) AS found ON true
"""

# The standing wins of these rounds that settle bets. Given: operator numbers, round numbers.
SETTLERS = f"""
SELECT t.operator_no, t.round_no, t.transaction_no, t.transaction_id,
       coalesce(t.related_id, '') AS bet_transaction_id
FROM {unnest(NUMBERS)} AS wanted (operator_no, round_no)
JOIN transactions t ON t.operator_no = wanted.operator_no AND t.round_no = wanted.round_no
LEFT JOIN reversals v ON v.operator_no = t.operator_no AND v.original_no = t.transaction_no
WHERE t.type = {_WIN} AND t.state = {_COMPLETED} AND t.flags & {COUNTS_IN_ROUND} <> 0
  AND v.rollback_no IS NULL AND (t.related_id IS NOT NULL OR t.win_type = {_REGULAR})
ORDER BY t.transaction_no
"""

PENDING_COLUMNS = """
       p.operator_no, p.transaction_id, p.intent_no, p.type, l.player_id, p.currency_code,
       p.amount, p.game_id, p.round_id, p.related_id, p.win_type, p.flags, p.original_type,
       p.undo_id, p.create_time, p.phase, p.due_time, p.attempts, p.is_case, p.last_error,
       p.prize_id
"""

PENDING_JOIN = "JOIN players l ON l.operator_no = p.operator_no AND l.player_no = p.player_no"

# The intents of these players, and those with these ids. Given: operator numbers, ids; operator
# numbers, player numbers.
PENDING_OF = f"""
SELECT {PENDING_COLUMNS}
FROM (
    SELECT operator_no, transaction_id FROM {unnest(IDS)} AS i (operator_no, transaction_id)
    UNION
    SELECT own.operator_no, own.transaction_id
    FROM {unnest(NUMBERS, 3)} AS w (operator_no, player_no)
    JOIN pending own ON own.operator_no = w.operator_no AND own.player_no = w.player_no
) AS wanted
JOIN pending p ON p.operator_no = wanted.operator_no AND p.transaction_id = wanted.transaction_id
{PENDING_JOIN}
"""

# Given: operator numbers, session ids.
SESSIONS = f"""
SELECT s.operator_no, s.session_id, p.player_id, s.game_id, s.currency_code,
       s.close_time IS NULL AS is_open
FROM {unnest(IDS)} AS wanted (operator_no, session_id)
JOIN game_sessions s
  ON s.operator_no = wanted.operator_no AND s.session_id = wanted.session_id
JOIN players p ON p.operator_no = s.operator_no AND p.player_no = s.player_no
"""

# This writer's stripe of house accounts, made where missing.
# Given: operator numbers, kinds, units, the stripe.
MAKE_HOUSE_ACCOUNTS = f"""
INSERT INTO accounts (operator_no, kind, unit, stripe)
SELECT operator_no, kind, unit, $4
FROM {unnest(HOUSE_KEYS)} AS house (operator_no, kind, unit)
ON CONFLICT ON CONSTRAINT accounts_owner_key DO NOTHING
"""

HOUSE_ACCOUNTS = f"""
SELECT a.operator_no, a.kind, a.unit, a.account_no
FROM {unnest(HOUSE_KEYS)} AS house (operator_no, kind, unit)
JOIN accounts a ON a.operator_no = house.operator_no AND a.player_no = 0
               AND a.kind = house.kind AND a.unit = house.unit AND a.stripe = $4
"""

# -- writing a flush ------------------------------------------------------------------------

_ROUND_SUMS = "boolean text bigint bigint bigint bigint bigint bigint"
NEW_ROUNDS = f"integer bigint bigint text text {_ROUND_SUMS}"
CHANGED_ROUNDS = f"integer bigint {_ROUND_SUMS}"
WALLETS = "integer bigint bigint bigint"
HOUSE_CHANGES = "integer bigint bigint"
REVERSALS = "integer bigint bigint"
JOURNAL = "integer integer bigint bigint integer"
NEW_INTENTS = (
    "integer text bigint smallint bigint text bigint text text text smallint smallint smallint "
    "text bigint smallint bigint text"
)
KEPT_INTENTS = "integer text smallint bigint integer boolean text"
ENTRIES = (
    "integer bigint text smallint smallint bigint bigint bigint bigint bigint bigint bigint bigint "
    "text smallint smallint smallint text"
)

# Everything that a flush changes, in one statement. Given: its time, then the rows below in their
# order. The journal's ends stay locked until COMMIT, lowest operator first, and so positions
# ascend in commit order, and no operator's mode changes. False when one has changed before.
SAVE = f"""
WITH new_rounds AS (
    INSERT INTO rounds (operator_no, round_no, player_no, game_id, round_id, opened,
                        currency_code, bets, wins, total_bet, total_win, closers, covered_to)
    SELECT operator_no, round_no, player_no, game_id, round_id, opened,
           -- A lone empty text travels as no text at all.
           coalesce(currency_code, ''), bets, wins, total_bet, total_win, closers, covered_to
    FROM {unnest(NEW_ROUNDS, 2)}
         AS n (operator_no, round_no, player_no, game_id, round_id, opened,
               currency_code, bets, wins, total_bet, total_win, closers, covered_to)
), changed_rounds AS (
    UPDATE rounds r
    SET opened = c.opened, currency_code = coalesce(c.currency_code, ''), bets = c.bets,
        wins = c.wins, total_bet = c.total_bet, total_win = c.total_win, closers = c.closers,
        covered_to = c.covered_to
    FROM {unnest(CHANGED_ROUNDS, 15)}
         AS c (operator_no, round_no, opened, currency_code, bets, wins, total_bet, total_win,
               closers, covered_to)
    WHERE r.operator_no = c.operator_no AND r.round_no = c.round_no
), wallets AS (
    UPDATE accounts a SET balance = w.balance, sequence = w.sequence
    FROM {unnest(WALLETS, 25)} AS w (operator_no, account_no, balance, sequence)
    WHERE a.operator_no = w.operator_no AND a.account_no = w.account_no
), house AS (
    UPDATE accounts a SET balance = a.balance + h.change
    FROM {unnest(HOUSE_CHANGES, 29)} AS h (operator_no, account_no, change)
    WHERE a.operator_no = h.operator_no AND a.account_no = h.account_no
), reversed AS (
    INSERT INTO reversals (operator_no, original_no, rollback_no)
    SELECT * FROM {unnest(REVERSALS, 32)}
), grown AS (
    SELECT * FROM {unnest(JOURNAL, 35)}
             AS g (operator_no, size, numbers_from, numbers_to, mode_changes)
), ends AS (
    INSERT INTO journal_ends AS e (operator_no, last_position, mode_changes)
    SELECT operator_no, size, mode_changes FROM grown
    ON CONFLICT (operator_no)
        DO UPDATE SET last_position = e.last_position + excluded.last_position
        WHERE e.mode_changes = excluded.mode_changes
    RETURNING operator_no, last_position
), journal AS (
    INSERT INTO journal (operator_no, last_position, size, numbers_from, numbers_to)
    SELECT ends.operator_no, ends.last_position, grown.size, grown.numbers_from, grown.numbers_to
    FROM grown JOIN ends ON ends.operator_no = grown.operator_no
    WHERE grown.size > 0
), history AS (
    INSERT INTO transactions (operator_no, transaction_no, transaction_id, type, state, player_no,
                              account_no, contra_account_no, amount, change, balance_before,
                              sequence, round_no, related_id, win_type, flags, outcome, detail,
                              create_time)
    SELECT operator_no, transaction_no, transaction_id, type, state, player_no, account_no,
           contra_account_no, amount, change, balance_before, sequence, round_no,
           nullif(related_id, ''), win_type, flags, outcome, nullif(detail, '')::jsonb,
           $1::timestamptz
    FROM {unnest(ENTRIES, 40)}
         AS n (operator_no, transaction_no, transaction_id, type, state, player_no, account_no,
               contra_account_no, amount, change, balance_before, sequence, round_no, related_id,
               win_type, flags, outcome, detail)
)
SELECT (SELECT count(*) FROM ends) = (SELECT count(*) FROM grown) AS is_in_mode
"""


# The intents of a flush. Given: the ids of its transactions that were no intents; the ids of
# intents that have ended; the rows of new ones; the progress of others. True when an id stands
# for an intent and a transaction at once: intents and transactions of different players are
# written side by side, but the end of the journal lets one of them see the other.
SAVE_PENDING = f"""
WITH final AS (
    SELECT * FROM {unnest(IDS)} AS f (operator_no, transaction_id)
), ended AS (
    DELETE FROM pending p USING {unnest(IDS, 3)} AS e (operator_no, transaction_id)
    WHERE p.operator_no = e.operator_no AND p.transaction_id = e.transaction_id
), new AS (
    SELECT * FROM {unnest(NEW_INTENTS, 5)}
             AS n (operator_no, transaction_id, intent_no, type, player_no, currency_code, amount,
                   game_id, round_id, related_id, win_type, flags, original_type, undo_id,
                   create_time, phase, due_time, prize_id)
), begun AS (
    INSERT INTO pending
    SELECT operator_no, transaction_id, intent_no, type, player_no, coalesce(currency_code, ''),
           amount, coalesce(game_id, ''), coalesce(round_id, ''), coalesce(related_id, ''),
           win_type, flags, original_type, undo_id, {moment("create_time")}, phase,
           {moment("due_time")}, 0, false, '', coalesce(prize_id, '')
    FROM new
), kept AS (
    UPDATE pending p
    SET phase = k.phase, due_time = {moment("k.due_time")}, attempts = k.attempts,
        is_case = k.is_case, last_error = coalesce(k.last_error, '')
    FROM {unnest(KEPT_INTENTS, 23)}
         AS k (operator_no, transaction_id, phase, due_time, attempts, is_case, last_error)
    WHERE p.operator_no = k.operator_no AND p.transaction_id = k.transaction_id
)
SELECT EXISTS (
    SELECT 1 FROM new JOIN transactions t
      ON t.operator_no = new.operator_no AND t.transaction_id = new.transaction_id
) OR EXISTS (
    SELECT 1 FROM final JOIN pending p
      ON p.operator_no = final.operator_no AND p.transaction_id = final.transaction_id
)
"""

ENDED_CASES = "integer bigint text smallint bigint text bigint bigint integer text smallint text"

# The cases that end with a flush. Given: its time, then their rows.
END_CASES = f"""
INSERT INTO ended_cases
SELECT operator_no, intent_no, transaction_id, type, player_no, coalesce(currency_code, ''),
       amount, {moment("create_time")}, attempts, coalesce(last_error, ''),
       $1::timestamptz, decision, coalesce(note, '')
FROM {unnest(ENDED_CASES, 2)}
     AS e (operator_no, intent_no, transaction_id, type, player_no, currency_code, amount,
           create_time, attempts, last_error, decision, note)
"""
