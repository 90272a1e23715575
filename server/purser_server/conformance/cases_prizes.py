"""Prizes: what a rollback leaves of one may be returned again, and what is spent stays paid."""

from __future__ import annotations

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser_server.conformance.outcomes import (
    ACCEPTED,
    DUPLICATE,
    LIMIT_REACHED,
    STANDS,
    TOMBSTONED,
    TRANSACTION_ROLLED_BACK,
)
from purser_server.conformance.play import Play
from purser_server.conformance.prizes import pays_prize
from purser_server.conformance.registry import case


def _again(play: Play, prize: pb.PrizeCashbackRequest) -> pb.PrizeCashbackRequest:
    """Return the cashback of the same prize under a new id."""
    again = play.prize(prize.amount.minor_units)
    again.prize_id = prize.prize_id
    return again


@case(
    "prize-again-after-rollback",
    "A prize whose cashback was rolled back is paid for under a new id, and not under the old one.",
)
async def prize_again_after_rollback(play: Play) -> None:
    """Return a prize, roll that back, and return the same prize again."""
    prize = play.prize(250)
    await pays_prize(play, prize, 250)
    await play.sends(play.rollback(prize), ACCEPTED, moves=-250)
    again = _again(play, prize)
    await play.sends(again, ACCEPTED, moves=250)
    await play.sends(again, DUPLICATE)
    await play.sends(prize, TRANSACTION_ROLLED_BACK)


@case(
    "prize-again-after-tombstone",
    "A rollback of a cashback that never came forbids its id alone: a new id is paid.",
)
async def prize_again_after_tombstone(play: Play) -> None:
    """Roll a cashback back before it arrives, and return the same prize under a new id."""
    prize = play.prize(250)
    await play.sends(play.rollback(prize), TOMBSTONED)
    await pays_prize(play, _again(play, prize), 250)
    await play.sends(prize, TRANSACTION_ROLLED_BACK)


@case(
    "spent-prize-stands",
    "The cashback of a prize that has been spent cannot be taken back: STANDS, each time.",
)
async def spent_prize_stands(play: Play) -> None:
    """Spend everything, then roll the cashback of a prize back under two ids."""
    prize = play.prize(250)
    await pays_prize(play, prize, 250)
    everything = play.bet(play.balance)
    await play.sends(everything, ACCEPTED, moves=-play.balance, skips_on=[LIMIT_REACHED])
    rollback = play.rollback(prize)
    await play.sends(rollback, STANDS)
    await play.sends(rollback, STANDS)
    await play.sends(play.rollback(prize), STANDS)
    await play.sends(prize, DUPLICATE)
    await play.sends(play.rollback(everything), ACCEPTED, moves=everything.amount.minor_units)
