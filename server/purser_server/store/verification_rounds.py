"""Checks of rounds: what is stored of a round is what its transactions say."""

from __future__ import annotations

from purser_server.domain.transactions import TransactionType, WinType
from purser_server.domain.verification import FindingKind
from purser_server.store.rows import CLOSES_ROUND, COUNTS_IN_ROUND
from purser_server.store.verification_rules import Place, Rule, statement

_BET = int(TransactionType.BET)
_WIN = int(TransactionType.WIN)
_CLOSE = int(TransactionType.CLOSE_ROUND)
_COUNTS = f"o.state = 1 AND o.flags & {COUNTS_IN_ROUND} <> 0"
_HAS_CURRENCY = f"o.state = 1 AND (o.type = {_BET} OR o.flags & {COUNTS_IN_ROUND} <> 0)"
# What moves nothing at a casino has no account.
_UNIT = "coalesce(a.unit, o.detail ->> 'currency_code')"
_STANDS = f"{_COUNTS} AND v.rollback_no IS NULL"
_CLOSES = f"(o.type = {_CLOSE} OR (o.type = {_WIN} AND o.flags & {CLOSES_ROUND} <> 0))"
_COVERS = f"o.type = {_WIN} AND o.win_type = {int(WinType.REGULAR)} AND o.related_id IS NULL"

# `r` is a round as stored, `t` the same round as its transactions tell it, `f` the transaction
# that first named it. `units` is the one currency of what counts, or two that contradict.
_TABLES = f"""(SELECT * FROM rounds o WHERE {{o}}) AS r
FULL JOIN (
  SELECT o.operator_no, o.round_no, min(o.player_no) AS player_no,
         min(o.transaction_no) AS first_no,
         coalesce(bool_or(o.type = {_BET} AND o.state = 1), false) AS opened,
         concat_ws(' and ', min({_UNIT}) FILTER (WHERE {_HAS_CURRENCY}),
                   nullif(max({_UNIT}) FILTER (WHERE {_HAS_CURRENCY}),
                          min({_UNIT}) FILTER (WHERE {_HAS_CURRENCY}))) AS units,
         count(*) FILTER (WHERE o.type = {_BET} AND {_STANDS}) AS bets,
         count(*) FILTER (WHERE o.type = {_WIN} AND {_STANDS}) AS wins,
         coalesce(sum(o.amount) FILTER (WHERE o.type = {_BET} AND {_STANDS}), 0) AS total_bet,
         coalesce(sum(o.amount) FILTER (WHERE o.type = {_WIN} AND {_STANDS}), 0) AS total_win,
         count(*) FILTER (WHERE {_CLOSES} AND {_STANDS}) AS closers,
         coalesce(max(o.transaction_no) FILTER (WHERE {_COVERS} AND {_STANDS}), 0) AS covered_to
  FROM transactions o
  LEFT JOIN reversals v ON v.operator_no = o.operator_no AND v.original_no = o.transaction_no
  LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no
  WHERE {{o}} AND o.round_no IS NOT NULL
  GROUP BY o.operator_no, o.round_no
) AS t ON t.operator_no = r.operator_no AND t.round_no = r.round_no
LEFT JOIN transactions f ON f.operator_no = t.operator_no AND f.transaction_no = t.first_no"""

_RULES = (
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "the round that transactions name is not there",
        wrong="r.round_no IS NULL",
        expected="'a round'",
        found="'no round'",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "no transaction names the round",
        wrong="t.round_no IS NULL",
        expected="'no round'",
        found="'a round'",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "the transaction that first named the round, and gave it its number, is not there",
        wrong="r.round_no <> t.first_no",
        expected="concat('transaction number ', r.round_no)",
        found="concat('transaction number ', t.first_no)",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "the round does not sum up what stands in it",
        wrong="(r.bets, r.total_bet, r.wins, r.total_win, r.closers)"
        " <> (t.bets, t.total_bet, t.wins, t.total_win, t.closers)",
        expected="concat_ws(' ', t.bets, 'bets', t.total_bet, t.wins, 'wins', t.total_win,"
        " t.closers, 'closers')",
        found="concat_ws(' ', r.bets, 'bets', r.total_bet, r.wins, 'wins', r.total_win,"
        " r.closers, 'closers')",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "a round is opened by its first bet, and by nothing else",
        wrong="r.opened <> t.opened",
        expected="CASE WHEN t.opened THEN 'opened' ELSE 'not opened' END",
        found="CASE WHEN r.opened THEN 'opened' ELSE 'not opened' END",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "the currency of the round is not that of its bets",
        wrong="r.currency_code <> t.units",
        expected="t.units",
        found="r.currency_code",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "the last standing win that settles every bet before it is another",
        wrong="r.covered_to <> t.covered_to",
        expected="coalesce('transaction number ' || nullif(t.covered_to, 0), 'none')",
        found="coalesce('transaction number ' || nullif(r.covered_to, 0), 'none')",
    ),
)

# A round is stored exactly if a transaction names it, and sums up what stands in it.
ROUNDS = statement(
    Place(
        operator="coalesce(r.operator_no, t.operator_no)",
        player="coalesce(r.player_no, t.player_no)",
        unit="coalesce(nullif(t.units, ''), r.currency_code)",
        transaction="CASE WHEN r.round_no IS NULL THEN f.transaction_id ELSE '' END",
        round="coalesce(r.round_id, '')",
    ),
    _TABLES,
    _RULES,
    where="TRUE",
)

ROUND_CHECKS = (ROUNDS,)
