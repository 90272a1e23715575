"""Checks of rewards and refunds: what was told of them against what was posted, and what is owed.

Figures of a reward and of a refund are in the JSON that `reward_rows` and `domain.refunds` write.
"""

from __future__ import annotations

from purser_server.domain.accounts import POINTS
from purser_server.domain.programs import RewardMode
from purser_server.domain.transactions import TransactionState, TransactionType
from purser_server.domain.verification import FindingKind
from purser_server.store.verification_rules import Place, Rule, named, statement

MALFORMED = FindingKind.TRANSACTION_MALFORMED
BALANCE = FindingKind.BALANCE_MISMATCH

EARNS, REVERSES = TransactionType.CASHBACK, TransactionType.CASHBACK_REVERSAL

_CASH = int(RewardMode.WALLET_CASH)


def _is(kind: TransactionType, table: str) -> str:
    """Return SQL for whether a transaction is of a type, and was carried out."""
    return f"{table}.type = {int(kind)} AND {table}.state = {int(TransactionState.COMPLETED)}"


def _told(table: str, *path: str) -> str:
    """Return SQL for a figure that a refund was answered with; `table` has its transaction."""
    return f"({table}.detail #>> '{{loyalty,refund,{','.join(path)}}}')::numeric"


def _taken(table: str, *names: str) -> str:
    return f"({' + '.join(_told(table, 'taken', name) for name in names)})"


def _transaction(table: str) -> str:
    told = f"{named(f'{table}.type', TransactionType)}, {table}.transaction_id"
    return f"nullif(concat_ws(' ', {told}), '')"


_EARNED = "(o.reward ->> 'points')::numeric"
_MODE = "(o.reward ->> 'reward_mode')::int"
_UNIT = f"CASE WHEN {_MODE} = {_CASH} THEN o.reward ->> 'currency_code' ELSE '{POINTS}' END"

# A reward is that of the transaction that earned it, which posted its points.
REWARDS = statement(
    Place(unit=_UNIT, transaction="o.transaction_id"),
    """rewards o
LEFT JOIN transactions t ON t.operator_no = o.operator_no AND t.transaction_no = o.reward_no""",
    (
        Rule(
            MALFORMED,
            "the reward is not that of a transaction that earned one",
            wrong=f"({_is(EARNS, 't')} AND t.transaction_id = o.transaction_id"
            " AND t.player_no = o.player_no AND t.related_id IS NULL) IS NOT TRUE",
            expected="concat('CASHBACK ', o.transaction_id)",
            found=_transaction("t"),
        ),
        Rule(
            BALANCE,
            "the points that were posted are not those of the reward",
            wrong=f"{_MODE} <> {_CASH} AND t.change <> {_EARNED}",
            expected=_EARNED,
            found="t.change",
        ),
    ),
)

# What earned something has a reward; what pays a reward's cash later names it.
EARNED = statement(
    Place(unit="a.unit", transaction="o.transaction_id"),
    """transactions o
LEFT JOIN rewards r ON r.operator_no = o.operator_no AND r.reward_no = o.transaction_no
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no""",
    (
        Rule(
            MALFORMED,
            "the reward of the transaction is not there",
            wrong="r.reward_no IS NULL",
            expected="'a reward'",
            found="'no reward'",
        ),
    ),
    where=f"{{o}} AND {_is(EARNS, 'o')} AND o.related_id IS NULL",
)

_POSTED = (
    f"CASE WHEN {_told('o', 'reward_mode')} = {_CASH} THEN {_taken('o', 'available')}"
    f" ELSE {_taken('o', 'pending', 'available', 'debt')} END"
)
_SUM = _taken("o", "pending", "available", "debt", "shortfall", "expired")

