"""Values: small classes of named fields that nobody changes once they are made, and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(of: type[_T]) -> type[_T]:
    """Make a dataclass with slots that mypy holds for frozen.

    Python itself does not forbid a change: that would make each value take about six times as
    long to make, and the write path makes a dozen of them for every bet.
    """
    return dataclass(slots=True, unsafe_hash=True)(of)


class Number(IntEnum):
    """An enum whose numbers are those of the contract or of the store.

    It hashes as the number that it equals: an enum's own hash is a call of Python's.
    """

    __hash__ = int.__hash__
