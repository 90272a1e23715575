"""The check of the whole ledger, in one snapshot: implements `usecases.ports.VerificationStore`.

Each check is one statement that returns only what is wrong. `:operator` is an operator's number,
or NULL for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.verification import MAX_FINDINGS, Finding, FindingKind, Verification
from purser_server.store.engine import reading

_COUNTS = """
SELECT clock_timestamp() AS verify_time,
  (SELECT count(*) FROM operators o WHERE {o}) AS operators,
  (SELECT count(*) FROM players o WHERE {o}) AS players,
  (SELECT count(*) FROM accounts o WHERE {o} AND o.kind = 1) AS wallets,
  (SELECT count(*) FROM accounts o WHERE {o} AND o.kind <> 1) AS house_accounts,
  (SELECT count(*) FROM transactions o WHERE {o}) AS transactions,
  (SELECT count(*) FROM transactions o WHERE {o} AND o.change <> 0) AS postings,
  (SELECT count(*) FROM rounds o WHERE {o} AND o.opened) AS rounds
"""

# Every transfer debits one account and credits another: all balances of a unit sum to zero.
_ZERO_SUM = """
SELECT o.operator_no, NULL::bigint AS player_no, o.unit, '' AS transaction_id, '' AS round_id,
       '0' AS expected, sum(o.balance)::text AS found,
       'the balances of all accounts do not sum to zero' AS message
FROM accounts o WHERE {o}
GROUP BY o.operator_no, o.unit HAVING sum(o.balance) <> 0
"""

# An account holds the sum of its postings, of either side.
_BALANCES = """
WITH posted AS (
  SELECT operator_no, account_no, sum(change) AS balance FROM (
    SELECT o.operator_no, o.account_no, o.change FROM transactions o
    WHERE {o} AND o.change <> 0
    UNION ALL
    SELECT o.operator_no, o.contra_account_no, -o.change FROM transactions o
    WHERE {o} AND o.change <> 0
  ) AS sides GROUP BY operator_no, account_no
)
SELECT coalesce(o.operator_no, p.operator_no) AS operator_no, o.player_no, o.unit,
       '' AS transaction_id, '' AS round_id,
       coalesce(p.balance, 0)::text AS expected,
       coalesce(o.balance::text, 'no account') AS found,
       CASE WHEN o.kind = 1 THEN 'the wallet does not hold the sum of its postings'
            ELSE 'a house account does not hold the sum of its postings' END AS message
FROM (SELECT * FROM accounts o WHERE {o}) AS o
FULL JOIN posted p ON p.operator_no = o.operator_no AND p.account_no = o.account_no
WHERE coalesce(p.balance, 0) IS DISTINCT FROM coalesce(o.balance::numeric, 'NaN')
"""

_CHAIN = """
WITH postings AS (
  SELECT o.operator_no, o.player_no, o.account_no, o.transaction_id, o.sequence,
         o.balance_before,
         lag(o.sequence, 1, 0::bigint) OVER chain AS sequence_before,
         lag(o.balance_before + o.change, 1, 0::bigint) OVER chain AS balance_was
  FROM transactions o WHERE {o} AND o.change <> 0
  WINDOW chain AS (PARTITION BY o.operator_no, o.account_no ORDER BY o.sequence)
)
"""

_SEQUENCES = (
    _CHAIN
    + """
SELECT p.operator_no, p.player_no, a.unit, p.transaction_id, '' AS round_id,
       (p.sequence_before + 1)::text AS expected, p.sequence::text AS found,
       'the sequence of the wallet''s postings has a gap or a repetition' AS message
FROM postings p
LEFT JOIN accounts a ON a.operator_no = p.operator_no AND a.account_no = p.account_no
WHERE p.sequence <> p.sequence_before + 1
UNION ALL
SELECT o.operator_no, o.player_no, o.unit, '', '', coalesce(last.sequence, 0)::text,
       o.sequence::text, 'the wallet''s sequence number is not that of its last posting'
FROM accounts o LEFT JOIN (
  SELECT operator_no, account_no, max(sequence) AS sequence FROM postings
  GROUP BY operator_no, account_no
) AS last ON last.operator_no = o.operator_no AND last.account_no = o.account_no
WHERE {o} AND o.kind = 1 AND o.sequence <> coalesce(last.sequence, 0)
"""
)

_POSTING_CHAIN = (
    _CHAIN
    + """
SELECT p.operator_no, p.player_no, a.unit, p.transaction_id, '' AS round_id,
       p.balance_was::text AS expected, p.balance_before::text AS found,
       'a posting does not begin with the balance that the one before left' AS message
FROM postings p
LEFT JOIN accounts a ON a.operator_no = p.operator_no AND a.account_no = p.account_no
WHERE p.balance_before IS DISTINCT FROM p.balance_was
"""
)

_NEGATIVE = """
SELECT o.operator_no, o.player_no, o.unit, '' AS transaction_id, '' AS round_id,
       'at least 0' AS expected, o.balance::text AS found, 'the wallet is below zero' AS message
