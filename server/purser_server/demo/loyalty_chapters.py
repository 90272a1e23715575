"""The chapters of loyalty: a casino's shop rewards what its customers buy, in points and in cash.

The customers and their orders are those of `loyalty_orders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration

from purser.admin.v1.operator_pb2 import API_KEY_ROLE_LOYALTY
from purser.loyalty.v1.cashback_service_pb2 import (
    IssueCashbackRequest,
    IssueCashbackResponse,
    RewardOrderRequest,
)
from purser.loyalty.v1.loyalty_pb2 import (
    HOLD_STATE_CAPTURED,
    REWARD_STATE_AVAILABLE,
    REWARD_STATE_PENDING,
    Branch,
    Merchant,
    PointsBalance,
    PointsTransaction,
    Program,
    Reward,
)
from purser.loyalty.v1.points_service_pb2 import (
    GetHoldRequest,
    GetPointsBalanceRequest,
    HoldPointsRequest,
    ListPointsTransactionsRequest,
)
from purser.loyalty.v1.program_service_pb2 import CreateCampaignRequest, UpdateProgramRequest
from purser.wallet.v1.player_service_pb2 import CreatePlayerRequest
from purser.wallet.v1.wallet_service_pb2 import GetBalanceRequest
from purser_server.demo import chapters
from purser_server.demo.client import Client
from purser_server.demo.loyalty_orders import (
    CAMPAIGNS,
    CASH_PROGRAM,
    POINTS_PROGRAM,
    PURCHASES,
    at,
    item,
    order_of,
    quote_of,
)
from purser_server.demo.loyalty_printing import explanation, history, points_told
from purser_server.demo.money import CURRENCY, eur, shown
from purser_server.demo.printing import Narrator
from purser_server.demo.requests import OPERATOR
from purser_server.demo.stage import expect

CUSTOMER = "cust_12345abc"
HOLD = "checkout-1"
_PAID_AT = datetime(2024, 10, 11, 10, 48, 56, 719_000, tzinfo=UTC)
_MERCHANT = Merchant(
    unique_id="shop-1",
    name="The casino's shop",
    branch=Branch(unique_id="hall", name="Entrance hall"),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """Where these chapters are played: `casino` keeps the money, `loyalty` the points."""

    narrator: Narrator
    casino: Client
    loyalty: Client

    def points(self, player: str) -> PointsBalance:
        """Read a player's points."""
        request = GetPointsBalanceRequest(player_id=player)
        return self.loyalty.call(self.loyalty.points.GetPointsBalance, request).points_balance

    def history(self, player: str) -> Sequence[PointsTransaction]:
        """Read what changed a player's points, oldest first."""
        request = ListPointsTransactionsRequest(player_id=player)
        answer = self.loyalty.call(self.loyalty.points.ListPointsTransactions, request)
        return answer.points_transactions[::-1]


def make_key(narrator: Narrator, admin: Client) -> str:
    """Make the API key of the shop."""
    narrator.chapter(
        "Points for purchases", "The casino has a shop, too; its key has the role loyalty."
    )
    return chapters.make_key(narrator, admin, OPERATOR, API_KEY_ROLE_LOYALTY)


def play(shop: Shop) -> None:
    """Play all of it."""
    _set_rules(shop)
    _link_customers(shop)
    _reward_orders(shop)
    _reward_amount(shop)
    _pay_with_points(shop)
    _read_history(shop)
    _reward_in_cash(shop)


def _set_rules(shop: Shop) -> None:
    told = "1 point per €, worth € 0.10, after 14 days"
    _set_program(shop, POINTS_PROGRAM, 1, told)
    for campaign in CAMPAIGNS:
        request = CreateCampaignRequest(campaign=campaign)
        shop.loyalty.call(shop.loyalty.programs.CreateCampaign, request)
        told = f"{campaign.multiplier} times the points, in December 2024"
        shop.narrator.step("CreateCampaign", campaign.campaign_id, told)


