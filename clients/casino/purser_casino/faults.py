"""Faults on demand: what a casino and a network can do wrong, so that it can be tested against.

A fault stands between the call and the rules, and lets the call proceed before, after, twice or
not at all. The rules themselves know nothing of faults.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import grpc

from purser_casino.fault_rules import NONSENSE, FaultRule, parse
from purser_casino.movements import Outcome, Verdict

Proceed: TypeAlias = Callable[[], Awaitable[Any]]
Refuse: TypeAlias = Callable[[Verdict], Awaitable[Any]]

_NOT_IN_THE_ENUM = 999
_STATUSES = {
    "drop-before": grpc.StatusCode.UNAVAILABLE,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "internal": grpc.StatusCode.INTERNAL,
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "invalid-argument": grpc.StatusCode.INVALID_ARGUMENT,
    "unimplemented": grpc.StatusCode.UNIMPLEMENTED,
}
_REFUSALS = {
    "insufficient": Outcome.INSUFFICIENT_FUNDS,
    "limit": Outcome.LIMIT_REACHED,
    "not-eligible": Outcome.NOT_ELIGIBLE,
    "refused": Outcome.REFUSED,
    "player-not-found": Outcome.PLAYER_NOT_FOUND,
    "suspended": Outcome.PLAYER_SUSPENDED,
    "self-excluded": Outcome.PLAYER_SELF_EXCLUDED,
    "currency": Outcome.CURRENCY_NOT_SUPPORTED,
}
_OUTCOMES = {"unspecified": 0, "unknown-outcome": _NOT_IN_THE_ENUM}


class BrokenCallError(Exception):
    """The call ends with a gRPC status instead of an answer."""

    def __init__(self, code: grpc.StatusCode, fault: str) -> None:
        super().__init__(f"a fault on demand: {fault}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may go wrong. `proceed` gives its answer, a protobuf message, and may be awaited
    more than once; `refuse` remembers and gives a refusal instead.
    """

    rpc: str
    transaction_id: str
    response_type: type[Any]
    proceed: Proceed
    refuse: Refuse


class Faults:
    """The faults of a casino; `set` may be called at any time. Raises FaultSpecError."""

    def __init__(self, spec: str = "", seed: int | None = None) -> None:
        self._luck = random.Random(seed)  # noqa: S311 - the luck of faults needs no cryptography
        self._begun: set[asyncio.Task[Any]] = set()
        self.set(spec)

    def set(self, spec: str) -> None:
        """Replace the faults, and count calls anew."""
        self._rules = parse(spec)
        self._calls: Counter[str] = Counter()
        self._attempts: Counter[tuple[FaultRule, str]] = Counter()
        self._nonsense = 0

    async def answer(self, call: Call) -> Any:
        """Answer a call as the rules that match it have it. Raises BrokenCallError."""
        if not self._rules:
            return await call.proceed()
        self._calls[call.rpc] += 1
        count = self._calls[call.rpc]
        proceed = call.proceed
        for rule in reversed([rule for rule in self._rules if rule.covers(call.rpc, count)]):
            if self._luck.random() < rule.chance:
                proceed = self._with(rule, call, proceed)
        return await proceed()

    async def at_rest(self) -> None:
        """Wait until nothing is left to be applied whose caller may have hung up."""
        while self._begun:
            await asyncio.gather(*self._begun, return_exceptions=True)

    async def end(self) -> None:
        """Cancel what still waits to be applied."""
        for task in self._begun:
            task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    def _with(self, rule: FaultRule, call: Call, proceed: Proceed) -> Proceed:
        fault = rule.fault
        if fault in _STATUSES:
            return lambda: _break(_STATUSES[fault], fault)
        if fault in _REFUSALS:
            return lambda: call.refuse(Verdict(_REFUSALS[fault], "a fault on demand"))
        if fault in _OUTCOMES:
            return lambda: _with_outcome(proceed, _OUTCOMES[fault])
        by_name: dict[str, Callable[[], Awaitable[Any]]] = {
            "hang": _hang,
            "delay": lambda: _after(float(rule.value), proceed),
            "late": lambda: _late(float(rule.value), proceed),
            "before-late": lambda: self._even_if_left(_after(float(rule.value), proceed)),
            "drop-after": lambda: _drop_after(proceed),
            "twice": lambda: _twice(proceed),
            "in-progress": lambda: self._in_progress(rule, call, proceed),
            "nonsense-balance": lambda: self._nonsense_balance(str(rule.value), proceed),
        }
        return by_name[fault]

    async def _even_if_left(self, work: Awaitable[Any]) -> Any:
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    async def _in_progress(self, rule: FaultRule, call: Call, proceed: Proceed) -> Any:
        self._attempts[rule, call.transaction_id] += 1
        if self._attempts[rule, call.transaction_id] > float(rule.value):
            return await proceed()
        return call.response_type(outcome=Outcome.IN_PROGRESS)

    async def _nonsense_balance(self, kind: str, proceed: Proceed) -> Any:
        answer = await proceed()
        if not kind:
            kind = NONSENSE[self._nonsense % len(NONSENSE)]
            self._nonsense += 1
        if kind == "missing":
            answer.ClearField("balance")
        elif kind == "negative":
            answer.balance.minor_units = -1
        else:
            answer.balance.currency_code = "XXX"
        return answer


async def _hang() -> NoReturn:
    while True:
        await asyncio.Event().wait()


async def _break(code: grpc.StatusCode, fault: str) -> NoReturn:
    raise BrokenCallError(code, fault)


async def _after(seconds: float, proceed: Proceed) -> Any:
    await asyncio.sleep(seconds)
    return await proceed()


async def _late(seconds: float, proceed: Proceed) -> Any:
    answer = await proceed()
    await asyncio.sleep(seconds)
    return answer


async def _drop_after(proceed: Proceed) -> NoReturn:
    await proceed()
    raise BrokenCallError(grpc.StatusCode.UNAVAILABLE, "drop-after")


async def _twice(proceed: Proceed) -> Any:
    await proceed()
    return await proceed()


async def _with_outcome(proceed: Proceed, outcome: int) -> Any:
    answer = await proceed()
    answer.outcome = outcome
    return answer
