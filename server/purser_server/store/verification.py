"""The check of the whole ledger, in one snapshot: implements `usecases.ports.VerificationStore`.

Each check is one statement, from the modules beside this one, that returns only what is wrong.
`{o}` marks the scope: one operator, or all.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.verification import MAX_FINDINGS, Finding, FindingKind, Verification
from purser_server.store.engine import reading
from purser_server.store.verification_balances import BALANCE_CHECKS
from purser_server.store.verification_links import LINK_CHECKS
from purser_server.store.verification_loyalty import LOYALTY_CHECKS
from purser_server.store.verification_prizes import PRIZE_CHECKS
from purser_server.store.verification_reversals import REVERSAL_CHECKS
from purser_server.store.verification_rounds import ROUND_CHECKS
from purser_server.store.verification_transactions import SHAPE

_COUNTS = """
SELECT clock_timestamp() AS verify_time, operators.*, players.*, accounts.*, transactions.*,
       rounds.*
FROM (SELECT count(*) AS operators FROM operators o WHERE {o}) AS operators,
  (SELECT count(*) AS players FROM players o WHERE {o}) AS players,
  (SELECT count(*) FILTER (WHERE o.kind = 1) AS wallets,
          count(*) FILTER (WHERE o.kind NOT IN (1, 5)) AS house_accounts
   FROM accounts o WHERE {o}) AS accounts,
  (SELECT count(*) AS transactions, count(*) FILTER (WHERE o.change <> 0) AS postings
   FROM transactions o WHERE {o}) AS transactions,
  (SELECT count(*) FILTER (WHERE o.opened) AS rounds FROM rounds o WHERE {o}) AS rounds
"""

_CHECKS = (
    *BALANCE_CHECKS,
    *ROUND_CHECKS,
    SHAPE,
    *LINK_CHECKS,
    *REVERSAL_CHECKS,
    *LOYALTY_CHECKS,
    *PRIZE_CHECKS,
)

_NAMED = """
SELECT f.*, coalesce(op.operator_id, '') AS operator_id, coalesce(p.player_id, '') AS player_id
FROM ({check}) AS f
LEFT JOIN operators op ON op.operator_no = f.operator_no
LEFT JOIN players p ON p.operator_no = f.operator_no AND p.player_no = f.player_no
ORDER BY f.kind, f.operator_no, f.player_no, f.unit, f.transaction_id, f.round_id,
         f.message, f.expected, f.found
LIMIT :limit
"""

_ONE_OPERATOR = "o.operator_no = CAST(:operator AS integer)"
_ALL_OPERATORS = "TRUE"


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
                # Of an operator that is new since the last ANALYZE the planner expects one row,
                # and would compare each of its transactions with every other.
                "LOCAL enable_nestloop = off",
            ):
                await connection.execute(text(f"SET {setting}"))
            counts = await connection.execute(*_scoped(_COUNTS, operator))
            figures = dict(counts.mappings().one())
            verify_time = figures.pop("verify_time")
            findings: list[Finding] = []
            for check in _CHECKS:
                findings += await _run(connection, check, operator)
        return Verification(
            verify_time=verify_time,
            counts=figures,
            findings=tuple(findings[:MAX_FINDINGS]),
            truncated=len(findings) > MAX_FINDINGS,
        )


def _scoped(
    statement: str, operator: int | None, **values: int
) -> tuple[TextClause, dict[str, int]]:
    """Return a statement and its values for one operator, or for all."""
    if operator is None:
        return text(statement.replace("{o}", _ALL_OPERATORS)), values
    return text(statement.replace("{o}", _ONE_OPERATOR)), {"operator": operator, **values}


async def _run(connection: AsyncConnection, check: str, operator: int | None) -> list[Finding]:
    query = _NAMED.replace("{check}", check)
    rows = await connection.execute(*_scoped(query, operator, limit=MAX_FINDINGS + 1))
    return [
        Finding(
            kind=FindingKind(row.kind),
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