def _set_program(shop: Shop, program: Program, version: int, told: str) -> Program:
    request = UpdateProgramRequest(program=program)
    made = shop.loyalty.call(shop.loyalty.programs.UpdateProgram, request).program
    expect("the version of the program", made.version, version)
    shop.narrator.step("UpdateProgram", f"version {version}", told)
    return made


def _link_customers(shop: Shop) -> None:
    customers = [*(each.player for each in PURCHASES.values()), CUSTOMER]
    for player in customers:
        request = CreatePlayerRequest(player_id=player, currency_codes=[CURRENCY])
        shop.casino.call(shop.casino.players.CreatePlayer, request)
    shop.narrator.step("CreatePlayer", "", f"{len(customers)} customers")


def _reward_orders(shop: Shop) -> None:
    """Four orders, of which the last one is quoted first."""
    shop.narrator.chapter("Four orders", "Each line tells how its money became points, and why.")
    loyalty, last = shop.loyalty, PURCHASES["Lisa"]
    quoted = loyalty.call(loyalty.cashback.QuoteOrder, quote_of(last)).reward
    expect("the points that QuoteOrder tells", quoted.reward_equivalent_points, last.points)
    expect("the points after a quote", shop.points(last.player).total, 0)
    shop.narrator.step("QuoteOrder", "Lisa", f"{last.points} points, and nothing is stored yet")
    rewards = {name: _reward_order(shop, name) for name in PURCHASES}
    shop.narrator.show(explanation(rewards))
    expect("the lines of the quote", list(quoted.lines), list(rewards["Lisa"].lines))


def _reward_order(shop: Shop, name: str) -> Reward:
    purchase = PURCHASES[name]
    answer = shop.loyalty.call(shop.loyalty.cashback.RewardOrder, order_of(purchase))
    reward, order = answer.reward, purchase.transaction_id
    earned = [line.points for line in reward.lines]
    expect(f"the points of each line of {order}", earned, list(purchase.earns))
    expect(f"the points of {order}", reward.reward_equivalent_points, purchase.points)
    expect(f"the state of {order}", reward.state, REWARD_STATE_AVAILABLE)
    expect(f"the points of {purchase.player}", shop.points(purchase.player).total, purchase.points)
    shop.narrator.step("RewardOrder", order, f"{name} earns {_earned(reward)}")
    return reward


def _reward_amount(shop: Shop) -> None:
    """A bare amount, sent twice."""
    shop.narrator.chapter(
        "An amount without lines", "IssueCashback needs no more than what was paid, and when."
    )
    request = _cashback("TXN987654321", _PAID_AT, window_days=7)
    reward = _issue(shop, request).reward
    expect("the points of 150.75", reward.reward_equivalent_points, 150)
    expect("their worth", reward.reward_amount, eur("15.00"))
    shop.narrator.step("IssueCashback", request.transaction_id, f"€ 150.75 earns {_earned(reward)}")
    again = _issue(shop, request)
    expect("replayed of the second request", again.replayed, True)
    expect("the points after it", shop.points(CUSTOMER).available, 150)
    shop.narrator.step("IssueCashback", request.transaction_id, "replayed: nothing earned twice")


