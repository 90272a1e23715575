"""A player's points: lots that arrived together and expire together, holds, debt.

What the ledger keeps of a player is one balance, the total. Here is how it divides: points lie in
lots, parts of lots are set aside by holds, and what was taken beyond all lots is debt. At every
moment: lots + held - debt = total. The rules are told by PointsService
and RefundService.

Everything happens exactly at its time. Nobody has to be there: whoever looks later first catches
up with what has happened since, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from purser_server.domain.programs import NegativeBalancePolicy
from purser_server.domain.values import Number, value

NEVER = datetime.max.replace(tzinfo=UTC)
"""When points expire that never do."""

_EVER = datetime.min.replace(tzinfo=UTC)


@value
class Lot:
    """Points that arrived together. `number` is its own, `earned_by` that of their transaction.

    They may be spent from `available_time` on and before `expire_time`.
    """

    number: int
    earned_by: int
    points: int
    available_time: datetime
    expire_time: datetime = NEVER

    def is_available(self, now: datetime) -> bool:
        """Tell whether its points may be spent; whether they have expired was seen to before."""
        return self.available_time <= now


@value
class Part:
    """Some points of a lot, taken or set aside, as they would go back to it."""

    lot_number: int
    earned_by: int
    points: int
    available_time: datetime
    expire_time: datetime


class HoldState(Number):
    """How far a hold is; the numbers are those of the contract and of the store."""

    ACTIVE = 1
    CAPTURED = 2
    RELEASED = 3
    EXPIRED = 4


@value
class Hold:
    """Points that are set aside until `expire_time`; while it lasts they do not expire."""

    hold_id: str
    parts: tuple[Part, ...]
    expire_time: datetime
    create_time: datetime
    state: HoldState = HoldState.ACTIVE
    currency_code: str = ""
    amount: int = 0
    """What its points pay for, in minor units, where there is a program."""
    redeemed_by: str = ""

    @property
    def points(self) -> int:
        """How many points it sets aside, or did."""
        return _sum(self.parts)


@value
class Points:
    """All points of a player, as of some moment. `holds` are the active ones."""

    lots: tuple[Lot, ...] = ()
    holds: tuple[Hold, ...] = ()
    debt: int = 0

    @property
    def held(self) -> int:
        """What holds set aside."""
        return sum(hold.points for hold in self.holds)

    @property
    def total(self) -> int:
        """The balance that the ledger keeps; negative while debt is larger than all else."""
        return _sum(self.lots) + self.held - self.debt

    def available(self, now: datetime) -> int:
        """What may be spent."""
        return sum(lot.points for lot in self.lots if lot.is_available(now))

    def pending(self, now: datetime) -> int:
        """What may be spent later."""
        return sum(lot.points for lot in self.lots if not lot.is_available(now))


def points_of(lots: Iterable[Lot], holds: Iterable[Hold], total: int) -> Points:
    """Return a player's points; the ledger keeps their total, and what lots lack of it is debt."""
    points = Points(tuple(lots), tuple(holds))
    return replace(points, debt=points.total - total)


# -- time passes ---------------------------------------------------------------------------------


@value
class CaughtUp:
    """What became of a player's points since somebody last looked."""

    points: Points
    expired: tuple[Part, ...]
    lapsed: tuple[Hold, ...]


def catch_up(points: Points, now: datetime) -> CaughtUp:
    """Let happen what is due: holds lapse, lots become available and pay debt, lots expire.

    In the order of time; of one moment in this order, but what is past its time pays no debt.
    """
    lapsed: list[Hold] = []
    lapses = {hold.expire_time for hold in points.holds if hold.expire_time <= now}
    # Between two lapses only time passes: each such span is gone through once, for there may be
    # very many lots.
    for since, until in pairwise((_EVER, *sorted(lapses), now + datetime.resolution)):
        for hold in points.holds:
            if hold.expire_time <= since:
                lapsed.append(replace(hold, state=HoldState.EXPIRED))
                points = _released(points, hold)
        points = _pay_as_available(points, since, until)
    gone = [lot for lot in points.lots if lot.expire_time <= now]
    expired = tuple(_part(lot, lot.points) for lot in sorted(gone, key=_by_expiry))
    return CaughtUp(_without(points, expired) if expired else points, expired, tuple(lapsed))


def _pay_as_available(points: Points, since: datetime, until: datetime) -> Points:
    """Pay debt with the lots that are available since some moment, or become so before another."""
    if not points.debt:
        return points
    paying = [
        (max(lot.available_time, since), lot) for lot in points.lots if lot.available_time < until
    ]
    alive = [(time, lot) for time, lot in paying if time < lot.expire_time]
    alive.sort(key=lambda one: (one[0], _by_expiry(one[1])))
    return _pay_from(points, [lot for _, lot in alive])


def pay_debt(points: Points, now: datetime) -> Points:
    """Pay debt with whatever is available, soonest to expire first."""
    return _pay_from(points, _available(points, now)) if points.debt else points


def _pay_from(points: Points, lots: Iterable[Lot]) -> Points:
    after, _, paid = _take(points, lots, points.debt)
    return replace(after, debt=points.debt - paid) if paid else points


# -- points come and go --------------------------------------------------------------------------


def add(points: Points, lot: Lot, now: datetime) -> Points:
    """Add a lot; where it is available, debt is paid first."""
    return pay_debt(replace(points, lots=(*points.lots, lot)), now) if lot.points else points


def spend(points: Points, wanted: int, now: datetime) -> tuple[Points, tuple[Part, ...]] | None:
    """Take available points, soonest to expire first; None when there are not enough."""
    after, parts, taken = _take(points, _available(points, now), wanted)
    return (after, parts) if taken == wanted else None


