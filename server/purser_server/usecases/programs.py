"""Programs and campaigns: what an operator's players earn, and when something earns more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from purser_server.domain.errors import RefusedError
from purser_server.domain.programs import (
    WrittenCampaign,
    WrittenProgram,
    campaign_exists,
    campaign_not_found,
    no_program,
    refuse_campaign,
    refuse_program,
)
from purser_server.usecases.loyalty_ports import ProgramStore
from purser_server.usecases.pages import AskedPage


class Programs:
    """The verbs of an operator's program and of its campaigns."""

    def __init__(self, store: ProgramStore) -> None:
        self._store = store

    async def get(self, operator: int) -> WrittenProgram:
        """Return the program as it is now; version 0 when none was ever set."""
        return await self._store.current(operator) or no_program()

    async def update(self, operator: int, written: WrittenProgram) -> tuple[WrittenProgram, bool]:
        """Replace the program; True when it was the same already.

        Raises RefusedError: INVALID_FIELD.
        """
        refusal = refuse_program(written.program)
        if refusal is not None:
            raise RefusedError(refusal)
        return await self._store.update(operator, written)

    async def create_campaign(
        self, operator: int, written: WrittenCampaign
    ) -> tuple[WrittenCampaign, bool]:
        """Create a campaign; True when it was created before with this content.

        Raises RefusedError: INVALID_FIELD, CAMPAIGN_EXISTS.
        """
        refusal = refuse_campaign(written.campaign)
        if refusal is not None:
            raise RefusedError(refusal)
        first, now, created = await self._store.create_campaign(operator, written)
        if first.content != written.campaign.content:
            raise RefusedError(campaign_exists(first.campaign_id))
        return now, not created

    async def campaign(self, operator: int, campaign_id: str) -> WrittenCampaign:
        """Return a campaign as it is now. Raises RefusedError: CAMPAIGN_NOT_FOUND."""
        found = await self._store.campaign(operator, campaign_id)
        if found is None:
            raise RefusedError(campaign_not_found(campaign_id))
        return found

    async def campaigns(
        self, operator: int, active_time: datetime | None, page_size: int, token: str
    ) -> tuple[Sequence[WrittenCampaign], str]:
        """Return a page of campaigns, oldest first, and the next page's token.

        With `active_time` only those whose window holds it.
        """
        asked = AskedPage(("campaigns", operator, active_time), page_size, token, int)
        page, more = await self._store.campaigns(
            operator, active_time, asked.position or 0, asked.limit
        )
        following = asked.next_token(page[-1][0]) if more else ""
        return [campaign for _, campaign in page], following

    async def end_campaign(self, operator: int, campaign_id: str) -> tuple[WrittenCampaign, bool]:
        """End a campaign now; True when it was over already.

        Raises RefusedError: CAMPAIGN_NOT_FOUND.
        """
        found = await self._store.end_campaign(operator, campaign_id)
        if found is None:
            raise RefusedError(campaign_not_found(campaign_id))
        return found
