"""The form of loyalty's fields: decimals, times, lists of ids, and messages within messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from purser_server.domain.decimals import parse_quantity, parse_rate, quantity_problem, rate_problem
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


def each(at_most: int, *fields: tuple[str, checks.Check]) -> checks.Check:
    """Make a check for a list of messages, a bounded number of them, and for their fields."""

    def check(request: Message, field: str, currencies: Currencies) -> Refusal | None:
        messages: Any = getattr(request, field)
        if len(messages) > at_most:
            return invalid_field(field, f"must have at most {at_most} entries")
        for index, message in enumerate(messages):
            for name, inner in fields:
                refusal = inner(message, name, currencies)
                if refusal is not None:
                    return _below(f"{field}[{index}]", refusal)
        return None

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


def _positive_quantity_problem(text: str) -> str | None:
    problem = quantity_problem(text)
    if problem is None and not parse_quantity(text):
        return "must be greater than zero"
    return problem


rate = _text_check(rate_problem)
"""A rate, "0" included."""

positive_rate = _text_check(_positive_rate_problem)
"""A rate of more than "0"."""

quantity = _text_check(quantity_problem)
"""A quantity, "0" included."""

positive_quantity = _text_check(_positive_quantity_problem)
"""A quantity of more than "0"."""


def moment(request: Message, field: str, _: Currencies) -> Refusal | None:
    """A time that can be stored."""
    if checks.time_of(getattr(request, field)) is not None:
        return None
    return invalid_field(field, "must be a time of the years 1 to 9999")


def happened(request: Message, field: str, currencies: Currencies) -> Refusal | None:
    """A time that must be given; how far ahead it may lie, the rules say."""
    if not request.HasField(field):
        return invalid_field(field, "must be given")
    return moment(request, field, currencies)


def ids(at_most: int) -> checks.Check:
    """Make a check for a list of ids, a bounded number of them."""

    def check(request: Message, field: str, _: Currencies) -> Refusal | None:
        values: Any = getattr(request, field)
        if len(values) > at_most:
            return invalid_field(field, f"must have at most {at_most} entries")
        for index, value in enumerate(values):
            problem = id_problem(value)
            if problem:
                return invalid_field(f"{field}[{index}]", problem)
        return None

    return check


filter_ids = ids(MAX_FILTER_VALUES)
"""Ids of a campaign's filter."""
