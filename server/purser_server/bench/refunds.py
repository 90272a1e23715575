"""The load of refunds: orders at double points, whose lines come back one unit at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter, time_ns
from typing import Any

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from purser.admin.v1.operator_pb2 import API_KEY_ROLE_LOYALTY
from purser.admin.v1.operator_service_pb2 import CreateApiKeyRequest
from purser.loyalty.v1.cashback_service_pb2 import RewardOrderRequest
from purser.loyalty.v1.cashback_service_pb2_grpc import CashbackServiceStub
from purser.loyalty.v1.loyalty_pb2 import Campaign, LineItem, Program, RefundLineItem
from purser.loyalty.v1.program_service_pb2 import CreateCampaignRequest, UpdateProgramRequest
from purser.loyalty.v1.program_service_pb2_grpc import ProgramServiceStub
from purser.loyalty.v1.refund_service_pb2 import RefundRequest
from purser.loyalty.v1.refund_service_pb2_grpc import RefundServiceStub
from purser.type.v1.money_pb2 import Money
from purser_server.bench.casino import Casino, LedgerError, new_id
from purser_server.bench.window import Window

UNITS = 20
"""So many refunds come of one order, which is not counted itself."""

_PRICE_MINOR = 1_000
_POINTS = 2 * _PRICE_MINOR // 100
_UNIT = [RefundLineItem(product_id="mat", quantity="1")]


@dataclass(frozen=True, slots=True)
class _Shop:
    """What the calls of a shop need: its stubs, and its key."""

    cashback: Any
    refunds: Any
    metadata: tuple[tuple[str, str], ...]


async def refund(casino: Casino, window: Window, pick: Any, in_flight: int) -> None:
    """Refund one unit after the other of orders that are made for it."""

    async def play(shop: _Shop) -> None:
        while not window.over:
            player, order = pick(), new_id()
            await shop.cashback.RewardOrder(_order(player, order), metadata=shop.metadata)
            for number in range(UNITS):
                if window.over:
                    return
                request = _refund(player, order, number)
                sent = perf_counter()
                answer = await shop.refunds.Refund(request, metadata=shop.metadata)
                if answer.refund.refund_equivalent_points != _POINTS:
                    raise LedgerError(f"a refund took other than {_POINTS} points:\n{answer}")
                window.answered([request.refund_transaction_id], sent)

    async with _shop_of(casino) as shop:
        await asyncio.gather(*(play(shop) for _ in range(in_flight)))


@asynccontextmanager
async def _shop_of(casino: Casino) -> AsyncIterator[_Shop]:
    """Give the casino a program with double points, and a key for it."""
    made = await casino.operators.CreateApiKey(
        CreateApiKeyRequest(operator_id=casino.operator_id, roles=[API_KEY_ROLE_LOYALTY]),
        metadata=casino.admin,
    )
    metadata = (("authorization", f"Bearer {made.api_key}"),)
    options = (("grpc.enable_http_proxy", 0),)
    async with grpc.aio.insecure_channel(casino.address, options=options) as opened:
        channel: Any = opened
        programs: Any = ProgramServiceStub(channel)
        await programs.UpdateProgram(
            UpdateProgramRequest(program=Program(currency_code="EUR")), metadata=metadata
        )
        await programs.CreateCampaign(
            CreateCampaignRequest(campaign=Campaign(campaign_id="double", multiplier="2")),
            metadata=metadata,
        )
        yield _Shop(CashbackServiceStub(channel), RefundServiceStub(channel), metadata)


def _order(player: str, transaction_id: str) -> RewardOrderRequest:
    price = Money(currency_code="EUR", minor_units=_PRICE_MINOR)
    paid = Money(currency_code="EUR", minor_units=UNITS * _PRICE_MINOR)
    return RewardOrderRequest(
        transaction_id=transaction_id,
        player_id=player,
        transaction_time=_now(),
        total_paid=paid,
        line_items=[LineItem(product_id="mat", quantity=str(UNITS), price=price)],
    )


def _refund(player: str, order: str, number: int) -> RefundRequest:
    return RefundRequest(
        player_id=player,
        refund_transaction_id=f"{order}-{number}",
        reverse_transaction_id=order,
        transaction_time=_now(),
        line_items=_UNIT,
    )


def _now() -> Timestamp:
    now = Timestamp()
    now.FromNanoseconds(time_ns())
    return now
