"""The form of one field of a request: checks that the table in `limits` is made of.

A check looks at a field of a message and returns the refusal, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from purser_server.domain.errors import Reason, Refusal, invalid_field
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
MAX_NOTE = 1_000
MAX_MESSAGES = 100
MAX_ENUM_VALUES = 100
MAX_OPERATIONS = 10_000

Check = Callable[[Message, str, Currencies], Refusal | None]

# Far beyond what any history reaches, and far enough from the end of int64 to count on from.
_LAST_POSITION = 2**62
_PLAYER_MESSAGE_REASONS = frozenset(Reason)


def identifier(request: Message, field: str, _: Currencies) -> Refusal | None:
    """An id that a client gave: 1 to 128 characters, none of them control."""
    problem = id_problem(getattr(request, field))
    return None if problem is None else invalid_field(field, problem)


def optional_id(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """An id, or nothing."""
    given = getattr(request, field)
    return identifier(request, field, currencies) if given else None


def money(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """An amount of zero or more, of a currency that the operator has."""
    amount: Any = getattr(request, field)
    code = amount.currency_code
    if currencies.knows(code) and amount.minor_units >= 0:
        return None
    if not code:
        missing = f"{field}.currency_code" if request.HasField(field) else field
        return invalid_field(missing, "must be given")
    if amount.minor_units < 0:
        return invalid_field(f"{field}.minor_units", "must not be negative")
    return _known_currency(code, f"{field}.currency_code", currencies)


def positive_money(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """An amount greater than zero, of a currency that the operator has."""
    amount: Any = getattr(request, field)
    if amount.minor_units == 0 and amount.currency_code:
        return invalid_field(f"{field}.minor_units", "must be greater than zero")
    return money(request, field, currencies)


def currency(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """The code of a currency that the operator has."""
    return _known_currency(getattr(request, field), field, currencies)


def optional_currency(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """The code of a currency that the operator has, or nothing."""
    return currency(request, field, currencies) if getattr(request, field) else None


def _known_currency(code: str, path: str, currencies: Currencies) -> Refusal | None:
    if currencies.knows(code):
        return None
    if not code:
        return invalid_field(path, "must be given")
    if not is_currency_code(code):
        return invalid_field(path, "must be 1 to 16 of A-Z, a-z, 0-9, _ and -")
    return currency_unknown(code)


def some_currencies(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """At least one currency code."""
    if not getattr(request, field):
        return invalid_field(field, "must name at least one currency")
    return any_currencies(request, field, currencies)


def any_currencies(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """Currency codes, a bounded number of them."""
    codes: Any = getattr(request, field)
    if len(codes) > MAX_CURRENCIES:
        return invalid_field(field, f"must have at most {MAX_CURRENCIES} entries")
    for index, code in enumerate(codes):
        refusal = _known_currency(code, f"{field}[{index}]", currencies)
        if refusal:
            return refusal
    return None


def metadata(request: Message, field: str, _: Currencies) -> Refusal | None:
    """A caller's own notes, bounded in number and size."""
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


def nothing_beside(request: Any, field: str, _: Currencies) -> Refusal | None:
    """A flag that excludes metadata."""
    both = getattr(request, field) and request.metadata
    return invalid_field(field, "must not be set beside metadata") if both else None


def _enum_numbers(request: Message, field: str) -> Mapping[int, object]:
    enum = request.DESCRIPTOR.fields_by_name[field].enum_type
    assert enum is not None
    return enum.values_by_number


def enum(request: Message, field: str, _: Currencies) -> Refusal | None:
    """A value of the field's enum; zero is one."""
    value: int = getattr(request, field)
    known = _enum_numbers(request, field)
    return None if value in known else invalid_field(field, f"has no value {value}")


def enums(request: Message, field: str, _: Currencies) -> Refusal | None:
    """Values of the field's enum, none of them zero."""
    values: Any = getattr(request, field)
    known = _enum_numbers(request, field)
    if len(values) > MAX_ENUM_VALUES:
        return invalid_field(field, f"must have at most {MAX_ENUM_VALUES} entries")
    for index, value in enumerate(values):
        if value == 0 or value not in known:
            return invalid_field(f"{field}[{index}]", "must be a value of the enum, not 0")
    return None


def some_enums(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """At least one value of the field's enum."""
    if not getattr(request, field):
        return invalid_field(field, "must not be empty")
    return enums(request, field, currencies)


def some_enum(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """A value of the field's enum, not zero."""
    if not getattr(request, field):
        return invalid_field(field, "must be given")
    return enum(request, field, currencies)


def page_size(request: Message, field: str, _: Currencies) -> Refusal | None:
    """A size of a page; what is too large is cut down elsewhere."""
    negative = getattr(request, field) < 0
    return invalid_field(field, "must not be negative") if negative else None


def position(request: Message, field: str, _: Currencies) -> Refusal | None:
    """A position of the feed."""
    if 0 <= getattr(request, field) <= _LAST_POSITION:
        return None
    return invalid_field(field, "must be a position that the feed has given, or 0")


def period(request: Any, field: str, _: Currencies) -> Refusal | None:
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


def text(at_least: int, at_most: int) -> Check:
    """Make a check for a text of so many characters, none of them control."""

    def check(request: Message, field: str, _: Currencies) -> Refusal | None:
        problem = text_problem(getattr(request, field), at_least, at_most)
        return invalid_field(field, problem) if problem else None

    return check


def text_problem(value: str, at_least: int, at_most: int) -> str | None:
    """Tell what is wrong with a text; completes "… must"."""
    if not at_least <= len(value) <= at_most:
        return f"must have {at_least} to {at_most} characters"
    return "must not contain control characters" if has_control_characters(value) else None


def note_problem(value: str) -> str | None:
    """Tell what is wrong with the note of a decision."""
    return text_problem(value, 0, MAX_NOTE)


def declared_currencies(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """Currencies that an operator declares, each once."""
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


def player_messages(request: Message, field: str, _: Currencies) -> Refusal | None:
    """Texts for players, by reason."""
    messages: Mapping[str, str] = getattr(request, field)
    if len(messages) > MAX_MESSAGES:
        return invalid_field(field, f"must have at most {MAX_MESSAGES} entries")
    for reason, message in messages.items():
        if reason not in _PLAYER_MESSAGE_REASONS:
            return invalid_field(field, f"must have reasons as keys; {reason[:64]!r} is none")
        if len(message) > MAX_METADATA_VALUE or "\0" in message:
            return invalid_field(field, f"must have texts of at most {MAX_METADATA_VALUE} letters")
    return None


def operations(request: Any, field: str, _: Currencies) -> Refusal | None:
    """Operations, a bounded number of them."""
    if not 1 <= len(request.operations) <= MAX_OPERATIONS:
        return invalid_field(field, f"must have 1 to {MAX_OPERATIONS} entries")
    return None


def withdrawal(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    """What to withdraw: an amount, or all of a currency."""
    if request.WhichOneof("what") == "all_of_currency_code":
        return currency(request, "all_of_currency_code", currencies)
    return positive_money(request, field, currencies)


def other_than_itself(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    """An id that is not the rollback's own."""
    if getattr(request, field) == request.transaction_id:
        return invalid_field(field, "must not be the rollback's own transaction_id")
    return identifier(request, field, currencies)


def round_of_win(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    """Check which of game and round a win must name; a promotion may name neither."""
    regular = request.win_type in (0, 1)
    if regular or request.bet_transaction_id or request.round_id:
        refusal = identifier(request, "game_id", currencies)
        return refusal or identifier(request, field, currencies)
    if request.close_round:
        return invalid_field("close_round", "needs a round")
    return None
