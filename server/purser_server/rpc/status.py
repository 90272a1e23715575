"""Errors on the wire: the one table reason -> status code, and what a status carries."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from purser.error.v1 import error_reason_pb2
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.money import Currencies

DOMAIN = "purser"
"""The domain of every ErrorInfo."""

RETRY_AFTER_MS = 100
"""How long a caller is told to wait when a queue is full."""

_Code = grpc.StatusCode

CODES: Mapping[Reason, grpc.StatusCode] = {
    Reason.INVALID_FIELD: _Code.INVALID_ARGUMENT,
    Reason.AMOUNT_RANGE: _Code.INVALID_ARGUMENT,
    Reason.CURRENCY_UNKNOWN: _Code.INVALID_ARGUMENT,
    Reason.UNAUTHENTICATED_KEY: _Code.UNAUTHENTICATED,
    Reason.ROLE_MISSING: _Code.PERMISSION_DENIED,
    Reason.PLAYER_NOT_FOUND: _Code.NOT_FOUND,
    Reason.WALLET_NOT_FOUND: _Code.NOT_FOUND,
    Reason.TRANSACTION_NOT_FOUND: _Code.NOT_FOUND,
    Reason.ROUND_NOT_FOUND: _Code.NOT_FOUND,
    Reason.BET_NOT_FOUND: _Code.NOT_FOUND,
    Reason.API_KEY_NOT_FOUND: _Code.NOT_FOUND,
    Reason.CASE_NOT_FOUND: _Code.NOT_FOUND,
    Reason.OPERATOR_NOT_FOUND: _Code.NOT_FOUND,
    Reason.CAMPAIGN_NOT_FOUND: _Code.NOT_FOUND,
    Reason.HOLD_NOT_FOUND: _Code.NOT_FOUND,
    Reason.ORDER_NOT_FOUND: _Code.NOT_FOUND,
    Reason.PRIZE_NOT_FOUND: _Code.NOT_FOUND,
    Reason.PRIZE_EXISTS: _Code.ALREADY_EXISTS,
    Reason.CAMPAIGN_EXISTS: _Code.ALREADY_EXISTS,
    Reason.PLAYER_EXISTS: _Code.ALREADY_EXISTS,
    Reason.OPERATOR_EXISTS: _Code.ALREADY_EXISTS,
    Reason.TRANSACTION_ID_REUSED: _Code.ALREADY_EXISTS,
    Reason.INSUFFICIENT_FUNDS: _Code.FAILED_PRECONDITION,
    Reason.INSUFFICIENT_POINTS: _Code.FAILED_PRECONDITION,
    Reason.HOLD_NOT_ACTIVE: _Code.FAILED_PRECONDITION,
    Reason.PRIZE_NOT_RETURNABLE: _Code.FAILED_PRECONDITION,
    Reason.PRIZE_NOT_SHIPPABLE: _Code.FAILED_PRECONDITION,
    Reason.REFUND_EXCEEDS_ORDER: _Code.FAILED_PRECONDITION,
    Reason.REFUND_LINE_UNKNOWN: _Code.FAILED_PRECONDITION,
    Reason.REFUND_LINE_AMBIGUOUS: _Code.INVALID_ARGUMENT,
    Reason.REFUND_LINES_REQUIRED: _Code.FAILED_PRECONDITION,
    Reason.PLAYER_SUSPENDED: _Code.FAILED_PRECONDITION,
    Reason.PLAYER_SELF_EXCLUDED: _Code.FAILED_PRECONDITION,
    Reason.PLAYER_CLOSED: _Code.FAILED_PRECONDITION,
    Reason.ROUND_CLOSED: _Code.FAILED_PRECONDITION,
    Reason.BET_ALREADY_SETTLED: _Code.FAILED_PRECONDITION,
    Reason.TRANSACTION_ROLLED_BACK: _Code.FAILED_PRECONDITION,
    Reason.TRANSACTION_NOT_REVERSIBLE: _Code.FAILED_PRECONDITION,
    Reason.SESSION_INVALID: _Code.FAILED_PRECONDITION,
    Reason.WRONG_MODE: _Code.FAILED_PRECONDITION,
    Reason.MODE_CHANGE_BLOCKED: _Code.FAILED_PRECONDITION,
    Reason.CASINO_REFUSED: _Code.FAILED_PRECONDITION,
    Reason.CASINO_UNREACHABLE: _Code.UNAVAILABLE,
    Reason.CASE_ALREADY_RESOLVED: _Code.FAILED_PRECONDITION,
    Reason.ATOMIC_GROUP_FAILED: _Code.ABORTED,
    Reason.OVERLOADED: _Code.RESOURCE_EXHAUSTED,
    Reason.LEDGER_UNAVAILABLE: _Code.UNAVAILABLE,
    Reason.INTERNAL_ERROR: _Code.INTERNAL,
}


def status_of(refusal: Refusal) -> Status:
    """Return the full status of a refused call: code, message, ErrorInfo and what goes with it."""
    details = [ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=dict(refusal.metadata))]
    return Status(
        code=CODES[refusal.reason].value[0],
        message=refusal.message,
        details=[_packed(detail) for detail in (*details, *_companions(refusal))],
    )


def error_of(refusal: Refusal) -> error_reason_pb2.Error:
    """Return the same content for one operation of a batch, or for a stored transaction."""
    return error_reason_pb2.Error(
        reason=_ERROR_REASONS[refusal.reason],
        message=refusal.message,
        metadata=refusal.metadata,
    )


def completed(refusal: Refusal, currencies: Currencies, request_id: str) -> Refusal:
    """Add what only the edge knows: a currency's exponent, a request's id."""
    metadata = refusal.metadata
    if refusal.reason is Reason.AMOUNT_RANGE:
        code = metadata["currency_code"]
        exponent = str(currencies.exponent(code)) if currencies.knows(code) else ""
        metadata = {**metadata, "exponent": exponent}
    elif refusal.reason is Reason.INTERNAL_ERROR:
        metadata = {**metadata, "request_id": request_id}
    else:
        return refusal
    return Refusal(refusal.reason, refusal.message, metadata)


def _companions(refusal: Refusal) -> list[BadRequest | RetryInfo]:
    if refusal.reason is Reason.INVALID_FIELD:
        violation = BadRequest.FieldViolation(
            field=refusal.metadata["field"], description=refusal.message
        )
        return [BadRequest(field_violations=[violation])]
    if refusal.reason is Reason.OVERLOADED:
        return [RetryInfo(retry_delay=Duration(nanos=RETRY_AFTER_MS * 1_000_000))]
    return []


def _packed(detail: ErrorInfo | BadRequest | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


_ERROR_REASONS = {
    reason: error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}") for reason in Reason
}
