"""The form of loyalty's fields: decimals, times, lists of ids, and messages within messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from purser_server.domain.decimals import parse_rate, quantity_problem, rate_problem
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import id_problem
from purser_server.domain.money import Currencies
from purser_server.rpc import checks

MAX_FILTER_VALUES = 1_000


def inside(*fields: tuple[str, checks.Check]) -> checks.Check:
    """Make a check for a message that must be given, and for its fields."""

    def check(request: Message, field: str, currencies: Currencies) -> Refusal | None:
        if not request.HasField(field):
            return invalid_field(field, "must be given")
        message: Message = getattr(request, field)
        for name, inner in fields:
            refusal = inner(message, name, currencies)
            if refusal is not None:
                return _below(field, refusal)
        return None

    return check


def _below(field: str, refusal: Refusal) -> Refusal:
    """Return the refusal of a message's field with its path from the request on."""
    if refusal.reason is not Reason.INVALID_FIELD:
        return refusal
    path = f"{field}.{refusal.metadata['field']}"
    return replace(refusal, message=f"{field}.{refusal.message}", metadata={"field": path})


def optional(inner: checks.Check) -> checks.Check:
    """Make a check for what may be left out: an absent message, an empty text."""

    def check(request: Message, field: str, currencies: Currencies) -> Refusal | None:
        is_message = request.DESCRIPTOR.fields_by_name[field].message_type is not None
        is_there = request.HasField(field) if is_message else bool(getattr(request, field))
        return inner(request, field, currencies) if is_there else None

    return check


def _text_check(problem_of: Callable[[str], str | None]) -> checks.Check:
    def check(request: Message, field: str, _: Currencies) -> Refusal | None:
        problem = problem_of(getattr(request, field))
        return invalid_field(field, problem) if problem else None

    return check


def _positive_rate_problem(text: str) -> str | None:
    problem = rate_problem(text)
    if problem is None and not parse_rate(text):
        return "must be greater than zero"
    return problem


rate = _text_check(rate_problem)
"""A rate, "0" included."""

positive_rate = _text_check(_positive_rate_problem)
"""A rate of more than "0"."""

quantity = _text_check(quantity_problem)
"""A quantity, "0" included."""


def moment(request: Message, field: str, _: Currencies) -> Refusal | None:
    """A time that can be stored."""
    if checks.time_of(getattr(request, field)) is not None:
        return None
    return invalid_field(field, "must be a time of the years 1 to 9999")


def filter_ids(request: Message, field: str, _: Currencies) -> Refusal | None:
    """Ids of a filter, a bounded number of them."""
    values: Any = getattr(request, field)
    if len(values) > MAX_FILTER_VALUES:
        return invalid_field(field, f"must have at most {MAX_FILTER_VALUES} entries")
    for index, value in enumerate(values):
        problem = id_problem(value)
        if problem:
            return invalid_field(f"{field}[{index}]", problem)
    return None
