"""The load of refunds: orders at double points, whose lines come back one unit at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from purser.loyalty.v1.cashback_service_pb2 import RewardOrderRequest
from purser.loyalty.v1.loyalty_pb2 import LineItem, RefundLineItem
from purser.loyalty.v1.refund_service_pb2 import RefundRequest
from purser.type.v1.money_pb2 import Money
from purser_server.bench.casino import Casino, LedgerError, new_id
from purser_server.bench.shop import Shop, now
from purser_server.bench.window import Window

UNITS = 20
"""So many refunds come of one order, which is not counted itself."""

_PRICE_MINOR = 1_000
_POINTS = 2 * _PRICE_MINOR // 100
_UNIT = [RefundLineItem(product_id="mat", quantity="1")]


async def refund(casino: Casino, window: Window, pick: Callable[[], str], in_flight: int) -> None:
    """Refund one unit after the other of orders that are made for it."""
    shop = Shop(casino)
    await shop.open()
    refunded: set[str] = set()

    async def play() -> None:
        while not window.over:
            player, order = pick(), new_id()
            refunded.add(player)
            await _buy(shop, player, order)
            for number in range(UNITS):
                if window.over:
                    return
                request = _refund(player, order, number)
                sent = perf_counter()
                answer = await shop.refunds.Refund(request, metadata=casino.metadata)
                if answer.refund.refund_equivalent_points != _POINTS:
                    raise LedgerError(f"a refund took other than {_POINTS} points:\n{answer}")
                window.answered([request.refund_transaction_id], sent)
                casino.points[player] -= _POINTS

    await asyncio.gather(*(play() for _ in range(in_flight)))
    await shop.verify(refunded)


async def _buy(shop: Shop, player: str, transaction_id: str) -> None:
    price = Money(currency_code="EUR", minor_units=_PRICE_MINOR)
    paid = Money(currency_code="EUR", minor_units=UNITS * _PRICE_MINOR)
    request = RewardOrderRequest(
        transaction_id=transaction_id,
        player_id=player,
        transaction_time=now(),
        total_paid=paid,
        line_items=[LineItem(product_id="mat", quantity=str(UNITS), price=price)],
    )
    answer = await shop.cashback.RewardOrder(request, metadata=shop.casino.metadata)
    shop.casino.points[player] += answer.reward.reward_equivalent_points


def _refund(player: str, order: str, number: int) -> RefundRequest:
    return RefundRequest(
        player_id=player,
        refund_transaction_id=f"{order}-{number}",
        reverse_transaction_id=order,
        transaction_time=now(),
        line_items=_UNIT,
    )
