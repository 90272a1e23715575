"""Purchases and their rewards between messages and the domain, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from purser.loyalty.v1 import cashback_service_pb2 as pb
from purser.loyalty.v1 import loyalty_pb2
from purser.type.v1.money_pb2 import Money
from purser_server.domain.decimals import parse_quantity, quantity_text, rate_text
from purser_server.domain.decisions import RewardAnswer
from purser_server.domain.earning import value_of_points
from purser_server.domain.money import Currencies
from purser_server.domain.orders import Branch, LineItem, Merchant, Order
from purser_server.domain.reversals import (
    returned_quantities,
    reversed_by_line,
    reversed_points,
)
from purser_server.domain.rewards import EarnReward, StoredReward
from purser_server.rpc.checks import time_of
from purser_server.rpc.content import content_of
from purser_server.rpc.to_proto import timestamp

Ordered = pb.RewardOrderRequest | pb.QuoteOrderRequest

_NO_CONTENT = ("player_id", "transaction_id", "email", "mobile")

# -- requests ------------------------------------------------------------------------------------


def cashback(request: pb.IssueCashbackRequest, currencies: Currencies) -> EarnReward:
    """Return the reward of an amount that is asked for."""
    code = request.amount.currency_code
    return EarnReward(
        request.transaction_id,
        request.player_id,
        _time(request),
        Order(code, request.amount.minor_units),
        currencies.exponent(code),
        is_bare=True,
        return_window_days=_window(request),
        content=content_of(request, without=_NO_CONTENT),
    )


def order(request: Ordered, currencies: Currencies) -> EarnReward:
    """Return the reward of an order that is asked for, or its quote."""
    is_quote = isinstance(request, pb.QuoteOrderRequest)
    code = request.total_paid.currency_code
    bought = Order(
        code,
        request.total_paid.minor_units,
        tuple(map(_line_item, request.line_items)),
        request.total_discount.minor_units,
        request.total_shipping.minor_units,
        request.total_tax.minor_units if request.HasField("total_tax") else None,
        _merchant(request.merchant) if request.HasField("merchant") else None,
    )
    return EarnReward(
        "" if isinstance(request, pb.QuoteOrderRequest) else request.transaction_id,
        request.player_id,
        _time(request),
        bought,
        currencies.exponent(code),
        hold_id=request.hold_id,
        redemption_transaction_id=request.redemption_transaction_id,
        return_window_days=_window(request),
        is_quote=is_quote,
        content=content_of(request, without=_NO_CONTENT),
    )


def _time(request: Any) -> datetime:
    time = time_of(request.transaction_time)
    assert time is not None, "times are checked where they come in"
    return time


def _window(request: Any) -> int | None:
    return request.return_window_days if request.HasField("return_window_days") else None


def _line_item(item: loyalty_pb2.LineItem) -> LineItem:
    return LineItem(
        item.product_id,
        parse_quantity(item.quantity),
        item.price.minor_units,
        item.line_id,
        item.discount.minor_units,
        item.tax.minor_units,
        tuple(item.categories),
        tuple(item.collections),
    )


def _merchant(of: loyalty_pb2.Merchant) -> Merchant:
    branch = Branch(of.branch.unique_id, of.branch.name) if of.HasField("branch") else None
    return Merchant(of.unique_id, of.name, branch)


# -- answers -------------------------------------------------------------------------------------


def quoted_reward(answer: RewardAnswer) -> loyalty_pb2.Reward:
    """Return what a purchase would earn."""
    told = reward(answer)
    for field in ("reward_id", "transaction_id", "create_time"):
        told.ClearField(field)
    return told


def reward(answer: RewardAnswer) -> loyalty_pb2.Reward:
    """Return a reward as it is now, with the explanation of each line."""
    rewarded = answer.rewarded
    of, refunded = rewarded.reward, rewarded.refunded
    taken_back = reversed_points(of, refunded)
    expires = of.expire_time
    return loyalty_pb2.Reward(
        reward_id=str(rewarded.number),
        transaction_id=rewarded.transaction_id,
        player_id=rewarded.player_id,
        reward_amount=_money(rewarded, of.reward_amount),
        reward_equivalent_points=of.reward_equivalent_points,
        lines=_lines(rewarded),
        state=rewarded.state(answer.now),  # type: ignore[arg-type]
        available_time=timestamp(of.available_time),
        expire_time=timestamp(expires) if expires is not None else None,
        program_version=of.program_version,
        reversed_points=0 if rewarded.is_cash else taken_back,
        reversed_amount=_money(
            rewarded,
            taken_back
            if rewarded.is_cash
            else value_of_points(taken_back, of.point_value, of.exponent),
        ),
        reward_mode=of.reward_mode,  # type: ignore[arg-type]
        transaction_time=timestamp(of.transaction_time),
        create_time=timestamp(rewarded.create_time),
        refunded_amount=_money(rewarded, refunded.money),
        redemption_transaction_id=rewarded.redemption_transaction_id,
    )


def _lines(rewarded: StoredReward) -> Iterator[loyalty_pb2.RewardLine]:
    of, refunded = rewarded.reward, rewarded.refunded
    taken_back = reversed_by_line(of, refunded)
    quantities = returned_quantities(of, refunded)
    for line, returned, reversed_ in zip(of.lines, quantities, taken_back, strict=True):
        yield loyalty_pb2.RewardLine(
            line_id=line.line_id,
            product_id=line.product_id,
            net=_money(rewarded, line.net),
            rate=rate_text(line.rate),
            multiplier=rate_text(line.multiplier),
            campaign_id=line.campaign_id,
            exact_points=line.exact_points,
            points=line.points,
            refunded_quantity=quantity_text(returned),
            reversed_points=reversed_,
            quantity=quantity_text(line.quantity),
            shipping=line.is_shipping,
        )


def _money(rewarded: StoredReward, minor_units: int) -> Money:
    return Money(currency_code=rewarded.reward.currency_code, minor_units=minor_units)
