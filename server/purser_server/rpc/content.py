"""The content of a loyalty request: its fields, each with its path, as stored and compared.

The same id with another content is refused with the path of the first field that differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from purser_server.domain.decimals import parse_quantity, quantity_text
from purser_server.domain.points_commands import Content


def content_of(request: Message, *, without: Collection[str]) -> Content:
    """Return the fields of a request that are set, in their order, but for those named."""
    return tuple(_fields(request, "", without))


def _fields(message: Any, prefix: str, without: Collection[str]) -> Iterator[tuple[str, Any]]:
    for field, told in message.ListFields():
        if prefix or field.name not in without:
            yield from _field(f"{prefix}{field.name}", field.is_repeated, told)


def _field(path: str, is_repeated: bool, told: Any) -> Iterator[tuple[str, Any]]:
    if is_repeated:
        for index, each in enumerate(told):
            yield from _field(f"{path}[{index}]", False, each)
    elif isinstance(told, Timestamp | Duration):
        yield path, told.ToJsonString()
    elif isinstance(told, Message):
        # An empty message says that it is there.
        yield from _fields(told, f"{path}.", ()) if told.ListFields() else iter([(path, "")])
    else:
        # Decimals are compared by value.
        is_quantity = path.endswith(".quantity")
        yield path, quantity_text(parse_quantity(told)) if is_quantity else told
