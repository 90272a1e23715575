"""LedgerService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.admin.v1 import ledger_service_pb2 as pb
from purser.admin.v1.ledger_service_pb2_grpc import LedgerServiceServicer
from purser_server.domain.cases import CaseDecision
from purser_server.rpc import from_proto, to_proto
from purser_server.usecases.cases import Cases
from purser_server.usecases.game_results import GameResults
from purser_server.usecases.verification import LedgerVerification

Context = ServicerContext[Any, Any]


class LedgerServicer(LedgerServiceServicer):
    """Serves purser.admin.v1.LedgerService, for the installation's admin key."""

    def __init__(
        self, verification: LedgerVerification, game_results: GameResults, cases: Cases
    ) -> None:
        self._verification = verification
        self._game_results = game_results
        self._cases = cases

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

    async def GetGameResult(
        self, request: pb.GetGameResultRequest, context: Context
    ) -> pb.GetGameResultResponse:
        """Return what an operator's games made."""
        start, end = from_proto.period(request)
        found = await self._game_results.of(request.operator_id, start, end)
        return pb.GetGameResultResponse(game_results=map(to_proto.game_result, found))

    async def ListOpenCases(
        self, request: pb.ListOpenCasesRequest, context: Context
    ) -> pb.ListOpenCasesResponse:
        """Return a page of open cases, oldest movement first."""
        page, token = await self._cases.list_open(
            request.operator_id, request.page_size, request.page_token
        )
        return pb.ListOpenCasesResponse(open_cases=map(to_proto.case, page), next_page_token=token)

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.GetCaseResponse:
        """Return a case, open or ended."""
        found = await self._cases.get(request.case_id)
        return pb.GetCaseResponse(open_case=to_proto.case(found))

    async def ResolveCase(
        self, request: pb.ResolveCaseRequest, context: Context
    ) -> pb.ResolveCaseResponse:
        """End a case as a person decided."""
        decision = CaseDecision(request.decision)
        case, replayed = await self._cases.resolve(request.case_id, decision, request.note)
        return pb.ResolveCaseResponse(open_case=to_proto.case(case), replayed=replayed)
