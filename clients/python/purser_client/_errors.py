"""The exceptions: one tree, rebuilt from the reason and metadata that Purser sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from purser.error.v1 import error_reason_pb2


class PurserError(Exception):
    """Something was not done; `reason` and `metadata` are those of the catalogue of errors.

    `reason` is empty when gRPC itself failed. `transaction_id` is the movement's, where the call
    was one: the same call with the same id may always be sent again.
    """

    def __init__(
        self, reason: str, message: str, metadata: Mapping[str, str], transaction_id: str = ""
    ) -> None:
        super().__init__(f"{reason or 'gRPC'}: {message}")
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata)
        self.transaction_id = transaction_id

    @property
    def replayed(self) -> bool:
        """Whether this is a stored refusal, told again."""
        return self.metadata.get("replayed") == "true"


class InvalidRequest(PurserError):
    """The request is malformed; `field` is the path of what is wrong."""

    @property
    def field(self) -> str:
        """The path of the field, such as "amount.minor_units"; empty for other reasons."""
        return self.metadata.get("field", "")


class Unauthenticated(PurserError):
    """The API key is missing, unknown or revoked."""


class PermissionDenied(PurserError):
    """The API key has no role that may do this."""


class NotFound(PurserError):
    """What the request names does not exist."""


class AlreadyExists(PurserError):
    """The id was used before with other content; `field` is the first that differs."""

    @property
    def field(self) -> str:
        """The path of the first differing field."""
        return self.metadata.get("field", "")


class TransactionIdReused(AlreadyExists):
    """The transaction id was used before with other content."""


class Refused(PurserError):
    """The rules refuse it: a status, a closed round, a settled bet. Final for a movement's id."""


class InsufficientFunds(Refused):
    """The wallet holds less than is required. Both in minor units of `currency_code`."""

    @property
    def balance(self) -> int:
        """What the wallet holds."""
        return int(self.metadata["balance"])

    @property
    def required(self) -> int:
        """What it would have to hold."""
        return int(self.metadata["required"])

    @property
    def currency_code(self) -> str:
        """The wallet's currency."""
        return self.metadata["currency_code"]


class Conflict(PurserError):
    """Another operation of the atomic group failed, and so this one was not carried out."""


class Unavailable(PurserError):
    """Not answered, also after retries; send it again with the same id to learn what happened.

    Not so CASINO_UNREACHABLE with state PENDING: Purser settles it, and the transaction tells.
    """


class DeadlineExceeded(Unavailable):
    """The time for the call is over; it may or may not have happened."""


class InternalError(PurserError):
    """The server failed; `metadata["request_id"]` finds the details in its log."""


_BY_REASON: Mapping[str, type[PurserError]] = {
    "INSUFFICIENT_FUNDS": InsufficientFunds,
    "TRANSACTION_ID_REUSED": TransactionIdReused,
}

_BY_CODE: Mapping[grpc.StatusCode, type[PurserError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: Refused,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}

# Inside a batch an error has no status code; its reason tells the family.
_FAMILY: Mapping[type[PurserError], tuple[str, ...]] = {
    InvalidRequest: ("INVALID_FIELD", "AMOUNT_RANGE", "AMOUNT_PRECISION", "CURRENCY_UNKNOWN"),
    PermissionDenied: ("ROLE_MISSING",),
    Unauthenticated: ("UNAUTHENTICATED_KEY",),
    Conflict: ("ATOMIC_GROUP_FAILED",),
    Unavailable: ("LEDGER_UNAVAILABLE", "CASINO_UNREACHABLE", "OVERLOADED"),
    InternalError: ("INTERNAL_ERROR", "NOT_SERVED_YET"),
}
_FAMILY_OF = {reason: family for family, reasons in _FAMILY.items() for reason in reasons}


def of_status(error: grpc.RpcError, transaction_id: str = "") -> PurserError:
    """Return the exception for a call that ended with an error status."""
    call: Any = error
    info = _info(call)
    family = _BY_REASON.get(info.reason) or _BY_CODE.get(call.code(), InternalError)
    return family(info.reason, call.details() or "", info.metadata, transaction_id)


def of_item(error: error_reason_pb2.Error, transaction_id: str = "") -> PurserError:
    """Return the exception for one refused operation of a batch."""
    name = error_reason_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    family = _BY_REASON.get(name) or _FAMILY_OF.get(name)
    if family is None:
        family = NotFound if name.endswith("_NOT_FOUND") else Refused
    return family(name, error.message, error.metadata, transaction_id)


def may_be_repeated(error: PurserError) -> bool:
    """Tell whether the same request with the same id may settle it now.

    CASINO_UNREACHABLE with state PENDING is not repeated: the server is at it.
    """
    if not isinstance(error, Unavailable):
        return False
    return error.metadata.get("state") != "PENDING"


def _info(call: Any) -> ErrorInfo:
    status, info = Status(), ErrorInfo()
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
    return info
