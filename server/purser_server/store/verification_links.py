"""Checks of what rows point to: players, wallets, contra accounts, rounds."""

from __future__ import annotations

from purser_server.domain.accounts import CONTRA_KIND, POINTS, AccountKind
from purser_server.domain.players import PlayerStatus
from purser_server.domain.transactions import TransactionType
from purser_server.domain.verification import FindingKind
from purser_server.store.rows import AT_CASINO
from purser_server.store.verification_rules import Place, Rule, named, statement

MALFORMED = FindingKind.TRANSACTION_MALFORMED
WHOSE = FindingKind.PLAYER_MISMATCH
WALLET = int(AccountKind.PLAYER_CASH)

POINTS_ACCOUNT = int(AccountKind.PLAYER_POINTS)
_OF_POINTS = ", ".join(
    str(int(of))
    for of in (
        TransactionType.ADJUSTMENT,
        TransactionType.REDEMPTION,
        TransactionType.REDEMPTION_REFUND,
        TransactionType.POINTS_EXPIRY,
    )
)
_OF_EITHER = f"{int(TransactionType.CASHBACK)}, {int(TransactionType.CASHBACK_REVERSAL)}"

_OWN_KIND = (
    f"CASE WHEN a.unit = '{POINTS}' THEN {POINTS_ACCOUNT}"
    f" WHEN o.flags & {AT_CASINO} = 0 THEN {WALLET}"
    f" ELSE {int(AccountKind.CASINO_SETTLEMENT)} END"
)
_CONTRA_KIND = " ".join(
    [
        f"CASE WHEN a.unit = '{POINTS}' THEN {int(AccountKind.POINTS_LIABILITY)} ELSE CASE o.type",
        *(f"WHEN {int(of)} THEN {int(kind)}" for of, kind in CONTRA_KIND.items()),
        "END END",
    ]
)

# What the rows that a transaction points to must be: `p` its player, `a` its wallet, `c` the
# contra account, `r` its round. Accounts are looked for within the operator.
_POINTS_TO = (
    Rule(
        WHOSE,
        "the player of the transaction is not there",
        wrong="p.player_no IS NULL",
        expected="concat('a player with the number ', o.player_no)",
        found="'no player'",
    ),
    Rule(
        WHOSE,
        "the wallet is not that of the transaction's player",
        wrong=f"o.flags & {AT_CASINO} = 0 AND a.player_no <> o.player_no",
        expected="concat('player number ', o.player_no)",
        found="concat('player number ', a.player_no)",
    ),
    Rule(
        WHOSE,
        "the round is not that of the transaction's player",
        wrong="r.player_no <> o.player_no",
        expected="concat('player number ', o.player_no)",
        found="concat('player number ', r.player_no)",
    ),
    Rule(
        MALFORMED,
        "the account of the transaction is not a wallet of this operator, nor the casino's",
        wrong=f"o.account_no IS NOT NULL AND a.kind IS DISTINCT FROM {_OWN_KIND}",
        expected=named(f"({_OWN_KIND})", AccountKind),
        found=f"coalesce({named('a.kind', AccountKind)}, 'no account')",
    ),
    Rule(
        MALFORMED,
        "points were moved by what moves money, or money by what moves points",
        wrong=f"(a.unit = '{POINTS}' AND o.type NOT IN ({_OF_POINTS}, {_OF_EITHER}))"
        f" OR (a.unit <> '{POINTS}' AND o.type IN ({_OF_POINTS}))",
        expected=f"CASE WHEN o.type IN ({_OF_POINTS}) THEN 'points' ELSE 'money' END",
        found="a.unit",
    ),
    Rule(
        MALFORMED,
        "the contra account is not that house account of this operator which the type asks for",
        wrong=f"o.contra_account_no IS NOT NULL AND c.kind IS DISTINCT FROM {_CONTRA_KIND}",
        expected=named(f"({_CONTRA_KIND})", AccountKind),
        found=f"coalesce({named('c.kind', AccountKind)}, 'no account')",
    ),
    Rule(
        MALFORMED,
        "the contra account is of another currency than the wallet",
        wrong="c.unit <> a.unit",
        expected="a.unit",
        found="c.unit",
    ),
    Rule(
        MALFORMED,
        "the wallet is of another currency than the request that was refused",
        wrong="o.detail ->> 'currency_code' <> a.unit",
        expected="o.detail ->> 'currency_code'",
        found="a.unit",
    ),
    Rule(
        FindingKind.ROUND_TOTALS_MISMATCH,
        "the round has another name than it was closed under",
        wrong="(o.detail #>> '{round,game_id}', o.detail #>> '{round,round_id}')"
        " <> (r.game_id, r.round_id)",
        expected="concat_ws(' ', o.detail #>> '{round,game_id}', o.detail #>> '{round,round_id}')",
        found="concat_ws(' ', r.game_id, r.round_id)",
    ),
)

# Every transaction has a player; what moved money has a wallet and a contra account as well.
POINTS_TO = statement(
    Place(unit="a.unit", transaction="o.transaction_id", round="coalesce(r.round_id, '')"),
    """transactions o
LEFT JOIN players p ON p.operator_no = o.operator_no AND p.player_no = o.player_no
LEFT JOIN accounts a ON a.operator_no = o.operator_no AND a.account_no = o.account_no
LEFT JOIN accounts c ON c.operator_no = o.operator_no AND c.account_no = o.contra_account_no
LEFT JOIN rounds r ON r.operator_no = o.operator_no AND r.round_no = o.round_no""",
    _POINTS_TO,
)

# A wallet belongs to a player, whose status it copies; a house account belongs to nobody.
ACCOUNTS = statement(
    Place(unit="o.unit"),
    """accounts o
LEFT JOIN players p ON p.operator_no = o.operator_no AND p.player_no = o.player_no""",
    (
        Rule(
            WHOSE,
            "the player of the wallet is not there",
            wrong=f"o.kind = {WALLET} AND p.player_no IS NULL",
            expected="concat('a player with the number ', o.player_no)",
            found="'no player'",
        ),
        Rule(
            WHOSE,
            "the wallet copies another status than its player has",
            wrong=f"o.kind = {WALLET} AND o.player_status <> p.status",
            expected=named("p.status", PlayerStatus),
            found=named("o.player_status", PlayerStatus),
        ),
        Rule(
            WHOSE,
            "a house account belongs to a player",
            wrong=f"o.kind NOT IN ({WALLET}, {POINTS_ACCOUNT}) AND o.player_no <> 0",
            expected="'no player'",
            found="concat('player number ', o.player_no)",
        ),
    ),
)

# A round belongs to a player.
ROUND_PLAYERS = statement(
    Place(unit="o.currency_code", round="o.round_id"),
    """rounds o
LEFT JOIN players p ON p.operator_no = o.operator_no AND p.player_no = o.player_no""",
    (
        Rule(
            WHOSE,
            "the player of the round is not there",
            wrong="p.player_no IS NULL",
            expected="concat('a player with the number ', o.player_no)",
            found="'no player'",
        ),
    ),
)

LINK_CHECKS = (POINTS_TO, ACCOUNTS, ROUND_PLAYERS)
