"""What cases about prizes share: not every casino pays for a prize that it does not know."""

from __future__ import annotations

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser_server.conformance.outcomes import ACCEPTED, LIMIT_REACHED, NOT_ELIGIBLE, REFUSED
from purser_server.conformance.play import Play


async def pays_prize(play: Play, prize: pb.PrizeCashbackRequest, moves: int) -> None:
    """Have the casino pay for a prize; skip the case where its own rules do not allow it."""
    refusals = (NOT_ELIGIBLE, REFUSED, LIMIT_REACHED)
    await play.sends(prize, ACCEPTED, moves=moves, skips_on=refusals)
