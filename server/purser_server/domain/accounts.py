"""Ledger accounts: their kinds, and which house account stands across from a player's wallet."""

from __future__ import annotations

from collections.abc import Mapping

from purser_server.domain.transactions import TransactionType
from purser_server.domain.values import Number


class AccountKind(Number):
    """What an account is for; the numbers are those of the store.

    Players own PLAYER_CASH; the others belong to the operator's house.
    """

    PLAYER_CASH = 1
    OPERATOR_FLOAT = 2
    GAME_RESULT = 3
    CASINO_SETTLEMENT = 4
    """What the casino owes, or is owed, for play with money that it keeps itself."""
    PLAYER_POINTS = 5
    """A player's points, all together; below zero when more was taken back than there was."""
    POINTS_LIABILITY = 6
    """The points that players have, as the operator owes them."""
    PROMOTION = 7
    """What the operator gives away in money."""


POINTS = "(points)"
"""The unit of points; no currency code has parentheses."""

CONTRA_KIND: Mapping[TransactionType, AccountKind] = {
    TransactionType.DEPOSIT: AccountKind.OPERATOR_FLOAT,
    TransactionType.WITHDRAWAL: AccountKind.OPERATOR_FLOAT,
    TransactionType.BET: AccountKind.GAME_RESULT,
    TransactionType.WIN: AccountKind.GAME_RESULT,
    TransactionType.ROLLBACK: AccountKind.GAME_RESULT,
    TransactionType.CASHBACK: AccountKind.PROMOTION,
    TransactionType.CASHBACK_REVERSAL: AccountKind.PROMOTION,
    TransactionType.PRIZE_CASHBACK: AccountKind.PROMOTION,
}
"""The house account that gives what the wallet gains, and takes what it gives."""

_HOUSE_KINDS = tuple(sorted({*CONTRA_KIND.values(), AccountKind.CASINO_SETTLEMENT}))


def contra_kind(of: TransactionType, unit: str) -> AccountKind:
    """Return the house account that gives what a player's account of this unit gains."""
    return AccountKind.POINTS_LIABILITY if unit == POINTS else CONTRA_KIND[of]


def house_kinds(unit: str) -> tuple[AccountKind, ...]:
    """Return the house accounts that transfers of this unit may need."""
    return (AccountKind.POINTS_LIABILITY,) if unit == POINTS else _HOUSE_KINDS
