"""Prizes: a player has one, and has it shipped or returns it for money, but never both.

The table of steps is all that a prize can do. Expiry is none of them: a prize that is GRANTED is
EXPIRED from its time on, whether or not anybody looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.players import Activity, PlayerStatus, refuse_activity
from purser_server.domain.points import NEVER
from purser_server.domain.values import Number, value


class PrizeState(Number):
    """Where a prize stands; the numbers are those of the contract and of the store."""

    GRANTED = 1
    RETURN_PENDING = 2
    CASHED_BACK = 3
    SHIPMENT_ORDERED = 4
    EXPIRED = 5
    """Never stored: it follows from the time."""


class PrizeStep(Number):
    """What may happen to a prize."""

    SHIP = 1
    PAY = 2
    """It is returned, and paid for at once."""
    ASK = 3
    """It is returned, and the casino is asked."""
    CONFIRM = 4
    """The casino has paid."""
    RELEASE = 5
    """The casino has not paid, and will not."""


_NEXT: Mapping[tuple[PrizeState, PrizeStep], PrizeState] = {
    (PrizeState.GRANTED, PrizeStep.SHIP): PrizeState.SHIPMENT_ORDERED,
    (PrizeState.GRANTED, PrizeStep.PAY): PrizeState.CASHED_BACK,
    (PrizeState.GRANTED, PrizeStep.ASK): PrizeState.RETURN_PENDING,
    (PrizeState.RETURN_PENDING, PrizeStep.CONFIRM): PrizeState.CASHED_BACK,
    (PrizeState.RETURN_PENDING, PrizeStep.RELEASE): PrizeState.GRANTED,
}


@value
class Prize:
    """A prize as it is stored. The cash value is in minor units.

    `return_id` is the transaction that returns it, or has returned it.
    """

    number: int
    prize_id: str
    player_id: str
    name: str
    currency_code: str
    cash_value: int
    create_time: datetime
    expire_time: datetime = NEVER
    stored_state: PrizeState = PrizeState.GRANTED
    return_id: str = ""

    def state_at(self, now: datetime) -> PrizeState:
        """Return where it stands at a time."""
        if self.stored_state is PrizeState.GRANTED and self.expire_time <= now:
            return PrizeState.EXPIRED
        return self.stored_state


# -- what is asked -------------------------------------------------------------------------------


class PrizeCommand:
    """The base of all commands about prizes: one isinstance tells them from others."""

    __slots__ = ()
    prize_id: str
    player_id: str
    transaction_id: str


@value
class GrantPrize(PrizeCommand):
    """Give a player a prize. Prizes have ids of their own; it becomes no transaction."""

    prize_id: str
    player_id: str
    name: str
    currency_code: str
    cash_value: int
    expire_time: datetime = NEVER
    transaction_id: str = ""


@value
class ShipPrize(PrizeCommand):
    """Order the shipment of a prize."""

    prize_id: str
    player_id: str
    transaction_id: str = ""


@value
class ReturnPrize(PrizeCommand):
    """Return a prize for money. `is_unheard`: the casino answers nobody, and is not asked."""

    transaction_id: str
    player_id: str
    prize_id: str
    is_unheard: bool = False


# -- what comes of it ----------------------------------------------------------------------------


def take(prize: Prize, step: PrizeStep, now: datetime, return_id: str = "") -> Prize | None:
    """Return the prize after a step, or None if it cannot take this step now."""
    state = _NEXT.get((prize.state_at(now), step))
    if state is None:
        return None
    return replace(prize, stored_state=state, return_id=return_id)


def granted(grant: GrantPrize, number: int, now: datetime) -> Prize:
    """Return the prize that a grant makes."""
    return Prize(
        number,
        grant.prize_id,
        grant.player_id,
        grant.name,
        grant.currency_code,
        grant.cash_value,
        now,
        grant.expire_time,
    )


def refuse_grant(grant: GrantPrize, known: Prize) -> Refusal | None:
    """Refuse to grant a prize again with another content; whatever became of it meanwhile."""
    compared = (
        ("player_id", grant.player_id, known.player_id),
        ("name", grant.name, known.name),
        (
            "cash_value",
            (grant.currency_code, grant.cash_value),
            (known.currency_code, known.cash_value),
        ),
        ("expire_time", grant.expire_time, known.expire_time),
    )
    differs = next((path for path, now, before in compared if now != before), None)
    return None if differs is None else prize_exists(grant.prize_id, differs)


def refuse_return(prize: Prize, status: PlayerStatus, now: datetime) -> Refusal | None:
    """Refuse to return a prize: for its own state, which is not stored, then for its player's."""
    state = prize.state_at(now)
    if state is not PrizeState.GRANTED:
        return prize_not_returnable(prize.prize_id, state)
    return refuse_activity(prize.player_id, status, Activity.RETURN_PRIZE)


def prize_not_found(prize_id: str) -> Refusal:
    """Refuse because there is no such prize, or it is another player's."""
    return Refusal(
        Reason.PRIZE_NOT_FOUND, f"there is no prize {quoted(prize_id)}", {"prize_id": prize_id}
    )


def prize_exists(prize_id: str, path: str) -> Refusal:
    """Refuse because the prize was granted before with another content."""
    return Refusal(
        Reason.PRIZE_EXISTS,
        f"prize {quoted(prize_id)} was granted with another {path}",
        {"prize_id": prize_id},
    )


def prize_not_returnable(prize_id: str, state: PrizeState) -> Refusal:
    """Refuse because only a prize that is GRANTED can be returned."""
    return Refusal(
        Reason.PRIZE_NOT_RETURNABLE,
        f"prize {quoted(prize_id)} is {state.name} and cannot be returned",
        {"state": state.name},
    )


def prize_not_shippable(prize_id: str, state: PrizeState) -> Refusal:
    """Refuse because only a prize that is GRANTED can be shipped."""
    return Refusal(
        Reason.PRIZE_NOT_SHIPPABLE,
        f"prize {quoted(prize_id)} is {state.name} and cannot be shipped",
        {"state": state.name},
    )
