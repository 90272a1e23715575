"""The working state of a flush as far as loyalty goes: what was read, as the flush changes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from purser_server.domain.points import Points
from purser_server.domain.redemptions import Redemption
from purser_server.domain.refunds import StoredRefund
from purser_server.domain.rewards import StoredReward
from purser_server.ledger.ports import (
    IdKey,
    LoyaltyChanges,
    LoyaltyLoaded,
    StoredHold,
    WalletKey,
)


class LoyaltyState:
    """Points, holds, redemptions and rewards as a flush changes them."""

    def __init__(self, loaded: LoyaltyLoaded) -> None:
        self._loaded = loaded
        self.points = dict(loaded.points)
        self.holds = dict(loaded.holds)
        self.redemptions = dict(loaded.redemptions)
        self.rewards = dict(loaded.rewards)
        self._reward_keys = {(key[0], of.number): key for key, of in self.rewards.items()}
        self.owed = dict(loaded.owed)
        self.programs = loaded.programs
        self.campaigns = loaded.campaigns
        self._touched_holds: dict[IdKey, None] = {}
        self._touched_redemptions: dict[IdKey, None] = {}
        self._touched_rewards: dict[IdKey, None] = {}
        self._touched_owed: dict[WalletKey, None] = {}
        self._refunds: list[tuple[int, StoredRefund, int]] = []
        self._expired: Counter[tuple[int, int]] = Counter()

    def keep_hold(self, operator: int, stored: StoredHold) -> None:
        """Store a hold as it is now."""
        key = (operator, stored.hold.hold_id)
        self.holds[key] = stored
        self._touched_holds[key] = None

    def keep_redemption(self, operator: int, redemption: Redemption) -> None:
        """Store a redemption as it is now."""
        key = (operator, redemption.transaction_id)
        self.redemptions[key] = redemption
        self._touched_redemptions[key] = None

    def keep_reward(self, operator: int, rewarded: StoredReward) -> None:
        """Store a reward as it is now."""
        key = (operator, rewarded.transaction_id)
        self.rewards[key] = rewarded
        self._reward_keys[operator, rewarded.number] = key
        self._touched_rewards[key] = None

    def keep_refund(self, operator: int, refund: StoredRefund, reward_number: int) -> None:
        """Store that a refund is one of its player, and of the reward with this number."""
        self._refunds.append((operator, refund, reward_number))

    def keep_owed(self, key: WalletKey, owed: int) -> None:
        """Store what a player owes of cashback."""
        self.owed[key] = owed
        self._touched_owed[key] = None

    def count_expired(self, operator: int, earned_by: int, points: int) -> None:
        """Remember how many points of a reward have expired unspent."""
        self._expired[operator, earned_by] += points
        key = self._reward_keys.get((operator, earned_by))
        if key is not None:
            rewarded = self.rewards[key]
            self.rewards[key] = replace(rewarded, expired=rewarded.expired + points)

    def due_rewards(self, operator: int, player_id: str, now: datetime) -> list[StoredReward]:
        """Return a player's rewards whose cash is to be paid by now, in the order of their time."""
        due = [
            rewarded
            for (of, _), rewarded in self.rewards.items()
            if of == operator
            and rewarded.player_id == player_id
            and not rewarded.is_paid
            and rewarded.reward.available_time <= now
        ]
        return sorted(due, key=lambda each: (each.reward.available_time, each.number))

    def changes(self, players: Any) -> LoyaltyChanges:
        """Return all that is to be written; `players` maps (operator, player id) to numbers."""
        changes = LoyaltyChanges()
        for key, after in self.points.items():
            before = self._loaded.points[key]
            if after is not before:
                _compare_lots(changes, key[0], players[key], before, after)
        for operator, hold_id in self._touched_holds:
            stored = self.holds[operator, hold_id]
            is_known = (operator, hold_id) in self._loaded.holds
            kept = changes.holds if is_known else changes.new_holds
            kept.append((operator, players[operator, stored.player_id], stored))
        for operator, id_ in self._touched_redemptions:
            redemption = self.redemptions[operator, id_]
            player = players[operator, redemption.player_id]
            changes.redemptions.append((operator, player, redemption))
        for operator, id_ in self._touched_rewards:
            rewarded = self.rewards[operator, id_]
            changes.rewards.append((operator, players[operator, rewarded.player_id], rewarded))
        for operator, player_id, currency in self._touched_owed:
            owed = self.owed[operator, player_id, currency]
            changes.owed.append((operator, players[operator, player_id], currency, owed))
        changes.refunds = [
            (operator, refund.number, players[operator, refund.player_id], reward)
            for operator, refund, reward in self._refunds
        ]
        changes.expired = [(*key, points) for key, points in self._expired.items()]
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
