"""Exact decimals: quantities and rates are read from text, kept as scaled integers, told as text.

A quantity is an integer of thousandths, a rate (points per unit, a point's value, a multiplier) an
integer of millionths. Both fit 64 bits, and no float ever comes near them.
"""

from __future__ import annotations

import re

QUANTITY_PLACES = 3
RATE_PLACES = 6

QUANTITY_ONE: int = 10**QUANTITY_PLACES
"""A quantity of 1, in thousandths."""

RATE_ONE: int = 10**RATE_PLACES
"""A rate or multiplier of 1, in millionths."""

MAX_WHOLE_DIGITS = 9
"""Digits before the point: the largest quantity is 999,999,999.999."""

_FORM = re.compile(r"([0-9]+)(?:\.([0-9]+))?")


def quantity_problem(text: str) -> str | None:
    """Say why this is no quantity, or None when it is one."""
    return _problem(text, QUANTITY_PLACES)


def rate_problem(text: str) -> str | None:
    """Say why this is no rate, or None when it is one."""
    return _problem(text, RATE_PLACES)


def parse_quantity(text: str) -> int:
    """Return a well-formed quantity in thousandths: "1.5" is 1500."""
    return _scaled(text, QUANTITY_PLACES)


def parse_rate(text: str) -> int:
    """Return a well-formed rate in millionths: "1.5" is 1500000."""
    return _scaled(text, RATE_PLACES)


def quantity_text(thousandths: int) -> str:
    """Return a quantity as the contract tells it: 1500 is "1.5"."""
    return decimal_text(thousandths, QUANTITY_PLACES)


def rate_text(millionths: int) -> str:
    """Return a rate as the contract tells it: 100000 is "0.1"."""
    return decimal_text(millionths, RATE_PLACES)


def decimal_text(scaled: int, places: int) -> str:
    """Return `scaled` / 10**`places` exactly, with no digit more than it takes."""
    whole, rest = divmod(abs(scaled), 10**places)
    digits = f"{rest:0{places}d}".rstrip("0") if rest else ""
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def rounded_half_up(numerator: int, denominator: int) -> int:
    """Return the whole number nearest to the quotient, of two equally near ones the upper."""
    return (2 * numerator + denominator) // (2 * denominator)


def _problem(text: str, places: int) -> str | None:
    form = _FORM.fullmatch(text)
    if form is None:
        return 'must be a decimal such as "1.5"'
    whole, fraction = form.groups(default="")
    if len(whole) > MAX_WHOLE_DIGITS:
        return f"must have at most {MAX_WHOLE_DIGITS} digits before the point"
    if len(fraction) > places:
        return f"must have at most {places} decimal places"
    return None


def _scaled(text: str, places: int) -> int:
    assert _problem(text, places) is None, "decimals are checked where they come in"
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(places, "0"))
