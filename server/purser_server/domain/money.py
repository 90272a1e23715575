"""Amounts are integers of minor units; a currency gives them their exponent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.values import value

MAX_MINOR = 2**63 - 1
"""The largest amount, and the largest balance, that a ledger account can hold."""

MAX_EXPONENT = 18
"""An int64 has 18 full decimal places; a currency cannot have more."""

_CODE = re.compile(r"[A-Za-z0-9_-]{1,16}")


def fits(minor_units: int) -> bool:
    """Tell whether a ledger account can hold this many minor units."""
    return -MAX_MINOR <= minor_units <= MAX_MINOR


def amount_range(currency_code: str) -> Refusal:
    """Refuse an amount that would take a balance or a total beyond what 64 bits hold."""
    return Refusal(
        Reason.AMOUNT_RANGE,
        "the amount would take a balance or a total beyond 64 bits",
        {"currency_code": currency_code},
    )


def is_currency_code(code: str) -> bool:
    """Tell whether `code` has the form of a currency code: 1 to 16 of A-Z, a-z, 0-9, _ and -."""
    return _CODE.fullmatch(code) is not None


@value
class Currencies:
    """The currencies an operator may use: the standard ones and those it declared itself."""

    standard: Mapping[str, int]
    declared: Mapping[str, int] = field(default_factory=dict)

    def knows(self, code: str) -> bool:
        """Tell whether the operator may use this currency."""
        return code in self.standard or code in self.declared

    def exponent(self, code: str) -> int:
        """Return the number of decimal places of a known currency."""
        return self.declared[code] if code in self.declared else self.standard[code]


def declaration_problem(code: str, exponent: int, standard: Mapping[str, int]) -> str | None:
    """Say why an operator may not declare this currency, or None when it may."""
    if not is_currency_code(code):
        return "must have a code of 1 to 16 of A-Z, a-z, 0-9, _ and -"
    if not 0 <= exponent <= MAX_EXPONENT:
        return f"must have an exponent between 0 and {MAX_EXPONENT}"
    if standard.get(code, exponent) != exponent:
        return f"must have the exponent of ISO 4217, which is {standard[code]}"
    return None


def currency_unknown(code: str) -> Refusal:
    """Refuse a currency that is neither in ISO 4217 nor declared by the operator."""
    return Refusal(
        Reason.CURRENCY_UNKNOWN,
        f"currency {quoted(code)} is not in ISO 4217 and not declared by the operator",
        {"currency_code": code},
    )
