"""Shares: a whole amount divided among parts so that the shares sum to it exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any


def shares(
    total: int, weights: Sequence[int | Fraction], ties: Sequence[tuple[Any, ...]]
) -> tuple[int, ...]:
    """Divide `total` by weight; what rounding down leaves goes to the largest remainders.

    Parts of equal remainder are served in the order of `ties`, which tell what a part is and
    never where it stands: so no share depends on the order of the parts. Nobody gets a share of
    a total when all weights are zero.
    """
    weight = sum(weights) if total else 0
    if not weight:
        return (0,) * len(weights)
    divided = [divmod(total * part, weight) for part in weights]
    result = [int(whole) for whole, _ in divided]
    order = sorted(range(len(weights)), key=lambda part: (-divided[part][1], ties[part]))
    for part in order[: total - sum(result)]:
        result[part] += 1
    return tuple(result)
