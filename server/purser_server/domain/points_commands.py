"""What may be done with a player's points, beside earning them: hold, release, redeem, adjust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta

from purser_server.domain.decimals import RATE_ONE
from purser_server.domain.earning import value_of_points
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import quoted
from purser_server.domain.money import amount_range, fits
from purser_server.domain.players import Activity, PlayerStatus, refuse_activity
from purser_server.domain.points import (
    NEVER,
    Hold,
    HoldState,
    Lot,
    Part,
    Points,
    add,
    capture,
    hold,
    restore,
    spend,
)
from purser_server.domain.programs import Program
from purser_server.domain.refunding import exceeds_order
from purser_server.domain.values import value

Content = tuple[tuple[str, str | int | bool], ...]
"""The fields of a request that count as its content, each with its path, in their order."""


DEFAULT_TIME_TO_LIVE = timedelta(minutes=10)
"""How long a hold lasts that does not say."""


@value
class Ask:
    """So many points, or (with a currency) what an amount of money needs.

    `exponents` are those of the operator's currencies.
    """

    points: int = 0
    currency_code: str = ""
    amount: int = 0
    exponents: Mapping[str, int] = field(default_factory=dict)


class PointsCommand:
    """The base of all commands about points: one isinstance tells them from others."""

    __slots__ = ()
    player_id: str
    transaction_id: str


@value
class HoldPoints(PointsCommand):
    """Set points aside for a while: so many, or what an amount of money needs.

    Hold ids are a space of their own; `transaction_id` is there because every command has one.
    """

    hold_id: str
    player_id: str
    ask: Ask
    time_to_live: timedelta = DEFAULT_TIME_TO_LIVE
    content: Content = ()
    transaction_id: str = ""


@value
class ReleaseHold(PointsCommand):
    """Give back what a hold sets aside."""

    hold_id: str
    player_id: str
    transaction_id: str = ""


@value
class RedeemPoints(PointsCommand):
    """Spend points: so many, or what an amount of money needs, or those of a hold."""

    transaction_id: str
    player_id: str
    ask: Ask
    hold_id: str = ""
    content: Content = ()


@value
class RefundRedemption(PointsCommand):
    """Give redeemed points back: so many, or (None) all that are left of the redemption."""

    transaction_id: str
    player_id: str
    redemption_transaction_id: str
    points: int | None = None
    content: Content = ()


@value
class AdjustPoints(PointsCommand):
    """Give or take points by hand, for a reason."""

    transaction_id: str
    player_id: str
    points: int
    reason: str
    expire_time: datetime = NEVER
    content: Content = ()


@value
class PostDue(PointsCommand):
    """Let happen what is due of a player's points and cashback; a background job's command."""

    player_id: str
    transaction_id: str = ""


@value
class Worth:
    """Points and the money that they pay for; no currency while the operator has no program."""

    points: int
    currency_code: str = ""
    amount: int = 0


def worth_of(ask: Ask, program: Program | None) -> Worth | Refusal:
    """Return how many points are asked for, rounded up, and what they pay for.

    Where points are asked for, the amount is their value, rounded down to the minor unit.
    AMOUNT_RANGE: no amount can hold it.
    """
    if not ask.currency_code:
        worth = value_of(ask.points, program, ask.exponents)
        return worth if fits(worth.amount) else amount_range(worth.currency_code)
    if program is None or program.currency_code != ask.currency_code:
        known = program.currency_code if program is not None else "that of a program, first"
        return invalid_field("amount.currency_code", f"must be {known}")
    if not program.point_value:
        return invalid_field("amount", "must be given as points: a point is worth nothing")
    scale = 10 ** ask.exponents[ask.currency_code]
    points = -(-ask.amount * RATE_ONE // (program.point_value * scale))
    return Worth(points, ask.currency_code, ask.amount)


def value_of(points: int, program: Program | None, exponents: Mapping[str, int]) -> Worth:
    """Return what points are worth, rounded down to the minor unit: perhaps more than fits."""
    if program is None or program.currency_code not in exponents:
        return Worth(points)
    code = program.currency_code
    return Worth(points, code, value_of_points(points, program.point_value, exponents[code]))


@value
class PointsMoved:
    """What a command does: the points afterwards, and what may come back of them later.

    `gone` had expired meanwhile. `hold` is the hold that is made, or captured.
    """

    points: Points
    parts: tuple[Part, ...] = ()
    gone: tuple[Part, ...] = ()
    hold: Hold | None = None

    @property
    def forfeited(self) -> int:
        """How many points had expired meanwhile."""
        return sum(part.points for part in self.gone)


def decide_hold(
    wanted: HoldPoints, worth: Worth, points: Points, status: PlayerStatus, now: datetime
) -> PointsMoved | Refusal:
    """Set available points aside."""
    refusal = refuse_activity(wanted.player_id, status, Activity.HOLD_POINTS)
    if refusal is not None:
        return refusal
    found = spend(points, worth.points, now)
    if found is None:
        return insufficient_points(points.available(now), worth.points)
    after, parts = found
    until = now + wanted.time_to_live
    new = Hold(
        wanted.hold_id, parts, until, now, HoldState.ACTIVE, worth.currency_code, worth.amount
    )
    return PointsMoved(hold(after, new), hold=new)


def decide_redeem(
    wanted: RedeemPoints, worth: Worth, points: Points, status: PlayerStatus, now: datetime
) -> PointsMoved | Refusal:
    """Spend available points."""
    refusal = refuse_activity(wanted.player_id, status, Activity.REDEEM_POINTS)
    if refusal is not None:
        return refusal
    found = spend(points, worth.points, now)
    if found is None:
        return insufficient_points(points.available(now), worth.points)
    after, parts = found
    return PointsMoved(after, parts)


def decide_capture(
    wanted: RedeemPoints, points: Points, held: Hold | None, status: PlayerStatus
) -> PointsMoved | Refusal:
    """Spend the points of the hold that is named: `held` is it, if the player has it."""
    refusal = refuse_activity(wanted.player_id, status, Activity.REDEEM_POINTS)
    if refusal is not None:
        return refusal
    refusal = refuse_capture(wanted.hold_id, held)
    if refusal is not None:
        return refusal
    assert held is not None
    return captured(points, held, wanted.transaction_id)


def refuse_capture(hold_id: str, held: Hold | None) -> Refusal | None:
    """Refuse to spend a hold that the player does not have (None), or that is over."""
    if held is None:
        return hold_not_found(hold_id)
    return None if held.state is HoldState.ACTIVE else hold_not_active(held)


def captured(points: Points, held: Hold, by: str) -> PointsMoved:
    """Spend an active hold; `by` is the id of what it pays for."""
    after, parts = capture(points, held.hold_id)
    return PointsMoved(after, parts, hold=replace(held, state=HoldState.CAPTURED, redeemed_by=by))


def decide_redemption_refund(
    wanted: RefundRedemption,
    points: Points,
    left: tuple[Part, ...],
    now: datetime,
) -> PointsMoved | Refusal:
    """Give back of what is left of a redemption, as far as it is not past its expiry."""
    most = sum(part.points for part in left)
    asked = most if wanted.points is None else wanted.points
    if asked > most:
        return exceeds_order("", str(most))
    back = restore(points, left, asked, now)
    return PointsMoved(back.points, back.left, back.gone)


def decide_adjust(
    wanted: AdjustPoints, points: Points, now: datetime, number: int
) -> PointsMoved | Refusal:
    """Add a lot, or take available points; below zero is INSUFFICIENT_POINTS."""
    if wanted.expire_time <= now:
        return invalid_field("expire_time", "must be in the future")
    if wanted.points > 0:
        lot = Lot(number, number, wanted.points, now, wanted.expire_time)
        return PointsMoved(add(points, lot, now))
    found = spend(points, -wanted.points, now)
    if found is None:
        return insufficient_points(points.available(now), -wanted.points)
    return PointsMoved(found[0])


def insufficient_points(available: int, required: int) -> Refusal:
    """Refuse because the player has not so many available points."""
    return Refusal(
        Reason.INSUFFICIENT_POINTS,
        f"the player has {available} available points, and {required} are needed",
        {"balance": str(available), "required": str(required)},
    )


def hold_not_found(hold_id: str) -> Refusal:
    """Refuse because there is no such hold, or it is another player's."""
    return Refusal(
        Reason.HOLD_NOT_FOUND, f"there is no hold {quoted(hold_id)}", {"hold_id": hold_id}
    )


def hold_not_active(held: Hold) -> Refusal:
    """Refuse because the hold was captured or released, or has lapsed."""
    return Refusal(
        Reason.HOLD_NOT_ACTIVE,
        f"hold {quoted(held.hold_id)} is {held.state.name}",
        {"state": held.state.name},
    )
