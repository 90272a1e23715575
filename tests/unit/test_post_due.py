"""What is due is posted for all players, whoever cannot be helped yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from purser_server.ledger.ports import Request
from purser_server.usecases import points
from purser_server.usecases.points import DUE_AT_ONCE, PointsUse


class Players:
    """A store of what is due, and a ledger that cannot do it for some players."""

    def __init__(self, due: int, stuck: int) -> None:
        self.stuck = {(1, f"{number:06}") for number in range(stuck)}
        self.waiting = self.stuck | {(1, f"{stuck + number:06}") for number in range(due)}
        self.tried = 0

    async def due(self, limit: int) -> Sequence[tuple[int, str]]:
        return sorted(self.waiting)[:limit]

    async def execute_each(self, requests: Sequence[Request]) -> None:
        assert len(requests) <= DUE_AT_ONCE
        done = {(request.operator, request.command.player_id) for request in requests}
        self.tried += len(done)
        self.waiting -= done - self.stuck

    async def post_due(self) -> None:
        await PointsUse(cast("Any", self), cast("Any", self), cast("Any", None)).post_due()


async def test_all_is_posted_however_many_are_due() -> None:
    players = Players(due=3 * DUE_AT_ONCE + 1, stuck=0)
    await players.post_due()
    assert not players.waiting


async def test_who_cannot_be_helped_yet_keeps_nobody_waiting_and_is_tried_once() -> None:
    players = Players(due=700, stuck=1_300)
    await players.post_due()
    assert players.waiting == players.stuck
    assert players.tried == 2_000


async def test_a_turn_ends_though_nobody_can_be_helped(monkeypatch: Any) -> None:
    monkeypatch.setattr(points, "MOST_STUCK", 1_000)
    players = Players(due=700, stuck=5_000)
    await players.post_due()
    assert players.tried < 2_000
