"""How points are shown: why each line earned what it did, and what came and went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table

from purser.loyalty.v1.loyalty_pb2 import (
    PointsBalance,
    PointsTransaction,
    PointsTransactionType,
    Reward,
)
from purser_server.demo.money import shown
from purser_server.demo.printing import new_table


def explanation(rewards: Mapping[str, Reward]) -> Table:
    """Return a table of the lines of orders: how the money of each became points.

    `rewards` are those of the orders, by the first names of those who bought.
    """
    table = new_table(
        *("who", "product", "qty", "net", "rate", "multiplier", "campaign", "exact", "points")
    )
    for name, reward in rewards.items():
        who = name
        for line in reward.lines:
            table.add_row(
                who,
                line.product_id,
                line.quantity,
                shown(line.net),
                line.rate,
                line.multiplier,
                line.campaign_id or "-",
                line.exact_points,
                str(line.points),
            )
            who = ""
    return table


def history(changes: Iterable[PointsTransaction]) -> Table:
    """Return a table of what changed a player's points."""
    table = new_table("id", "type", "points", "before", "after", "hold")
    for each in changes:
        table.add_row(
            each.transaction_id,
            PointsTransactionType.Name(each.type).removeprefix("POINTS_TRANSACTION_TYPE_"),
            f"{each.points:+,}",
            f"{each.balance_before:,}",
            f"{each.balance_after:,}",
            each.hold_id,
        )
    return table


def points_told(balance: PointsBalance) -> str:
    """Return a balance of points as people read it: "100 to spend (€ 10.00), 50 held"."""
    others = (("held", balance.held), ("pending", balance.pending), ("owed", balance.debt))
    told = [f"{balance.available} to spend ({shown(balance.value)})"]
    return ", ".join(told + [f"{count} {name}" for name, count in others if count])
