"""What stands before a casino: a bound of calls in flight, and a circuit breaker."""

from __future__ import annotations

import asyncio

import pytest

from purser_server.casino.gate import FAILURES_TO_OPEN, PROBE_AFTER_S, Gate
from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.errors import Reason, RefusedError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_five_unknown_outcomes_in_a_row_open_the_breaker_and_a_probe_may_close_it() -> None:
    clock = Clock()
    gate = Gate(clock)
    for _ in range(FAILURES_TO_OPEN):
        assert gate.may_send()
        gate.note(is_known=False)
    assert not gate.may_send()

    clock.now += PROBE_AFTER_S
    assert gate.may_send(), "one may try"
    assert not gate.may_send(), "and no more than one"
    gate.note(is_known=False)
    clock.now += PROBE_AFTER_S
    assert gate.may_send()
    gate.note(is_known=True)

    assert gate.may_send()
    assert gate.may_send()


async def test_a_known_outcome_begins_the_count_anew() -> None:
    gate = Gate(Clock())
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            gate.note(is_known=False)
        gate.note(is_known=True)
    assert gate.may_send()


def _settings(most: int, within_s: float) -> CallbackSettings:
    return CallbackSettings(deadline_ms=round(within_s * 1_000), max_calls_in_flight=most)


async def test_who_finds_no_place_in_time_is_told_and_a_place_is_given_on() -> None:
    gate = Gate()
    async with gate.place(_settings(1, 1.0)):
        with pytest.raises(RefusedError) as refused:
            async with gate.place(_settings(1, 0.01)):
                pass
        assert refused.value.refusal.reason is Reason.OVERLOADED
        entered = asyncio.Event()

        async def enter() -> None:
            async with gate.place(_settings(1, 30.0)):
                entered.set()

        waiting = asyncio.create_task(enter())
        await asyncio.sleep(0)
        assert not entered.is_set()
    await waiting
    assert entered.is_set()


async def test_a_probe_that_finds_no_place_leaves_it_to_another() -> None:
    clock = Clock()
    gate = Gate(clock)
    async with gate.place(_settings(1, 1.0)):
        for _ in range(FAILURES_TO_OPEN):
            gate.note(is_known=False)
        clock.now += PROBE_AFTER_S
        assert gate.may_send()
        assert not gate.may_send(), "one is the probe"
        with pytest.raises(RefusedError):
            async with gate.place(_settings(1, 0.01), is_probe=True):
                pass
        assert gate.may_send()


async def test_a_probe_without_an_outcome_leaves_it_to_another() -> None:
    clock = Clock()
    gate = Gate(clock)
    for _ in range(FAILURES_TO_OPEN):
        gate.note(is_known=False)
    clock.now += PROBE_AFTER_S
    assert gate.may_send()
    async with gate.place(_settings(1, 1.0), is_probe=True):
        assert not gate.may_send(), "one is the probe"
    assert gate.may_send(), "the first had no need of a call"
    async with gate.place(_settings(1, 1.0), is_probe=True):
        gate.note(is_known=False)
    assert not gate.may_send(), "the second has heard nothing"


async def test_places_are_given_in_the_order_of_asking_and_none_is_lost_with_who_gives_up() -> None:
    gate = Gate()
    order: list[int] = []

    async def enter(number: int) -> None:
        async with gate.place(_settings(1, 30.0)):
            order.append(number)
            await asyncio.sleep(0)

    async with gate.place(_settings(1, 30.0)):
        tasks = [asyncio.create_task(enter(number)) for number in range(6)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
    # The first in line was given the place in the same moment.
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)

    assert order == [1, 3, 4, 5]
    async with gate.place(_settings(1, 0.01)):
        pass
