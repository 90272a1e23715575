"""A player's points: lots that arrived together and expire together, holds, debt.

What the ledger keeps of a player is one balance, the total. Here is how it divides: points lie in
lots, parts of lots are set aside by holds, and what was taken beyond all lots is debt. At every
moment: lots + held - debt = total. The rules are those of sections 5 and 6 of the semantics.

Everything happens exactly at its time. Nobody has to be there: whoever looks later settles first
what has happened since, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from purser_server.domain.programs import NegativeBalancePolicy
from purser_server.domain.values import Number, value

NEVER = datetime.max.replace(tzinfo=UTC)
"""When points expire that never do."""


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
        """Tell whether its points may be spent; whether they have expired was settled before."""
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
    """All points of a player, settled up to some moment. `holds` are the active ones."""

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
class Settled:
    """What became of a player's points since they were last settled."""

    points: Points
    expired: tuple[Part, ...]
    lapsed: tuple[Hold, ...]


def settle(points: Points, now: datetime) -> Settled:
    """Let happen what is due: holds lapse, lots become available and pay debt, lots expire.

    In the order of time; of one moment in this order, but what is past its time pays no debt.
    """
    expired: list[Part] = []
    lapsed: list[Hold] = []
    for moment in _moments(points, now):
        for hold in points.holds:
            if hold.expire_time <= moment:
                lapsed.append(replace(hold, state=HoldState.EXPIRED))
                points = _released(points, hold)
        gone = [_part(lot, lot.points) for lot in points.lots if lot.expire_time <= moment]
        expired += gone
        points = pay_debt(_without(points, gone) if gone else points, moment)
    return Settled(points, tuple(expired), tuple(lapsed))


def _moments(points: Points, now: datetime) -> Iterable[datetime]:
    """Return the moments up to now at which something may happen, and now itself.

    When a lot became available matters only to who owes something: there may be very many lots.
    """
    of: list[Lot | Part] = [*points.lots]
    of += [part for hold in points.holds for part in hold.parts]
    moments = {now, *(hold.expire_time for hold in points.holds)}
    moments.update(lot.expire_time for lot in of)
    if points.debt:
        moments.update(lot.available_time for lot in of)
    return sorted(moment for moment in moments if moment <= now)


def pay_debt(points: Points, now: datetime) -> Points:
    """Pay debt with whatever is available, soonest to expire first."""
    paid = min(points.debt, points.available(now)) if points.debt else 0
    if not paid:
        return points
    after, _ = _take(points, paid, now)
    return replace(after, debt=points.debt - paid)


# -- points come and go --------------------------------------------------------------------------


def add(points: Points, lot: Lot, now: datetime) -> Points:
    """Add a lot; where it is available, debt is paid first."""
    return pay_debt(replace(points, lots=(*points.lots, lot)), now) if lot.points else points


def spend(points: Points, wanted: int, now: datetime) -> tuple[Points, tuple[Part, ...]] | None:
    """Take available points, soonest to expire first; None when there are not enough."""
    return _take(points, wanted, now) if points.available(now) >= wanted else None


def hold(points: Points, new: Hold) -> Points:
    """Set aside what `spend` took."""
    return replace(points, holds=(*points.holds, new))


def release(points: Points, hold_id: str, now: datetime) -> Points:
    """Give back what an active hold sets aside; what is past its time is expired by `settle`."""
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


def restore(
    points: Points, parts: Sequence[Part], wanted: int, now: datetime, first_number: int
) -> Restored:
    """Give spent points back with their original expiry, latest to expire first.

    Each part comes back as a lot of its own, from `first_number` on; what is past its expiry is
    forfeited.
    """
    restored = 0
    gone: list[Part] = []
    left: list[Part] = []
    for number, part in enumerate(sorted(parts, key=_by_expiry, reverse=True), first_number):
        back = min(part.points, wanted - restored - _sum(gone))
        if back < part.points:
            left.append(replace(part, points=part.points - back))
        if not back:
            continue
        if part.expire_time <= now:
            gone.append(replace(part, points=back))
            continue
        restored += back
        lot = Lot(number, part.earned_by, back, part.available_time, part.expire_time)
        points = add(points, lot, now)
    return Restored(points, restored, tuple(gone), tuple(left))


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
    """Take points back that an order earned, as far as the policy goes (semantics 6.5).

    From the order's own pending lot, then its own available lot, then the player's other available
    lots, then as debt. What has expired unspent is neither taken nor owed.
    """
    own = [lot for lot in points.lots if lot.earned_by == claim.earned_by]
    own_available = [lot for lot in own if lot.is_available(now)]
    own_pending = [lot for lot in own if not lot.is_available(now)]
    points, pending = _take_of(points, own_pending, claim.wanted)
    left = claim.wanted - pending
    expired = min(claim.expired, max(left - _sum(own_available), 0))
    left -= expired
    available = 0
    if policy is not NegativeBalancePolicy.PENDING_ONLY:
        points, available = _take_of(points, own_available, left)
        others = [lot for lot in points.lots if lot.is_available(now)]
        points, of_others = _take_of(points, others, left - available)
        available += of_others
        left -= available
    taken = TakenFrom(pending, available, expired=expired)
    if policy is not NegativeBalancePolicy.ALLOW:
        return points, replace(taken, shortfall=left)
    return replace(points, debt=points.debt + left), replace(taken, debt=left)


# -- lots ----------------------------------------------------------------------------------------


def _take(points: Points, wanted: int, now: datetime) -> tuple[Points, tuple[Part, ...]]:
    """Take points of available lots, of which there are enough, soonest to expire first."""
    parts: list[Part] = []
    for lot in sorted(points.lots, key=_by_expiry):
        if wanted and lot.is_available(now):
            taken = min(lot.points, wanted)
            wanted -= taken
            parts.append(_part(lot, taken))
    return _without(points, parts), tuple(parts)


def _take_of(points: Points, lots: Iterable[Lot], wanted: int) -> tuple[Points, int]:
    """Take up to so many points of these lots, soonest to expire first."""
    parts: list[Part] = []
    for lot in sorted(lots, key=_by_expiry):
        taken = min(lot.points, wanted - _sum(parts))
        if taken:
            parts.append(_part(lot, taken))
    return _without(points, parts), _sum(parts)


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
    """Put the parts of a hold back into their lots."""
    lots = {lot.number: lot for lot in points.lots}
    for part in found.parts:
        lot = lots.get(part.lot_number)
        if lot is None:
            lot = Lot(part.lot_number, part.earned_by, 0, part.available_time, part.expire_time)
        lots[lot.number] = replace(lot, points=lot.points + part.points)
    rest = tuple(hold for hold in points.holds if hold is not found)
    return replace(points, lots=tuple(lots.values()), holds=rest)


def _by_expiry(lot: Lot | Part) -> tuple[datetime, datetime, int]:
    number = lot.number if isinstance(lot, Lot) else lot.lot_number
    return lot.expire_time, lot.available_time, number


def _sum(of: Iterable[Lot | Part]) -> int:
    return sum(one.points for one in of)
