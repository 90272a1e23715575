"""What the use cases of loyalty need of the store.

All calls may raise RefusedError(LEDGER_UNAVAILABLE).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from purser_server.domain.points import Hold, Points
from purser_server.domain.prize_cashbacks import PrizeCashback, PrizeCashbackState
from purser_server.domain.prizes import Prize, PrizeState
from purser_server.domain.programs import Campaign, Program, WrittenCampaign, WrittenProgram
from purser_server.domain.redemptions import Redemption
from purser_server.domain.refunds import StoredRefund
from purser_server.domain.rewards import StoredReward
from purser_server.domain.transactions import Transaction, TransactionType


@dataclass(frozen=True, slots=True)
class PointsFilter:
    """Which changes of a player's points to list; empty and None mean: all."""

    player_id: str
    types: tuple[TransactionType, ...] = ()
    start_time: datetime | None = None
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlayerPoints:
    """A player's points as they are stored, and what is owed of cashback by currency.

    `earned_by` maps the numbers of the transactions that earned lots to their ids.
    """

    points: Points
    now: datetime
    earned_by: Mapping[int, str]
    cashback_owed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A redemption, and when it took place."""

    redemption: Redemption
    create_time: datetime


class PointsStore(Protocol):
    """Points as they are stored: what is due may not have been posted yet."""

    async def points(self, operator: int, player_id: str) -> PlayerPoints | None:
        """Return a player's points, and the store's time; None where there is no player."""

    async def history(
        self, operator: int, only: PointsFilter, before: int | None, limit: int
    ) -> Sequence[Transaction]:
        """Return what changed a player's points, newest first, from before a number."""

    async def hold(self, operator: int, hold_id: str) -> tuple[str, Hold] | None:
        """Return a hold with its player's id."""

    async def redemption(self, operator: int, transaction_id: str) -> Redeemed | None:
        """Return a redemption, and what may still come back of it."""

    async def due(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return players whose lots have expired, holds lapsed or cash is to be paid."""


class RewardStore(Protocol):
    """Rewards as they are stored."""

    async def reward(
        self, operator: int, transaction_id: str
    ) -> tuple[StoredReward, datetime] | None:
        """Return a reward, and the store's time."""


@dataclass(frozen=True, slots=True)
class RefundFilter:
    """Which refunds to list; empty means: all."""

    player_id: str = ""
    reverse_transaction_id: str = ""


class RefundStore(Protocol):
    """Refunds as they were answered."""

    async def refund(self, operator: int, transaction_id: str) -> StoredRefund | None:
        """Return a refund that was carried out."""

    async def refunds(
        self, operator: int, only: RefundFilter, before: int | None, limit: int
    ) -> tuple[Sequence[StoredRefund], bool]:
        """Return refunds, newest first, from before a number.

        At most `limit` of them, and no more than one answer can carry; True when there are more.
        """


@dataclass(frozen=True, slots=True)
class PrizeFilter:
    """Which prizes to list; empty means: all."""

    player_id: str = ""
    states: tuple[PrizeState, ...] = ()


@dataclass(frozen=True, slots=True)
class PrizeCashbackFilter:
    """Which requests to return prizes to list; empty means: all."""

    player_id: str = ""
    prize_id: str = ""
    states: tuple[PrizeCashbackState, ...] = ()


class PrizeStore(Protocol):
    """Prizes, and the requests to return them."""

    async def prize(self, operator: int, prize_id: str) -> tuple[Prize, datetime] | None:
        """Return a prize, and the store's time."""

    async def prizes(
        self, operator: int, only: PrizeFilter, before: int | None, limit: int
    ) -> Sequence[tuple[Prize, datetime]]:
        """Return prizes, each with the time as of which it was read, newest first."""

    async def cashback(self, operator: int, transaction_id: str) -> PrizeCashback | None:
        """Return what became of a request to return a prize."""

    async def cashbacks(
        self, operator: int, only: PrizeCashbackFilter, before: int | None, limit: int
    ) -> Sequence[PrizeCashback]:
        """Return requests to return prizes, newest first, from before a number."""

    async def player_messages(self, operator: int) -> Mapping[str, str]:
        """Return the operator's own texts for players, by reason."""


class ProgramStore(Protocol):
    """Operators' programs, and their campaigns."""

    async def current(self, operator: int) -> WrittenProgram | None:
        """Return the newest version; None when the operator has never set a program."""

    async def versions(self, operator: int) -> Sequence[Program]:
        """Return all versions, oldest first."""

    async def update(self, operator: int, written: WrittenProgram) -> tuple[WrittenProgram, bool]:
        """Make a version that counts from now on; True when the newest says the same already."""

    async def create_campaign(
        self, operator: int, written: WrittenCampaign
    ) -> tuple[Campaign, WrittenCampaign, bool]:
        """Create the campaign; return it as created first, as it is now, and whether it is new."""

    async def campaign(self, operator: int, campaign_id: str) -> WrittenCampaign | None:
        """Return a campaign as it is now."""

    async def campaigns(
        self, operator: int, active_time: datetime | None, after: int, limit: int
    ) -> tuple[Sequence[tuple[int, WrittenCampaign]], bool]:
        """Return campaigns with their numbers, oldest first, from behind number `after`.

        At most `limit` of them, and no more than one answer can carry; True when there are more.
        """

    async def end_campaign(
        self, operator: int, campaign_id: str
    ) -> tuple[WrittenCampaign, bool] | None:
        """End a campaign now; True when it was over already, None when there is none."""
