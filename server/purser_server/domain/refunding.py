"""Refunds: what one refund of a rewarded order gives back and takes back, or why it is refused.

Lines that are named decide the points, and an amount decides the money. Without lines, an amount
reverses a bare reward in proportion, and an order with lines by the program's policy. With
neither, all that is left is refunded. How far the points are really taken, from lots or as debt,
is decided elsewhere: here is what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from purser_server.domain.decimals import quantity_text
from purser_server.domain.earning import Reward
from purser_server.domain.errors import Reason, Refusal, invalid_field
from purser_server.domain.ids import quoted
from purser_server.domain.orders import refuse_negative
from purser_server.domain.programs import LinesMissingPolicy
from purser_server.domain.reversals import (
    Refunded,
    money_left,
    most_for_lines,
    restored_points,
    returned_quantities,
    reversed_base_points,
    reversed_points,
    taken_by_line,
    unattributed_points,
    value_left,
    value_of_lines,
)
from purser_server.domain.values import value


@value
class RefundLineItem:
    """A line to return so much of, by its line_id, or its product and perhaps its price.

    The quantity is in thousandths, the price of one unit in minor units.
    """

    quantity: int
    product_id: str = ""
    line_id: str = ""
    price: int | None = None


@value
class RefundRequest:
    """What is to be refunded; amounts in minor units of the reward's currency.

    `amount` is the value that is returned in all, `shipping` being a part of it. None: what the
    lines and the shipping are worth.
    """

    line_items: tuple[RefundLineItem, ...] = ()
    amount: int | None = None
    shipping: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it asks for all that is left: it names nothing."""
        return not self.line_items and self.amount is None and not self.shipping

    @property
    def goods(self) -> int | None:
        """The amount that is asked for goods: all but the shipping."""
        return None if self.amount is None else self.amount - self.shipping

    @property
    def is_of_amount(self) -> bool:
        """Whether it asks for an amount of goods without naming lines."""
        return not self.line_items and bool(self.goods)


@value
class RefundedLine:
    """A line of which a refund returned something; quantities in thousandths.

    The shipping of an order whose shipping had earned is a line of one, of which a part returns.
    """

    line_id: str
    product_id: str
    quantity: int
    refunded_quantity_total: int
    remaining_quantity: int
    points: int
    is_shipping: bool = False


@value
class RefundDecision:
    """What a refund gives back and takes back, and `refunded`: what was refunded with it in all.

    `points` (in WALLET_CASH mode minor units of cash, like all figures of points here) are base
    and campaign points together; one of those may be negative where a refund of lines corrects
    what refunds of amounts took. `money` and `restored_points` go back to the player.
    """

    points: int
    base_points: int
    campaign_points: int
    points_not_attributed: int
    money: int
    restored_points: int
    lines: tuple[RefundedLine, ...]
    remaining_amount: int
    remaining_points: int
    refunded: Refunded


@value
class _Return:
    """What a refund returns: quantities and shipping in all, and the value that is asked.

    `covered` was refunded before without naming the lines; `kept` stays with the operator.
    """

    quantities: tuple[int, ...]
    shipping: int
    goods_value: int
    covered: int = 0
    kept: int = 0


def decide_refund(
    reward: Reward, before: Refunded, request: RefundRequest
) -> RefundDecision | Refusal:
    """Return what a refund does, given what was refunded before; nothing is changed."""
    refusal = (
        _refuse_form(request)
        or _refuse_missing_lines(reward, request)
        or _refuse_shipping(reward, before, request)
    )
    if refusal:
        return refusal
    returned = _returned(reward, before, request)
    if isinstance(returned, Refusal):
        return returned
    return _decision(reward, before, _after(reward, before, request, returned), request)


def _decision(
    reward: Reward, before: Refunded, after: Refunded, request: RefundRequest
) -> RefundDecision:
    points = reversed_points(reward, after) - reversed_points(reward, before)
    base = reversed_base_points(reward, after) - reversed_base_points(reward, before)
    return RefundDecision(
        points=points,
        base_points=base,
        campaign_points=points - base,
        points_not_attributed=_not_attributed(reward, before, after, request),
        money=after.money - before.money,
        restored_points=restored_points(reward, after) - restored_points(reward, before),
        lines=_refunded_lines(reward, before, after, points),
        remaining_amount=money_left(reward, after),
        remaining_points=reward.points - reversed_points(reward, after),
        refunded=after,
    )


