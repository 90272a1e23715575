"""Refunds between messages and the domain, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

from purser.loyalty.v1 import loyalty_pb2
from purser.loyalty.v1 import refund_service_pb2 as pb
from purser.type.v1.money_pb2 import Money
from purser_server.domain.decimals import parse_quantity, quantity_text
from purser_server.domain.refunding import RefundedLine, RefundLineItem, RefundRequest
from purser_server.domain.refunds import RefundPurchase, StoredRefund
from purser_server.rpc.checks import time_of
from purser_server.rpc.content import content_of
from purser_server.rpc.to_proto import timestamp
from purser_server.usecases.loyalty_ports import RefundFilter

Asked = pb.RefundRequest | pb.QuoteRefundRequest

_NO_CONTENT = ("player_id", "refund_transaction_id")

# -- requests ------------------------------------------------------------------------------------


def purchase_refund(request: Asked) -> RefundPurchase:
    """Return the refund that is asked for, or its quote."""
    is_quote = isinstance(request, pb.QuoteRefundRequest)
    time = time_of(request.transaction_time)
    assert time is not None, "times are checked where they come in"
    return RefundPurchase(
        "" if isinstance(request, pb.QuoteRefundRequest) else request.refund_transaction_id,
        request.player_id,
        request.reverse_transaction_id,
        time,
        RefundRequest(
            tuple(map(_line_item, request.line_items)),
            request.refund_amount.minor_units if request.HasField("refund_amount") else None,
            request.refund_shipping.minor_units,
        ),
        tuple((path, money.currency_code) for path, money in _amounts(request)),
        is_quote,
        content_of(request, without=_NO_CONTENT),
    )


def _line_item(item: loyalty_pb2.RefundLineItem) -> RefundLineItem:
    price = item.price.minor_units if item.HasField("price") else None
    return RefundLineItem(parse_quantity(item.quantity), item.product_id, item.line_id, price)


def _amounts(request: Asked) -> Iterator[tuple[str, Money]]:
    if request.HasField("refund_amount"):
        yield "refund_amount", request.refund_amount
    if request.HasField("refund_shipping"):
        yield "refund_shipping", request.refund_shipping
    for index, item in enumerate(request.line_items):
        if item.HasField("price"):
            yield f"line_items[{index}].price", item.price


def refund_filter(request: pb.ListRefundsRequest) -> RefundFilter:
    """Return which refunds are asked for."""
    return RefundFilter(request.player_id, request.reverse_transaction_id)


# -- answers -------------------------------------------------------------------------------------


def quoted_refund(of: StoredRefund) -> loyalty_pb2.Refund:
    """Return what a refund would do."""
    told = refund(of)
    for field in ("refund_id", "refund_transaction_id", "create_time"):
        told.ClearField(field)
    return told


def refund(of: StoredRefund) -> loyalty_pb2.Refund:
    """Return a refund as it was answered."""
    # Where cash was earned, there are no points to tell of; the lines count cash.
    points, base, campaign = (
        (0, 0, 0) if of.is_cash else (of.points, of.base_points, of.campaign_points)
    )
    return loyalty_pb2.Refund(
        refund_id=str(of.number),
        refund_transaction_id=of.transaction_id,
        reverse_transaction_id=of.reverse_transaction_id,
        player_id=of.player_id,
        transaction_time=timestamp(of.transaction_time),
        create_time=timestamp(of.create_time),
        refund_amount=_money(of, of.money),
        refund_equivalent_points=points,
        base_points=base,
        campaign_points=campaign,
        cashback_reversed=_money(of, of.points if of.is_cash else 0),
        cashback_owed=_money(of, of.taken.debt if of.is_cash else 0),
        points_not_attributed=of.points_not_attributed,
        taken_from=_taken_from(of),
        redeemed_points_restored=of.restored,
        redeemed_points_forfeited=of.forfeited,
        lines=map(_line, of.lines),
        order_remaining_amount=_money(of, of.remaining_amount),
        order_remaining_points=of.remaining_points,
        reward_mode=of.reward_mode,  # type: ignore[arg-type]
    )


def _taken_from(of: StoredRefund) -> loyalty_pb2.TakenFrom:
    taken = of.taken
    return loyalty_pb2.TakenFrom(
        pending=taken.pending,
        available=taken.available,
        debt=taken.debt,
        shortfall=taken.shortfall,
        expired=taken.expired,
    )


def _line(of: RefundedLine) -> loyalty_pb2.RefundLine:
    return loyalty_pb2.RefundLine(
        line_id=of.line_id,
        product_id=of.product_id,
        refunded_quantity_total=quantity_text(of.refunded_quantity_total),
        remaining_quantity=quantity_text(of.remaining_quantity),
        points=of.points,
        quantity=quantity_text(of.quantity),
        shipping=of.is_shipping,
    )


def _money(of: StoredRefund, minor_units: int) -> Money:
    return Money(currency_code=of.currency_code, minor_units=minor_units)
