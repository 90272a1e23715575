"""PointsService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.loyalty.v1 import points_service_pb2 as pb
from purser.loyalty.v1.points_service_pb2_grpc import PointsServiceServicer
from purser_server.rpc import points_proto
from purser_server.rpc.calls import caller
from purser_server.usecases.points import PointsUse

Context = ServicerContext[Any, Any]


class PointsServicer(PointsServiceServicer):
    """Serves purser.loyalty.v1.PointsService; the operator is the caller's own."""

    def __init__(self, points: PointsUse) -> None:
        self._points = points

    async def GetPointsBalance(
        self, request: pb.GetPointsBalanceRequest, context: Context
    ) -> pb.GetPointsBalanceResponse:
        """Return a player's points."""
        held = await self._points.balance(caller().operator, request.player_id)
        balance = points_proto.points_balance(held, caller().currencies)
        return pb.GetPointsBalanceResponse(points_balance=balance)

    async def ListPointsTransactions(
        self, request: pb.ListPointsTransactionsRequest, context: Context
    ) -> pb.ListPointsTransactionsResponse:
        """Return a page of what changed a player's points, newest first."""
        only = points_proto.points_filter(request)
        page, token = await self._points.history(
            caller().operator, only, request.page_size, request.page_token
        )
        return pb.ListPointsTransactionsResponse(
            points_transactions=map(points_proto.points_transaction, page), next_page_token=token
        )

    async def HoldPoints(
        self, request: pb.HoldPointsRequest, context: Context
    ) -> pb.HoldPointsResponse:
        """Set points aside."""
        command = points_proto.hold_points(request, caller().currencies)
        answer = await self._points.hold(caller().operator, command)
        hold = points_proto.hold(request.player_id, answer.hold)
        return pb.HoldPointsResponse(hold=hold, replayed=answer.replayed)

    async def GetHold(self, request: pb.GetHoldRequest, context: Context) -> pb.GetHoldResponse:
        """Return a hold."""
        player_id, found = await self._points.get_hold(caller().operator, request.hold_id)
        return pb.GetHoldResponse(hold=points_proto.hold(player_id, found))

    async def ReleaseHold(
        self, request: pb.ReleaseHoldRequest, context: Context
    ) -> pb.ReleaseHoldResponse:
        """Give back what a hold sets aside."""
        player_id, answer = await self._points.release(caller().operator, request.hold_id)
        hold = points_proto.hold(player_id, answer.hold)
        return pb.ReleaseHoldResponse(hold=hold, replayed=answer.replayed)

    async def RedeemPoints(
        self, request: pb.RedeemPointsRequest, context: Context
    ) -> pb.RedeemPointsResponse:
        """Spend points."""
        operator = caller().operator
        command = points_proto.redeem_points(request, caller().currencies)
        answer = await self._points.move(operator, command)
        redeemed = await self._points.redemption(operator, request.transaction_id)
        return pb.RedeemPointsResponse(
            redemption=points_proto.redemption(redeemed), replayed=answer.replayed
        )

    async def GetRedemption(
        self, request: pb.GetRedemptionRequest, context: Context
    ) -> pb.GetRedemptionResponse:
        """Return a redemption."""
        redeemed = await self._points.redemption(caller().operator, request.transaction_id)
        return pb.GetRedemptionResponse(redemption=points_proto.redemption(redeemed))

    async def RefundRedemption(
        self, request: pb.RefundRedemptionRequest, context: Context
    ) -> pb.RefundRedemptionResponse:
        """Give redeemed points back."""
        operator = caller().operator
        answer = await self._points.move(operator, points_proto.refund_redemption(request))
        redeemed = await self._points.redemption(operator, request.redemption_transaction_id)
        return pb.RefundRedemptionResponse(
            redemption=points_proto.redemption(redeemed),
            restored=answer.transaction.change,
            forfeited=points_proto.forfeited(answer.transaction),
            replayed=answer.replayed,
        )

    async def AdjustPoints(
        self, request: pb.AdjustPointsRequest, context: Context
    ) -> pb.AdjustPointsResponse:
        """Give or take points by hand."""
        answer = await self._points.move(caller().operator, points_proto.adjust_points(request))
        return pb.AdjustPointsResponse(
            points_transaction=points_proto.points_transaction(answer.transaction),
            replayed=answer.replayed,
        )
