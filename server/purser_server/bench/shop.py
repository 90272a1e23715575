"""The shop under load: purchases that earn points, and what the players have of them afterwards.

All loads of a run share one casino, and so one program and one campaign.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from time import perf_counter
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1 import loyalty_pb2, program_service_pb2
from purser.loyalty.v1.cashback_service_pb2 import IssueCashbackRequest, RewardOrderRequest
from purser.loyalty.v1.cashback_service_pb2_grpc import CashbackServiceStub
from purser.loyalty.v1.points_service_pb2 import GetPointsBalanceRequest
from purser.loyalty.v1.points_service_pb2_grpc import PointsServiceStub
from purser.loyalty.v1.program_service_pb2_grpc import ProgramServiceStub
from purser.loyalty.v1.refund_service_pb2_grpc import RefundServiceStub
from purser.type.v1.money_pb2 import Money
from purser_server.bench.casino import CALLS_AT_ONCE, Casino, LedgerError, new_id
from purser_server.bench.window import Window

_PROGRAM = loyalty_pb2.Program(currency_code="EUR", points_expire_after_days=365)
_CAMPAIGN = loyalty_pb2.Campaign(
    campaign_id="double", multiplier="2", product_ids=["mat", "bottle", "towel"]
)
_LINES = [
    loyalty_pb2.LineItem(
        product_id=product,
        quantity=quantity,
        price=Money(currency_code="EUR", minor_units=price),
    )
    for product, quantity, price in (("mat", "3", 1000), ("bottle", "2", 500), ("towel", "1", 1250))
]
_PAID = Money(currency_code="EUR", minor_units=5250)

Purchase = Callable[["Shop", str, str], Coroutine[Any, Any, loyalty_pb2.Reward]]
"""Rewards a purchase of a player under an id."""


class Shop:
    """A casino's shop; `casino` notes how many points its players were told to have."""

    def __init__(self, casino: Casino) -> None:
        self.casino = casino
        self.cashback: Any = CashbackServiceStub(casino.channel)
        self.refunds: Any = RefundServiceStub(casino.channel)
        self._points: Any = PointsServiceStub(casino.channel)
        self._programs: Any = ProgramServiceStub(casino.channel)

    async def open(self) -> None:
        """Set the program and a campaign; they may be there already."""
        program = program_service_pb2.UpdateProgramRequest(program=_PROGRAM)
        await self._programs.UpdateProgram(program, metadata=self.casino.metadata)
        campaign = program_service_pb2.CreateCampaignRequest(campaign=_CAMPAIGN)
        await self._programs.CreateCampaign(campaign, metadata=self.casino.metadata)

    async def verify(self, players: Iterable[str]) -> None:
        """Raise LedgerError unless these players have the points that were acknowledged."""
        waiting = iter(players)

        async def compare() -> None:
            for player in waiting:
                await self._compare(player)

        await asyncio.gather(*(compare() for _ in range(CALLS_AT_ONCE)))

    async def _compare(self, player: str) -> None:
        answer = await self._points.GetPointsBalance(
            GetPointsBalanceRequest(player_id=player), metadata=self.casino.metadata
        )
        found, told = answer.points_balance.total, self.casino.points[player]
        if found != told:
            raise LedgerError(f"{player} has {found} points, but {told} were acknowledged")


def rewarding(
    purchase: Purchase,
) -> Callable[[Casino, Window, Callable[[], str], int], Coroutine[Any, Any, None]]:
    """Make a load of purchases, each rewarded by a call of its own."""

    async def load(casino: Casino, window: Window, pick: Callable[[], str], in_flight: int) -> None:
        shop = Shop(casino)
        await shop.open()
        rewarded: set[str] = set()

        async def buy() -> None:
            while not window.over:
                player, transaction_id = pick(), new_id()
                sent = perf_counter()
                reward = await purchase(shop, player, transaction_id)
                window.answered([transaction_id], sent)
                casino.points[player] += reward.reward_equivalent_points
                rewarded.add(player)

        await asyncio.gather(*(buy() for _ in range(in_flight)))
        await shop.verify(rewarded)

    return load


async def issue_cashback(shop: Shop, player: str, transaction_id: str) -> loyalty_pb2.Reward:
    """Reward a bare amount."""
    request = IssueCashbackRequest(
        player_id=player, transaction_id=transaction_id, transaction_time=now(), amount=_PAID
    )
    answer = await shop.cashback.IssueCashback(request, metadata=shop.casino.metadata)
    reward: loyalty_pb2.Reward = answer.reward
    return reward


async def reward_order(shop: Shop, player: str, transaction_id: str) -> loyalty_pb2.Reward:
    """Reward an order of three lines under a campaign."""
    request = RewardOrderRequest(
        player_id=player,
        transaction_id=transaction_id,
        transaction_time=now(),
        total_paid=_PAID,
        line_items=_LINES,
    )
    answer = await shop.cashback.RewardOrder(request, metadata=shop.casino.metadata)
    reward: loyalty_pb2.Reward = answer.reward
    return reward


def now() -> Timestamp:
    """Return when a purchase or its return takes place."""
    time = Timestamp()
    time.GetCurrentTime()
    return time
