"""The domain's values become messages."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from purser.admin.v1 import ledger_service_pb2, operator_pb2
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import wallet_pb2
from purser_server.domain.accounts import POINTS
from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.cases import Case
from purser_server.domain.game_result import GameResult
from purser_server.domain.operators import ApiKey, Operator
from purser_server.domain.players import Player, WalletBalance
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.domain.verification import Finding
from purser_server.rpc.status import error_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(time: datetime) -> Timestamp:
    """Return a time, exact to the microsecond."""
    since = time - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def transaction(of: Transaction) -> wallet_pb2.Transaction:
    """Return a transaction; what it does not have stays absent."""
    message = wallet_pb2.Transaction()
    fill_transaction(message, of, timestamp(of.create_time))
    if of.metadata:
        message.metadata.update(of.metadata)
    message.prize_id = of.prize_id
    return message


def fill_transaction(
    message: wallet_pb2.Transaction, of: Transaction, create_time: Timestamp
) -> None:
    """Fill an empty message with a movement of a game or a backend, but for its metadata.

    In place, field by field, and only what is there: half the time of making messages and
    putting them together. `create_time` is the transaction's own, which many share.
    """
    message.transaction_id = of.transaction_id
    message.type = of.type  # type: ignore[assignment]
    message.state = of.state  # type: ignore[assignment]
    message.player_id = of.player_id
    message.create_time.CopyFrom(create_time)
    if of.game_id:
        message.game_id = of.game_id
        message.round_id = of.round_id
    if of.related_transaction_id:
        message.related_transaction_id = of.related_transaction_id
    if of.wallet_sequence:
        message.wallet_sequence = of.wallet_sequence
    code = of.currency_code
    if code and code != POINTS and of.type is not TransactionType.CLOSE_ROUND:
        _set_money(message.amount, code, of.amount)
        if of.balance_before is not None:
            _set_money(message.balance_before, code, of.balance_before)
            _set_money(message.balance_after, code, of.balance_before + of.change)
        elif of.casino_balance is not None:
            _set_money(message.balance_after, code, of.casino_balance)
    if of.type is TransactionType.WIN:
        message.win_type = of.win_type  # type: ignore[assignment]
    if of.casino_transaction_id:
        message.casino_transaction_id = of.casino_transaction_id
    if of.refusal is not None:
        message.refusal.CopyFrom(error_of(of.refusal))


def round_(of: Round) -> wallet_pb2.Round:
    """Return a round with what stands in it."""
    return wallet_pb2.Round(
        player_id=of.player_id,
        game_id=of.game_id,
        round_id=of.round_id,
        state=of.state,  # type: ignore[arg-type]
        bets=of.bets,
        wins=of.wins,
        total_bet=_money(of.currency_code, of.total_bet),
        total_win=_money(of.currency_code, of.total_win),
    )


def wallet_balance(of: WalletBalance) -> wallet_pb2.WalletBalance:
    """Return what a wallet holds."""
    return wallet_pb2.WalletBalance(
        balance=_money(of.currency_code, of.balance), sequence=of.sequence
    )


def player(of: Player) -> wallet_pb2.Player:
    """Return a player."""
    return wallet_pb2.Player(
        player_id=of.player_id,
        status=of.status,  # type: ignore[arg-type]
        currency_codes=of.currency_codes,
        metadata=of.metadata,
        create_time=timestamp(of.create_time),
    )


def operator(of: Operator) -> operator_pb2.Operator:
    """Return an operator."""
    return operator_pb2.Operator(
        operator_id=of.operator_id,
        display_name=of.display_name,
        currencies=[
            operator_pb2.Currency(code=code, exponent=exponent)
            for code, exponent in sorted(of.currencies.items())
        ],
        wallet_mode=of.wallet_mode,  # type: ignore[arg-type]
        callback=_callback(of.callback) if of.callback is not None else None,
        player_messages=of.player_messages,
        create_time=timestamp(of.create_time),
    )


def _callback(of: CallbackSettings) -> operator_pb2.CallbackSettings:
    """Return callback settings without their secrets."""
    tls = of.tls
    return operator_pb2.CallbackSettings(
        target=of.target,
        deadline_ms=of.deadline_ms,
        max_calls_in_flight=of.max_calls_in_flight,
        tls=operator_pb2.CallbackTls(
            ca_pem=tls.ca_pem, client_certificate_pem=tls.client_certificate_pem
        )
        if tls is not None
        else None,
    )


def api_key(of: ApiKey) -> operator_pb2.ApiKey:
    """Return an API key, without its secret."""
    return operator_pb2.ApiKey(
        key_id=of.key_id,
        operator_id=of.operator_id,
        roles=sorted(of.roles),  # type: ignore[arg-type]
        create_time=timestamp(of.create_time),
        revoke_time=timestamp(of.revoke_time) if of.revoke_time is not None else None,
    )


def finding(of: Finding) -> ledger_service_pb2.Finding:
    """Return one inconsistency of the ledger."""
    return ledger_service_pb2.Finding(
        kind=of.kind,  # type: ignore[arg-type]
        operator_id=of.operator_id,
        player_id=of.player_id,
        currency_code=of.currency_code,
        transaction_id=of.transaction_id,
        round_id=of.round_id,
        message=of.message,
        expected=of.expected,
        found=of.found,
    )


def game_result(of: GameResult) -> ledger_service_pb2.GameResult:
    """Return what was played in one currency."""
    code = of.currency_code
    return ledger_service_pb2.GameResult(
        currency_code=code,
        bets=_money(code, of.bets),
        wins=_money(code, of.wins),
        rollbacks=_money(code, of.rollbacks),
        result=_money(code, of.result),
        bet_count=of.bet_count,
        win_count=of.win_count,
        rollback_count=of.rollback_count,
    )


def case(of: Case) -> ledger_service_pb2.OpenCase:
    """Return a case, open or ended."""
    pending = of.pending
    movement = pending.transaction
    return ledger_service_pb2.OpenCase(
        case_id=of.case_id,
        operator_id=of.operator_id,
        transaction_id=movement.transaction_id,
        type=movement.type,  # type: ignore[arg-type]
        player_id=movement.player_id,
        amount=_money(movement.currency_code, movement.amount),
        since=timestamp(movement.create_time),
        attempts=pending.attempts,
        last_error=pending.last_error,
        state=of.state,  # type: ignore[arg-type]
        decision=of.decision,  # type: ignore[arg-type]
        note=of.note,
        end_time=timestamp(of.end_time) if of.end_time is not None else None,
    )


def _money(currency_code: str, minor_units: int) -> Money:
    return Money(currency_code=currency_code, minor_units=minor_units)


def _set_money(message: Money, currency_code: str, minor_units: int) -> None:
    message.currency_code = currency_code
    message.minor_units = minor_units
