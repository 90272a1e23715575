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


CONTRA_KIND: Mapping[TransactionType, AccountKind] = {
    TransactionType.DEPOSIT: AccountKind.OPERATOR_FLOAT,
    TransactionType.WITHDRAWAL: AccountKind.OPERATOR_FLOAT,
    TransactionType.BET: AccountKind.GAME_RESULT,
    TransactionType.WIN: AccountKind.GAME_RESULT,
    TransactionType.ROLLBACK: AccountKind.GAME_RESULT,
}
"""The house account that gives what the wallet gains, and takes what it gives."""

HOUSE_KINDS = tuple(sorted({*CONTRA_KIND.values(), AccountKind.CASINO_SETTLEMENT}))
