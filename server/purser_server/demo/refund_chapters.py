"""The chapters of refunds: four customers return what they bought, and points go back.

The payloads are those of the tutorial that RefundService was built after, and so are the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from purser.admin.v1.operator_pb2 import API_KEY_ROLE_BACKEND, API_KEY_ROLE_LOYALTY
from purser.admin.v1.operator_service_pb2 import CreateApiKeyRequest, CreateOperatorRequest
from purser.loyalty.v1.cashback_service_pb2 import RewardOrderRequest
from purser.loyalty.v1.loyalty_pb2 import Campaign, LineItem, Program, Refund, RefundLineItem
from purser.loyalty.v1.program_service_pb2 import CreateCampaignRequest, UpdateProgramRequest
from purser.loyalty.v1.refund_service_pb2 import QuoteRefundRequest, RefundRequest
from purser.wallet.v1.player_service_pb2 import CreatePlayerRequest
from purser.wallet.v1.wallet_pb2 import Transaction
from purser_server.demo.chapters import newest_first
from purser_server.demo.client import Client
from purser_server.demo.money import CURRENCY, eur, shown
from purser_server.demo.printing import Narrator
from purser_server.demo.stage import expect

OPERATOR = "shop"
CAMPAIGNS = (("triple", "3", ("console001",)), ("double", "2", ("yoga_mat001", "bottle001")))

Items = tuple[tuple[str, str, str], ...]
"""Products, each with its quantity and its price."""


@dataclass(frozen=True)
class Case:
    """A customer's order, what is returned of it, and what must come of that."""

    title: str
    explanation: str
    name: str
    customer: str
    order: str
    bought: Items
    earned: int
    refund: str
    hour: tuple[int, int]
    amount: str
    returned: Items
    points: int
    base: int
    told: str


CASES = (
    Case(
        "A refund for one product",
        "Sarah returns the shoes that earned 12 points, a point per euro and rounded down.",
        "Sarah",
        "cust_sarah01",
        "ORDER-54321",
        (("shoes001", "1", "12.50"),),
        12,
        "txn_sarah001",
        (10, 30),
        "12.50",
        (("shoes001", "1", "12.50"),),
        points=12,
        base=12,
        told="12.50 x 1 = 12.5, which is 12",
    ),
    Case(
        "A refund of a campaign's product",
        "John's console earned triple points, and all of them go with it.",
        "John",
        "cust_john02",
        "ORDER-98765",
        (("console001", "1", "25.00"),),
        75,
        "txn_john002",
        (11, 0),
        "25.00",
        (("console001", "1", "25.00"),),
        points=75,
        base=25,
        told="25.00 x 1 x 3 = 75: 25 base and 50 by the campaign",
    ),
    Case(
        "A refund without line items",
        "Emma's refund names no lines: the money goes back, and her points stay.",
        "Emma",
        "cust_emma03",
        "ORDER-11111",
        (("lamp001", "1", "15.00"),),
        15,
        "txn_emma003",
        (13, 0),
        "15.00",
        (),
        points=0,
        base=0,
        told="no lines, no points: to name them would take 15",
    ),
    Case(
        "A refund of a part of the quantity",
        "Lisa keeps one of three yoga mats, bought at double points, and both bottles.",
        "Lisa",
        "cust_lisa04",
        "ORDER-56789",
        (("yoga_mat001", "3", "10.00"), ("bottle001", "2", "5.00")),
        80,
        "txn_lisa004",
        (14, 0),
        "20.00",
        (("yoga_mat001", "2", "10.00"),),
        points=40,
        base=20,
        told="2 x 10.00 x 1 x 2 = 40: 20 base and 20 by the campaign",
    ),
)


def play(narrator: Narrator, admin: Client, address: str) -> Sequence[Transaction]:
    """Play the four cases with a shop of their own; return its transactions."""
    narrator.chapter(
        "Returned purchases", "A shop rewards what is bought, and four customers return it."
    )
    with Client(address, _set_up(narrator, admin)) as shop:
        _set_rules(narrator, shop)
        for case in CASES:
            _buy(narrator, shop, case)
        for case in CASES:
            _give_back(narrator, shop, case)
        return [each for case in CASES for each in newest_first(shop, case.customer)]