# A refund is listed with its player and order, and posted what it told.
REFUNDS = statement(
    Place(unit="a.unit", transaction="o.transaction_id"),
    """transactions o
LEFT JOIN refunds f ON f.operator_no = o.operator_no AND f.refund_no = o.transaction_no
LEFT JOIN rewards r ON r.operator_no = o.operator_no AND r.reward_no = f.reward_no
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no""",
    (
        Rule(
            MALFORMED,
            "the refund is not listed as one of its player and order",
            wrong="(f.player_no = o.player_no AND r.player_no = o.player_no"
            " AND r.transaction_id = o.related_id) IS NOT TRUE",
            expected="concat('a refund of ', o.related_id)",
            found="coalesce('a refund of ' || r.transaction_id, 'no refund')",
        ),
        Rule(
            BALANCE,
            "what was posted is not what the refund told that it took",
            wrong=f"-o.change::numeric IS DISTINCT FROM {_POSTED}",
            expected=f"-{_POSTED}",
            found="o.change",
        ),
        Rule(
            BALANCE,
            "what the refund told that it took does not sum to what it reversed",
            wrong=f"{_SUM} IS DISTINCT FROM {_told('o', 'points')}",
            expected=_told("o", "points"),
            found=_SUM,
        ),
    ),
    where=f"{{o}} AND {_is(REVERSES, 'o')}",
)

# What is listed as a refund is one.
LISTED = statement(
    Place(transaction="coalesce(t.transaction_id, '')"),
    """refunds o
LEFT JOIN transactions t ON t.operator_no = o.operator_no AND t.transaction_no = o.refund_no""",
    (
        Rule(
            MALFORMED,
            "what is listed as a refund is none",
            wrong=f"({_is(REVERSES, 't')}) IS NOT TRUE",
            expected="'a refund'",
            found=_transaction("t"),
        ),
    ),
)

# What refunds told of a reward, all together, is what the reward remembers.
REVERSED = statement(
    Place(unit=_UNIT, transaction="o.transaction_id"),
    f"""rewards o
LEFT JOIN (
  SELECT o.operator_no, o.reward_no, sum({_told("t", "points")}) AS points,
         sum({_told("t", "money")}) AS money, sum({_told("t", "taken", "expired")}) AS expired
  FROM refunds o
  JOIN transactions t ON t.operator_no = o.operator_no AND t.transaction_no = o.refund_no
  WHERE {{o}} GROUP BY o.operator_no, o.reward_no
) AS told ON told.operator_no = o.operator_no AND told.reward_no = o.reward_no""",
    (
        Rule(
            BALANCE,
            "the reward does not remember the money that its refunds returned",
            wrong="(o.refunded ->> 'money')::numeric <> coalesce(told.money, 0)",
            expected="coalesce(told.money, 0)",
            found="o.refunded ->> 'money'",
        ),
        Rule(
            BALANCE,
            "the reward does not remember what its refunds told of expired points",
            wrong="o.expired_told <> coalesce(told.expired, 0)",
            expected="coalesce(told.expired, 0)",
            found="o.expired_told",
        ),
        Rule(
            BALANCE,
            "refunds reversed more than the reward had earned",
            wrong=f"told.points > {_EARNED}",
            expected=f"concat('at most ', {_EARNED})",
            found="told.points",
        ),
    ),
)

# A player owes what refunds could not take of paid cash, less what later cashback has collected.
OWED = f"""
WITH moved AS (
  SELECT operator_no, player_no, unit, sum(owed) AS owed FROM (
    SELECT o.operator_no, o.player_no, o.detail #>> '{{loyalty,refund,currency_code}}' AS unit,
           {_told("o", "taken", "debt")} AS owed
    FROM transactions o
    WHERE {{o}} AND {_is(REVERSES, "o")} AND {_told("o", "reward_mode")} = {_CASH}
    UNION ALL
    SELECT o.operator_no, o.player_no, o.reward ->> 'currency_code', -o.collected::numeric
    FROM rewards o WHERE {{o}} AND o.collected <> 0
  ) AS moves GROUP BY operator_no, player_no, unit
)
SELECT {int(BALANCE)} AS kind,
       coalesce(o.operator_no, m.operator_no) AS operator_no,
       coalesce(o.player_no, m.player_no) AS player_no,
       coalesce(o.currency_code, m.unit) AS unit, '' AS transaction_id, '' AS round_id,
       coalesce(m.owed, 0)::text AS expected, coalesce(o.owed, 0)::text AS found,
       'the player does not owe what refunds left less what cashback has collected' AS message
FROM (SELECT * FROM owed_cashback o WHERE {{o}}) AS o
FULL JOIN moved m ON m.operator_no = o.operator_no AND m.player_no = o.player_no
                 AND m.unit = o.currency_code
WHERE coalesce(o.owed, 0) <> coalesce(m.owed, 0)
"""

LOYALTY_CHECKS = (REWARDS, EARNED, REFUNDS, LISTED, REVERSED, OWED)
