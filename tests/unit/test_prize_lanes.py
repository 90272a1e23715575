"""Prizes on a lane whose store fails: what callers hear is what was stored, once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from purser_server.domain.decisions import Answer, PrizeAnswer
from purser_server.domain.prizes import GrantPrize, PrizeState, ReturnPrize
from purser_server.domain.transactions import TransactionState
from purser_server.ledger.ports import Request
from tests.unit.casino import Casino
from tests.unit.desk import Desk, open_desk
from tests.unit.money import EUR
from tests.unit.prize_store import PrizeStore
from tests.unit.scripted_writer import CommitLostError

ANNA = "anna"
MUG = GrantPrize("mug", ANNA, "A mug", EUR, 2_500)
RETURN = ReturnPrize("c1", ANNA, "mug")
LOST = [CommitLostError(happened=True), CommitLostError(happened=False)]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    casino = Casino(store=PrizeStore(()))
    casino.player(ANNA, eur="10.00")
    async with open_desk(casino) as desk:
        yield desk


async def ask(desk: Desk, command: GrantPrize | ReturnPrize) -> object:
    return await desk.ledger.execute_prize(Request(desk.casino.operator, command))


@pytest.mark.parametrize("lost", LOST, ids=["after it", "before it"])
async def test_a_grant_whose_commit_is_not_answered_is_told_as_new(
    desk: Desk, lost: CommitLostError
) -> None:
    desk.writer.fail("commit", lost)
    granted, again = await ask(desk, MUG), await ask(desk, MUG)
    assert isinstance(granted, PrizeAnswer)
    assert isinstance(again, PrizeAnswer)
    assert (granted.replayed, again.replayed) == (False, True)
    assert granted.prize == again.prize


@pytest.mark.parametrize("lost", LOST, ids=["after it", "before it"])
async def test_a_return_whose_commit_is_not_answered_pays_once(
    desk: Desk, lost: CommitLostError
) -> None:
    await ask(desk, MUG)
    desk.writer.fail("commit", lost)

    paid, again = await ask(desk, RETURN), await ask(desk, RETURN)

    assert isinstance(paid, Answer)
    assert isinstance(again, Answer)
    assert (paid.replayed, again.replayed) == (False, True)
    assert paid.transaction == again.transaction
    assert paid.transaction.state is TransactionState.COMPLETED
    assert desk.casino.balance() == 3_500
    store = desk.casino.store
    assert isinstance(store, PrizeStore)
    (mug,) = store.prizes.values()
    assert (mug.stored_state, mug.return_id) == (PrizeState.CASHED_BACK, "c1")
