"""Lists, newest first: queries made of the filters that are set, and what still waits among them.

Every part of a query is a constant of this room; values come as parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from purser_server.domain.transactions import Transaction

Condition = tuple[str, str, Any]
"""A condition, the name of its parameter, and its value."""

Item = TypeVar("Item")


def of_player(table: str, player_id: str) -> Iterator[Condition]:
    """Yield, if a player is asked for, that rows are theirs: by number, so that an index serves."""
    if player_id:
        number = "SELECT player_no FROM players WHERE operator_no = :operator"
        condition = f"{table}.player_no = ({number} AND player_id = :player_id)"
        yield condition, "player_id", player_id


def within(column: str, start_time: Any, end_time: Any) -> Iterator[Condition]:
    """Yield that a time lies at a start or later, and before an end, where these are given."""
    if start_time is not None:
        yield f"{column} >= :start_time", "start_time", start_time
    if end_time is not None:
        yield f"{column} < :end_time", "end_time", end_time


def is_any(column: str, name: str, numbers: Sequence[int]) -> Iterator[Condition]:
    """Yield, if any are asked for, that a number is one of these."""
    if numbers:
        yield f"{column} = ANY (:{name})", name, [int(number) for number in numbers]


def before(column: str, number: int | None) -> Iterator[Condition]:
    """Yield, on all pages but the first, that a number lies before that of the last one told."""
    if number is not None:
        yield f"{column} < :before", "before", number


def filtered(operator: int, conditions: Iterable[Condition]) -> tuple[str, dict[str, Any]]:
    """Return conditions as they follow a WHERE that has one, and the values of all."""
    found = list(conditions)
    where = "".join(f" AND {condition}" for condition, _, _ in found)
    return where, {"operator": operator, **{name: value for _, name, value in found}}


def newest(
    select: str, by: str, operator: int, limit: int, conditions: Iterable[Condition]
) -> tuple[str, dict[str, Any]]:
    """Return a query for so many rows, newest first, and its values."""
    where, values = filtered(operator, conditions)
    return f"{select}{where} ORDER BY {by} DESC LIMIT :limit", {**values, "limit": limit}


def with_waiting(
    final: Iterable[Item],
    waiting: Iterable[Item],
    transaction: Callable[[Item], Transaction],
    limit: int,
) -> list[Item]:
    """Return the newest of both. What waited was read first: it may be final by now."""
    found = {transaction(item).transaction_id: item for item in (*waiting, *final)}
    return sorted(found.values(), key=lambda item: -transaction(item).number)[:limit]
