"""The form of requests about points: what `limits` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from purser.loyalty.v1 import points_service_pb2 as pb
from purser_server.domain.errors import Refusal, invalid_field
from purser_server.domain.money import Currencies
from purser_server.rpc import checks
from purser_server.rpc.loyalty_checks import moment, optional

MAX_REASON = 256
MAX_POINTS = 1_000_000_000_000
SHORTEST_HOLD = timedelta(minutes=1)
LONGEST_HOLD = timedelta(days=15)


def _what(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    """Points, or an amount, or (of a redemption) a hold: exactly one."""
    given = request.WhichOneof("what")
    if given is None:
        return invalid_field(field, "must be given, or an amount")
    if given == "amount":
        return checks.positive_money(request, "amount", currencies)
    if given == "hold_id":
        return checks.identifier(request, "hold_id", currencies)
    return _positive_points(request.points, field)


def _time_to_live(request: Any, field: str, _: Currencies) -> Refusal | None:
    if not request.HasField(field):
        return None
    try:
        asked = request.ttl.ToTimedelta()
    except (ValueError, OverflowError):
        asked = timedelta(0)
    if SHORTEST_HOLD <= asked <= LONGEST_HOLD and 0 <= request.ttl.nanos < 1_000_000_000:
        return None
    return invalid_field(field, "must be between 1 minute and 15 days")


def _optional_points(request: Any, field: str, _: Currencies) -> Refusal | None:
    return _positive_points(request.points, field) if request.HasField(field) else None


def _positive_points(points: int, field: str) -> Refusal | None:
    if 0 < points <= MAX_POINTS:
        return None
    return invalid_field(field, f"must be between 1 and {MAX_POINTS}")


def _adjustment(request: Any, field: str, _: Currencies) -> Refusal | None:
    if 0 < abs(request.points) <= MAX_POINTS:
        return None
    return invalid_field(field, f"must not be zero, and at most {MAX_POINTS} either way")


def _expiry(request: Any, field: str, currencies: Currencies) -> Refusal | None:
    if request.HasField(field) and request.points < 0:
        return invalid_field(field, "must not be given where points are taken away")
    return optional(moment)(request, field, currencies)


_REDEMPTION = (("transaction_id", checks.identifier), ("player_id", checks.identifier))

POINTS_FIELDS: Mapping[type[Message], tuple[tuple[str, checks.Check], ...]] = {
    pb.GetPointsBalanceRequest: (("player_id", checks.identifier),),
    pb.ListPointsTransactionsRequest: (
        ("player_id", checks.identifier),
        ("types", checks.enums),
        ("start_time", checks.period),
        ("page_size", checks.page_size),
    ),
    pb.HoldPointsRequest: (
        ("hold_id", checks.identifier),
        ("player_id", checks.identifier),
        ("points", _what),
        ("ttl", _time_to_live),
    ),
    pb.GetHoldRequest: (("hold_id", checks.identifier),),
    pb.ReleaseHoldRequest: (("hold_id", checks.identifier),),
    pb.RedeemPointsRequest: (*_REDEMPTION, ("points", _what)),
    pb.GetRedemptionRequest: (("transaction_id", checks.identifier),),
    pb.RefundRedemptionRequest: (
        ("player_id", checks.identifier),
        ("refund_transaction_id", checks.identifier),
        ("redemption_transaction_id", checks.identifier),
        ("points", _optional_points),
    ),
    pb.AdjustPointsRequest: (
        *_REDEMPTION,
        ("points", _adjustment),
        ("reason", checks.text(1, MAX_REASON)),
        ("expire_time", _expiry),
    ),
}
