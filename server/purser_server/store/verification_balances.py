"""Checks of balances: accounts against postings, and each wallet's chain of postings.

Sums and differences are numeric: damage may have left figures that overflow a bigint.
"""

from __future__ import annotations

from purser_server.domain.verification import FindingKind
from purser_server.store.rows import AT_CASINO

# Wallets alone have a chain of postings; money that the casino keeps moves between house accounts.
_IN_WALLET = f"o.flags & {AT_CASINO} = 0"

# Every transfer debits one account and credits another: all balances of a unit sum to zero.
ZERO_SUM = f"""
SELECT {int(FindingKind.ZERO_SUM_BROKEN)} AS kind,
       o.operator_no, NULL::bigint AS player_no, o.unit, '' AS transaction_id, '' AS round_id,
       '0' AS expected, sum(o.balance)::text AS found,
       'the balances of all accounts do not sum to zero' AS message
FROM accounts o WHERE {{o}}
GROUP BY o.operator_no, o.unit HAVING sum(o.balance) <> 0
"""

# An account holds the sum of its postings, of either side.
BALANCES = f"""
WITH posted AS (
  SELECT operator_no, account_no, sum(change) AS balance FROM (
    SELECT o.operator_no, o.account_no, o.change::numeric FROM transactions o
    WHERE {{o}} AND o.change <> 0
    UNION ALL
    SELECT o.operator_no, o.contra_account_no, -o.change::numeric FROM transactions o
    WHERE {{o}} AND o.change <> 0
  ) AS sides GROUP BY operator_no, account_no
)
SELECT {int(FindingKind.BALANCE_MISMATCH)} AS kind,
       coalesce(o.operator_no, p.operator_no) AS operator_no, o.player_no, o.unit,
       '' AS transaction_id, '' AS round_id,
       coalesce(p.balance, 0)::text AS expected,
       coalesce(o.balance::text, 'no account') AS found,
       CASE WHEN o.account_no IS NULL THEN 'the account of postings is not there'
            WHEN o.kind = 1 THEN 'the wallet does not hold the sum of its postings'
            ELSE 'a house account does not hold the sum of its postings' END AS message
FROM (SELECT * FROM accounts o WHERE {{o}}) AS o
FULL JOIN posted p ON p.operator_no = o.operator_no AND p.account_no = o.account_no
WHERE o.account_no IS NULL OR coalesce(p.balance, 0) <> o.balance
"""

# A wallet's postings are numbered from 1 without gaps, and the wallet has the last number.
SEQUENCES = f"""
WITH postings AS (
  SELECT o.operator_no, o.player_no, o.account_no, o.transaction_id, o.sequence,
         lag(o.sequence, 1, 0::bigint) OVER chain AS sequence_before
  FROM transactions o WHERE {{o}} AND o.change <> 0 AND {_IN_WALLET}
  WINDOW chain AS (PARTITION BY o.operator_no, o.account_no ORDER BY o.sequence)
)
SELECT {int(FindingKind.SEQUENCE_GAP)} AS kind,
       p.operator_no, p.player_no, a.unit, p.transaction_id, '' AS round_id,
       (p.sequence_before::numeric + 1)::text AS expected, p.sequence::text AS found,
       'the sequence of the wallet''s postings has a gap or a repetition' AS message
FROM postings p
LEFT JOIN accounts a ON a.operator_no = p.operator_no AND a.account_no = p.account_no
WHERE p.sequence <> p.sequence_before::numeric + 1
UNION ALL
SELECT {int(FindingKind.SEQUENCE_GAP)},
       o.operator_no, o.player_no, o.unit, '', '', coalesce(last.sequence, 0)::text,
       o.sequence::text, 'the wallet''s sequence number is not that of its last posting'
FROM accounts o LEFT JOIN (
  SELECT operator_no, account_no, max(sequence) AS sequence FROM postings
  GROUP BY operator_no, account_no
) AS last ON last.operator_no = o.operator_no AND last.account_no = o.account_no
WHERE {{o}} AND o.kind IN (1, 5) AND o.sequence <> coalesce(last.sequence, 0)
"""

# A wallet's transactions were numbered in the order in which they were decided, under its lock:
# each begins with the balance that the one before left, also one that moved nothing.
POSTING_CHAIN = f"""
SELECT {int(FindingKind.POSTING_CHAIN_BROKEN)} AS kind,
       p.operator_no, p.player_no, a.unit, p.transaction_id, '' AS round_id,
       coalesce(p.balance_was::text, 'nothing') AS expected,
       coalesce(p.balance_before::text, 'nothing') AS found,
       'a transaction does not begin with the balance that the one before left' AS message
FROM (
  SELECT o.operator_no, o.player_no, o.account_no, o.transaction_id, o.balance_before,
         lag(o.balance_before::numeric + o.change, 1, 0::numeric) OVER (
           PARTITION BY o.operator_no, o.account_no ORDER BY o.transaction_no
         ) AS balance_was
  FROM transactions o
  WHERE {{o}} AND {_IN_WALLET}
    AND (o.change <> 0 OR (o.state = 1 AND o.account_no IS NOT NULL))
) AS p
LEFT JOIN accounts a ON a.operator_no = p.operator_no AND a.account_no = p.account_no
WHERE p.balance_before IS DISTINCT FROM p.balance_was
"""

# No wallet goes below zero.
NEGATIVE = f"""
SELECT {int(FindingKind.NEGATIVE_BALANCE)} AS kind,
       o.operator_no, o.player_no, o.unit, '' AS transaction_id, '' AS round_id,
       'at least 0' AS expected, o.balance::text AS found, 'the wallet is below zero' AS message
FROM accounts o WHERE {{o}} AND o.kind = 1 AND o.balance < 0
"""

# A player's points lie in lots, or are held; what of them is not in the balance is debt.
LOTS = f"""
SELECT {int(FindingKind.BALANCE_MISMATCH)} AS kind,
       o.operator_no, o.player_no, o.unit, '' AS transaction_id, '' AS round_id,
       'at least ' || o.balance AS expected, coalesce(own.points, 0)::text AS found,
       'lots and holds have fewer points than the balance' AS message
FROM accounts o
LEFT JOIN (
  SELECT operator_no, player_no, sum(points) AS points FROM (
    SELECT o.operator_no, o.player_no, o.points::numeric FROM lots o WHERE {{o}}
    UNION ALL
    SELECT o.operator_no, o.player_no, (part ->> 2)::numeric
    FROM holds o CROSS JOIN LATERAL jsonb_array_elements(o.detail -> 'parts') AS part
    WHERE {{o}} AND o.state = 1
  ) AS parts GROUP BY operator_no, player_no
) AS own ON own.operator_no = o.operator_no AND own.player_no = o.player_no
WHERE {{o}} AND o.kind = 5 AND coalesce(own.points, 0) < o.balance
"""

BALANCE_CHECKS = (ZERO_SUM, BALANCES, SEQUENCES, POSTING_CHAIN, NEGATIVE, LOTS)
