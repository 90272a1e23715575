"""Money as people write it: `eur("12.50")` is 1250 minor units."""

from __future__ import annotations

from decimal import Decimal

EUR, USD = "EUR", "USD"

MOST = "92233720368547758.07"
"""The most that a wallet of two decimal places can hold: 2**63 - 1 minor units."""


def eur(amount: str) -> int:
    """Return euros, or any other money of two decimal places, in minor units."""
    minor = Decimal(amount).scaleb(2)
    assert minor == int(minor), f"{amount} has more than two decimal places"
    return int(minor)


usd = eur
