"""Checks of transactions: what can be told from the row alone."""

from __future__ import annotations

from purser_server.domain.transactions import TransactionState, TransactionType, WinType
from purser_server.domain.verification import FindingKind
from purser_server.store.rows import AT_CASINO, CLOSES_ROUND, COUNTS_IN_ROUND, TAKES_ALL
from purser_server.store.verification_rules import Place, Rule, named, statement

MALFORMED = FindingKind.TRANSACTION_MALFORMED

NOTHING = int(TransactionType.UNSPECIFIED)
DEPOSIT = int(TransactionType.DEPOSIT)
WITHDRAWAL = int(TransactionType.WITHDRAWAL)
BET = int(TransactionType.BET)
WIN = int(TransactionType.WIN)
ROLLBACK = int(TransactionType.ROLLBACK)
CLOSE = int(TransactionType.CLOSE_ROUND)
CASHBACK = int(TransactionType.CASHBACK)
REVERSAL = int(TransactionType.CASHBACK_REVERSAL)
PRIZE = int(TransactionType.PRIZE_CASHBACK)
ADJUSTMENT = int(TransactionType.ADJUSTMENT)
REDEMPTION = int(TransactionType.REDEMPTION)
REFUND = int(TransactionType.REDEMPTION_REFUND)
EXPIRY = int(TransactionType.POINTS_EXPIRY)

COMPLETED = int(TransactionState.COMPLETED)
REFUSED = int(TransactionState.REFUSED)
TOMBSTONE = int(TransactionState.TOMBSTONE)
ROLLED_BACK = int(TransactionState.ROLLED_BACK)
"""Of a row: that a casino's answer was never heard, and the bet or the prize was undone."""

_TYPE_AND_STATE = (
    f"concat({named('o.type', TransactionType)}, ' ', {named('o.state', TransactionState)})"
)
_FLAGS = (
    f"CASE o.type WHEN {WITHDRAWAL} THEN {TAKES_ALL} WHEN {BET} THEN {COUNTS_IN_ROUND}"
    f" WHEN {WIN} THEN {COUNTS_IN_ROUND | CLOSES_ROUND} WHEN {CLOSE} THEN {COUNTS_IN_ROUND}"
    " ELSE 0 END"
)
_AT_CASINO = (
    f"CASE WHEN o.type IN ({BET}, {WIN}, {ROLLBACK}, {CASHBACK}, {REVERSAL}, {PRIZE})"
    f" THEN {AT_CASINO}"
    " ELSE 0 END"
)
_POSTING = (
    "concat_ws(' ', 'change', o.change, 'sequence', o.sequence,"
    " 'balance before ' || o.balance_before,"
    " 'account' || CASE WHEN o.account_no IS NULL THEN ' absent' END,"
    " 'contra account' || CASE WHEN o.contra_account_no IS NULL THEN ' absent' END)"
)

_GAINS = f"{DEPOSIT}, {WIN}, {ROLLBACK}, {CASHBACK}, {PRIZE}, {ADJUSTMENT}, {REFUND}"
_GIVES = f"{WITHDRAWAL}, {BET}, {ROLLBACK}, {REVERSAL}, {ADJUSTMENT}, {REDEMPTION}, {EXPIRY}"
_MAY_NAME = f"{NOTHING}, {WIN}, {ROLLBACK}, {CASHBACK}, {REVERSAL}, {REDEMPTION}, {REFUND}"

