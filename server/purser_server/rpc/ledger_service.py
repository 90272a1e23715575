"""LedgerService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.admin.v1 import ledger_service_pb2 as pb
from purser.admin.v1.ledger_service_pb2_grpc import LedgerServiceServicer
from purser_server.rpc import to_proto
from purser_server.usecases.verification import LedgerVerification

Context = ServicerContext[Any, Any]


class LedgerServicer(LedgerServiceServicer):
    """Serves purser.admin.v1.LedgerService, for the installation's admin key."""

    def __init__(self, verification: LedgerVerification) -> None:
        self._verification = verification

    async def VerifyLedger(
        self, request: pb.VerifyLedgerRequest, context: Context
    ) -> pb.VerifyLedgerResponse:
        """Check the ledger of one operator, or of all."""
        result = await self._verification.verify(request.operator_id)
        return pb.VerifyLedgerResponse(
            consistent=result.consistent,
            findings=map(to_proto.finding, result.findings),
            counts=pb.VerificationCounts(**result.counts),
            verify_time=to_proto.timestamp(result.verify_time),
            findings_truncated=result.truncated,
        )
