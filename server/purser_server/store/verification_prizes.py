"""Checks of prizes: what was returned was paid for, once, and nothing else was."""

from __future__ import annotations

from purser_server.domain.prizes import PrizeState
from purser_server.domain.verification import FindingKind
from purser_server.store.verification_rules import Place, Rule, named, statement
from purser_server.store.verification_transactions import COMPLETED, PRIZE

KIND = FindingKind.PRIZE_MISMATCH
WAITS = int(PrizeState.RETURN_PENDING)
RETURNED = int(PrizeState.CASHED_BACK)

_STATE = named("o.state", PrizeState)
_VALUE = (
    "concat_ws(' ', 'player number', o.player_no, 'value', o.cash_value, o.currency_code,"
    " 'prize', o.prize_id)"
)

# `t` is the payment that a prize names, `w` the intent.
PRIZES = statement(
    Place(unit="o.currency_code", transaction="o.return_id"),
    f"""prizes o
LEFT JOIN players p ON p.operator_no = o.operator_no AND p.player_no = o.player_no
LEFT JOIN transactions t ON t.operator_no = o.operator_no AND t.transaction_id = o.return_id
                        AND t.type = {PRIZE} AND t.state = {COMPLETED}
LEFT JOIN accounts a ON a.operator_no = t.operator_no AND a.account_no = t.account_no
LEFT JOIN pending w ON w.operator_no = o.operator_no AND w.transaction_id = o.return_id
                   AND w.type = {PRIZE}""",
    (
        Rule(
            FindingKind.PLAYER_MISMATCH,
            "the player of the prize is not there",
            wrong="p.player_no IS NULL",
            expected="concat('a player with the number ', o.player_no)",
            found="'no player'",
        ),
        Rule(
            KIND,
            "the prize is in a state that is never stored, or that does not fit its return",
            wrong=f"o.state NOT BETWEEN {int(PrizeState.GRANTED)}"
            f" AND {int(PrizeState.SHIPMENT_ORDERED)}"
            f" OR (o.return_id <> '') <> (o.state IN ({WAITS}, {RETURNED}))",
            expected="CASE WHEN o.return_id <> '' THEN 'RETURN_PENDING or CASHED_BACK'"
            " ELSE 'GRANTED or SHIPMENT_ORDERED' END",
            found=_STATE,
        ),
        Rule(
            KIND,
            "the prize was returned, and its payment is not there",
            wrong=f"o.state = {RETURNED} AND t.transaction_no IS NULL",
            expected="concat('a payment of prize ', o.prize_id)",
            found="'no payment'",
        ),
        Rule(
            KIND,
            "the payment of the prize is another player's, or not its cash value",
            wrong=f"o.state = {RETURNED} AND (t.player_no, t.amount, a.unit,"
            " t.detail ->> 'prize_id')"
            " <> (o.player_no, o.cash_value, o.currency_code, o.prize_id)",
            expected=_VALUE,
            found="concat_ws(' ', 'player number', t.player_no, 'value', t.amount, a.unit,"
            " 'prize', t.detail ->> 'prize_id')",
        ),
        Rule(
            KIND,
            "the prize waits for a casino that nobody asks, or asks for something else",
            wrong=f"o.state = {WAITS} AND (w.player_no, w.amount, w.currency_code, w.prize_id)"
            " IS DISTINCT FROM (o.player_no, o.cash_value, o.currency_code, o.prize_id)",
            expected=_VALUE,
            found="CASE WHEN w.prize_id IS NULL THEN 'nobody is asked' ELSE"
            " concat_ws(' ', 'player number', w.player_no, 'value', w.amount, w.currency_code,"
            " 'prize', w.prize_id) END",
        ),
    ),
)

# Each payment is that of the prize which names it; so no prize has two.
PAYMENTS = statement(
    Place(unit="a.unit", transaction="o.transaction_id"),
    f"""transactions o
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no
LEFT JOIN prizes z ON z.operator_no = o.operator_no AND z.prize_id = o.detail ->> 'prize_id'
                  AND z.return_id = o.transaction_id AND z.state = {RETURNED}""",
    (
        Rule(
            KIND,
            "the payment is for no prize that it has returned",
            wrong="z.prize_no IS NULL",
            expected="concat('prize ', o.detail ->> 'prize_id', ' returned by it')",
            found="'no such prize'",
        ),
    ),
    where=f"{{o}} AND o.type = {PRIZE} AND o.state = {COMPLETED}",
)

INTENTS = statement(
    Place(unit="o.currency_code", transaction="o.transaction_id"),
    f"""pending o
LEFT JOIN prizes z ON z.operator_no = o.operator_no AND z.prize_id = o.prize_id
                  AND z.return_id = o.transaction_id AND z.state = {WAITS}""",
    (
        Rule(
            KIND,
            "a casino is asked to pay for a prize that does not wait for it",
            wrong="z.prize_no IS NULL",
            expected="concat('prize ', o.prize_id, ' RETURN_PENDING')",
            found="'no such prize'",
        ),
    ),
    where=f"{{o}} AND o.type = {PRIZE}",
)

PRIZE_CHECKS = (PRIZES, PAYMENTS, INTENTS)