def _set_up(narrator: Narrator, admin: Client) -> str:
    """Create the operator; return an API key of its backend."""
    admin.call(admin.operators.CreateOperator, CreateOperatorRequest(operator_id=OPERATOR))
    roles = [API_KEY_ROLE_BACKEND, API_KEY_ROLE_LOYALTY]
    request = CreateApiKeyRequest(operator_id=OPERATOR, roles=roles)
    made = admin.call(admin.operators.CreateApiKey, request)
    narrator.step("CreateApiKey", OPERATOR, f"{made.key_id}, roles backend and loyalty")
    return made.api_key


def _set_rules(narrator: Narrator, shop: Client) -> None:
    """A point per euro, and two campaigns."""
    program = Program(currency_code=CURRENCY, points_per_unit="1")
    shop.call(shop.programs.UpdateProgram, UpdateProgramRequest(program=program))
    narrator.step("UpdateProgram", OPERATOR, "1 point per euro")
    for campaign_id, multiplier, products in CAMPAIGNS:
        campaign = Campaign(campaign_id=campaign_id, multiplier=multiplier, product_ids=products)
        shop.call(shop.programs.CreateCampaign, CreateCampaignRequest(campaign=campaign))
        told = f"{multiplier} times the points for {', '.join(products)}"
        narrator.step("CreateCampaign", campaign_id, told)


def _buy(narrator: Narrator, shop: Client, case: Case) -> None:
    linked = CreatePlayerRequest(player_id=case.customer, currency_codes=[CURRENCY])
    shop.call(shop.players.CreatePlayer, linked)
    total = sum(int(quantity) * eur(price).minor_units for _, quantity, price in case.bought)
    paid = eur("0")
    paid.minor_units = total
    request = RewardOrderRequest(
        transaction_id=case.order,
        player_id=case.customer,
        transaction_time=_on_the_day(8, (12, 0)),
        total_paid=paid,
        line_items=[
            LineItem(product_id=product, quantity=quantity, price=eur(price))
            for product, quantity, price in case.bought
        ],
    )
    reward = shop.call(shop.cashback.RewardOrder, request).reward
    expect(f"the points of {case.order}", reward.reward_equivalent_points, case.earned)
    narrator.step("RewardOrder", case.name, f"{case.order} earned {case.earned} points")


def _give_back(narrator: Narrator, shop: Client, case: Case) -> None:
    """Ask what the refund would do, and do it."""
    narrator.chapter(case.title, case.explanation)
    narrator.remark(_payload(case))
    items = [
        RefundLineItem(product_id=product, quantity=quantity, price=eur(price))
        for product, quantity, price in case.returned
    ]
    time, amount = _on_the_day(15, case.hour), eur(case.amount)
    quote = QuoteRefundRequest(
        player_id=case.customer,
        reverse_transaction_id=case.order,
        transaction_time=time,
        refund_amount=amount,
        line_items=items,
    )
    _check(case, shop.call(shop.refunds.QuoteRefund, quote).refund)
    narrator.step("QuoteRefund", case.name, f"would take {case.points} points")
    request = RefundRequest(
        player_id=case.customer,
        refund_transaction_id=case.refund,
        reverse_transaction_id=case.order,
        transaction_time=time,
        refund_amount=amount,
        line_items=items,
    )
    refund = shop.call(shop.refunds.Refund, request).refund
    _check(case, refund)
    points = refund.refund_equivalent_points
    narrator.step("Refund", case.name, f"{points} points and {shown(refund.refund_amount)}")
    narrator.remark(case.told)


def _payload(case: Case) -> str:
    """Return what the refund's request says, in short."""
    lines = "; ".join(
        f"{product}, quantity {quantity}, price {price}"
        for product, quantity, price in case.returned
    )
    return f"{case.refund} reverses {case.order}: amount {case.amount}; {lines or 'no lines'}"


def _check(case: Case, refund: Refund) -> None:
    points = refund.refund_equivalent_points
    expect(f"the points of {case.refund}", points, case.points)
    expect(f"the base points of {case.refund}", refund.base_points, case.base)
    expect(f"the money of {case.refund}", refund.refund_amount, eur(case.amount))
    expect(
        f"the points that {case.order} keeps", refund.order_remaining_points, case.earned - points
    )


def _on_the_day(day: int, hour: tuple[int, int]) -> Timestamp:
    """Return a time of December 2024, when all of it took place."""
    time = Timestamp()
    time.FromDatetime(datetime(2024, 12, day, *hour, tzinfo=UTC))
    return time