def _pay_with_points(shop: Shop) -> None:
    """An order that is paid with 50 points and with money."""
    shop.narrator.chapter(
        "A checkout with points", "A hold sets points aside; the order that is paid captures it."
    )
    loyalty = shop.loyalty
    hold = HoldPointsRequest(
        hold_id=HOLD, player_id=CUSTOMER, amount=eur("5.00"), ttl=Duration(seconds=600)
    )
    held = loyalty.call(loyalty.points.HoldPoints, hold).hold
    expect("the points that € 5.00 take", held.points, 50)
    shop.narrator.step("HoldPoints", HOLD, f"{held.points} points are set aside for € 5.00")
    _has(shop, available=100, held=50)
    order = RewardOrderRequest(
        transaction_id="ORDER-20001",
        player_id=CUSTOMER,
        transaction_time=at(datetime.now(UTC)),
        total_paid=eur("14.75"),
        line_items=[item("mug001", "2", "6.50"), item("tea001", "0.375", "18.00")],
        hold_id=HOLD,
    )
    reward = loyalty.call(loyalty.cashback.RewardOrder, order).reward
    expect("the points of the order", reward.reward_equivalent_points, 14)
    expect("the state of its reward", reward.state, REWARD_STATE_PENDING)
    told = f"€ 14.75 earns {_earned(reward)}"
    shop.narrator.step("RewardOrder", order.transaction_id, told)
    shop.narrator.show(explanation({"John D.": reward}))
    hold_now = loyalty.call(loyalty.points.GetHold, GetHoldRequest(hold_id=HOLD)).hold
    expect("the state of the hold", hold_now.state, HOLD_STATE_CAPTURED)
    shop.narrator.step("GetHold", HOLD, "captured by the order")
    _has(shop, available=100, pending=14)


def _has(shop: Shop, *, available: int, held: int = 0, pending: int = 0) -> None:
    found = shop.points(CUSTOMER)
    wanted = {"available": available, "held": held, "pending": pending}
    expect("the points", {name: getattr(found, name) for name in wanted}, wanted)
    shop.narrator.step("GetPointsBalance", "", points_told(found))


def _read_history(shop: Shop) -> None:
    shop.narrator.chapter(
        "The history of points", "Every change with the total before and after, as for money."
    )
    changes = shop.history(CUSTOMER)
    shop.narrator.show(history(changes))
    expect("the changes of points", [each.points for each in changes], [150, -50, 14])
    expect("the last total", changes[-1].balance_after, shop.points(CUSTOMER).total)


def _reward_in_cash(shop: Shop) -> None:
    """Another version of the program, under which the same amount earns money."""
    shop.narrator.chapter(
        "The same amount, in cash", "From now on rewards are money; what was earned stays points."
    )
    program = _set_program(shop, CASH_PROGRAM, 2, "cash at rate 1")
    request = _cashback("TXN987654322", program.update_time.ToDatetime(UTC), window_days=0)
    reward = _issue(shop, request).reward
    expect("the cash", reward.reward_amount, eur("150.75"))
    expect("its points", reward.reward_equivalent_points, 0)
    told = f"€ 150.75 earns {shown(reward.reward_amount)} and 0 points"
    shop.narrator.step("IssueCashback", request.transaction_id, told)
    wanted = GetBalanceRequest(player_id=CUSTOMER, currency_code=CURRENCY)
    wallet = shop.casino.call(shop.casino.wallet.GetBalance, wanted).balances[0].balance
    expect("what is in the wallet", wallet, eur("150.75"))
    shop.narrator.step("GetBalance", CUSTOMER, f"{shown(wallet)}, to play with")
    _has(shop, available=100, pending=14)


def _cashback(transaction_id: str, paid_at: datetime, window_days: int) -> IssueCashbackRequest:
    return IssueCashbackRequest(
        player_id=CUSTOMER,
        transaction_id=transaction_id,
        transaction_time=at(paid_at),
        amount=eur("150.75"),
        email="john.doe@example.com",
        mobile="+1234567890",
        merchant=_MERCHANT,
        return_window_days=window_days,
    )


def _issue(shop: Shop, request: IssueCashbackRequest) -> IssueCashbackResponse:
    return shop.loyalty.call(shop.loyalty.cashback.IssueCashback, request)


def _earned(reward: Reward) -> str:
    return f"{reward.reward_equivalent_points} points, worth {shown(reward.reward_amount)}"


def count_transactions(shop: Shop) -> int:
    """Count what was done for these customers: points and money are in one ledger."""
    players = [*(each.player for each in PURCHASES.values()), CUSTOMER]
    return sum(len(list(chapters.newest_first(shop.casino, player))) for player in players)
