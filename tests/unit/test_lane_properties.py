"""Whatever happens to the connection, callers hear and wallets hold the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from purser_server.domain.decisions import Result
from purser_server.ledger.lane import LaneLimits
from purser_server.ledger.ports import ContentionError, StoreUnavailableError
from tests.unit.audit import audit
from tests.unit.casino import Ask, AtomicGroup, Casino
from tests.unit.desk import Desk, open_desk
from tests.unit.scripted_writer import CommitLostError
from tests.unit.sequences import ask_lists, new_casino
from tests.unit.told import timeless

Asks = Sequence[Ask]
Fault = tuple[str, Exception]

ROOMY = LaneLimits(queued=1_000, per_flush=1_000, reconnect_s=5.0, resolve_commit_s=5.0)

STEPS = ["begin", "load", "save", "commit"]

WITHOUT_EFFECT: list[Fault] = [
    *((step, StoreUnavailableError("gone")) for step in ["connect", "begin", "load", "save"]),
    *((step, ContentionError("deadlock")) for step in STEPS),
    ("commit", CommitLostError(happened=False)),
]

LOST_AFTER: list[Fault] = [("commit", CommitLostError(happened=True))]


@settings(max_examples=40, deadline=None)
@given(ask_lists(), st.lists(st.sampled_from(WITHOUT_EFFECT), max_size=4))
def test_faults_before_the_commit_change_nothing(asks: Asks, faults: list[Fault]) -> None:
    _assert_same_as_without(asks, faults)


@settings(max_examples=60, deadline=None)
@given(ask_lists(), st.lists(st.sampled_from(WITHOUT_EFFECT), max_size=2))
def test_commit_whose_answer_was_lost_changes_nothing(asks: Asks, faults: list[Fault]) -> None:
    _assert_same_as_without(asks, [*faults, *LOST_AFTER])


def _assert_same_as_without(asks: Asks, faults: Sequence[Fault]) -> None:
    calm, stormy = new_casino(), new_casino()
    expected = calm.flush_all(asks) if asks else []

    results = asyncio.run(_asked_at_once(stormy, asks, faults))

    assert timeless(results) == timeless(expected)
    assert stormy.store.wallets == calm.store.wallets
    assert stormy.history() == calm.history()
    audit(stormy.store)


async def _asked_at_once(casino: Casino, asks: Asks, faults: Sequence[Fault]) -> list[list[Result]]:
    """Let a caller for each ask come at the same time, while these faults happen."""
    async with open_desk(casino, ROOMY) as desk:
        for step, fault in faults:
            desk.writer.fail(step, fault)
        return await asyncio.gather(*(_ask(desk, ask) for ask in asks))


async def _ask(desk: Desk, ask: Ask) -> list[Result]:
    if isinstance(ask, AtomicGroup):
        return await desk.atomically(*ask.commands)
    return [await desk.does(ask)]
