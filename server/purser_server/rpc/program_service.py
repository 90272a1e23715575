"""ProgramService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.loyalty.v1 import program_service_pb2 as pb
from purser.loyalty.v1.program_service_pb2_grpc import ProgramServiceServicer
from purser_server.rpc import program_proto
from purser_server.rpc.calls import caller
from purser_server.rpc.checks import time_of
from purser_server.usecases.programs import Programs

Context = ServicerContext[Any, Any]


class ProgramServicer(ProgramServiceServicer):
    """Serves purser.loyalty.v1.ProgramService; the operator is the caller's own."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    async def GetProgram(
        self, request: pb.GetProgramRequest, context: Context
    ) -> pb.GetProgramResponse:
        """Return the program."""
        written = await self._programs.get(caller().operator)
        return pb.GetProgramResponse(program=program_proto.program(written))

    async def UpdateProgram(
        self, request: pb.UpdateProgramRequest, context: Context
    ) -> pb.UpdateProgramResponse:
        """Replace the program."""
        written, replayed = await self._programs.update(
            caller().operator, program_proto.written_program(request.program)
        )
        return pb.UpdateProgramResponse(program=program_proto.program(written), replayed=replayed)

    async def CreateCampaign(
        self, request: pb.CreateCampaignRequest, context: Context
    ) -> pb.CreateCampaignResponse:
        """Create a campaign."""
        written, replayed = await self._programs.create_campaign(
            caller().operator, program_proto.written_campaign(request.campaign)
        )
        return pb.CreateCampaignResponse(
            campaign=program_proto.campaign(written), replayed=replayed
        )

    async def GetCampaign(
        self, request: pb.GetCampaignRequest, context: Context
    ) -> pb.GetCampaignResponse:
        """Return a campaign."""
        written = await self._programs.campaign(caller().operator, request.campaign_id)
        return pb.GetCampaignResponse(campaign=program_proto.campaign(written))

    async def ListCampaigns(
        self, request: pb.ListCampaignsRequest, context: Context
    ) -> pb.ListCampaignsResponse:
        """Return a page of campaigns, oldest first."""
        active_time = time_of(request.active_time) if request.HasField("active_time") else None
        page, token = await self._programs.campaigns(
            caller().operator, active_time, request.page_size, request.page_token
        )
        return pb.ListCampaignsResponse(
            campaigns=map(program_proto.campaign, page), next_page_token=token
        )

    async def EndCampaign(
        self, request: pb.EndCampaignRequest, context: Context
    ) -> pb.EndCampaignResponse:
        """End a campaign."""
        written, replayed = await self._programs.end_campaign(
            caller().operator, request.campaign_id
        )
        return pb.EndCampaignResponse(campaign=program_proto.campaign(written), replayed=replayed)
