"""Checks of what transactions say of each other: wins and their bets, rollbacks and originals."""

from __future__ import annotations

from purser_server.domain.transactions import (
    RollbackOutcome,
    TransactionState,
    TransactionType,
)
from purser_server.domain.verification import FindingKind
from purser_server.store.rows import AT_CASINO
from purser_server.store.verification_rules import Place, Rule, named, statement
from purser_server.store.verification_transactions import (
    BET,
    COMPLETED,
    NOTHING,
    REFUSED,
    ROLLBACK,
    ROLLED_BACK,
    TOMBSTONE,
    WIN,
)

REVERSAL = FindingKind.REVERSAL_MISMATCH

UNDONE = int(RollbackOutcome.ROLLED_BACK)
BURIED = int(RollbackOutcome.TOMBSTONED)
NOTHING_THERE = int(RollbackOutcome.NOTHING_TO_ROLL_BACK)

_ORIGINAL = (
    f"concat_ws(' ', {named('r.type', TransactionType)}, {named('r.state', TransactionState)})"
)
_UNDOES = f"o.type = {ROLLBACK} AND o.outcome = {UNDONE}"

# `r` is the transaction that `o` names, `v` the reversal of `r`.
_NAMES = (
    Rule(
        FindingKind.PLAYER_MISMATCH,
        "the transaction that it names is another player's",
        wrong="r.player_no <> o.player_no",
        expected="concat('player number ', o.player_no)",
        found="concat('player number ', r.player_no)",
    ),
    Rule(
        FindingKind.TRANSACTION_MALFORMED,
        "the win names what is no earlier bet of its round",
        wrong=f"o.type = {WIN} AND (r.type = {BET} AND r.state = {COMPLETED}"
        " AND r.round_no = o.round_no AND r.transaction_no < o.transaction_no) IS NOT TRUE",
        expected="concat('bet ', o.related_id)",
        found=f"nullif({_ORIGINAL}, '')",
    ),
    Rule(
        REVERSAL,
        "the transaction that the rollback names is not what its outcome says",
        wrong=f"o.type = {ROLLBACK} AND (CASE o.outcome"
        f" WHEN {UNDONE} THEN r.state IN ({COMPLETED}, {ROLLED_BACK}) AND r.type IN ({BET}, {WIN})"
        f" WHEN {BURIED} THEN r.state = {TOMBSTONE}"
        f" WHEN {NOTHING_THERE} THEN r.state = {REFUSED} AND r.type IN ({BET}, {WIN})"
        " END) IS NOT TRUE",
        expected=f"concat(CASE o.outcome WHEN {UNDONE} THEN 'COMPLETED bet or win '"
        f" WHEN {BURIED} THEN 'TOMBSTONE ' WHEN {NOTHING_THERE} THEN 'REFUSED bet or win ' END,"
        " o.related_id)",
        found=f"nullif({_ORIGINAL}, '')",
    ),
    Rule(
        REVERSAL,
        "the tombstone and the rollback that left it do not name each other",
        wrong=f"o.type = {NOTHING} AND (r.type = {ROLLBACK} AND r.state = {COMPLETED}"
        f" AND r.outcome = {BURIED} AND r.related_id = o.transaction_id) IS NOT TRUE",
        expected="concat('rollback ', o.related_id)",
        found=f"nullif(concat_ws(' ', {_ORIGINAL}, r.related_id), '')",
    ),
    Rule(
        REVERSAL,
        "the rollback does not move back what its original moved",
        wrong=f"{_UNDOES} AND v.rollback_no = o.transaction_no AND o.change <> -r.change::numeric",
        expected="-r.change::numeric",
        found="o.change",
    ),
    Rule(
        REVERSAL,
        "a rollback moved money, and not for an original that was still standing",
        wrong=f"o.type = {ROLLBACK} AND o.change <> 0"
        f" AND (o.outcome <> {UNDONE} OR v.rollback_no <> o.transaction_no)",
        expected="0",
        found="o.change",
    ),
    Rule(
        REVERSAL,
        "the rollback is in another wallet than its original",
        # A casino's account has a stripe per writer.
        wrong=f"{_UNDOES} AND o.flags & {AT_CASINO} = 0 AND r.account_no <> o.account_no",
        expected="concat('account number ', r.account_no)",
        found="concat('account number ', o.account_no)",
    ),
    Rule(
        REVERSAL,
        "the rollback is in another round than its original",
        wrong=f"o.type = {ROLLBACK} AND r.transaction_no IS NOT NULL"
        " AND r.round_no IS DISTINCT FROM o.round_no",
        expected="concat('round number ', r.round_no)",
        found="concat('round number ', o.round_no)",
    ),
)

