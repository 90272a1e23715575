"""The form of requests: one table says what each field of each message must be.

The comments of the protos tell the same limits to people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from purser.admin.v1 import ledger_service_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_service_pb2
from purser_server.domain.errors import Reason, Refusal, RefusedError, invalid_field
from purser_server.domain.ids import has_control_characters, id_problem
from purser_server.domain.money import (
    Currencies,
    currency_unknown,
    declaration_problem,
    is_currency_code,
)

MAX_METADATA_ENTRIES = 32
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
MAX_METADATA_BYTES = 8 * 1024
MAX_CURRENCIES = 32
MAX_DECLARED_CURRENCIES = 100
MAX_DISPLAY_NAME = 256
MAX_MESSAGES = 100
MAX_ENUM_VALUES = 100
MAX_OPERATIONS = 10_000

Check = Callable[[Message, str, Currencies], Refusal | None]


def validate(request: Message, currencies: Currencies) -> Refusal | None:
    """Refuse the first field of a request that is not as the table says; None when all are."""
    for field, check in FIELDS[type(request)]:
        refusal = check(request, field, currencies)
        if refusal is not None:
            return refusal
    return None


def require_valid(request: Message, currencies: Currencies) -> None:
    """Raise RefusedError for a request that is not as the table says."""
    refusal = validate(request, currencies)
    if refusal is not None:
        raise RefusedError(refusal)


# -- checks of one field --------------------------------------------------------------------


def _id(request: Message, field: str, _: Currencies) -> Refusal | None:
    problem = id_problem(getattr(request, field))
    return invalid_field(field, problem) if problem else None


def _optional_id(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    return _id(request, field, currencies) if getattr(request, field) else None


def _money(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    amount: Any = getattr(request, field)
    if not amount.currency_code:
        missing = f"{field}.currency_code" if request.HasField(field) else field
        return invalid_field(missing, "must be given")
    if amount.minor_units < 0:
        return invalid_field(f"{field}.minor_units", "must not be negative")
    return _known_currency(amount.currency_code, f"{field}.currency_code", currencies)


def _positive_money(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    amount: Any = getattr(request, field)
    if amount.currency_code and amount.minor_units == 0:
        return invalid_field(f"{field}.minor_units", "must be greater than zero")
    return _money(request, field, currencies)


def _currency(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    return _known_currency(getattr(request, field), field, currencies)


def _optional_currency(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    return _currency(request, field, currencies) if getattr(request, field) else None


def _known_currency(code: str, path: str, currencies: Currencies) -> Refusal | None:
    if currencies.knows(code):
        return None
    if not code:
        return invalid_field(path, "must be given")
    if not is_currency_code(code):
        return invalid_field(path, "must be 1 to 16 of A-Z, a-z, 0-9, _ and -")
    return currency_unknown(code)


def _some_currencies(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    if not getattr(request, field):
        return invalid_field(field, "must name at least one currency")
    return _any_currencies(request, field, currencies)


def _any_currencies(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    codes: Any = getattr(request, field)
    if len(codes) > MAX_CURRENCIES:
        return invalid_field(field, f"must have at most {MAX_CURRENCIES} entries")
    for index, code in enumerate(codes):
        refusal = _known_currency(code, f"{field}[{index}]", currencies)
        if refusal:
            return refusal
    return None


def _metadata(request: Message, field: str, _: Currencies) -> Refusal | None:
    entries: Mapping[str, str] = getattr(request, field)
    if not entries:
        return None
    if len(entries) > MAX_METADATA_ENTRIES:
        return invalid_field(field, f"must have at most {MAX_METADATA_ENTRIES} entries")
    for key, value in entries.items():
        if not 1 <= len(key) <= MAX_METADATA_KEY or has_control_characters(key):
            problem = f"must have keys of 1 to {MAX_METADATA_KEY} characters, none of them control"
            return invalid_field(field, problem)
        if len(value) > MAX_METADATA_VALUE or "\0" in value:
            problem = f"must have values of at most {MAX_METADATA_VALUE} characters, without U+0000"
            return invalid_field(field, problem)
    if sum(len(key.encode()) + len(value.encode()) for key, value in entries.items()) > (
        MAX_METADATA_BYTES
    ):
        return invalid_field(field, f"must have at most {MAX_METADATA_BYTES} bytes in all")
    return None


def _nothing_beside(request: Any, field: str, _: Currencies) -> Refusal | None:
    both = getattr(request, field) and request.metadata
    return invalid_field(field, "must not be set beside metadata") if both else None


def _enum_numbers(request: Message, field: str) -> Mapping[int, object]:
    enum = request.DESCRIPTOR.fields_by_name[field].enum_type
    assert enum is not None
    return enum.values_by_number


def _enum(request: Message, field: str, _: Currencies) -> Refusal | None:
    value: int = getattr(request, field)
    known = _enum_numbers(request, field)
    return None if value in known else invalid_field(field, f"has no value {value}")


def _enums(request: Message, field: str, _: Currencies) -> Refusal | None:
    values: Any = getattr(request, field)
    known = _enum_numbers(request, field)
    if len(values) > MAX_ENUM_VALUES:
        return invalid_field(field, f"must have at most {MAX_ENUM_VALUES} entries")
    for index, value in enumerate(values):
        if value == 0 or value not in known:
            return invalid_field(f"{field}[{index}]", "must be a value of the enum, not 0")
    return None


def _some_enums(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    if not getattr(request, field):
        return invalid_field(field, "must not be empty")
    return _enums(request, field, currencies)


def _page_size(request: Message, field: str, _: Currencies) -> Refusal | None:
    negative = getattr(request, field) < 0
    return invalid_field(field, "must not be negative") if negative else None


def _position(request: Message, field: str, _: Currencies) -> Refusal | None:
    if 0 <= getattr(request, field) <= _LAST_POSITION:
        return None
    return invalid_field(field, "must be a position that the feed has given, or 0")


def _period(request: Any, field: str, _: Currencies) -> Refusal | None:
    """Check a start, and an end that does not lie before it."""
    times: dict[str, datetime] = {}
    for name in (field, "end_time"):
        if not request.HasField(name):
            continue
        found = time_of(getattr(request, name))
        if found is None:
            return invalid_field(name, "must be a time of the years 1 to 9999")
        times[name] = found
    if len(times) == 2 and times["end_time"] < times[field]:
        return invalid_field("end_time", f"must not be before {field}")
    return None


def time_of(timestamp: Timestamp) -> datetime | None:
    """Return the time, rounded up to microseconds, or None when it is not a valid one.

    Stored times are whole microseconds: rounded up, a bound means the same to them.
    """
    if not 0 <= timestamp.nanos < 1_000_000_000:
        return None
    try:
        cut = timestamp.ToDatetime(tzinfo=UTC)
        return cut + timedelta(microseconds=1) if timestamp.nanos % 1_000 else cut
    except (ValueError, OverflowError):
        return None


def _text(at_least: int, at_most: int) -> Check:
    def check(request: Message, field: str, _: Currencies) -> Refusal | None:
        value: str = getattr(request, field)
        if not at_least <= len(value) <= at_most:
            return invalid_field(field, f"must have {at_least} to {at_most} characters")
        if has_control_characters(value):
            return invalid_field(field, "must not contain control characters")
        return None

    return check


def _declared_currencies(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    declared: Any = getattr(request, field)
    if len(declared) > MAX_DECLARED_CURRENCIES:
        return invalid_field(field, f"must have at most {MAX_DECLARED_CURRENCIES} entries")
    seen: set[str] = set()
    for index, currency in enumerate(declared):
        path = f"{field}[{index}]"
        problem = declaration_problem(currency.code, currency.exponent, currencies.standard)
        if problem:
            return invalid_field(path, problem)
        if currency.code in seen:
            return invalid_field(f"{path}.code", "must not be given twice")
        seen.add(currency.code)
    return None


def _player_messages(request: Message, field: str, _: Currencies) -> Refusal | None:
    messages: Mapping[str, str] = getattr(request, field)
    if len(messages) > MAX_MESSAGES:
        return invalid_field(field, f"must have at most {MAX_MESSAGES} entries")
    for reason, message in messages.items():
        if reason not in _PLAYER_MESSAGE_REASONS:
            return invalid_field(field, f"must have reasons as keys; {reason[:64]!r} is none")
        if len(message) > MAX_METADATA_VALUE or "\0" in message:
            return invalid_field(field, f"must have texts of at most {MAX_METADATA_VALUE} letters")
    return None


def _operations(request: Any, field: str, _: Currencies) -> Refusal | None:
    if not 1 <= len(request.operations) <= MAX_OPERATIONS:
        return invalid_field(field, f"must have 1 to {MAX_OPERATIONS} entries")
    return None


def _withdrawal(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    if request.WhichOneof("what") == "all_of_currency_code":
        return _currency(request, "all_of_currency_code", currencies)
    return _positive_money(request, field, currencies)


def _other_than_itself(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    if getattr(request, field) == request.transaction_id:
        return invalid_field(field, "must not be the rollback's own transaction_id")
    return _id(request, field, currencies)


def _round_of_win(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    """Check which of game and round a win must name; a promotion may name neither."""
    regular = request.win_type in (0, 1)
    if regular or request.bet_transaction_id or request.round_id:
        refusal = _id(request, "game_id", currencies)
        return refusal or _id(request, field, currencies)
    if request.close_round:
        return invalid_field("close_round", "needs a round")
    return None


# Far beyond what any history reaches, and far enough from the end of int64 to count on from.
_LAST_POSITION = 2**62
_PLAYER_MESSAGE_REASONS = frozenset(Reason)

_PAGE = (("page_size", _page_size),)

FIELDS: Mapping[type[Message], tuple[tuple[str, Check], ...]] = {
    player_service_pb2.CreatePlayerRequest: (
        ("player_id", _id),
        ("currency_codes", _some_currencies),
        ("metadata", _metadata),
    ),
    player_service_pb2.GetPlayerRequest: (("player_id", _id),),
    player_service_pb2.UpdatePlayerRequest: (
        ("player_id", _id),
        ("status", _enum),
        ("add_currency_codes", _any_currencies),
        ("metadata", _metadata),
        ("clear_metadata", _nothing_beside),
    ),
    player_service_pb2.ListPlayersRequest: (*_PAGE, ("statuses", _enums)),
    wallet_service_pb2.GetBalanceRequest: (
        ("player_id", _id),
        ("currency_code", _optional_currency),
    ),
    wallet_service_pb2.DepositRequest: (
        ("transaction_id", _id),
        ("player_id", _id),
        ("amount", _positive_money),
        ("metadata", _metadata),
    ),
    wallet_service_pb2.WithdrawRequest: (
        ("transaction_id", _id),
        ("player_id", _id),
        ("amount", _withdrawal),
        ("metadata", _metadata),
    ),
    wallet_service_pb2.OpenGameSessionRequest: (
        ("player_id", _id),
        ("game_id", _id),
        ("currency_code", _currency),
    ),
    wallet_service_pb2.CloseGameSessionRequest: (("session_id", _id),),
    wallet_service_pb2.BetRequest: (
        ("transaction_id", _id),
        ("player_id", _id),
        ("amount", _money),
        ("game_id", _id),
        ("round_id", _id),
        ("session_id", _optional_id),
    ),
    wallet_service_pb2.WinRequest: (
        ("transaction_id", _id),
        ("player_id", _id),
        ("amount", _money),
        ("game_id", _optional_id),
        ("round_id", _optional_id),
        ("bet_transaction_id", _optional_id),
        ("win_type", _enum),
        ("round_id", _round_of_win),
    ),
    wallet_service_pb2.RollbackRequest: (
        ("transaction_id", _id),
        ("player_id", _id),
        ("original_transaction_id", _other_than_itself),
    ),
    wallet_service_pb2.CloseRoundRequest: (
        ("transaction_id", _id),
        ("player_id", _id),
        ("game_id", _id),
        ("round_id", _id),
    ),
    wallet_service_pb2.GetRoundRequest: (
        ("player_id", _id),
        ("game_id", _id),
        ("round_id", _id),
    ),
    wallet_service_pb2.GetTransactionRequest: (("transaction_id", _id),),
    wallet_service_pb2.ListTransactionsRequest: (
        ("player_id", _optional_id),
        ("round_id", _optional_id),
        ("types", _enums),
        ("states", _enums),
        ("start_time", _period),
        *_PAGE,
    ),
    wallet_service_pb2.ExecuteRequest: (("operations", _operations),),
    wallet_service_pb2.StreamExecuteRequest: (("operations", _operations),),
    wallet_service_pb2.WatchTransactionsRequest: (("after_position", _position),),
    operator_service_pb2.CreateOperatorRequest: (
        ("operator_id", _id),
        ("display_name", _text(0, MAX_DISPLAY_NAME)),
        ("currencies", _declared_currencies),
    ),
    operator_service_pb2.GetOperatorRequest: (("operator_id", _id),),
    operator_service_pb2.ListOperatorsRequest: _PAGE,
    operator_service_pb2.UpdateOperatorRequest: (
        ("operator_id", _id),
        ("display_name", _text(0, MAX_DISPLAY_NAME)),
        ("add_currencies", _declared_currencies),
        ("player_messages", _player_messages),
    ),
    operator_service_pb2.CreateApiKeyRequest: (("operator_id", _id), ("roles", _some_enums)),
    operator_service_pb2.ListApiKeysRequest: (("operator_id", _id), *_PAGE),
    operator_service_pb2.RevokeApiKeyRequest: (("key_id", _id),),
    ledger_service_pb2.VerifyLedgerRequest: (("operator_id", _optional_id),),
}
