"""Requests made by chance out of the descriptors, with values that hurt."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_INT32 = (0, 1, 2, 50, 1_000, 1_001, -1, 2**31 - 1, -(2**31))
_INT64 = (0, 1, 2, 100, 5_000, -1, 2**63 - 1, -(2**63), 10**15)
_ENUM = (0, 1, 2, 3, 4, 5, 6, 99, -1, 2**31 - 1, -(2**31))
_SECONDS = (0, 1, 1_700_000_000, -1, -62_135_596_801, 253_402_300_800, 2**63 - 1, -(2**63))
_NANOS = (0, 1, 999_999_999, 1_000_000_000, -1, 2**31 - 1, -(2**31))

HOSTILE_TEXTS = (
    "",
    " ",
    "\x00",
    "nul\x00inside",
    "line\nbreak",
    "\x7f",
    "\x85",
    "\u202eright to left",
    "e\u0301",
    "\ufffe\uffff",
    "\U000e0001" * 128,
    "🎰" * 128,
    "🎰" * 129,
    "x" * 128,
    "x" * 129,
    "x" * 2_000,
    "'; DROP TABLE players; --",
    "%s%n{}",
    "\\u0000",
    "null",
    "0",
)
CURRENCIES = (
    *("EUR", "EUR", "EUR", "EUR", "USD", "JPY", "XAU"),
    *("eur", "", "XXX", "USDT", "E\x00R", "€", "X" * 17, "X" * 300),
)
TOKENS = ("", "", "x", "AAAA", "W10", "bnVsbA", "WyJhIiwxXQ", "\x00", "ü", "A" * 3_000)


class Maker:
    """Draws requests; `known` are ids that exist, by the name of the field that they fit."""

    def __init__(self, known: dict[str, tuple[str, ...]]) -> None:
        self._known = known

    def requests(self, message: type[Message]) -> st.SearchStrategy[Any]:
        """Return a strategy for messages of this type."""
        return st.composite(self._draw)(message)

    def _draw(self, draw: Any, message: type[Message]) -> Any:
        return self._message(draw, message())

    def _message(self, draw: Any, made: Any, depth: int = 0) -> Any:
        descriptor: Descriptor = made.DESCRIPTOR
        if descriptor.full_name == "google.protobuf.Timestamp":
            made.seconds = draw(st.sampled_from(_SECONDS))
            made.nanos = draw(st.sampled_from(_NANOS))
            return made
        chosen = {
            oneof.name: draw(st.sampled_from([None, *(field.name for field in oneof.fields)]))
            for oneof in descriptor.oneofs
        }
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and chosen[oneof.name] != field.name:
                continue
            self._field(draw, made, field, depth)
        return made

    def _field(self, draw: Any, made: Any, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(made, field.name).update(draw(_metadata))
        elif field.is_repeated and field.message_type is not None:
            for _ in range(draw(st.integers(0, 4))):
                self._message(draw, getattr(made, field.name).add(), depth + 1)
        elif field.is_repeated:
            getattr(made, field.name).extend(draw(st.lists(self._scalar(field), max_size=4)))
        elif field.message_type is not None:
            if draw(st.integers(0, 9)):
                target = getattr(made, field.name)
                target.SetInParent()
                self._message(draw, target, depth + 1)
        else:
            setattr(made, field.name, draw(self._scalar(field)))

    def _scalar(self, field: FieldDescriptor) -> st.SearchStrategy[Any]:
        if field.type == FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        if field.type == FieldDescriptor.TYPE_ENUM:
            return st.sampled_from(_ENUM)
        if field.type == FieldDescriptor.TYPE_INT32:
            return st.sampled_from(_INT32)
        if field.type == FieldDescriptor.TYPE_INT64:
            return st.sampled_from(_INT64) | st.integers(1, 2_000)
        return self._text(field.name)

    def _text(self, name: str) -> st.SearchStrategy[str]:
        if "currency" in name or name == "code":
            return st.sampled_from(CURRENCIES)
        if name == "page_token":
            return st.sampled_from(TOKENS)
        hostile = st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=140)
        known = self._known.get(name)
        # Mostly what exists, so that the requests come far.
        usual = st.sampled_from(known) if known else st.text("abc", min_size=1, max_size=3)
        return st.one_of(usual, usual, usual, hostile)


_metadata = st.one_of(
    st.just({}),
    st.dictionaries(st.text(max_size=70), st.sampled_from(HOSTILE_TEXTS), max_size=4),
    st.just({f"k{number}": "v" for number in range(33)}),
    st.just({"": "v"}),
    st.just({"k": "x" * 513}),
    st.just({"k" * 65: "v"}),
    st.just({"k": "nul\x00"}),
    st.just({"PLAYER_SUSPENDED": "x" * 512}),
)


def path_exists(descriptor: Descriptor | None, path: str) -> bool:
    """Tell whether `a.b[0].c` names a field, or a oneof, of this message."""
    if descriptor is None:
        return False
    head, _, rest = path.partition(".")
    name = re.sub(r"\[\d+\]$", "", head)
    if name in descriptor.oneofs_by_name:
        return not rest and name == head
    field = descriptor.fields_by_name.get(name)
    if field is None or (name != head and not field.is_repeated):
        return False
    return not rest or path_exists(field.message_type, rest)
