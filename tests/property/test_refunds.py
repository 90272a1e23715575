"""Any order, any campaigns, any split and order of returns: the server does what the rules say.

The rules, played in this process, tell what each refund must be. Beside that a quote is the refund
that follows, a repeated refund changes nothing, and the balance is the sum of its history.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from purser.loyalty.v1 import loyalty_pb2
from purser.type.v1.money_pb2 import Money
from purser_server.domain.decimals import quantity_text, rate_text
from purser_server.domain.earning import Reward
from purser_server.domain.orders import Order
from purser_server.domain.programs import (
    Campaign,
    LinesMissingPolicy,
    NegativeBalancePolicy,
    RewardMode,
)
from purser_server.domain.refunding import RefundDecision, RefundLineItem
from tests.support.client import LOYALTY, Client, Installation, new_id
from tests.support.loyalty import Loyalty, ago
from tests.unit.returns import Returns
from tests.unit.shop import cash, earns, program
from tests.unit.shop_strategies import campaign_lists, orders
from tests.unit.test_refund_properties import splits

EXAMPLES = 30
AT_ONCE = 4
POLICIES = [policy for policy in LinesMissingPolicy if policy is not LinesMissingPolicy.REJECT]
NOT_IN_A_QUOTE = ("refund_id", "refund_transaction_id", "create_time")


@dataclass(frozen=True)
class Story:
    """An order, the rules that reward it, and what becomes of it: parts and amounts in turn."""

    order: Order
    campaigns: list[Campaign]
    reward: Reward
    policy: NegativeBalancePolicy
    flags: dict[str, bool]
    window_days: int
    steps: list[tuple[str, RefundLineItem | None, str | None]]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    order, campaigns = draw(orders()), draw(campaign_lists())
    flags = {"reward_shipping": draw(st.booleans()), "reward_tax": draw(st.booleans())}
    rules, rate = draw(st.sampled_from([(program, "1.3"), (cash, "0.13")]))
    by = rules(rate, lines_missing_policy=draw(st.sampled_from(POLICIES)), **flags)
    reward = earns(order, campaigns, by)
    steps: list[tuple[str, RefundLineItem | None, str | None]] = []
    for part in draw(splits(reward))[:8]:
        cents = f"{draw(st.integers(1, 2_000)) / 100:.2f}"
        kind = draw(st.sampled_from(["line", "free line", "amount", "spend"]))
        amount = {"free line": "0", "amount": cents}.get(kind)
        steps.append((kind, part if kind.endswith("line") else None, amount))
    if reward.shipping:
        part = f"{draw(st.integers(1, reward.shipping)) / 100:.2f}"
        steps.insert(draw(st.integers(0, len(steps))), ("shipping", None, part))
    return Story(
        order,
        campaigns,
        reward,
        draw(st.sampled_from(NegativeBalancePolicy)),
        flags,
        draw(st.sampled_from([0, 1])),
        [*steps, ("all that is left", None, None)],
    )


def euros(cents: int) -> Money:
    return Money(currency_code="EUR", minor_units=cents)


def campaign_fields(of: Campaign) -> dict[str, Any]:
    return {
        "campaign_id": of.campaign_id,
        "product_ids": sorted(of.product_ids),
        "categories": sorted(of.categories),
        "min_quantity": quantity_text(of.min_quantity),
        "min_amount": euros(of.min_amount) if of.min_amount else None,
    }


def order_fields(order: Order) -> dict[str, Any]:
    tax = order.total_tax
    return {
        "total_paid": euros(order.total_paid),
        "total_shipping": euros(order.total_shipping),
        "total_tax": euros(tax) if tax is not None else None,
    }


def lines_of(order: Order) -> list[loyalty_pb2.LineItem]:
    return [
        loyalty_pb2.LineItem(
            product_id=item.product_id,
            quantity=quantity_text(item.quantity),
            price=euros(item.price),
            discount=euros(item.discount),
            tax=euros(item.tax),
            categories=item.categories,
        )
        for item in order.line_items
    ]


class Play:
    """A story on the real server, with the rules played beside."""

    def __init__(self, story: Story, casino: Client, shop: Loyalty) -> None:
        self.story, self.casino, self.shop = story, casino, shop
        self.returns = Returns(story.reward)
        self.taken = 0

    async def open(self) -> None:
        story, shop = self.story, self.shop
        mode = story.reward.reward_mode
        rate = rate_text(story.reward.rate)
        is_cash = mode is RewardMode.WALLET_CASH
        await shop.program(
            points_per_unit="1" if is_cash else rate,
            wallet_cash_rate=rate if is_cash else "",
            point_value="0.10",
            reward_mode=int(mode),
            negative_balance_policy=int(story.policy),
            lines_missing_policy=int(story.reward.lines_missing_policy),
            **story.flags,
        )
        for campaign in story.campaigns:
            await shop.campaign(rate_text(campaign.multiplier), **campaign_fields(campaign))
        paid: dict[str, Any] = {}
        if story.order.redeemed_points:
            await shop.adjust(story.order.redeemed_points)
            await shop.redeem("paid", points=story.order.redeemed_points)
            paid = {"redemption_transaction_id": "paid"}
        answer = await shop.order(
            *lines_of(story.order),
            transaction_id="o",
            return_window_days=story.window_days,
            **order_fields(story.order),
            **paid,
        )
        assert sum(line.points for line in answer.reward.lines) == story.reward.points

    async def step(self, kind: str, part: RefundLineItem | None, amount: str | None) -> None:
        if kind == "spend":
            await self._spend()
            return
        named = "shipping" if kind == "shipping" else "amount"
        asked: dict[str, Any] = {} if amount is None else {named: amount}
        done = self.returns.refund(*([part] if part else []), **asked)
        asked["transaction_time"] = ago(seconds=0)
        items = []
        if part is not None:
            quantity = quantity_text(part.quantity)
            items = [loyalty_pb2.RefundLineItem(line_id=part.line_id, quantity=quantity)]
        quote = await self.shop.quote_return("o", *items, **asked)
        asked["transaction_id"] = new_id("r")
        refund = (await self.shop.give_back("o", *items, **asked)).refund
        before = await self.shop.balance()
        again = await self.shop.give_back("o", *items, **asked)
        assert again.replayed and again.refund == refund
        assert await self.shop.balance() == before, "a repeated refund changes nothing"
        self._compare(refund, done)
        for field in NOT_IN_A_QUOTE:
            refund.ClearField(field)
        assert quote == refund, "a quote is the refund that follows"

    def _compare(self, refund: Any, done: RefundDecision) -> None:
        points = refund.refund_equivalent_points + refund.cashback_reversed.minor_units
        assert points == done.points
        assert refund.refund_amount.minor_units == done.money
        assert refund.redeemed_points_restored == done.restored_points
        assert refund.points_not_attributed == done.points_not_attributed
        assert [line.points for line in refund.lines] == [line.points for line in done.lines]
        assert refund.order_remaining_points == done.remaining_points
        took = refund.taken_from
        self.taken += took.pending + took.available + took.debt
        fell_short = took.shortfall + took.expired
        assert took.pending + took.available + took.debt + fell_short == points
        assert self.taken <= self.story.reward.points, "never more is taken than was earned"

    async def _spend(self) -> None:
        available = (await self.shop.balance()).available
        if available:
            await self.shop.redeem(points=-(-available // 2))
        cash_left = await self.casino.balance(self.shop.player)
        if cash_left:
            await self.casino.withdraw(self.shop.player, euros(-(-cash_left // 2)))

    async def close(self) -> None:
        """Check what is left once all is returned."""
        reward = await self.shop.reward("o")
        if self.story.reward.points:
            assert reward.state == loyalty_pb2.REWARD_STATE_REVERSED
        assert reward.refunded_amount.minor_units == self.returns.money
        assert self.returns.points == self.story.reward.points
        if self.story.policy is NegativeBalancePolicy.ALLOW:
            assert self.taken == self.story.reward.points, "all is taken"
        balance = await self.shop.balance()
        parts = balance.available + balance.pending + balance.held - balance.debt
        history = await self.shop.history(page_size=1_000)
        assert balance.total == parts == sum(of.points for of in history)


@pytest.mark.slow
async def test_the_server_refunds_as_the_rules_say(installation: Installation) -> None:
    drawn: list[Story] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(stories())
    def collect(story: Story) -> None:
        drawn.append(story)

    collect()
    room = asyncio.Semaphore(AT_ONCE)

    async def play(story: Story) -> None:
        async with room:
            casino: Any = await installation.new_casino()
            key = await installation.new_client(casino.operator_id, LOYALTY)
            shop = Loyalty(key, await casino.new_player(), casino.operator_id)
            played = Play(story, casino, shop)
            await played.open()
            for step in story.steps:
                await played.step(*step)
            await played.close()
            await installation.assert_consistent(casino.operator_id)

    await asyncio.gather(*(play(story) for story in drawn))

    assert len(drawn) == EXAMPLES
    assert any(story.reward.points for story in drawn)
