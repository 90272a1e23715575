"""RefundService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.loyalty.v1 import refund_service_pb2 as pb
from purser.loyalty.v1.refund_service_pb2_grpc import RefundServiceServicer
from purser_server.rpc import refund_proto
from purser_server.rpc.calls import caller
from purser_server.usecases.refunds import Refunds

Context = ServicerContext[Any, Any]


class RefundServicer(RefundServiceServicer):
    """Serves purser.loyalty.v1.RefundService; the operator is the caller's own."""

    def __init__(self, refunds: Refunds) -> None:
        self._refunds = refunds

    async def Refund(self, request: pb.RefundRequest, context: Context) -> pb.RefundResponse:
        """Reverse an order or a cashback."""
        command = refund_proto.purchase_refund(request)
        answer = await self._refunds.refund(caller().operator, command)
        refund = refund_proto.refund(answer.refund)
        return pb.RefundResponse(refund=refund, replayed=answer.replayed)

    async def QuoteRefund(
        self, request: pb.QuoteRefundRequest, context: Context
    ) -> pb.QuoteRefundResponse:
        """Tell what a refund would do."""
        command = refund_proto.purchase_refund(request)
        answer = await self._refunds.refund(caller().operator, command)
        return pb.QuoteRefundResponse(refund=refund_proto.quoted_refund(answer.refund))

    async def GetRefund(
        self, request: pb.GetRefundRequest, context: Context
    ) -> pb.GetRefundResponse:
        """Return a refund as it was answered."""
        found = await self._refunds.stored(caller().operator, request.refund_transaction_id)
        return pb.GetRefundResponse(refund=refund_proto.refund(found))

    async def ListRefunds(
        self, request: pb.ListRefundsRequest, context: Context
    ) -> pb.ListRefundsResponse:
        """Return a page of refunds, newest first."""
        only = refund_proto.refund_filter(request)
        page, token = await self._refunds.page(
            caller().operator, only, request.page_size, request.page_token
        )
        return pb.ListRefundsResponse(refunds=map(refund_proto.refund, page), next_page_token=token)
