"""The form of requests for rewards: what `limits` says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from purser.loyalty.v1 import cashback_service_pb2 as pb
from purser_server.domain.errors import Refusal
from purser_server.domain.money import Currencies
from purser_server.domain.orders import refuse_currency
from purser_server.rpc import checks
from purser_server.rpc import loyalty_checks as loyalty

MAX_LINES = 1_000
MAX_LABELS = 100
MAX_TEXT = 256


def _redeemed(request: Any, _field: str, currencies: Currencies) -> Refusal | None:
    """What points pay for the order: nothing, or one of a hold and a redemption."""
    given = request.WhichOneof("redeemed")
    return checks.identifier(request, given, currencies) if given else None


def _one_currency(request: Any, field: str, _: Currencies) -> Refusal | None:
    """All amounts in the currency of one."""
    code = getattr(request, field).currency_code
    for path, money in _amounts(request):
        refusal = refuse_currency(path, money.currency_code, code)
        if refusal is not None:
            return refusal
    return None


def _amounts(request: Any) -> Iterator[tuple[str, Any]]:
    for name in ("total_discount", "total_shipping", "total_tax"):
        if request.HasField(name):
            yield name, getattr(request, name)
    for index, item in enumerate(request.line_items):
        for name in ("price", "discount", "tax"):
            if item.HasField(name):
                yield f"line_items[{index}].{name}", getattr(item, name)


_PLACE = (("unique_id", checks.optional_id), ("name", checks.text(0, MAX_TEXT)))

MERCHANT = loyalty.optional(
    loyalty.inside(*_PLACE, ("branch", loyalty.optional(loyalty.inside(*_PLACE))))
)
"""A merchant, who may be left out, as may all that is told of it."""

_LINES = loyalty.each(
    MAX_LINES,
    ("line_id", checks.optional_id),
    ("product_id", checks.identifier),
    ("quantity", loyalty.positive_quantity),
    ("price", checks.money),
    ("discount", loyalty.optional(checks.money)),
    ("tax", loyalty.optional(checks.money)),
    ("categories", loyalty.ids(MAX_LABELS)),
    ("collections", loyalty.ids(MAX_LABELS)),
)

_ORDER = (
    ("player_id", checks.identifier),
    ("transaction_time", loyalty.happened),
    ("total_paid", checks.money),
    ("total_discount", loyalty.optional(checks.money)),
    ("total_shipping", loyalty.optional(checks.money)),
    ("total_tax", loyalty.optional(checks.money)),
    ("line_items", _LINES),
    ("total_paid", _one_currency),
    ("hold_id", _redeemed),
    ("merchant", MERCHANT),
)

CASHBACK_FIELDS: Mapping[type[Message], tuple[tuple[str, checks.Check], ...]] = {
    pb.IssueCashbackRequest: (
        ("player_id", checks.identifier),
        ("transaction_id", checks.identifier),
        ("transaction_time", loyalty.happened),
        ("amount", checks.positive_money),
        ("email", checks.text(0, MAX_TEXT)),
        ("mobile", checks.text(0, MAX_TEXT)),
        ("merchant", MERCHANT),
    ),
    pb.RewardOrderRequest: (_ORDER[0], ("transaction_id", checks.identifier), *_ORDER[1:]),
    pb.QuoteOrderRequest: _ORDER,
    pb.GetRewardRequest: (("transaction_id", checks.identifier),),
}