def hold(points: Points, new: Hold) -> Points:
    """Set aside what `spend` took."""
    return replace(points, holds=(*points.holds, new))


def release(points: Points, hold_id: str, now: datetime) -> Points:
    """Give back what an active hold sets aside; what is past its time is expired by `catch_up`."""
    found = next(hold for hold in points.holds if hold.hold_id == hold_id)
    return pay_debt(_released(points, found), now)


def capture(points: Points, hold_id: str) -> tuple[Points, tuple[Part, ...]]:
    """Spend what an active hold sets aside."""
    found = next(hold for hold in points.holds if hold.hold_id == hold_id)
    rest = tuple(hold for hold in points.holds if hold is not found)
    return replace(points, holds=rest), found.parts


@value
class Restored:
    """What came back of a redemption, and (`gone`) what of it had expired meanwhile."""

    points: Points
    restored: int
    gone: tuple[Part, ...]
    left: tuple[Part, ...]
    """What may still come back."""

    @property
    def forfeited(self) -> int:
        """How many points had expired meanwhile."""
        return _sum(self.gone)


def restore(points: Points, parts: Sequence[Part], wanted: int, now: datetime) -> Restored:
    """Give spent points back into their lots, latest to expire first; debt is paid then.

    What is past its expiry is forfeited.
    """
    gone: list[Part] = []
    left: list[Part] = []
    back: list[Part] = []
    for part in sorted(parts, key=_by_expiry, reverse=True):
        comes = min(part.points, wanted)
        wanted -= comes
        if comes < part.points:
            left.append(replace(part, points=part.points - comes))
        if comes:
            told = gone if part.expire_time <= now else back
            told.append(replace(part, points=comes))
    points = pay_debt(put_back(points, back), now)
    return Restored(points, _sum(back), tuple(gone), tuple(left))


# -- a reversal ----------------------------------------------------------------------------------


@value
class TakenFrom:
    """Where the points of a reversal came from; `expired` were neither taken nor are they owed."""

    pending: int = 0
    available: int = 0
    debt: int = 0
    shortfall: int = 0
    expired: int = 0


@value
class Claim:
    """What a reversal asks back: so many points that a transaction earned.

    `expired` of them have expired unspent, and no earlier reversal has told so.
    """

    earned_by: int
    wanted: int
    expired: int = 0


def take_back(
    points: Points, claim: Claim, policy: NegativeBalancePolicy, now: datetime
) -> tuple[Points, TakenFrom]:
    """Take points back that an order earned, as far as the policy goes (RefundService).

    From the order's own pending lot, then its own available lot, then the player's other available
    lots, then as debt. What has expired unspent is neither taken nor owed.
    """
    own = sorted((of for of in points.lots if of.earned_by == claim.earned_by), key=_by_expiry)
    own_available = [lot for lot in own if lot.is_available(now)]
    own_pending = [lot for lot in own if not lot.is_available(now)]
    points, _, pending = _take(points, own_pending, claim.wanted)
    left = claim.wanted - pending
    expired = min(claim.expired, max(left - _sum(own_available), 0))
    left -= expired
    available = 0
    if policy is not NegativeBalancePolicy.PENDING_ONLY:
        points, _, available = _take(points, own_available, left)
        points, _, of_others = _take(points, _available(points, now), left - available)
        available += of_others
        left -= available
    taken = TakenFrom(pending, available, expired=expired)
    if policy is not NegativeBalancePolicy.ALLOW:
        return points, replace(taken, shortfall=left)
    return replace(points, debt=points.debt + left), replace(taken, debt=left)


# -- lots ----------------------------------------------------------------------------------------


def _available(points: Points, now: datetime) -> list[Lot]:
    """Return the lots that may be spent, soonest to expire first."""
    return sorted((lot for lot in points.lots if lot.is_available(now)), key=_by_expiry)


def _take(points: Points, lots: Iterable[Lot], wanted: int) -> tuple[Points, tuple[Part, ...], int]:
    """Take up to so many points of these lots, in their order; return how many those were, too."""
    parts: list[Part] = []
    left = wanted
    for lot in lots:
        if not left:
            break
        taken = min(lot.points, left)
        left -= taken
        parts.append(_part(lot, taken))
    return _without(points, parts) if parts else points, tuple(parts), wanted - left


def _part(lot: Lot, points: int) -> Part:
    return Part(lot.number, lot.earned_by, points, lot.available_time, lot.expire_time)


def _without(points: Points, parts: Iterable[Part]) -> Points:
    taken = {part.lot_number: part.points for part in parts}
    lots = (
        replace(lot, points=lot.points - taken[lot.number]) if lot.number in taken else lot
        for lot in points.lots
    )
    return replace(points, lots=tuple(lot for lot in lots if lot.points))


def _released(points: Points, found: Hold) -> Points:
    rest = tuple(hold for hold in points.holds if hold is not found)
    return replace(put_back(points, found.parts), holds=rest)


def put_back(points: Points, parts: Sequence[Part]) -> Points:
    """Put parts back into their lots, which may be gone meanwhile."""
    if not parts:
        return points
    lots = {lot.number: lot for lot in points.lots}
    for part in parts:
        lot = lots.get(part.lot_number)
        if lot is None:
            lot = Lot(part.lot_number, part.earned_by, 0, part.available_time, part.expire_time)
        lots[lot.number] = replace(lot, points=lot.points + part.points)
    return replace(points, lots=tuple(lots.values()))


def _by_expiry(lot: Lot | Part) -> tuple[datetime, datetime, int]:
    number = lot.number if isinstance(lot, Lot) else lot.lot_number
    return lot.expire_time, lot.available_time, number


def _sum(of: Iterable[Lot | Part]) -> int:
    return sum(one.points for one in of)