# A win names its bet, a rollback its original, a tombstone the rollback that left it.
NAMES = statement(
    Place(unit="a.unit", transaction="o.transaction_id", round="coalesce(n.round_id, '')"),
    """transactions o
LEFT JOIN transactions r ON r.operator_no = o.operator_no AND r.transaction_id = o.related_id
LEFT JOIN reversals v ON v.operator_no = r.operator_no AND v.original_no = r.transaction_no
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no
LEFT JOIN rounds n ON n.operator_no = o.operator_no AND n.round_no = o.round_no""",
    _NAMES,
    where=f"{{o}} AND o.related_id IS NOT NULL AND o.state <> {REFUSED}",
)

# Of the rollbacks of a transaction that were carried out the first one undid it; the others found
# it undone. So the history tells (`t`) what must be stored as reversed, and by which (`s`).
REVERSALS = f"""
SELECT {int(REVERSAL)} AS kind, p.operator_no,
       coalesce(o.player_no, s.player_no) AS player_no, coalesce(a.unit, '') AS unit,
       coalesce(o.transaction_id, s.transaction_id, '') AS transaction_id,
       coalesce(n.round_id, '') AS round_id,
       CASE WHEN p.told IS NULL THEN 'not rolled back'
            ELSE concat('rolled back by ', t.transaction_id) END AS expected,
       CASE WHEN p.stored IS NULL THEN 'not rolled back'
            ELSE concat('rolled back by ', coalesce(s.transaction_id, 'what is not there'))
       END AS found,
       CASE WHEN p.stored IS NULL THEN 'the reversal of what was rolled back is not there'
            WHEN p.told IS NULL THEN 'a reversal is stored that no rollback made'
            ELSE 'another rollback undid it than the stored reversal names' END AS message
FROM (
  SELECT coalesce(told.operator_no, stored.operator_no) AS operator_no,
         coalesce(told.original_no, stored.original_no) AS original_no,
         told.rollback_no AS told, stored.rollback_no AS stored
  FROM (
    SELECT r.operator_no, r.transaction_no AS original_no, min(o.transaction_no) AS rollback_no
    FROM transactions o
    JOIN transactions r ON r.operator_no = o.operator_no AND r.transaction_id = o.related_id
    WHERE {{o}} AND o.type = {ROLLBACK} AND o.state = {COMPLETED} AND o.outcome = {UNDONE}
      AND r.state = {COMPLETED} AND r.type IN ({BET}, {WIN})
    GROUP BY r.operator_no, r.transaction_no
  ) AS told
  FULL JOIN (SELECT * FROM reversals o WHERE {{o}}) AS stored
    ON stored.operator_no = told.operator_no AND stored.original_no = told.original_no
  WHERE told.rollback_no IS DISTINCT FROM stored.rollback_no
) AS p
LEFT JOIN transactions o ON o.operator_no = p.operator_no AND o.transaction_no = p.original_no
LEFT JOIN transactions t ON t.operator_no = p.operator_no AND t.transaction_no = p.told
LEFT JOIN transactions s ON s.operator_no = p.operator_no AND s.transaction_no = p.stored
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no
LEFT JOIN rounds n ON n.operator_no = o.operator_no AND n.round_no = o.round_no
"""

REVERSAL_CHECKS = (NAMES, REVERSALS)
