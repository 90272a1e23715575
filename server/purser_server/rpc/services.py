"""The services of a server, and how each is added to it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeAlias

from purser_server.rpc.cashback_service import CashbackServicer
from purser_server.rpc.ledger_service import LedgerServicer
from purser_server.rpc.operator_service import OperatorServicer
from purser_server.rpc.player_service import PlayerServicer
from purser_server.rpc.points_service import PointsServicer
from purser_server.rpc.prize_cashback_service import PrizeCashbackServicer
from purser_server.rpc.program_service import ProgramServicer
from purser_server.rpc.refund_service import RefundServicer
from purser_server.rpc.wallet_service import WalletServicer

Servicer: TypeAlias = (
    WalletServicer
    | PlayerServicer
    | CashbackServicer
    | ProgramServicer
    | PointsServicer
    | RefundServicer
    | PrizeCashbackServicer
    | OperatorServicer
    | LedgerServicer
)


def service_name(servicer: type) -> str:
    """Return the full name of the service that a servicer serves: purser.wallet.v1.WalletService.

    The generated code tells it: a servicer inherits from `<Service>Servicer` of its package.
    """
    generated = servicer.__bases__[0]
    package = generated.__module__.rpartition(".")[0]
    return f"{package}.{generated.__name__.removesuffix('Servicer')}"


def add_servicer(servicer: Servicer, server: Any) -> None:
    """Add a servicer to a server by the function that was generated for its service."""
    generated = type(servicer).__bases__[0]
    add = getattr(import_module(generated.__module__), f"add_{generated.__name__}_to_server")
    add(servicer, server)


SERVICES = tuple(map(service_name, Servicer.__args__))
"""The full names of all services of ours."""
