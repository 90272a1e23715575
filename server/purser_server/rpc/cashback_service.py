"""CashbackService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.loyalty.v1 import cashback_service_pb2 as pb
from purser.loyalty.v1.cashback_service_pb2_grpc import CashbackServiceServicer
from purser_server.rpc import cashback_proto
from purser_server.rpc.calls import caller
from purser_server.usecases.cashback import Cashback

Context = ServicerContext[Any, Any]


class CashbackServicer(CashbackServiceServicer):
    """Serves purser.loyalty.v1.CashbackService; the operator is the caller's own."""

    def __init__(self, cashback: Cashback) -> None:
        self._cashback = cashback

    async def IssueCashback(
        self, request: pb.IssueCashbackRequest, context: Context
    ) -> pb.IssueCashbackResponse:
        """Reward an amount."""
        command = cashback_proto.cashback(request, caller().currencies)
        answer = await self._cashback.earn(caller().operator, command)
        reward = cashback_proto.reward(answer)
        return pb.IssueCashbackResponse(reward=reward, replayed=answer.replayed)

    async def RewardOrder(
        self, request: pb.RewardOrderRequest, context: Context
    ) -> pb.RewardOrderResponse:
        """Reward an order by its lines."""
        command = cashback_proto.order(request, caller().currencies)
        answer = await self._cashback.earn(caller().operator, command)
        reward = cashback_proto.reward(answer)
        return pb.RewardOrderResponse(reward=reward, replayed=answer.replayed)

    async def QuoteOrder(
        self, request: pb.QuoteOrderRequest, context: Context
    ) -> pb.QuoteOrderResponse:
        """Tell what an order would earn."""
        command = cashback_proto.order(request, caller().currencies)
        answer = await self._cashback.earn(caller().operator, command)
        return pb.QuoteOrderResponse(reward=cashback_proto.quoted_reward(answer))

    async def GetReward(
        self, request: pb.GetRewardRequest, context: Context
    ) -> pb.GetRewardResponse:
        """Return a reward as it is now."""
        answer = await self._cashback.reward(caller().operator, request.transaction_id)
        return pb.GetRewardResponse(reward=cashback_proto.reward(answer))