def _not_attributed(
    reward: Reward, before: Refunded, after: Refunded, request: RefundRequest
) -> int:
    """Return what a refund of an amount leaves that naming the lines might have taken."""
    if not request.is_of_amount or not reward.lines:
        return 0
    return max(0, unattributed_points(reward, after) - unattributed_points(reward, before))


def _refunded_lines(
    reward: Reward, before: Refunded, after: Refunded, points: int
) -> tuple[RefundedLine, ...]:
    taken = taken_by_line(reward, before, after, points)
    were, are = returned_quantities(reward, before), returned_quantities(reward, after)
    return tuple(
        RefundedLine(
            line.line_id,
            line.product_id,
            now - was,
            now,
            line.quantity - now,
            share,
            line.is_shipping,
        )
        for line, was, now, share in zip(reward.lines, were, are, taken, strict=True)
        if now > was
    )


# -- what is returned ---------------------------------------------------------------------------


def _returned(reward: Reward, before: Refunded, request: RefundRequest) -> _Return | Refusal:
    if request.is_full:
        return _all_that_is_left(reward, before)
    shipping = before.shipping + request.shipping
    if not request.line_items:
        return _Return(before.quantities, shipping, goods_value=request.goods or 0)
    quantities = _quantities_after(reward, before, request.line_items)
    if isinstance(quantities, Refusal):
        return quantities
    return _return_of_lines(reward, before, request, quantities)


def _all_that_is_left(reward: Reward, before: Refunded) -> _Return:
    quantities = tuple(0 if line.is_shipping else line.quantity for line in reward.lines)
    shipping = reward.shipping - before.shipping
    goods = max(0, value_left(reward, before) - shipping)
    return _Return(quantities, reward.shipping, goods)


def _return_of_lines(
    reward: Reward, before: Refunded, request: RefundRequest, quantities: tuple[int, ...]
) -> _Return | Refusal:
    """Return what lines give back: what they are worth, or the amount that is asked for them."""
    worth = value_of_lines(reward, quantities) - value_of_lines(reward, before.quantities)
    asked = worth if request.goods is None else request.goods
    most = most_for_lines(reward, before.quantities, quantities)
    if asked > most:
        most += request.shipping
        return exceeds_order("", str(min(most, value_left(reward, before))))
    short = max(0, worth - asked)
    # Money that went back without naming lines may have been for these: that is no fee. Nor is
    # it one where nothing is asked: that takes points alone, and leaves the money as it is.
    covered = min(short, before.amount - before.attributed)
    kept = short - covered if asked else 0
    return _Return(quantities, before.shipping + request.shipping, asked, covered, kept)


def _after(reward: Reward, before: Refunded, request: RefundRequest, returned: _Return) -> Refunded:
    """Return what was refunded in all once this is: never more than there was."""
    left = value_left(reward, before)
    shipping = min(returned.shipping - before.shipping, left)
    goods = min(returned.goods_value, left - shipping)
    money = min(shipping + goods, money_left(reward, before))
    kept = min(returned.kept, left - shipping - goods)
    return Refunded(
        quantities=returned.quantities,
        shipping=returned.shipping,
        amount=before.amount + _amount(reward, request, shipping, goods, money),
        attributed=before.attributed + returned.covered,
        value=before.value + shipping + goods + kept,
        money=before.money + money,
        restored_amount=before.restored_amount + shipping + goods - money,
    )


def _amount(reward: Reward, request: RefundRequest, shipping: int, goods: int, money: int) -> int:
    """Return what counts as refunded by amount.

    A bare reward was earned by money, and so it is reversed; of an order with lines, a refund
    that names none counts with its whole value.
    """
    if not reward.lines:
        return money if reward.shipping_earns else max(0, money - shipping)
    return goods if request.is_of_amount else 0


# -- which lines --------------------------------------------------------------------------------


