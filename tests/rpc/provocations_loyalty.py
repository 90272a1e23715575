"""How the reasons of points, refunds and prizes are provoked over the wire."""

from __future__ import annotations

from typing import Any

from purser.loyalty.v1 import (
    loyalty_pb2,
    points_service_pb2,
    points_service_pb2_grpc,
    program_service_pb2,
)
from purser_server.domain.errors import Reason
from tests.rpc.provocations import Scene, provokes
from tests.support.client import LOYALTY, eur
from tests.support.loyalty import Loyalty, back, item
from tests.support.prizes import PrizeDesk

# -- programs ----------------------------------------------------------------------------------


async def campaigns_of(scene: Scene) -> Any:
    return (await scene.installation.new_client(scene.operator, LOYALTY)).programs


@provokes(Reason.CAMPAIGN_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await (await campaigns_of(scene)).GetCampaign(
        program_service_pb2.GetCampaignRequest(campaign_id="unknown")
    )


@provokes(Reason.CAMPAIGN_EXISTS)
async def _(scene: Scene) -> Any:
    campaigns = await campaigns_of(scene)
    for multiplier in ("2", "3"):
        campaign = loyalty_pb2.Campaign(campaign_id="points", multiplier=multiplier)
        found = await campaigns.CreateCampaign(
            program_service_pb2.CreateCampaignRequest(campaign=campaign)
        )
    return found


# -- points --------------------------------------------------------------------------------------


async def points_of(scene: Scene) -> Any:
    client = await scene.installation.new_client(scene.operator, LOYALTY)
    return points_service_pb2_grpc.PointsServiceStub(client.channel)


@provokes(Reason.INSUFFICIENT_POINTS)
async def _(scene: Scene) -> Any:
    points = await points_of(scene)
    return await points.RedeemPoints(
        points_service_pb2.RedeemPointsRequest(
            transaction_id="redeem", player_id=scene.player, points=1
        )
    )


@provokes(Reason.HOLD_NOT_FOUND)
async def _(scene: Scene) -> Any:
    points = await points_of(scene)
    return await points.GetHold(points_service_pb2.GetHoldRequest(hold_id="none"))


@provokes(Reason.HOLD_NOT_ACTIVE)
async def _(scene: Scene) -> Any:
    points = await points_of(scene)
    await points.AdjustPoints(
        points_service_pb2.AdjustPointsRequest(
            transaction_id="gift", player_id=scene.player, points=10, reason="a gift"
        )
    )
    await points.HoldPoints(
        points_service_pb2.HoldPointsRequest(hold_id="hold", player_id=scene.player, points=10)
    )
    await points.ReleaseHold(points_service_pb2.ReleaseHoldRequest(hold_id="hold"))
    return await points.RedeemPoints(
        points_service_pb2.RedeemPointsRequest(
            transaction_id="redeem", player_id=scene.player, hold_id="hold"
        )
    )


# -- refunds -------------------------------------------------------------------------------------


async def shop_of(scene: Scene) -> Loyalty:
    """Return a shop where the player has bought mats at two prices, and bottles."""
    client = await scene.installation.new_client(scene.operator, LOYALTY)
    shop = Loyalty(client, scene.player, scene.operator)
    await shop.program(lines_missing_policy=loyalty_pb2.LINES_MISSING_POLICY_REJECT)
    mats = item("mat", "1", "10.00"), item("mat", "1", "8.00")
    await shop.order(*mats, item("bottle", "2", "5.00"), transaction_id="order")
    return shop


@provokes(Reason.ORDER_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("bet")


@provokes(Reason.REFUND_EXCEEDS_ORDER)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", back("bottle", "3"))


@provokes(Reason.REFUND_LINE_UNKNOWN)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", back("bread"))


@provokes(Reason.REFUND_LINE_AMBIGUOUS)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", back("mat"))


@provokes(Reason.REFUND_LINES_REQUIRED)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", amount="5.00")


# -- prizes --------------------------------------------------------------------------------------


async def prizes_of(scene: Scene) -> PrizeDesk:
    desk = await PrizeDesk.of(scene.installation, scene.operator)
    await desk.grant(scene.player)
    return desk


@provokes(Reason.PRIZE_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await (await prizes_of(scene)).prize("unknown")


@provokes(Reason.PRIZE_EXISTS)
async def _(scene: Scene) -> Any:
    return await (await prizes_of(scene)).grant(scene.player, value=eur("26.00"))


@provokes(Reason.PRIZE_NOT_RETURNABLE)
async def _(scene: Scene) -> Any:
    prizes = await prizes_of(scene)
    await prizes.ship(scene.player)
    return await prizes.give_back(scene.player)


@provokes(Reason.PRIZE_NOT_SHIPPABLE)
async def _(scene: Scene) -> Any:
    prizes = await prizes_of(scene)
    await prizes.give_back(scene.player)
    return await prizes.ship(scene.player)
