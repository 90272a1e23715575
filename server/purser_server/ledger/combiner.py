"""The ledger's door: queues requests for the lanes, and brings their results back in order.

A player's requests are decided in the order in which they came. Lanes write to separate
connections and separate stripes of the house accounts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from purser_server.domain.commands import Rollback, Win
from purser_server.domain.decisions import PointsResult, PrizeResult, Result
from purser_server.domain.errors import RefusedError, overloaded
from purser_server.domain.intents import Settle
from purser_server.ledger.batch import Group
from purser_server.ledger.lane import Lane, LaneLimits
from purser_server.ledger.ports import Request, Writer
from purser_server.ledger.queue import Queue


class Ledger:
    """Executes requests at most once each, combined with whatever else is under way."""

    def __init__(
        self,
        writers: Sequence[Writer],
        limits: LaneLimits,
        observe: Callable[[int, float], None] = lambda _operations, _seconds: None,
    ) -> None:
        self._queue = Queue(limits.queued, limits.per_flush)
        self._lanes = [Lane(writer, self._queue, limits, observe) for writer in writers]

    def start(self) -> None:
        """Start the writers."""
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        """Write what was accepted, then stop the writers."""
        self._queue.stop()
        await asyncio.gather(*(lane.join() for lane in self._lanes))

    @property
    def queued(self) -> int:
        """Operations that wait."""
        return self._queue.size

    async def execute(self, request: Request) -> Result:
        """Execute one request.

        Raises RefusedError (OVERLOADED) when the queue is full; never for the outcome of an intent,
        for that was begun, and is bounded where it was.
        """
        if not isinstance(request.command, Settle):
            self._require_room(1)
        return (await self._queue.put((Group((request,)),)).done)[0][0]

    async def execute_points(self, request: Request) -> PointsResult:
        """Execute one request that concerns points. Raises RefusedError (OVERLOADED)."""
        result: PointsResult = await self.execute(request)
        return result

    async def execute_prize(self, request: Request) -> PrizeResult:
        """Execute one request that concerns a prize. Raises RefusedError (OVERLOADED)."""
        result: PrizeResult = await self.execute(request)
        return result

    async def execute_each(self, requests: Sequence[Request]) -> list[Result]:
        """Execute requests independently; the results stand in their order.

        Raises RefusedError (OVERLOADED) before anything is queued.
        """
        if not requests:
            return []
        self._require_room(len(requests))
        groups = [Group((request,)) for request in requests]
        results = await self._queue.put(groups, together=_share_ids(requests)).done
        return [result[0] for result in results]

    async def execute_atomically(self, requests: Sequence[Request]) -> list[Result]:
        """Execute requests of any players so that all succeed or none.

        Raises RefusedError (OVERLOADED) before anything is queued.
        """
        self._require_room(len(requests))
        group = Group(tuple(requests), is_atomic=True)
        return (await self._queue.put((group,)).done)[0]

    def _require_room(self, size: int) -> None:
        if not self._queue.has_room(size):
            raise RefusedError(overloaded("ledger"))


def _share_ids(requests: Sequence[Request]) -> bool:
    """Tell whether requests of different players name the same transaction.

    Then the order among them matters, and only within one flush is it kept.
    """
    players: dict[str, str] = {}
    for request in requests:
        command = request.command
        named = [command.transaction_id]
        if isinstance(command, Rollback):
            named.append(command.original_transaction_id)
        elif isinstance(command, Win) and command.bet_transaction_id:
            named.append(command.bet_transaction_id)
        for transaction_id in named:
            if players.setdefault(transaction_id, command.player_id) != command.player_id:
                return True
    return False