def _quantities_after(
    reward: Reward, before: Refunded, items: Sequence[RefundLineItem]
) -> tuple[int, ...] | Refusal:
    """Return each line's quantity in all; a line that is named twice counts twice."""
    quantities = list(before.quantities)
    places = _places(reward)
    for item in items:
        place = _find_line(reward, places, item)
        if isinstance(place, Refusal):
            return place
        quantities[place] += item.quantity
    lines = zip(reward.lines, before.quantities, quantities, strict=True)
    for line, was, now in lines:
        if now > line.quantity:
            return exceeds_order(line.line_id, quantity_text(line.quantity - was))
    return tuple(quantities)


def _places(reward: Reward) -> dict[tuple[str, str], list[int]]:
    """Return where the lines of the reward stand, by their ids, by their products, and by both.

    The shipping has neither, and cannot be named.
    """
    places: dict[tuple[str, str], list[int]] = {}
    for place, line in enumerate(reward.lines):
        if not line.is_shipping:
            for name in (
                (line.line_id, ""),
                ("", line.product_id),
                (line.line_id, line.product_id),
            ):
                places.setdefault(name, []).append(place)
    return places


def _find_line(
    reward: Reward, places: dict[tuple[str, str], list[int]], item: RefundLineItem
) -> int | Refusal:
    """Return the place of the line that is meant, among the lines of the reward."""
    named = places.get((item.line_id, item.product_id), [])
    if not named:
        return line_unknown(item.line_id or item.product_id)
    if len(named) > 1:
        named = [i for i in named if reward.lines[i].price == item.price]
    return named[0] if len(named) == 1 else line_ambiguous(item.product_id)


# -- refusals -----------------------------------------------------------------------------------


def _refuse_form(request: RefundRequest) -> Refusal | None:
    for i, item in enumerate(request.line_items):
        if not item.line_id and not item.product_id:
            return invalid_field(f"line_items[{i}].product_id", "must be given without a line_id")
        if item.quantity <= 0:
            return invalid_field(f"line_items[{i}].quantity", "must be greater than zero")
    if request.amount == 0 and not request.line_items:
        problem = "must be greater than zero where no lines are given"
        return invalid_field("refund_amount.minor_units", problem)
    refusal = refuse_negative("refund_amount", request.amount or 0) or refuse_negative(
        "refund_shipping", request.shipping
    )
    if refusal is None and request.goods is not None and request.goods < 0:
        problem = "must not be greater than refund_amount, which it is a part of"
        return invalid_field("refund_shipping.minor_units", problem)
    return refusal


def _refuse_missing_lines(reward: Reward, request: RefundRequest) -> Refusal | None:
    is_rejected = reward.lines_missing_policy is LinesMissingPolicy.REJECT
    if is_rejected and reward.lines and request.is_of_amount:
        return lines_required()
    return None


def _refuse_shipping(reward: Reward, before: Refunded, request: RefundRequest) -> Refusal | None:
    remaining = reward.shipping - before.shipping
    return exceeds_order("", str(remaining)) if request.shipping > remaining else None


def exceeds_order(line: str, remaining: str) -> Refusal:
    """Refuse more than is left: of a line (a quantity), or of the money (`line` is empty)."""
    left = f"line {quoted(line)} has {remaining} left" if line else f"no more than {remaining}"
    return Refusal(
        Reason.REFUND_EXCEEDS_ORDER,
        f"the refund asks for more than is left: {left}",
        {"line": line, "remaining": remaining},
    )


def line_unknown(line: str) -> Refusal:
    """Refuse a line or product that the order does not have."""
    return Refusal(
        Reason.REFUND_LINE_UNKNOWN, f"the order has no line {quoted(line)}", {"line": line}
    )


def line_ambiguous(product_id: str) -> Refusal:
    """Refuse a product that stands on several lines of which none is told by its price."""
    return Refusal(
        Reason.REFUND_LINE_AMBIGUOUS,
        f"product {quoted(product_id)} stands on several lines: give the line_id",
        {"line": product_id},
    )


def lines_required() -> Refusal:
    """Refuse an amount without lines where the program wants lines to be named."""
    return Refusal(
        Reason.REFUND_LINES_REQUIRED, "the order was rewarded by its lines: name those to refund"
    )
