"""The requests of all verbs, so that both clients say the same."""

from __future__ import annotations

from collections.abc import Mapping

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client._channel import new_id
from purser_client._nouns import Money, WinType, to_message

MovementRequest = (
    pb.DepositRequest
    | pb.WithdrawRequest
    | pb.BetRequest
    | pb.WinRequest
    | pb.RollbackRequest
    | pb.CloseRoundRequest
)


def deposit(
    player_id: str, amount: Money, transaction_id: str, metadata: Mapping[str, str] | None
) -> pb.DepositRequest:
    """Return a deposit."""
    return pb.DepositRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        amount=to_message(amount),
        metadata=metadata or {},
    )


def withdraw(
    player_id: str, amount: Money, transaction_id: str, metadata: Mapping[str, str] | None
) -> pb.WithdrawRequest:
    """Return a withdrawal of an amount."""
    return pb.WithdrawRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        amount=to_message(amount),
        metadata=metadata or {},
    )


def withdraw_all(
    player_id: str, currency_code: str, transaction_id: str, metadata: Mapping[str, str] | None
) -> pb.WithdrawRequest:
    """Return a withdrawal of all that the wallet holds."""
    return pb.WithdrawRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        all_of_currency_code=currency_code,
        metadata=metadata or {},
    )


def bet(
    player_id: str,
    amount: Money,
    game_id: str,
    round_id: str,
    transaction_id: str,
    session_id: str,
) -> pb.BetRequest:
    """Return a bet."""
    return pb.BetRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        amount=to_message(amount),
        game_id=game_id,
        round_id=round_id,
        session_id=session_id,
    )


def win(
    player_id: str,
    amount: Money,
    game_id: str,
    round_id: str,
    transaction_id: str,
    bet_transaction_id: str,
    win_type: WinType,
    close_round: bool,
) -> pb.WinRequest:
    """Return a win."""
    return pb.WinRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        amount=to_message(amount),
        game_id=game_id,
        round_id=round_id,
        bet_transaction_id=bet_transaction_id,
        win_type=win_type,  # type: ignore[arg-type]
        close_round=close_round,
    )


def rollback(
    player_id: str, original_transaction_id: str, transaction_id: str
) -> pb.RollbackRequest:
    """Return a rollback."""
    return pb.RollbackRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        original_transaction_id=original_transaction_id,
    )


def close_round(
    player_id: str, game_id: str, round_id: str, transaction_id: str
) -> pb.CloseRoundRequest:
    """Return the closing of a round."""
    return pb.CloseRoundRequest(
        transaction_id=transaction_id or new_id(),
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
    )


def operation(request: MovementRequest) -> pb.Operation:
    """Return a movement as one operation of a batch."""
    match request:
        case pb.BetRequest():
            return pb.Operation(bet=request)
        case pb.WinRequest():
            return pb.Operation(win=request)
        case pb.DepositRequest():
            return pb.Operation(deposit=request)
        case pb.WithdrawRequest():
            return pb.Operation(withdraw=request)
        case pb.RollbackRequest():
            return pb.Operation(rollback=request)
        case pb.CloseRoundRequest():
            return pb.Operation(close_round=request)
