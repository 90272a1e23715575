"""What the casino sends in this story: one player, one game, money in human terms."""

from __future__ import annotations

from purser.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    DepositRequest,
    RollbackRequest,
    WinRequest,
    WithdrawRequest,
)
from purser_server.demo.money import CURRENCY, eur

OPERATOR = "casino-one"
PLAYER = "alice"
GAME = "starlight-slots"


def deposit(transaction_id: str, amount: str) -> DepositRequest:
    """Money from the casino into the wallet."""
    return DepositRequest(transaction_id=transaction_id, player_id=PLAYER, amount=eur(amount))


def withdraw_all(transaction_id: str) -> WithdrawRequest:
    """All the money from the wallet back to the casino."""
    return WithdrawRequest(
        transaction_id=transaction_id, player_id=PLAYER, all_of_currency_code=CURRENCY
    )


def bet(
    transaction_id: str,
    amount: str,
    round_id: str,
    session_id: str = "",
    *,
    player: str = PLAYER,
) -> BetRequest:
    """A stake of the game."""
    return BetRequest(
        transaction_id=transaction_id,
        player_id=player,
        amount=eur(amount),
        game_id=GAME,
        round_id=round_id,
        session_id=session_id,
    )


def win(
    transaction_id: str,
    amount: str,
    round_id: str,
    *,
    of_bet: str = "",
    closes: bool = False,
    player: str = PLAYER,
) -> WinRequest:
    """What the game pays, for one bet or for all open bets of the round."""
    return WinRequest(
        transaction_id=transaction_id,
        player_id=player,
        amount=eur(amount),
        game_id=GAME,
        round_id=round_id,
        bet_transaction_id=of_bet,
        close_round=closes,
    )


def rollback(transaction_id: str, original: str) -> RollbackRequest:
    """A bet or a win to be undone."""
    return RollbackRequest(
        transaction_id=transaction_id, player_id=PLAYER, original_transaction_id=original
    )
