"""Points between messages and the domain, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from purser.loyalty.v1 import loyalty_pb2, points_service_pb2
from purser.type.v1.money_pb2 import Money
from purser_server.domain.money import Currencies, fits
from purser_server.domain.points import NEVER, Hold
from purser_server.domain.points_commands import (
    DEFAULT_TIME_TO_LIVE,
    AdjustPoints,
    Ask,
    HoldPoints,
    RedeemPoints,
    RefundRedemption,
    value_of,
)
from purser_server.domain.transactions import Transaction, TransactionType
from purser_server.rpc.checks import time_of
from purser_server.rpc.content import content_of
from purser_server.rpc.from_proto import period
from purser_server.rpc.to_proto import timestamp
from purser_server.usecases.loyalty_ports import PointsFilter, Redeemed
from purser_server.usecases.points import PointsHeld

MOST_NEXT_LOTS = 10
"""So many of the lots that expire next are told with a balance."""

_TYPES: Mapping[TransactionType, Any] = {
    TransactionType.CASHBACK: loyalty_pb2.POINTS_TRANSACTION_TYPE_REWARD,
    TransactionType.CASHBACK_REVERSAL: loyalty_pb2.POINTS_TRANSACTION_TYPE_REFUND,
    TransactionType.REDEMPTION: loyalty_pb2.POINTS_TRANSACTION_TYPE_REDEMPTION,
    TransactionType.REDEMPTION_REFUND: loyalty_pb2.POINTS_TRANSACTION_TYPE_REDEMPTION_REFUND,
    TransactionType.ADJUSTMENT: loyalty_pb2.POINTS_TRANSACTION_TYPE_ADJUSTMENT,
    TransactionType.POINTS_EXPIRY: loyalty_pb2.POINTS_TRANSACTION_TYPE_EXPIRY,
}
_TYPE_OF = {told: kind for kind, told in _TYPES.items()}

# -- requests ------------------------------------------------------------------------------------


def hold_points(
    request: points_service_pb2.HoldPointsRequest, currencies: Currencies
) -> HoldPoints:
    """Return the hold that is asked for."""
    has_ttl = request.HasField("ttl")
    return HoldPoints(
        request.hold_id,
        request.player_id,
        _ask(request, currencies),
        request.ttl.ToTimedelta() if has_ttl else DEFAULT_TIME_TO_LIVE,
        content_of(request, without=("hold_id", "player_id")),
    )


def redeem_points(
    request: points_service_pb2.RedeemPointsRequest, currencies: Currencies
) -> RedeemPoints:
    """Return the redemption that is asked for."""
    return RedeemPoints(
        request.transaction_id,
        request.player_id,
        _ask(request, currencies),
        request.hold_id,
        content_of(request, without=("transaction_id", "player_id")),
    )


def _ask(request: Any, currencies: Currencies) -> Ask:
    exponents = {**currencies.standard, **currencies.declared}
    if request.HasField("amount"):
        amount = request.amount
        return Ask(0, amount.currency_code, amount.minor_units, exponents)
    return Ask(request.points, exponents=exponents)


def refund_redemption(request: points_service_pb2.RefundRedemptionRequest) -> RefundRedemption:
    """Return the refund of a redemption that is asked for."""
    return RefundRedemption(
        request.refund_transaction_id,
        request.player_id,
        request.redemption_transaction_id,
        request.points if request.HasField("points") else None,
        content_of(request, without=("refund_transaction_id", "player_id")),
    )


def adjust_points(request: points_service_pb2.AdjustPointsRequest) -> AdjustPoints:
    """Return the adjustment that is asked for."""
    expires = time_of(request.expire_time) if request.HasField("expire_time") else None
    return AdjustPoints(
        request.transaction_id,
        request.player_id,
        request.points,
        request.reason,
        expires or NEVER,
        content_of(request, without=("transaction_id", "player_id")),
    )


def points_filter(request: points_service_pb2.ListPointsTransactionsRequest) -> PointsFilter:
    """Return which changes of points are asked for."""
    start_time, end_time = period(request)
    types = tuple(sorted({_TYPE_OF[kind] for kind in request.types}))
    return PointsFilter(request.player_id, types, start_time, end_time)


# -- answers -------------------------------------------------------------------------------------


def points_balance(held: PointsHeld, currencies: Currencies) -> loyalty_pb2.PointsBalance:
    """Return what a player has, and what it is worth."""
    points, now = held.points, held.now
    available = points.available(now)
    exponents = {**currencies.standard, **currencies.declared}
    worth = value_of(available, held.program, exponents)
    expiring = sorted(
        (lot for lot in points.lots if lot.is_available(now) and lot.expire_time != NEVER),
        key=lambda lot: lot.expire_time,
    )
    return loyalty_pb2.PointsBalance(
        available=available,
        pending=points.pending(now),
        held=points.held,
        total=points.total,
        debt=points.debt,
        value=_money(worth.currency_code, worth.amount) if fits(worth.amount) else None,
        next_lots_to_expire=[
            loyalty_pb2.PointsLot(
                points=lot.points,
                expire_time=timestamp(lot.expire_time),
                available_time=timestamp(lot.available_time),
                transaction_id=held.earned_by.get(lot.earned_by, ""),
            )
            for lot in expiring[:MOST_NEXT_LOTS]
        ],
        cashback_owed=[
            Money(currency_code=code, minor_units=owed) for code, owed in held.cashback_owed.items()
        ],
    )


def points_transaction(of: Transaction) -> loyalty_pb2.PointsTransaction:
    """Return one change of a player's points."""
    loyalty = of.loyalty or {}
    is_expiry = of.type is TransactionType.POINTS_EXPIRY
    before = of.balance_before or 0
    time = datetime.fromisoformat(loyalty["expire_time"]) if is_expiry else of.create_time
    return loyalty_pb2.PointsTransaction(
        transaction_id="" if is_expiry else loyalty.get("told_id", of.transaction_id),
        type=_TYPES[of.type],
        points=of.change,
        balance_before=before,
        balance_after=before + of.change,
        create_time=timestamp(time),
        reason=loyalty.get("reason", ""),
        related_transaction_id=of.related_transaction_id,
        hold_id=loyalty.get("hold_id", ""),
        player_id=of.player_id,
    )


def hold(player_id: str, of: Hold) -> loyalty_pb2.Hold:
    """Return a hold."""
    return loyalty_pb2.Hold(
        hold_id=of.hold_id,
        points=of.points,
        amount=_money(of.currency_code, of.amount),
        state=of.state,  # type: ignore[arg-type]
        expire_time=timestamp(of.expire_time),
        player_id=player_id,
        create_time=timestamp(of.create_time),
        redemption_transaction_id=of.redeemed_by,
    )


def redemption(redeemed: Redeemed) -> loyalty_pb2.Redemption:
    """Return a redemption, with what was given back of it."""
    of = redeemed.redemption
    return loyalty_pb2.Redemption(
        transaction_id=of.transaction_id,
        player_id=of.player_id,
        points=of.points,
        value=_money(of.currency_code, of.amount),
        hold_id=of.hold_id,
        create_time=timestamp(redeemed.create_time),
        refunded_points=of.points - of.points_left,
        order_transaction_id=of.order_transaction_id,
    )


def forfeited(of: Transaction) -> int:
    """Return how many points of a refunded redemption were past their expiry."""
    return int((of.loyalty or {}).get("forfeited", 0))


def _money(currency_code: str, minor_units: int) -> Money | None:
    return Money(currency_code=currency_code, minor_units=minor_units) if currency_code else None
