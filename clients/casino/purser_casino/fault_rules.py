"""The grammar of faults: which calls go wrong, and how. What the faults do is in `faults.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

GRAMMAR = """\
SPEC is a comma-separated list of rules RPC:FAULT[@CALLS][%PERCENT], such as
bet:hang or win:drop-after@2,bet:late=2s%10.

RPC is bet, win, rollback, prize, balance, or * for all of them.

FAULT is one of

  hang                never answers, and applies nothing
  delay=TIME          waits, then applies and answers; nothing if the caller hangs up before
  before-late=TIME    waits, then applies and answers; applies also if the caller has hung up
  late=TIME           applies at once, waits, then answers
  drop-before         UNAVAILABLE, and applies nothing
  drop-after          applies, then UNAVAILABLE
  unavailable, internal, unauthenticated, invalid-argument, unimplemented
                      that gRPC status, and applies nothing
  twice               the call arrives twice, and the answer is that to the second arrival
  in-progress[=TIMES] IN_PROGRESS to the first TIMES (1) attempts of each transaction id
  insufficient, limit, not-eligible, refused, player-not-found, suspended, self-excluded, currency
                      that refusal, remembered under its id as any other (for a rollback: not)
  unspecified, unknown-outcome
                      applies, and answers no outcome, or one that is not in the enum
  nonsense-balance[=negative|currency|missing]
                      applies, and tells a balance that cannot be; without a word each in turn

TIME is a number with ms or s. CALLS is n, n-m or n-: the n-th call of that rpc since the faults
were set, or the calls n to m. PERCENT is the chance of a call to go wrong, 0 to 100. Rules are
tried from left to right, and all that match a call take effect, the left one first."""

_RULE = re.compile(
    r"(?P<rpc>[a-z*]+):(?P<fault>[a-z-]+)(?:=(?P<value>[^@%]*))?"
    r"(?:@(?P<first>\d+)(?P<range>-)?(?P<last>\d+)?)?(?:%(?P<percent>\d+(?:\.\d+)?))?"
)
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")

RPCS = {
    "bet": "Bet",
    "win": "Win",
    "rollback": "Rollback",
    "prize": "PrizeCashback",
    "balance": "GetBalance",
    "*": "",
}
NONSENSE = ("negative", "currency", "missing")


class FaultSpecError(ValueError):
    """A specification of faults that cannot be read; the text tells why."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule. `rpc` is the method's name, empty for all; `last_call` is None for no end.

    `value` is seconds, a number of times or a word, as the fault has it; `chance` is 0 to 1.
    """

    rpc: str
    fault: str
    value: float | str = ""
    first_call: int = 1
    last_call: int | None = None
    chance: float = 1.0

    def covers(self, rpc: str, call: int) -> bool:
        """Tell whether the rule speaks of the `call`-th call of an rpc."""
        if self.fault in _MOVEMENTS_ALONE and rpc == RPCS["balance"]:
            return False
        in_range = self.first_call <= call and (self.last_call is None or call <= self.last_call)
        return self.rpc in ("", rpc) and in_range


def parse(spec: str) -> tuple[FaultRule, ...]:
    """Return the rules of a specification, none for an empty one. Raises FaultSpecError."""
    return tuple(_rule(part.strip()) for part in spec.split(",")) if spec.strip() else ()


def _rule(text: str) -> FaultRule:
    found = _RULE.fullmatch(text)
    if not found:
        raise FaultSpecError(f"{text!r} is not RPC:FAULT[=VALUE][@CALLS][%PERCENT]")
    rpc, fault = found["rpc"], found["fault"]
    if rpc not in RPCS:
        raise FaultSpecError(f"{text!r}: no rpc {rpc!r}; there are {', '.join(RPCS)}")
    if fault not in _VALUES:
        raise FaultSpecError(f"{text!r}: no fault {fault!r}; there are {', '.join(_VALUES)}")
    if fault in _MOVEMENTS_ALONE and rpc == "balance":
        raise FaultSpecError(f"{text!r}: a balance has no transaction id, so no {fault}")
    try:
        value = _VALUES[fault](found["value"])
        first, last = _calls(found)
    except ValueError as error:
        raise FaultSpecError(f"{text!r}: {error}") from None
    chance = float(found["percent"] or 100) / 100
    if chance > 1:
        raise FaultSpecError(f"{text!r}: a chance is at most 100 percent")
    return FaultRule(RPCS[rpc], fault, value, first, last, chance)


def _calls(found: Mapping[str, str | None] | re.Match[str]) -> tuple[int, int | None]:
    """Return the first and the last call that a rule speaks of."""
    if found["first"] is None:
        return 1, None
    first = int(found["first"])
    if not found["range"]:
        if found["last"]:
            raise ValueError("calls are n, n-m or n-")
        return _counted(first), first
    last = int(found["last"]) if found["last"] else None
    if last is not None and last < first:
        raise ValueError("the last call is before the first")
    return _counted(first), last


def _counted(call: int) -> int:
    if call < 1:
        raise ValueError("calls are counted from 1")
    return call


def _nothing(value: str | None) -> str:
    if value is not None:
        raise ValueError("this fault takes no value")
    return ""


def _time(value: str | None) -> float:
    found = _TIME.fullmatch(value or "")
    if not found:
        raise ValueError("this fault needs a time, such as =300ms or =2s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _times(value: str | None) -> float:
    if value is None:
        return 1
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ValueError("this fault takes a number of times, such as =3")
    return int(value)


def _nonsense(value: str | None) -> str:
    if value is not None and value not in NONSENSE:
        raise ValueError(f"a balance can be {', '.join(NONSENSE)}")
    return value or ""


_VALUES: dict[str, Callable[[str | None], float | str]] = {
    "hang": _nothing,
    "delay": _time,
    "before-late": _time,
    "late": _time,
    "drop-before": _nothing,
    "drop-after": _nothing,
    "unavailable": _nothing,
    "internal": _nothing,
    "unauthenticated": _nothing,
    "invalid-argument": _nothing,
    "unimplemented": _nothing,
    "twice": _nothing,
    "in-progress": _times,
    "insufficient": _nothing,
    "limit": _nothing,
    "not-eligible": _nothing,
    "refused": _nothing,
    "player-not-found": _nothing,
    "suspended": _nothing,
    "self-excluded": _nothing,
    "currency": _nothing,
    "unspecified": _nothing,
    "unknown-outcome": _nothing,
    "nonsense-balance": _nonsense,
}
_MOVEMENTS_ALONE = ("in-progress",)