FROM accounts o WHERE {o} AND o.kind = 1 AND o.balance < 0
"""

# What a round sums up is what stands in it: type 3 is a bet, 4 a win, 6 a CloseRound; of the
# flags 1 closes the round and 4 counts in it.
_ROUNDS = """
WITH standing AS (
  SELECT o.operator_no, o.round_no,
         count(*) FILTER (WHERE o.type = 3) AS bets,
         count(*) FILTER (WHERE o.type = 4) AS wins,
         coalesce(sum(o.amount) FILTER (WHERE o.type = 3), 0) AS total_bet,
         coalesce(sum(o.amount) FILTER (WHERE o.type = 4), 0) AS total_win,
         count(*) FILTER (WHERE o.type = 6 OR (o.type = 4 AND o.flags & 1 <> 0)) AS closers
  FROM transactions o
  LEFT JOIN reversals v ON v.operator_no = o.operator_no AND v.original_no = o.transaction_no
  WHERE {o} AND o.round_no IS NOT NULL AND o.state = 1 AND o.flags & 4 <> 0
    AND v.rollback_no IS NULL
  GROUP BY o.operator_no, o.round_no
)
SELECT * FROM (
  SELECT o.operator_no, o.player_no, o.currency_code AS unit, '' AS transaction_id, o.round_id,
         concat_ws(' ', coalesce(s.bets, 0), 'bets', coalesce(s.total_bet, 0),
                   coalesce(s.wins, 0), 'wins', coalesce(s.total_win, 0),
                   coalesce(s.closers, 0), 'closers') AS expected,
         concat_ws(' ', o.bets, 'bets', o.total_bet, o.wins, 'wins', o.total_win,
                   o.closers, 'closers') AS found,
         'the round does not sum up what stands in it' AS message
  FROM rounds o
  LEFT JOIN standing s ON s.operator_no = o.operator_no AND s.round_no = o.round_no
  WHERE {o}
) AS compared WHERE expected <> found
"""

_CHECKS: Mapping[FindingKind, str] = {
    FindingKind.ZERO_SUM_BROKEN: _ZERO_SUM,
    FindingKind.BALANCE_MISMATCH: _BALANCES,
    FindingKind.SEQUENCE_GAP: _SEQUENCES,
    FindingKind.POSTING_CHAIN_BROKEN: _POSTING_CHAIN,
    FindingKind.NEGATIVE_BALANCE: _NEGATIVE,
    FindingKind.ROUND_TOTALS_MISMATCH: _ROUNDS,
}

_NAMED = """
SELECT f.*, coalesce(op.operator_id, '') AS operator_id, coalesce(p.player_id, '') AS player_id
FROM ({check}) AS f
LEFT JOIN operators op ON op.operator_no = f.operator_no
LEFT JOIN players p ON p.operator_no = f.operator_no AND p.player_no = f.player_no
ORDER BY f.operator_no, f.player_no, f.transaction_id, f.round_id LIMIT :limit
"""

_SCOPE = "(CAST(:operator AS integer) IS NULL OR o.operator_no = :operator)"


class PostgresVerification:
    """Reads everything once; the work grows with the history."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def verify(self, operator: int | None) -> Verification:
        """Check one operator's ledger, or all, in one snapshot."""
        async with reading(self._engine) as connection:
            for setting in (
                "TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
                "LOCAL statement_timeout = 0",
                "LOCAL work_mem = '128MB'",
            ):
                await connection.execute(text(f"SET {setting}"))
            scope = {"operator": operator}
            counts = await connection.execute(text(_COUNTS.replace("{o}", _SCOPE)), scope)
            figures = dict(counts.mappings().one())
            verify_time = figures.pop("verify_time")
            findings: list[Finding] = []
            for kind, check in _CHECKS.items():
                findings += await _run(connection, kind, check, scope)
        return Verification(
            verify_time=verify_time,
            counts=figures,
            findings=tuple(findings[:MAX_FINDINGS]),
            truncated=len(findings) > MAX_FINDINGS,
        )


async def _run(
    connection: AsyncConnection, kind: FindingKind, check: str, scope: Mapping[str, Any]
) -> list[Finding]:
    query = _NAMED.replace("{check}", check.replace("{o}", _SCOPE))
    rows = await connection.execute(text(query), {**scope, "limit": MAX_FINDINGS + 1})
    return [
        Finding(
            kind=kind,
            operator_id=row.operator_id,
            message=row.message,
            expected=row.expected,
            found=row.found,
            player_id=row.player_id,
            currency_code=row.unit or "",
            transaction_id=row.transaction_id,
            round_id=row.round_id,
        )
        for row in rows
    ]
