"""Prizes between messages and the domain, in both directions."""

from __future__ import annotations

from datetime import datetime

from purser.loyalty.v1 import loyalty_pb2
from purser.loyalty.v1 import prize_cashback_service_pb2 as pb
from purser.type.v1.money_pb2 import Money
from purser_server.domain.points import NEVER
from purser_server.domain.prize_cashbacks import PrizeCashbackState
from purser_server.domain.prizes import GrantPrize, Prize, PrizeState
from purser_server.rpc import to_proto
from purser_server.rpc.checks import time_of
from purser_server.rpc.status import error_of
from purser_server.usecases.loyalty_ports import PrizeCashbackFilter, PrizeFilter
from purser_server.usecases.prizes import Told


def grant_prize(request: pb.GrantPrizeRequest) -> GrantPrize:
    """Return the grant that is asked for."""
    expires = time_of(request.expire_time) if request.HasField("expire_time") else None
    return GrantPrize(
        request.prize_id,
        request.player_id,
        request.name,
        request.cash_value.currency_code,
        request.cash_value.minor_units,
        expires or NEVER,
    )


def prize_filter(request: pb.ListPrizesRequest) -> PrizeFilter:
    """Return which prizes are asked for."""
    return PrizeFilter(request.player_id, tuple(PrizeState(state) for state in request.states))


def cashback_filter(request: pb.ListPrizeCashbacksRequest) -> PrizeCashbackFilter:
    """Tell which requests to return prizes are asked for."""
    states = tuple(PrizeCashbackState(state) for state in request.states)
    return PrizeCashbackFilter(request.player_id, request.prize_id, states)


def prize(of: Prize, now: datetime) -> loyalty_pb2.Prize:
    """Return a prize as of a time."""
    return loyalty_pb2.Prize(
        prize_id=of.prize_id,
        player_id=of.player_id,
        name=of.name,
        cash_value=Money(currency_code=of.currency_code, minor_units=of.cash_value),
        state=of.state_at(now),  # type: ignore[arg-type]
        expire_time=to_proto.timestamp(of.expire_time) if of.expire_time != NEVER else None,
        create_time=to_proto.timestamp(of.create_time),
        cashback_transaction_id=of.return_id,
    )


def prize_cashback(told: Told) -> loyalty_pb2.PrizeCashback:
    """Return what became of a request to return a prize."""
    of = told.cashback
    refusal = of.refusal
    return loyalty_pb2.PrizeCashback(
        transaction_id=of.transaction.transaction_id,
        prize_id=of.transaction.prize_id,
        state=of.state,  # type: ignore[arg-type]
        player_message=told.player_message,
        refusal=error_of(refusal) if refusal is not None else None,
        transaction=to_proto.transaction(of.transaction),
    )
