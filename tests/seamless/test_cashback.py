"""Cashback where the casino keeps the money: a win of type PROMO, with all guarantees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from purser.admin.v1 import ledger_service_pb2
from purser.loyalty.v1 import loyalty_pb2
from purser.wallet.v1 import wallet_pb2
from purser_casino import ReferenceCasino
from purser_server.ops.checkpoints import KILL_AT
from purser_server.usecases.seamless import Step
from tests.seamless.scene import COMPLETED, PENDING, REFUSED, SECRET, Seamless
from tests.support.client import LOYALTY, Installation, eur, refused
from tests.support.loyalty import WALLET_CASH, Loyalty
from tests.support.process import PurserProcess

CASHBACK = wallet_pb2.TRANSACTION_TYPE_CASHBACK


async def loyalty_of(seamless: Seamless, player: str) -> Loyalty:
    """Return a loyalty backend that pays one cent per euro in cash."""
    client = await seamless.installation.new_client(seamless.operator_id, LOYALTY)
    loyalty = Loyalty(client, player, seamless.operator_id)
    await loyalty.program(reward_mode=WALLET_CASH, wallet_cash_rate="0.01")
    return loyalty


async def payments(seamless: Seamless, player: str) -> list[Any]:
    """Return the transactions that pay cashback."""
    found = await seamless.transactions(player=player)
    return [of for of in found if of.type == CASHBACK and of.related_transaction_id]


async def until_at_casino(seamless: Seamless, player: str, cents: int) -> None:
    async with asyncio.timeout(60):
        while seamless.money(player) != cents:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)


async def test_cashback_goes_out_as_a_promo_win(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    told = await loyalty.issue("500.00", "c1")
    assert told.reward.reward_amount == eur("5.00")
    await until_at_casino(seamless, player, 10_500)
    await seamless.all_settled()

    (paid,) = await payments(seamless, player)
    assert (paid.state, paid.related_transaction_id, paid.amount) == (
        COMPLETED,
        "c1",
        eur("5.00"),
    )
    assert paid.balance_after == eur("105.00") and not paid.HasField("balance_before")
    # The money is at the casino: what was earned, before it is paid, tells no balance.
    earned = await seamless.games.transaction("c1")
    assert not (earned.HasField("balance_before") or earned.HasField("balance_after"))
    known = seamless.casino.movement(paid.transaction_id)
    assert known is not None
    result = await seamless.installation.admin.ledger.GetGameResult(
        ledger_service_pb2.GetGameResultRequest(operator_id=seamless.operator_id)
    )
    assert not list(result.game_results)
    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await seamless.games.rollback(player, paid.transaction_id)
    await seamless.installation.assert_consistent(seamless.operator_id)


@pytest.mark.parametrize("fault", ["win:drop-after@1-2", "win:unavailable@1-2", "win:in-progress"])
async def test_a_casino_that_fails_is_asked_until_it_has_paid_once(
    seamless: Seamless, fault: str
) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    seamless.casino.faults.set(fault)
    await loyalty.issue("500.00", "c1")
    await until_at_casino(seamless, player, 10_500)
    await seamless.all_settled()
    (paid,) = await payments(seamless, player)
    assert paid.state == COMPLETED
    assert seamless.money(player) == 10_500
    await seamless.installation.assert_consistent(seamless.operator_id)


async def the_case(seamless: Seamless) -> Any:
    """Return the operator's only open case as soon as there is one."""
    request = ledger_service_pb2.ListOpenCasesRequest(operator_id=seamless.operator_id)
    async with asyncio.timeout(60):
        while True:
            cases = await seamless.installation.admin.ledger.ListOpenCases(request)
            if cases.open_cases:
                (case,) = cases.open_cases
                return case
            await asyncio.sleep(0.1)


async def resolve(seamless: Seamless, case: Any, decision: Any) -> None:
    await seamless.installation.admin.ledger.ResolveCase(
        ledger_service_pb2.ResolveCaseRequest(
            case_id=case.case_id, decision=decision, note="asked them"
        )
    )


async def test_cashback_that_the_casino_refuses_becomes_a_case(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    seamless.casino.faults.set("win:refused")
    await loyalty.issue("500.00", "c1")
    case = await the_case(seamless)
    (waiting,) = await payments(seamless, player)
    assert (case.transaction_id, case.amount) == (waiting.transaction_id, eur("5.00"))
    assert (case.type, waiting.state) == (CASHBACK, PENDING)
    await resolve(seamless, case, ledger_service_pb2.CASE_DECISION_APPLIED)
    (paid,) = await payments(seamless, player)
    assert paid.state == COMPLETED
    await seamless.installation.assert_consistent(seamless.operator_id)


@pytest.mark.parametrize("before", ["", "200.00"], ids=["refunded after", "in part before"])
async def test_nobody_owes_cashback_that_a_person_says_was_never_paid(
    seamless: Seamless, before: str
) -> None:
    player = await seamless.new_player(100)
    loyalty = await loyalty_of(seamless, player)
    seamless.casino.faults.set("win:refused@1")
    await loyalty.issue("500.00", "c1")
    case = await the_case(seamless)
    if before:
        refund = (await loyalty.give_back("c1", amount=before)).refund
        assert refund.cashback_owed == eur("2.00")

    await resolve(seamless, case, ledger_service_pb2.CASE_DECISION_NOT_APPLIED)

    (given_up,) = await payments(seamless, player)
    assert given_up.state == REFUSED
    refund = (await loyalty.give_back("c1")).refund
    left = 300 if before else 500
    assert refund.taken_from == loyalty_pb2.TakenFrom(pending=left)
    assert not (await loyalty.balance()).cashback_owed
    await loyalty.issue("700.00", "c2")
    await until_at_casino(seamless, player, 10_700)
    await seamless.all_settled()
    await seamless.installation.assert_consistent(seamless.operator_id)


@pytest.mark.slow
@pytest.mark.parametrize("dies", [Step.ANSWER_HEARD, Step.OUTCOME_STORED], ids=str)
async def test_purser_killed_while_it_pays_pays_once(own_database: str, dies: Step) -> None:
    async with ReferenceCasino("casino", SECRET) as keeper:
        variables: dict[str, str | None] = {KILL_AT: str(dies)}
        async with PurserProcess("--database-url", own_database, env=variables) as mortal:
            installation = Installation(mortal.address)
            games = await installation.new_casino(operator_id="casino")
            scene = Seamless(games, keeper, installation, "casino")
            await scene.call_the_casino_at(keeper.address)
            player = await scene.new_player(100)
            loyalty = await loyalty_of(scene, player)
            told = await loyalty.issue("500.00", "c1")
            assert told.reward.reward_amount == eur("5.00")
            assert mortal.process is not None
            await asyncio.wait_for(mortal.process.wait(), 60)
        async with PurserProcess("--database-url", own_database) as server:
            again = Installation(server.address)
            heir = again.client(games.api_key, "casino")  # type: ignore[attr-defined]
            scene = scene.seen_from(heir, again)
            await scene.all_settled()
            (paid,) = await payments(scene, player)
            assert paid.state == COMPLETED
            assert scene.money(player) == 10_500
            await again.assert_consistent("casino")
            await again.close()
        await installation.close()
