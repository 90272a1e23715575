"""Points: what a player has, sets aside, spends, gets back, is given or loses by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from purser_server.domain.decisions import Answer, HoldAnswer
from purser_server.domain.errors import RefusedError, accepted
from purser_server.domain.players import player_not_found
from purser_server.domain.points import Hold, Points, catch_up
from purser_server.domain.points_commands import (
    PointsCommand,
    PostDue,
    ReleaseHold,
    hold_not_found,
)
from purser_server.domain.programs import Program, program_at
from purser_server.domain.transactions import Transaction, transaction_not_found
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.loyalty_ports import (
    PlayerPoints,
    PointsFilter,
    PointsStore,
    ProgramStore,
    Redeemed,
)
from purser_server.usecases.pages import AskedPage

DUE_AT_ONCE = 500
"""For so many players what is due is posted at a time."""

MOST_STUCK = 10_000
"""After so many players for whom nothing can be done yet the rest waits for another turn."""


@dataclass(frozen=True, slots=True)
class PointsHeld:
    """A player's points as of `now`, and the program that says what they are worth."""

    points: Points
    now: datetime
    program: Program | None
    earned_by: Mapping[int, str]
    cashback_owed: Mapping[str, int]


class PointsUse:
    """The verbs of points."""

    def __init__(self, ledger: Ledger, store: PointsStore, programs: ProgramStore) -> None:
        self._ledger = ledger
        self._store = store
        self._programs = programs

    async def balance(self, operator: int, player_id: str) -> PointsHeld:
        """Return a player's points now. Raises RefusedError: PLAYER_NOT_FOUND."""
        stored, points = await self._caught_up(operator, player_id)
        program = program_at(await self._programs.versions(operator), stored.now)
        return PointsHeld(points, stored.now, program, stored.earned_by, stored.cashback_owed)

    async def _caught_up(self, operator: int, player_id: str) -> tuple[PlayerPoints, Points]:
        """Return what is stored of a player, and the points once all that is due is posted."""
        stored = await self._store.points(operator, player_id)
        if stored is None:
            raise RefusedError(player_not_found(player_id))
        caught_up = catch_up(stored.points, stored.now)
        if caught_up.expired or caught_up.lapsed:
            await self._execute(operator, PostDue(player_id))
        return stored, caught_up.points

    async def history(
        self, operator: int, only: PointsFilter, page_size: int, token: str
    ) -> tuple[Sequence[Transaction], str]:
        """Return a page of what changed a player's points, newest first.

        Raises RefusedError: PLAYER_NOT_FOUND.
        """
        asked = AskedPage(("points", operator, only), page_size, token, int)
        await self._caught_up(operator, only.player_id)
        found = await self._store.history(operator, only, asked.position, asked.limit + 1)
        return asked.cut(found, lambda transaction: transaction.number)

    async def hold(self, operator: int, command: PointsCommand) -> HoldAnswer:
        """Make a hold. Raises RefusedError with the command's own refusal."""
        answer = await self._execute(operator, command)
        assert isinstance(answer, HoldAnswer), "holds are answered with holds"
        return answer

    async def get_hold(self, operator: int, hold_id: str) -> tuple[str, Hold]:
        """Return a hold as it is now, with its player. Raises RefusedError: HOLD_NOT_FOUND."""
        found = await self._store.hold(operator, hold_id)
        if found is None:
            raise RefusedError(hold_not_found(hold_id))
        player_id, _ = found
        # A hold that has lapsed is told so, whether or not anybody has looked since.
        await self._caught_up(operator, player_id)
        return await self._store.hold(operator, hold_id) or found

    async def release(self, operator: int, hold_id: str) -> tuple[str, HoldAnswer]:
        """Release a hold. Raises RefusedError: HOLD_NOT_FOUND, HOLD_NOT_ACTIVE."""
        player_id, _ = await self.get_hold(operator, hold_id)
        return player_id, await self.hold(operator, ReleaseHold(hold_id, player_id))

    async def move(self, operator: int, command: PointsCommand) -> Answer:
        """Redeem, refund or adjust. Raises RefusedError with the command's own refusal."""
        answer = await self._execute(operator, command)
        assert isinstance(answer, Answer), "movements are answered with transactions"
        return answer

    async def redemption(self, operator: int, transaction_id: str) -> Redeemed:
        """Return a redemption as it is now. Raises RefusedError: TRANSACTION_NOT_FOUND."""
        found = await self._store.redemption(operator, transaction_id)
        if found is None:
            raise RefusedError(transaction_not_found(transaction_id))
        return found

    async def post_due(self) -> None:
        """Post what has expired or lapsed, and pay cashback, for so many players at a time.

        Any process may do it.
        """
        stuck: set[tuple[int, str]] = set()
        tried: set[tuple[int, str]] = set()
        while len(stuck) < MOST_STUCK:
            due = set(await self._store.due(DUE_AT_ONCE + len(stuck))) - stuck
            if not due:
                return
            # What cannot be done yet, such as paying what no wallet can hold, is found again; it
            # must not keep others from what is theirs.
            stuck |= due & tried
            tried = due - stuck
            requests = [Request(operator, PostDue(player_id)) for operator, player_id in tried]
            await self._ledger.execute_each(requests)

    async def _execute(self, operator: int, command: PointsCommand) -> Answer | HoldAnswer:
        result = accepted(await self._ledger.execute_points(Request(operator, command)))
        assert isinstance(result, Answer | HoldAnswer), "all else is asked for elsewhere"
        return result
