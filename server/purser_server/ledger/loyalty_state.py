"""The working state of a flush as far as points go: what was read, as the flush changes it."""

from __future__ import annotations

from typing import Any

from purser_server.domain.points import Part, Points
from purser_server.ledger.ports import IdKey, LoyaltyChanges, LoyaltyLoaded, StoredHold


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
