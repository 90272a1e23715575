"""What holds for every order and every split of its return."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from purser_server.domain.earning import Reward
from purser_server.domain.orders import Order
from purser_server.domain.programs import Campaign, LinesMissingPolicy
from purser_server.domain.refunding import RefundLineItem
from purser_server.domain.reversals import order_value, reversed_by_line, reversed_points
from tests.unit.returns import Returns
from tests.unit.shop import cash, earns, earns_by_amount, program
from tests.unit.shop_strategies import campaign_lists, orders

often = settings(max_examples=100, deadline=None)


@st.composite
def rewards(draw: st.DrawFn) -> Reward:
    """Draw the reward of any order, under any campaigns and policy."""
    ordered: Order = draw(orders())
    campaigns: list[Campaign] = draw(campaign_lists())
    fields = {
        "lines_missing_policy": draw(st.sampled_from(LinesMissingPolicy)),
        "reward_shipping": draw(st.booleans()),
        "reward_tax": draw(st.booleans()),
    }
    return earns(ordered, campaigns, draw(st.sampled_from([program, cash]))("1.3", **fields))


@st.composite
def splits(draw: st.DrawFn, reward: Reward) -> list[RefundLineItem]:
    """Draw a way to return all lines of a reward, part by part."""
    parts: list[RefundLineItem] = []
    for line in reward.lines:
        left = 0 if line.is_shipping else line.quantity
        while left:
            quantity = left if len(parts) > 20 else draw(st.integers(1, left))
            parts.append(RefundLineItem(quantity, line.product_id, line.line_id))
            left -= quantity
    return draw(st.permutations(parts))


@often
@given(st.data())
def test_however_a_return_is_split_all_that_was_earned_is_taken(data: st.DataObject) -> None:
    reward = data.draw(rewards())
    returns = Returns(reward)
    for part in data.draw(splits(reward)):
        done = returns.refund(part)
        assert done.points >= 0
        assert done.points == sum(line.points for line in done.lines)
        assert 0 <= returns.points <= reward.points
    if reward.shipping:
        returns.refund(shipping=f"{reward.shipping // 100}.{reward.shipping % 100:02}")

    assert returns.points == reward.points
    assert returns.money <= reward.total_paid
    assert reversed_points(reward, returns.refunded) == reward.points
    last = returns.refund()
    assert (last.points, returns.money) == (0, reward.total_paid)
    redeemed = reward.redeemed_points if reward.redeemed_amount else 0
    assert returns.restored == redeemed


@often
@given(st.data())
def test_totals_depend_on_the_cumulative_quantities_alone(data: st.DataObject) -> None:
    reward = data.draw(rewards())
    parts = data.draw(splits(reward))
    parts = parts[: data.draw(st.integers(0, len(parts)))]
    one, other, at_once = Returns(reward), Returns(reward), Returns(reward)
    for part in parts:
        one.refund(part)
    for part in data.draw(st.permutations(parts)):
        other.refund(part)
    if parts:
        at_once.refund(*parts)

    assert one.refunded == other.refunded == at_once.refunded
    assert (one.points, one.money, one.restored) == (other.points, other.money, other.restored)
    assert (one.points, one.money, one.restored) == (
        at_once.points,
        at_once.money,
        at_once.restored,
    )
    assert sum(reversed_by_line(reward, one.refunded)) == one.points


@often
@given(st.data())
def test_mixed_refunds_never_take_or_give_more_than_there_was(data: st.DataObject) -> None:
    reward = data.draw(rewards())
    if reward.lines_missing_policy is LinesMissingPolicy.REJECT:
        reward = replace(reward, lines_missing_policy=LinesMissingPolicy.ALL_PRO_RATA)
    returns = Returns(reward)
    for part in data.draw(splits(reward)):
        kind = data.draw(st.sampled_from(["line", "free line", "amount", "skipped"]))
        if kind == "amount":
            cents = data.draw(st.integers(1, 2_000))
            assert returns.refund(amount=f"{cents // 100}.{cents % 100:02}").points >= 0
        elif kind != "skipped":
            amount = None if kind == "line" else "0"
            assert returns.refund(part, amount=amount).points >= 0
        assert 0 <= returns.points <= reward.points
        assert 0 <= returns.money <= reward.total_paid
        assert 0 <= returns.restored <= reward.redeemed_points
        assert returns.refunded.value <= order_value(reward)

    returns.refund()

    assert returns.points == reward.points
    assert returns.refunded.value == order_value(reward)


@often
@given(st.integers(0, 10_000), st.lists(st.integers(1, 5_000), max_size=8))
def test_amounts_of_a_bare_reward_take_by_their_sum(paid: int, amounts: list[int]) -> None:
    returns = Returns(earns_by_amount(f"{paid // 100}.{paid % 100:02}", program("1.3")))

    for amount in amounts:
        returns.refund(amount=f"{amount // 100}.{amount % 100:02}")

    assert returns.points == min(sum(amounts), paid) * 13 // 1000
    assert returns.money == min(sum(amounts), paid)