# What a row must be by itself.
_SHAPE = (
    Rule(
        MALFORMED,
        "this type of transaction is never stored in this state",
        wrong=f"(o.state NOT IN ({COMPLETED}, {REFUSED}, {TOMBSTONE})"
        f" AND NOT (o.state = {ROLLED_BACK} AND o.type IN ({BET}, {PRIZE})"
        f" AND o.flags & {AT_CASINO} <> 0))"
        f" OR o.type NOT BETWEEN {NOTHING} AND {EXPIRY}"
        f" OR (o.type = {NOTHING}) <> (o.state = {TOMBSTONE})",
        expected="'COMPLETED or REFUSED, TOMBSTONE without a type,"
        " ROLLED_BACK of a casino''s bet or prize'",
        found=_TYPE_AND_STATE,
    ),
    Rule(
        MALFORMED,
        "the amount is not what was posted",
        wrong=f"o.state = {COMPLETED} AND o.amount <> abs(o.change::numeric)",
        expected="abs(o.change::numeric)",
        found="o.amount",
    ),
    Rule(
        MALFORMED,
        "the amount is one that nobody can ask for",
        wrong=f"o.state <> {COMPLETED} AND (o.amount < 0 OR"
        f" (o.amount > 0 AND o.type IN ({NOTHING}, {ROLLBACK}, {CLOSE})))",
        expected=f"CASE WHEN o.type IN ({NOTHING}, {ROLLBACK}, {CLOSE}) THEN '0'"
        " ELSE 'at least 0' END",
        found="o.amount",
    ),
    Rule(
        MALFORMED,
        "the money moved in a direction that this type of transaction does not have",
        wrong=f"(o.change > 0 AND o.type NOT IN ({_GAINS}))"
        f" OR (o.change < 0 AND o.type NOT IN ({_GIVES}))",
        expected=f"CASE WHEN o.type IN ({NOTHING}, {CLOSE}) THEN 0 ELSE -o.change::numeric END",
        found="o.change",
    ),
    Rule(
        MALFORMED,
        "a transaction that was not carried out has a posting",
        wrong=f"o.state <> {COMPLETED} AND (o.change <> 0 OR o.sequence <> 0"
        " OR o.balance_before IS NOT NULL OR o.contra_account_no IS NOT NULL)",
        expected="'no posting'",
        found=_POSTING,
    ),
    Rule(
        MALFORMED,
        "a posting lacks an account, its balance before or its number",
        wrong=f"o.state = {COMPLETED} AND o.change <> 0 AND (o.account_no IS NULL"
        f" OR o.contra_account_no IS NULL OR CASE WHEN o.flags & {AT_CASINO} = 0"
        " THEN o.balance_before IS NULL OR o.sequence < 1"
        " ELSE o.balance_before IS NOT NULL OR o.sequence <> 0 END)",
        expected=f"CASE WHEN o.flags & {AT_CASINO} = 0"
        " THEN 'two accounts, a balance before and a sequence number'"
        " ELSE 'two accounts' END",
        found=_POSTING,
    ),
    Rule(
        MALFORMED,
        "a transaction that moved nothing has a posting's number or contra account",
        wrong=f"o.state = {COMPLETED} AND o.change = 0"
        " AND (o.sequence <> 0 OR o.contra_account_no IS NOT NULL)",
        expected="'no posting'",
        found=_POSTING,
    ),
    Rule(
        MALFORMED,
        "a transaction that moved nothing lacks its wallet, or has a balance without one",
        wrong=f"o.state = {COMPLETED} AND o.change = 0"
        " AND ((o.account_no IS NULL) <> (o.balance_before IS NULL)"
        f" OR (o.account_no IS NULL) <> (o.flags & {AT_CASINO} <> 0) AND o.type <> {ROLLBACK})",
        expected="'a wallet and its balance'",
        found=_POSTING,
    ),
    Rule(
        MALFORMED,
        "what was refused says why, and nothing else does",
        wrong=f"(o.state IN ({REFUSED}, {ROLLED_BACK}))"
        " <> (coalesce(jsonb_typeof(o.detail -> 'refusal'), 'null') = 'array')",
        expected=f"CASE WHEN o.state IN ({REFUSED}, {ROLLED_BACK}) THEN 'a refusal'"
        " ELSE 'no refusal' END",
        found="o.detail ->> 'refusal'",
    ),
    Rule(
        MALFORMED,
        "a CloseRound that was carried out tells the round as it was then, and nothing else does",
        wrong=f"(o.type = {CLOSE} AND o.state = {COMPLETED})"
        " <> (coalesce(jsonb_typeof(o.detail -> 'round'), 'null') = 'object')",
        expected=f"CASE WHEN o.type = {CLOSE} THEN 'a round' ELSE 'no round' END",
        found="o.detail ->> 'round'",
    ),
    Rule(
        MALFORMED,
        "a rollback that was carried out has an outcome, and nothing else has",
        wrong=f"o.outcome NOT BETWEEN 0 AND 3"
        f" OR (o.type = {ROLLBACK} AND o.state = {COMPLETED}) <> (o.outcome <> 0)",
        expected=f"CASE WHEN o.type = {ROLLBACK} AND o.state = {COMPLETED} THEN 'an outcome'"
        " ELSE 'no outcome' END",
        found="o.outcome",
    ),
    Rule(
        MALFORMED,
        "the flags are not those of this type and state",
        wrong=f"o.flags & ~({_FLAGS} | {_AT_CASINO}) <> 0"
        f" OR (o.state <> {COMPLETED} AND o.flags & {COUNTS_IN_ROUND} <> 0)"
        f" OR (o.state = {COMPLETED} AND o.type IN ({BET}, {CLOSE})"
        f" AND o.flags & {COUNTS_IN_ROUND} = 0)",
        expected=f"concat('flags of ', {_FLAGS})",
        found="concat('flags ', o.flags)",
    ),
    Rule(
        MALFORMED,
        "the win type is none, or of what is not a win",
        wrong=f"o.win_type NOT BETWEEN 1 AND 5 OR (o.type <> {WIN} AND o.win_type <> 1)",
        expected=f"CASE WHEN o.type = {WIN} THEN 'a win type' ELSE 'REGULAR' END",
        found=named("o.win_type", WinType),
    ),
    Rule(
        MALFORMED,
        "a rollback or a tombstone names no other transaction, or what cannot name one does",
        wrong=f"(o.related_id IS NULL AND o.type IN ({NOTHING}, {ROLLBACK}))"
        f" OR (o.related_id IS NOT NULL AND o.type NOT IN ({_MAY_NAME}))",
        expected=f"CASE WHEN o.type IN ({NOTHING}, {ROLLBACK}) THEN 'a transaction id'"
        " ELSE 'no transaction id' END",
        found="o.related_id",
    ),
    Rule(
        MALFORMED,
        "the cashback of a prize names no prize, or something else does",
        wrong=f"(o.type = {PRIZE}) <> (coalesce(o.detail ->> 'prize_id', '') <> '')",
        expected=f"CASE WHEN o.type = {PRIZE} THEN 'a prize' ELSE 'no prize' END",
        found="o.detail ->> 'prize_id'",
    ),
    Rule(
        MALFORMED,
        "a bet, a CloseRound or what counts in a round names none, or what has no round does",
        wrong=f"(o.round_no IS NULL AND (o.type IN ({BET}, {CLOSE})"
        f" OR o.flags & {COUNTS_IN_ROUND} <> 0))"
        f" OR (o.round_no IS NOT NULL AND o.type IN ({NOTHING}, {DEPOSIT}, {WITHDRAWAL}))",
        expected=f"CASE WHEN o.type IN ({NOTHING}, {DEPOSIT}, {WITHDRAWAL}) THEN 'no round'"
        " ELSE 'a round' END",
        found="CASE WHEN o.round_no IS NULL THEN 'no round' ELSE 'a round' END",
    ),
)

# A row has the fields that its type and state ask for, and no others; the joins only name it.
SHAPE = statement(
    Place(unit="a.unit", transaction="o.transaction_id", round="coalesce(r.round_id, '')"),
    """transactions o
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no
LEFT JOIN rounds r ON r.operator_no = o.operator_no AND r.round_no = o.round_no""",
    _SHAPE,
)
