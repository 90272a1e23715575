"""A casino's loyalty backend, and one of its players, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1 import cashback_service_pb2 as cashback_pb
from purser.loyalty.v1 import (
    cashback_service_pb2_grpc,
    loyalty_pb2,
    points_service_pb2_grpc,
    program_service_pb2,
    program_service_pb2_grpc,
    refund_service_pb2_grpc,
)
from purser.loyalty.v1 import points_service_pb2 as pb
from purser.loyalty.v1 import refund_service_pb2 as refund_pb
from purser.type.v1.money_pb2 import Money
from tests.support.client import Client, eur, new_id

POINTS, WALLET_CASH = loyalty_pb2.REWARD_MODE_POINTS, loyalty_pb2.REWARD_MODE_WALLET_CASH


def at(moment: datetime) -> Timestamp:
    """Return a time as messages hold it."""
    told = Timestamp()
    told.FromDatetime(moment)
    return told


def ago(**span: float) -> Timestamp:
    """Return a time so long before now: ago(days=2)."""
    return at(datetime.now(UTC) - timedelta(**span))


def item(product: str, quantity: str, price: str, **more: Any) -> loyalty_pb2.LineItem:
    """Return a line of an order: item("mat", "3", "10.00")."""
    return loyalty_pb2.LineItem(product_id=product, quantity=quantity, price=eur(price), **more)


def back(product: str, quantity: str = "1", price: str = "", **more: Any) -> Any:
    """Return a part of an order that is returned: back("mat", "2")."""
    told = loyalty_pb2.RefundLineItem(product_id=product, quantity=quantity, **more)
    if price:
        told.price.CopyFrom(eur(price))
    return told


def paid_for(items: Any) -> Money:
    """Return what lines without discounts come to."""
    total = sum(round(float(each.quantity) * each.price.minor_units) for each in items)
    return Money(currency_code="EUR", minor_units=total)


class Loyalty:
    """A loyalty backend of a casino, and one of its players."""

    def __init__(self, client: Client, player: str, operator_id: str) -> None:
        self.points: Any = points_service_pb2_grpc.PointsServiceStub(client.channel)
        self.programs: Any = program_service_pb2_grpc.ProgramServiceStub(client.channel)
        self.cashback: Any = cashback_service_pb2_grpc.CashbackServiceStub(client.channel)
        self.refunds: Any = refund_service_pb2_grpc.RefundServiceStub(client.channel)
        self.client = client
        self.player = player
        self.operator_id = operator_id

    # -- rules -------------------------------------------------------------------------------

    async def program(self, **settings: Any) -> loyalty_pb2.Program:
        """Set the program: euros, and whatever else is told."""
        program = loyalty_pb2.Program(**{"currency_code": "EUR", **settings})
        request = program_service_pb2.UpdateProgramRequest(program=program)
        return (await self.programs.UpdateProgram(request)).program

    async def campaign(self, multiplier: str, campaign_id: str = "", **filters: Any) -> str:
        """Create a campaign; return its id."""
        campaign = loyalty_pb2.Campaign(
            campaign_id=campaign_id or new_id("campaign"), multiplier=multiplier, **filters
        )
        request = program_service_pb2.CreateCampaignRequest(campaign=campaign)
        await self.programs.CreateCampaign(request)
        return campaign.campaign_id

    # -- purchases ---------------------------------------------------------------------------

    async def issue(self, amount: str, transaction_id: str = "", **more: Any) -> Any:
        """Reward an amount of euros."""
        request = cashback_pb.IssueCashbackRequest(
            **{
                "transaction_id": transaction_id or new_id("cashback"),
                "player_id": self.player,
                "transaction_time": ago(seconds=1),
                "amount": eur(amount),
                **more,
            }
        )
        return await self.cashback.IssueCashback(request)

    def _ordered(self, items: Any, more: Any) -> dict[str, Any]:
        return {
            "player_id": self.player,
            "transaction_time": ago(seconds=1),
            "total_paid": paid_for(items),
            "line_items": items,
            **more,
        }

    async def order(self, *items: Any, transaction_id: str = "", **more: Any) -> Any:
        """Reward an order of these lines, paid in full unless told otherwise."""
        request = cashback_pb.RewardOrderRequest(
            transaction_id=transaction_id or new_id("order"), **self._ordered(items, more)
        )
        return await self.cashback.RewardOrder(request)

    async def quote(self, *items: Any, **more: Any) -> Any:
        """Ask what an order would earn."""
        request = cashback_pb.QuoteOrderRequest(**self._ordered(items, more))
        return (await self.cashback.QuoteOrder(request)).reward

    async def reward(self, transaction_id: str) -> Any:
        """Return a reward as it is now."""
        request = cashback_pb.GetRewardRequest(transaction_id=transaction_id)
        return (await self.cashback.GetReward(request)).reward

    # -- returns -----------------------------------------------------------------------------

    def _returned(self, order: str, items: Any, asked: Any) -> dict[str, Any]:
        """Return the fields of a refund; `amount` and `shipping` are euros."""
        names = {"amount": "refund_amount", "shipping": "refund_shipping"}
        money = {names[name]: eur(asked.pop(name)) for name in names if name in asked}
        return {
            "player_id": self.player,
            "reverse_transaction_id": order,
            "transaction_time": ago(seconds=1),
            "line_items": items,
            **money,
            **asked,
        }

    async def give_back(
        self, order: str, *items: Any, transaction_id: str = "", **asked: Any
    ) -> Any:
        """Refund lines of an order, an amount of it, or all that is left."""
        request = refund_pb.RefundRequest(
            refund_transaction_id=transaction_id or new_id("return"),
            **self._returned(order, items, asked),
        )
        return await self.refunds.Refund(request)

    async def takes(self, order: str, *items: Any, **asked: Any) -> int:
        """Return how many points a refund reverses."""
        answer = await self.give_back(order, *items, **asked)
        return int(answer.refund.refund_equivalent_points)

    async def quote_return(self, order: str, *items: Any, **asked: Any) -> Any:
        """Ask what a refund would do."""
        request = refund_pb.QuoteRefundRequest(**self._returned(order, items, asked))
        return (await self.refunds.QuoteRefund(request)).refund

    # -- points ------------------------------------------------------------------------------

    async def adjust(self, points: int, transaction_id: str = "", lives: float = 0) -> Any:
        request = pb.AdjustPointsRequest(
            transaction_id=transaction_id or new_id("adjust"),
            player_id=self.player,
            points=points,
            reason="a gift",
        )
        if lives:
            request.expire_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=lives))
        return await self.points.AdjustPoints(request)

    async def redeem(self, transaction_id: str = "", **what: Any) -> Any:
        return await self.points.RedeemPoints(
            pb.RedeemPointsRequest(
                transaction_id=transaction_id or new_id("redeem"), player_id=self.player, **what
            )
        )

    async def hold(self, hold_id: str, ttl_s: int = 600, **what: Any) -> Any:
        return await self.points.HoldPoints(
            pb.HoldPointsRequest(
                hold_id=hold_id, player_id=self.player, ttl=Duration(seconds=ttl_s), **what
            )
        )

    async def refund(self, redemption: str, transaction_id: str = "", **what: Any) -> Any:
        return await self.points.RefundRedemption(
            pb.RefundRedemptionRequest(
                player_id=self.player,
                refund_transaction_id=transaction_id or new_id("refund"),
                redemption_transaction_id=redemption,
                **what,
            )
        )

    async def redemption(self, transaction_id: str) -> Any:
        """Return a redemption as it is now."""
        request = pb.GetRedemptionRequest(transaction_id=transaction_id)
        return (await self.points.GetRedemption(request)).redemption

    async def has(self) -> tuple[int, int, int, int]:
        """Return what is available and held, the total and the debt."""
        request = pb.GetPointsBalanceRequest(player_id=self.player)
        found = (await self.points.GetPointsBalance(request)).points_balance
        return found.available, found.held, found.total, found.debt

    async def history(self, **only: Any) -> list[Any]:
        request = pb.ListPointsTransactionsRequest(player_id=self.player, **only)
        return list((await self.points.ListPointsTransactions(request)).points_transactions)

    async def balance(self) -> loyalty_pb2.PointsBalance:
        """Return all that is told of the player's points."""
        request = pb.GetPointsBalanceRequest(player_id=self.player)
        return (await self.points.GetPointsBalance(request)).points_balance
