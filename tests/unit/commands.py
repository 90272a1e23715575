"""What clients ask for, in few words. Unless told otherwise: anna, in euros, in one same round."""

from __future__ import annotations

from purser_server.domain.commands import Bet, CloseRound, Deposit, Rollback, Win, Withdraw
from purser_server.domain.transactions import WinType
from tests.unit.money import EUR, eur

ANNA, BEN = "anna", "ben"
ROULETTE, POKER = "roulette", "poker"
SPIN = "spin-1"

PROMOTIONS = (WinType.FREE_ROUND, WinType.JACKPOT, WinType.PROMO, WinType.TOURNAMENT)
"""The wins that need no bet."""


def deposit(
    transaction_id: str,
    amount: str,
    *,
    player: str = ANNA,
    currency: str = EUR,
    metadata: dict[str, str] | None = None,
) -> Deposit:
    return Deposit(transaction_id, player, currency, eur(amount), metadata or {})


def withdraw(
    transaction_id: str,
    amount: str,
    *,
    player: str = ANNA,
    currency: str = EUR,
    metadata: dict[str, str] | None = None,
) -> Withdraw:
    return Withdraw(transaction_id, player, currency, eur(amount), metadata or {})


def withdraw_all(transaction_id: str, *, player: str = ANNA, currency: str = EUR) -> Withdraw:
    return Withdraw(transaction_id, player, currency, None)


def bet(
    transaction_id: str,
    amount: str,
    *,
    player: str = ANNA,
    currency: str = EUR,
    game: str = ROULETTE,
    round_: str = SPIN,
    session: str = "",
) -> Bet:
    return Bet(transaction_id, player, currency, eur(amount), game, round_, session)


def win(
    transaction_id: str,
    amount: str,
    *,
    of: str = "",
    player: str = ANNA,
    currency: str = EUR,
    game: str = ROULETTE,
    round_: str = SPIN,
    win_type: WinType = WinType.REGULAR,
    close_round: bool = False,
) -> Win:
    """Win a round, or the bet `of`."""
    return Win(
        transaction_id, player, currency, eur(amount), game, round_, of, win_type, close_round
    )


def rollback(transaction_id: str, *, of: str, player: str = ANNA) -> Rollback:
    return Rollback(transaction_id, player, of)


def close_round(
    transaction_id: str, *, player: str = ANNA, game: str = ROULETTE, round_: str = SPIN
) -> CloseRound:
    return CloseRound(transaction_id, player, game, round_)
