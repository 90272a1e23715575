"""Money as people write it: from "12.50" to the contract's minor units, and back to "€ 12.50"."""

from __future__ import annotations

from decimal import Decimal

from purser.type.v1.money_pb2 import Money

CURRENCY = "EUR"
"""The one currency of the story; it has two decimal places."""


def eur(amount: str) -> Money:
    """Return euros, given as people write them: `eur("12.50")`."""
    return Money(currency_code=CURRENCY, minor_units=int(Decimal(amount) * 100))


def shown(money: Money) -> str:
    """Return euros as people read them: "€ 12.50"."""
    return shown_minor(money.minor_units)


def shown_minor(minor_units: int) -> str:
    """Return cents as people read them."""
    return f"€ {Decimal(minor_units).scaleb(-2):,.2f}"


def shown_change(change_minor: int) -> str:
    """Return a change of a balance, given in cents, with its sign: "-€ 12.50"."""
    sign = "-" if change_minor < 0 else "+"
    return f"{sign}{shown_minor(abs(change_minor))}"
