"""Requests become commands. Their form was judged by `limits` before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from purser.admin.v1 import operator_pb2
from purser.wallet.v1 import wallet_service_pb2 as wallet
from purser_server.domain.callbacks import (
    DEFAULT_CALLS_IN_FLIGHT,
    DEFAULT_DEADLINE_MS,
    CallbackSettings,
    CallbackTls,
)
from purser_server.domain.commands import (
    Bet,
    CloseRound,
    Command,
    Deposit,
    Rollback,
    Win,
    Withdraw,
)
from purser_server.domain.transactions import WinType
from purser_server.rpc.checks import time_of

_WIN_TYPES = {0: WinType.REGULAR, **{int(win_type): win_type for win_type in WinType}}


def command_of(request: Any) -> Command:
    """Return the command that a wallet request asks for."""
    return _COMMANDS[type(request)](request)


def _deposit(request: wallet.DepositRequest) -> Deposit:
    amount = request.amount
    return Deposit(
        request.transaction_id,
        request.player_id,
        amount.currency_code,
        amount.minor_units,
        dict(request.metadata),
    )


def _withdraw(request: wallet.WithdrawRequest) -> Withdraw:
    everything = request.WhichOneof("what") == "all_of_currency_code"
    return Withdraw(
        request.transaction_id,
        request.player_id,
        request.all_of_currency_code if everything else request.amount.currency_code,
        None if everything else request.amount.minor_units,
        dict(request.metadata),
    )


def _bet(request: wallet.BetRequest) -> Bet:
    amount = request.amount
    return Bet(
        request.transaction_id,
        request.player_id,
        amount.currency_code,
        amount.minor_units,
        request.game_id,
        request.round_id,
        request.session_id,
    )


def _win(request: wallet.WinRequest) -> Win:
    amount = request.amount
    return Win(
        request.transaction_id,
        request.player_id,
        amount.currency_code,
        amount.minor_units,
        request.game_id,
        request.round_id,
        request.bet_transaction_id,
        _WIN_TYPES[request.win_type],
        request.close_round,
    )


def _rollback(request: wallet.RollbackRequest) -> Rollback:
    return Rollback(request.transaction_id, request.player_id, request.original_transaction_id)


def _close_round(request: wallet.CloseRoundRequest) -> CloseRound:
    return CloseRound(request.transaction_id, request.player_id, request.game_id, request.round_id)


_COMMANDS: Mapping[type, Callable[[Any], Command]] = {
    wallet.DepositRequest: _deposit,
    wallet.WithdrawRequest: _withdraw,
    wallet.BetRequest: _bet,
    wallet.WinRequest: _win,
    wallet.RollbackRequest: _rollback,
    wallet.CloseRoundRequest: _close_round,
}


def callback(settings: operator_pb2.CallbackSettings) -> CallbackSettings:
    """Return callback settings, with the defaults where nothing is said."""
    tls = settings.tls
    return CallbackSettings(
        target=settings.target,
        deadline_ms=settings.deadline_ms or DEFAULT_DEADLINE_MS,
        max_calls_in_flight=settings.max_calls_in_flight or DEFAULT_CALLS_IN_FLIGHT,
        tls=CallbackTls(tls.ca_pem, tls.client_certificate_pem, tls.client_key_pem)
        if settings.HasField("tls")
        else None,
        signing_secret=settings.signing_secret,
    )


def period(request: Any) -> tuple[datetime | None, datetime | None]:
    """Return the start and the end that a request gives; None where it gives none."""
    return (
        time_of(request.start_time) if request.HasField("start_time") else None,
        time_of(request.end_time) if request.HasField("end_time") else None,
    )
