"""Money as the command line takes it: 1000.00EUR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

# Of ISO 4217, the currencies that do not have two decimal places.
_WITHOUT_PLACES = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_EXPONENTS = {
    **dict.fromkeys(_WITHOUT_PLACES, 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_MONEY = re.compile(r"(\d+)(?:\.(\d+))?([A-Za-z][A-Za-z0-9_-]{0,15})")
_MAX_MINOR = 2**63 - 1


def minor_units(text: str, exponents: Mapping[str, int]) -> tuple[str, int]:
    """Return currency and minor units of such a text. Raises ValueError.

    `exponents` are those of currencies beside ISO 4217, or instead of it.
    """
    found = _MONEY.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no amount such as 1000.00EUR")
    code = found[3]
    exponent = exponents.get(code, _EXPONENTS.get(code, 2))
    if len(found[2] or "") > exponent:
        raise ValueError(f"{text!r}: {code} has {exponent} decimal places")
    minor = int(Decimal(f"{found[1]}.{found[2] or 0}").scaleb(exponent))
    if minor > _MAX_MINOR:
        raise ValueError(f"{text!r} is too much")
    return code, minor
