"""PrizeCashbackService: convert, call, convert."""

from __future__ import annotations

from itertools import starmap
from typing import Any

from grpc.aio import ServicerContext

from purser.loyalty.v1 import prize_cashback_service_pb2 as pb
from purser.loyalty.v1.prize_cashback_service_pb2_grpc import PrizeCashbackServiceServicer
from purser_server.domain.prizes import ReturnPrize, ShipPrize
from purser_server.rpc import prize_proto
from purser_server.rpc.calls import caller
from purser_server.usecases.prizes import Prizes

Context = ServicerContext[Any, Any]


class PrizeCashbackServicer(PrizeCashbackServiceServicer):
    """Serves purser.loyalty.v1.PrizeCashbackService; the operator is the caller's own."""

    def __init__(self, prizes: Prizes) -> None:
        self._prizes = prizes

    async def GrantPrize(
        self, request: pb.GrantPrizeRequest, context: Context
    ) -> pb.GrantPrizeResponse:
        """Give a player a prize."""
        answer = await self._prizes.change(caller().operator, prize_proto.grant_prize(request))
        prize = prize_proto.prize(answer.prize, answer.now)
        return pb.GrantPrizeResponse(prize=prize, replayed=answer.replayed)

    async def GetPrize(self, request: pb.GetPrizeRequest, context: Context) -> pb.GetPrizeResponse:
        """Return a prize."""
        prize, now = await self._prizes.prize(caller().operator, request.prize_id)
        return pb.GetPrizeResponse(prize=prize_proto.prize(prize, now))

    async def ListPrizes(
        self, request: pb.ListPrizesRequest, context: Context
    ) -> pb.ListPrizesResponse:
        """Return a page of prizes, newest first."""
        only = prize_proto.prize_filter(request)
        page, token = await self._prizes.prizes(
            caller().operator, only, request.page_size, request.page_token
        )
        prizes = starmap(prize_proto.prize, page)
        return pb.ListPrizesResponse(prizes=prizes, next_page_token=token)

    async def OrderPrizeShipment(
        self, request: pb.OrderPrizeShipmentRequest, context: Context
    ) -> pb.OrderPrizeShipmentResponse:
        """Order the shipment of a prize."""
        command = ShipPrize(request.prize_id, request.player_id)
        answer = await self._prizes.change(caller().operator, command)
        prize = prize_proto.prize(answer.prize, answer.now)
        return pb.OrderPrizeShipmentResponse(prize=prize, replayed=answer.replayed)

    async def RequestPrizeCashback(
        self, request: pb.RequestPrizeCashbackRequest, context: Context
    ) -> pb.RequestPrizeCashbackResponse:
        """Return a prize for money."""
        asked = ReturnPrize(request.transaction_id, request.player_id, request.prize_id)
        told = await self._prizes.request_cashback(caller().operator, asked)
        return pb.RequestPrizeCashbackResponse(
            prize_cashback=prize_proto.prize_cashback(told), replayed=told.replayed
        )

    async def GetPrizeCashback(
        self, request: pb.GetPrizeCashbackRequest, context: Context
    ) -> pb.GetPrizeCashbackResponse:
        """Return what came of a request to return a prize."""
        told = await self._prizes.cashback(caller().operator, request.transaction_id)
        return pb.GetPrizeCashbackResponse(prize_cashback=prize_proto.prize_cashback(told))

    async def ListPrizeCashbacks(
        self, request: pb.ListPrizeCashbacksRequest, context: Context
    ) -> pb.ListPrizeCashbacksResponse:
        """Return a page of requests to return prizes, newest first."""
        only = prize_proto.cashback_filter(request)
        page, token = await self._prizes.cashbacks(
            caller().operator, only, request.page_size, request.page_token
        )
        return pb.ListPrizeCashbacksResponse(
            prize_cashbacks=map(prize_proto.prize_cashback, page), next_page_token=token
        )
