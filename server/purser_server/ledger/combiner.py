"""The ledger's door: spreads requests over lanes and brings their results back in order.

A player's requests always take the same lane, so that they are decided in the order in which
they came. Lanes write to separate connections and separate stripes of the house accounts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from zlib import crc32

from purser_server.domain.commands import Rollback, Win
from purser_server.domain.decisions import Result
from purser_server.domain.errors import RefusedError, overloaded
from purser_server.ledger.batch import Group
from purser_server.ledger.lane import Lane, LaneLimits
from purser_server.ledger.ports import Request, Writer


class Ledger:
    """Executes requests at most once each, combined with whatever else is under way."""

    def __init__(
        self,
        writers: Sequence[Writer],
        limits: LaneLimits,
        observe: Callable[[int, float], None] = lambda _operations, _seconds: None,
    ) -> None:
        self._limits = limits
        self._lanes = [Lane(writer, limits, observe) for writer in writers]

    def start(self) -> None:
        """Start the writers."""
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        """Write what was accepted, then stop the writers."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes))

    @property
    def queued(self) -> int:
        """Operations that wait, over all lanes."""
        return sum(lane.queued for lane in self._lanes)

    async def execute(self, request: Request) -> Result:
        """Execute one request. Raises RefusedError (OVERLOADED) when the queue is full."""
        lane = self._lane_of(request)
        if not lane.has_room(1):
            raise RefusedError(overloaded("ledger"))
        return (await lane.submit((Group((request,)),)))[0][0]

    async def execute_each(self, requests: Sequence[Request]) -> list[Result]:
        """Execute requests independently; the results stand in their order.

        Raises RefusedError (OVERLOADED) before anything is queued.
        """
        places: dict[Lane, list[int]] = {}
        one_lane = self._lane_of(requests[0]) if _share_ids(requests) else None
        for place, request in enumerate(requests):
            places.setdefault(one_lane or self._lane_of(request), []).append(place)
        self._refuse_overload({lane: len(mine) for lane, mine in places.items()})
        waiting: list[tuple[list[int], asyncio.Future[list[list[Result]]]]] = []
        for lane, mine in places.items():
            for start in range(0, len(mine), self._limits.per_flush):
                chunk = mine[start : start + self._limits.per_flush]
                waiting.append((chunk, lane.submit([Group((requests[at],)) for at in chunk])))
        await asyncio.gather(*(done for _, done in waiting))
        results: dict[int, Result] = {}
        for chunk, done in waiting:
            for place, group_results in zip(chunk, done.result(), strict=True):
                results[place] = group_results[0]
        return [results[place] for place in range(len(requests))]

    async def execute_atomically(self, requests: Sequence[Request]) -> list[Result]:
        """Execute requests of any players so that all succeed or none.

        Raises RefusedError (OVERLOADED) before anything is queued.
        """
        lane = self._lane_of(requests[0])
        self._refuse_overload({lane: len(requests)})
        return (await lane.submit((Group(tuple(requests)),)))[0]

    def _refuse_overload(self, sizes: dict[Lane, int]) -> None:
        if not all(lane.has_room(size) for lane, size in sizes.items()):
            raise RefusedError(overloaded("ledger"))

    def _lane_of(self, request: Request) -> Lane:
        key = f"{request.operator}/{request.command.player_id}"
        return self._lanes[crc32(key.encode()) % len(self._lanes)]


def _share_ids(requests: Sequence[Request]) -> bool:
    """Tell whether requests of different players name the same transaction.

    Then the order among them matters, and only one lane keeps it.
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
