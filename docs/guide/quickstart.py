"""A casino's first calls: a player, a deposit, a bet, a win, a rollback, a refusal."""

import os
import sys

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from purser.type.v1.money_pb2 import Money
from purser.wallet.v1.player_service_pb2 import CreatePlayerRequest
from purser.wallet.v1.player_service_pb2_grpc import PlayerServiceStub
from purser.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    DepositRequest,
    GetBalanceRequest,
    RollbackRequest,
    WinRequest,
)
from purser.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub

ADDRESS = os.environ.get("PURSER_ADDRESS", "127.0.0.1:50051")
API_KEY = os.environ.get("PURSER_API_KEY") or sys.exit(
    "Set PURSER_API_KEY to the key that `purser key create casino-one --role backend` shows."
)
# Every call carries the API key, which names the casino, and has a deadline.
CALL = {"metadata": [("authorization", f"Bearer {API_KEY}")], "timeout": 5}


def main():
    """Play a player's first rounds. Run it twice: the second time nothing moves."""
    with grpc.insecure_channel(ADDRESS) as channel:
        players, wallet = PlayerServiceStub(channel), WalletServiceStub(channel)
        alice = {"player_id": "alice"}
        slots = {**alice, "game_id": "slots"}

        players.CreatePlayer(CreatePlayerRequest(currency_codes=["EUR"], **alice), **CALL)
        send(wallet.Deposit, DepositRequest(transaction_id="d-1", amount=eur(100_00), **alice))

        bet = BetRequest(transaction_id="b-1", amount=eur(10_00), round_id="r-1", **slots)
        send(wallet.Bet, bet)
        win = WinRequest(transaction_id="w-1", amount=eur(25_00), round_id="r-1", **slots)
        send(wallet.Win, win)

        bet = BetRequest(transaction_id="b-2", amount=eur(5_00), round_id="r-2", **slots)
        send(wallet.Bet, bet)
        undo = RollbackRequest(transaction_id="x-1", original_transaction_id="b-2", **alice)
        send(wallet.Rollback, undo)

        bet = BetRequest(transaction_id="b-3", amount=eur(1_000_00), round_id="r-3", **slots)
        send(wallet.Bet, bet)

        answer = wallet.GetBalance(GetBalanceRequest(currency_code="EUR", **alice), **CALL)
        print(f"alice has {shown(answer.balances[0].balance)}")


def send(rpc, request):
    """Send a movement; print the balance after it, or the reason why it was refused."""
    try:
        answer = rpc(request, **CALL)
    except grpc.RpcError as error:
        info = error_info(error)
        figures = dict(sorted(info.metadata.items()))
        print(f"{request.transaction_id}  refused: {info.reason} {figures}")
        return
    balance = shown(answer.transaction.balance_after)
    print(f"{request.transaction_id}  {balance}{'  replayed' if answer.replayed else ''}")


def error_info(error):
    """Return what a refusal carries for programs; other failures of the call are raised again."""
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    if status is None or not any(detail.Unpack(info) for detail in status.details):
        raise error
    return info


def eur(minor_units):
    """Return an amount of euros: money is a whole number of cents."""
    return Money(currency_code="EUR", minor_units=minor_units)


def shown(money):
    """Return an amount of euros as people read it."""
    return f"EUR {money.minor_units // 100}.{money.minor_units % 100:02d}"


if __name__ == "__main__":
    main()
