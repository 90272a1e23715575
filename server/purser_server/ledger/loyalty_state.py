"""The working state of a flush as far as points go: what was read, as the flush changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from purser_server.domain.errors import Refusal
from purser_server.domain.points import Hold, HoldState, Lot, Part, Points
from purser_server.domain.programs import Program
from purser_server.domain.values import value

PlayerKey = tuple[int, str]
"""operator number, player id"""

IdKey = tuple[int, str]
"""operator number, a client's id"""


@value
class StoredHold:
    """A hold with its player, and the content of the request that made it, or was refused."""

    player_id: str
    hold: Hold
    content: tuple[Any, ...]
    refusal: Refusal | None = None


@dataclass(slots=True)
class LoyaltyLoaded:
    """What is known of points before a flush is decided; the players are locked until its end."""

    points: dict[PlayerKey, Points] = field(default_factory=dict)
    holds: dict[IdKey, StoredHold] = field(default_factory=dict)
    """All active holds of these players, and whatever else these ids name."""
    left: dict[IdKey, tuple[Part, ...]] = field(default_factory=dict)
    """By the transaction id of a redemption: what may still come back of it."""
    programs: dict[int, list[Program]] = field(default_factory=dict)


@dataclass(slots=True)
class LoyaltyChanges:
    """What a flush writes of points, beside its transactions."""

    lots: list[tuple[int, int, Lot]] = field(default_factory=list)
    """operator number, player number, a lot as it is now"""
    gone: list[tuple[int, int]] = field(default_factory=list)
    """operator number, number of a lot that is empty"""
    holds: list[tuple[int, int, StoredHold]] = field(default_factory=list)
    left: list[tuple[int, str, tuple[Part, ...]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.lots or self.gone or self.holds or self.left)


class LoyaltyState:
    """Points, holds and redemptions as a flush changes them."""

    def __init__(self, loaded: LoyaltyLoaded) -> None:
        self._loaded = loaded
        self.points = dict(loaded.points)
        self.holds = dict(loaded.holds)
        self.left = dict(loaded.left)
        self.programs = loaded.programs
        self._touched_holds: dict[IdKey, None] = {}
        self._touched_left: dict[IdKey, None] = {}

    def keep_hold(self, operator: int, stored: StoredHold) -> None:
        """Store a hold as it is now."""
        key = (operator, stored.hold.hold_id)
        self.holds[key] = stored
        self._touched_holds[key] = None

    def keep_left(self, key: IdKey, left: tuple[Part, ...]) -> None:
        """Store what may still come back of a redemption."""
        self.left[key] = left
        self._touched_left[key] = None

    def changes(self, players: Any) -> LoyaltyChanges:
        """Return all that is to be written; `players` maps (operator, player id) to numbers."""
        changes = LoyaltyChanges()
        for key, after in self.points.items():
            before = self._loaded.points[key]
            if after is not before:
                _compare_lots(changes, key[0], players[key], before, after)
        for key in self._touched_holds:
            stored = self.holds[key]
            changes.holds.append((key[0], players[key[0], stored.player_id], stored))
        changes.left = [(*key, self.left[key]) for key in self._touched_left]
        return changes


def _compare_lots(
    changes: LoyaltyChanges, operator: int, player: int, before: Points, after: Points
) -> None:
    were = {lot.number: lot for lot in before.lots}
    are = {lot.number: lot for lot in after.lots}
    changes.lots += [
        (operator, player, lot) for number, lot in are.items() if were.get(number) != lot
    ]
    changes.gone += [(operator, number) for number in were.keys() - are.keys()]


def active_of(key: PlayerKey, holds: Mapping[IdKey, StoredHold]) -> list[Hold]:
    """Return a player's active holds."""
    return [
        stored.hold
        for (operator, _), stored in holds.items()
        if (operator, stored.player_id) == key
        and stored.hold.state is HoldState.ACTIVE
        and stored.refusal is None
    ]
