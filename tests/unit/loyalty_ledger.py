"""A ledger of one operator's loyalty in memory, with a clock that tests move.

Flushes are decided by the real batch; what they write is kept here as the store would keep it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from purser_server.domain.accounts import POINTS, house_kinds
from purser_server.domain.decisions import Wallet
from purser_server.domain.players import PlayerStatus
from purser_server.domain.points import Lot, Points, points_of
from purser_server.domain.points_commands import PointsCommand
from purser_server.domain.programs import Campaign, Program
from purser_server.domain.redemptions import Redemption
from purser_server.domain.rewards import StoredReward
from purser_server.domain.transactions import Transaction
from purser_server.ledger.batch import Batch, Group
from purser_server.ledger.ports import (
    NUMBERS_PER_FLUSH,
    Changes,
    Loaded,
    LoyaltyLoaded,
    Request,
    StoredHold,
)

OPERATOR = 1
PLAYER = "anna"
EUR = "EUR"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class LoyaltyLedger:
    """One player with a wallet in euros, and all that is stored of them."""

    def __init__(self, *programs: Program, campaigns: Iterable[Campaign] = ()) -> None:
        self.now = NOON
        self.programs, self.campaigns = list(programs), list(campaigns)
        self.wallets = {
            unit: Wallet(number, PLAYER, PlayerStatus.ACTIVE, unit, 0, 0)
            for number, unit in enumerate((EUR, POINTS), start=1)
        }
        self.house = {
            (OPERATOR, kind, unit): 10 + place
            for unit in (EUR, POINTS)
            for place, kind in enumerate(house_kinds(unit), start=100 if unit == POINTS else 0)
        }
        self.house_total = dict.fromkeys(self.house.values(), 0)
        self.history: list[Transaction] = []
        self.lots: dict[int, Lot] = {}
        self.holds: dict[str, StoredHold] = {}
        self.redemptions: dict[str, Redemption] = {}
        self.rewards: dict[str, StoredReward] = {}
        self.owed: dict[str, int] = {}
        self._flushes = 0

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def execute(self, *commands: PointsCommand) -> list[Any]:
        """Execute commands in one flush."""
        self._flushes += 1
        batch = Batch(self._load())
        results = batch.decide(Group((Request(OPERATOR, command),)) for command in commands)
        self._save(batch.changes())
        return [result[0] for result in results]

    def points(self) -> Points:
        """Return the player's points as they are stored."""
        active = [held.hold for held in self.holds.values() if _is_active(held)]
        return points_of(self.lots.values(), active, self.wallets[POINTS].balance)

    def _load(self) -> Loaded:
        return Loaded(
            numbers_from=self._flushes * NUMBERS_PER_FLUSH,
            now=self.now,
            players={(OPERATOR, PLAYER): 1},
            wallets={(OPERATOR, PLAYER, unit): of for unit, of in self.wallets.items()},
            house=self.house,
            known={(OPERATOR, of.transaction_id): of for of in self.history},
            rounds={},
            sessions={},
            loyalty=LoyaltyLoaded(
                points={(OPERATOR, PLAYER): self.points()},
                holds={(OPERATOR, id_): of for id_, of in self.holds.items()},
                redemptions={(OPERATOR, id_): of for id_, of in self.redemptions.items()},
                rewards={(OPERATOR, id_): of for id_, of in self.rewards.items()},
                owed={(OPERATOR, PLAYER, code): owed for code, owed in self.owed.items()},
                programs={OPERATOR: self.programs},
                campaigns={OPERATOR: self.campaigns},
            ),
        )

    def _save(self, changes: Changes) -> None:
        for entry in changes.entries:
            assert entry.transaction.number not in {of.number for of in self.history}
            self.history.append(entry.transaction)
        for _, wallet in changes.wallets:
            self.wallets[wallet.currency_code] = wallet
        for _, account, change in changes.house:
            self.house_total[account] += change
        loyalty = changes.loyalty
        assert loyalty is not None
        for _, number in loyalty.gone:
            del self.lots[number]
        for _, _, lot in loyalty.lots:
            known = self.lots.get(lot.number)
            assert known is None or known == replace(lot, points=known.points), "a lot stays itself"
            self.lots[lot.number] = lot
        assert self.holds.keys().isdisjoint(held.hold.hold_id for *_, held in loyalty.new_holds)
        for _, _, held in (*loyalty.new_holds, *loyalty.holds):
            self.holds[held.hold.hold_id] = held
        for _, _, redemption in loyalty.redemptions:
            self.redemptions[redemption.transaction_id] = redemption
        for _, number, points in loyalty.expired:
            for id_, of in self.rewards.items():
                if of.number == number:
                    self.rewards[id_] = replace(of, expired=of.expired + points)
        for _, _, rewarded in loyalty.rewards:
            known_reward = self.rewards.get(rewarded.transaction_id)
            expired = known_reward.expired if known_reward else 0
            self.rewards[rewarded.transaction_id] = replace(rewarded, expired=expired)
        for _, _, code, owed in loyalty.owed:
            self.owed[code] = owed

    # -- what must hold after every flush ------------------------------------------------------

    def assert_sound(self) -> None:
        """Assert that lots, balances, history and the house agree."""
        points = self.points()
        assert points.debt >= 0
        assert points.total == self.wallets[POINTS].balance
        assert all(lot.points > 0 for lot in self.lots.values())
        for unit, wallet in self.wallets.items():
            posted = [of for of in self.history if of.currency_code == unit and of.change]
            assert sum(of.change for of in posted) == wallet.balance
            assert [of.wallet_sequence for of in posted] == list(range(1, len(posted) + 1))
            house = sum(self.house_total[no] for key, no in self.house.items() if key[2] == unit)
            assert house == -wallet.balance
        assert self.wallets[EUR].balance >= 0
        assert all(owed >= 0 for owed in self.owed.values())
        numbers = [of.number for of in self.history]
        assert numbers == sorted(numbers)


def _is_active(held: StoredHold) -> bool:
    return held.hold.state.name == "ACTIVE" and held.refusal is None
