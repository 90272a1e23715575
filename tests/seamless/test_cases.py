"""Open cases: what only a person can end is shown, and ends as the person says."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest

from purser.admin.v1 import ledger_service_pb2 as pb
from purser.wallet.v1 import wallet_pb2
from purser_casino import ReferenceCasino
from purser_server.app import prepare
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.seamless.scene import (
    COMPLETED,
    PENDING,
    REFUSED,
    ROLLED_BACK,
    SECRET,
    SETTLED_WITHIN_S,
    Seamless,
)
from tests.support.calls import answers, outcome, together
from tests.support.client import BACKEND, LOYALTY, Client, Installation, eur, refused
from tests.support.databases import database_of_its_own
from tests.support.prizes import CASHED_BACK, CONFIRMED, FAILED, GRANTED, PrizeDesk
from tests.support.process import PurserProcess, run_purser

APPLIED, NOT_APPLIED = pb.CASE_DECISION_APPLIED, pb.CASE_DECISION_NOT_APPLIED


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture(scope="module")
async def url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        yield url


@pytest.fixture(scope="module")
def metrics_address() -> str:
    return free_address()


@pytest.fixture(scope="module")
async def impatient(url: str, metrics_address: str) -> AsyncIterator[PurserProcess]:
    """A server that takes a movement for a case after a second, and asks on every second."""
    env: dict[str, str | None] = {
        "PURSER_CASE_AFTER_S": "1",
        "PURSER_CASE_EVERY_S": "1",
        "PURSER_METRICS_LISTEN": metrics_address,
    }
    async with PurserProcess("--database-url", url, env=env) as process:
        yield process


@pytest.fixture
async def seamless(impatient: PurserProcess) -> AsyncIterator[Seamless]:
    installation = Installation(impatient.address)
    casino: Client = await installation.new_casino(BACKEND, LOYALTY)
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        scene = Seamless(casino, keeper, installation, operator_id)
        await scene.call_the_casino_at(keeper.address)
        yield scene
    await installation.close()


async def open_cases(seamless: Seamless) -> list[Any]:
    request = pb.ListOpenCasesRequest(operator_id=seamless.operator_id)
    return list((await seamless.installation.admin.ledger.ListOpenCases(request)).open_cases)


async def the_case(seamless: Seamless) -> Any:
    """Return the operator's only open case as soon as there is one."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not (found := await open_cases(seamless)):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.1)
    (case,) = found
    return case


async def resolve(seamless: Seamless, case_id: str, decision: Any, note: str = "") -> Any:
    request = pb.ResolveCaseRequest(case_id=case_id, decision=decision, note=note)
    return await seamless.installation.admin.ledger.ResolveCase(request)


async def case_of(seamless: Seamless, case_id: str) -> Any:
    request = pb.GetCaseRequest(case_id=case_id)
    return (await seamless.installation.admin.ledger.GetCase(request)).open_case


async def lost_bet(seamless: Seamless, player: str) -> Any:
    """Return the case of a bet that nobody knows of, for the casino is gone."""
    seamless.casino.faults.set("*:unavailable")
    with refused("CASINO_UNREACHABLE"):
        await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    return await the_case(seamless)


@pytest.mark.parametrize(
    ("decision", "state", "told", "prize"),
    [(APPLIED, COMPLETED, CONFIRMED, CASHED_BACK), (NOT_APPLIED, ROLLED_BACK, FAILED, GRANTED)],
    ids=["applied", "not applied"],
)
async def test_a_lost_prize_ends_as_a_person_says(
    seamless: Seamless, decision: Any, state: Any, told: str, prize: str
) -> None:
    player = await seamless.new_player(10)
    desk = PrizeDesk(seamless.games)
    await desk.grant(player)
    seamless.casino.faults.set("*:unavailable")
    assert await desk.hears(player) == FAILED

    case = await the_case(seamless)
    assert (case.transaction_id, case.amount) == ("cashback", eur("25.00"))
    assert case.type == wallet_pb2.TRANSACTION_TYPE_PRIZE_CASHBACK
    await resolve(seamless, case.case_id, decision, "asked on the telephone")

    assert (await seamless.games.transaction("cashback")).state == state
    assert (await desk.told(), await desk.state()) == (told, prize)
    assert await desk.hears(player) == told
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_a_refused_win_waits_for_a_person_who_says_that_it_was_paid(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set("win:limit")

    win = await seamless.games.win(player, eur("20.00"), "r1", "b1", "w1")

    assert win.transaction.state == PENDING
    case = await the_case(seamless)
    assert (case.operator_id, case.transaction_id, case.player_id) == (
        seamless.operator_id,
        "w1",
        player,
    )
    assert (case.type, case.amount) == (wallet_pb2.TRANSACTION_TYPE_WIN, eur("20.00"))
    assert case.state == pb.CASE_STATE_OPEN
    assert case.attempts >= 1
    assert case.last_error.startswith("LIMIT_REACHED")
    assert case.since == win.transaction.create_time

    ended = await resolve(seamless, case.case_id, APPLIED, "paid by hand, ticket 17")

    assert not ended.replayed
    assert ended.open_case.state == pb.CASE_STATE_RESOLVED
    assert ended.open_case.end_time.ToNanoseconds() >= case.since.ToNanoseconds()
    assert (await seamless.games.transaction("w1")).state == COMPLETED
    assert not await open_cases(seamless)
    again = await case_of(seamless, case.case_id)
    assert (again.decision, again.note) == (APPLIED, "paid by hand, ticket 17")
    assert again.amount == eur("20.00")
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_the_same_decision_again_is_a_replay_and_another_one_is_refused(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    case = await lost_bet(seamless, player)
    await resolve(seamless, case.case_id, NOT_APPLIED, "first")

    again = await resolve(seamless, case.case_id, NOT_APPLIED, "second")

    assert again.replayed
    assert again.open_case.note == "first"
    with refused("CASE_ALREADY_RESOLVED") as failure:
        await resolve(seamless, case.case_id, APPLIED)
    assert failure.metadata == {"state": "NOT_APPLIED"}
    assert (await seamless.games.transaction("b1")).state == ROLLED_BACK
    await seamless.assert_agreement()


@pytest.mark.parametrize(
    ("decision", "state"), [(APPLIED, COMPLETED), (NOT_APPLIED, ROLLED_BACK)], ids=["yes", "no"]
)
async def test_a_lost_bet_ends_as_the_person_says(
    seamless: Seamless, decision: Any, state: Any
) -> None:
    player = await seamless.new_player(100)
    case = await lost_bet(seamless, player)
    assert case.type == wallet_pb2.TRANSACTION_TYPE_BET
    calls = seamless.casino.calls("Rollback")

    await resolve(seamless, case.case_id, decision)

    assert (await seamless.games.transaction("b1")).state == state
    seamless.casino.faults.set("")
    # Nobody asks the casino any more, and games hear what was decided.
    await asyncio.sleep(2)
    assert seamless.casino.calls("Rollback") <= calls + 1
    heard = await outcome(seamless.games.bet(player, eur("5.00"), "r1", "b1"))
    if decision == APPLIED:
        assert heard.replayed
    else:
        assert heard.reason == "TRANSACTION_ROLLED_BACK"
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_a_rollback_that_was_not_applied_is_refused_and_its_bet_stands(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("5.00"), "r1", "b1")
    seamless.casino.faults.set("rollback:refused")
    asked = await seamless.games.rollback(player, "b1", "u1")
    assert asked.transaction.state == PENDING
    case = await the_case(seamless)
    assert case.amount == eur("5.00")

    await resolve(seamless, case.case_id, NOT_APPLIED)

    found = await seamless.games.transaction("u1")
    assert found.state == REFUSED
    assert dict(found.refusal.metadata) == {"outcome": "NOT_APPLIED", "casino_message": ""}
    assert (await seamless.games.transaction("b1")).state == COMPLETED
    await seamless.assert_agreement()


async def test_a_late_answer_of_the_casino_ends_a_case_without_a_person(
    seamless: Seamless,
) -> None:
    player = await seamless.new_player(100)
    case = await lost_bet(seamless, player)
    seamless.casino.faults.set("")

    assert (await seamless.settled("b1")).state == ROLLED_BACK

    ended = await case_of(seamless, case.case_id)
    assert ended.state == pb.CASE_STATE_ANSWERED
    assert (ended.decision, ended.note) == (pb.CASE_DECISION_UNSPECIFIED, "")
    with refused("CASE_ALREADY_RESOLVED") as failure:
        await resolve(seamless, case.case_id, NOT_APPLIED)
    assert failure.metadata == {"state": "ANSWERED"}
    await seamless.assert_agreement()


async def test_of_many_who_decide_at_once_one_decides(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    case = await lost_bet(seamless, player)

    found = await together(
        resolve(seamless, case.case_id, decision) for decision in [APPLIED, NOT_APPLIED] * 5
    )

    decided = answers(found)
    assert len(decided) == 5
    assert [answer.replayed for answer in decided].count(False) == 1
    assert len({answer.open_case.decision for answer in decided}) == 1
    await seamless.installation.assert_consistent(seamless.operator_id)


async def test_a_case_that_is_none_is_not_found(seamless: Seamless) -> None:
    for case_id in ("case-1-1", "case-0-0", "c", "case-x-1", "case-1-99999999999999999999"):
        with refused("CASE_NOT_FOUND") as failure:
            await case_of(seamless, case_id)
        assert failure.metadata == {"case_id": case_id}
        with refused("CASE_NOT_FOUND"):
            await resolve(seamless, case_id, APPLIED)
    with refused("OPERATOR_NOT_FOUND"):
        await seamless.installation.admin.ledger.ListOpenCases(
            pb.ListOpenCasesRequest(operator_id="nobody")
        )
    with refused("INVALID_FIELD"):
        await resolve(seamless, "case-1-1", pb.CASE_DECISION_UNSPECIFIED)


async def test_open_cases_are_listed_page_by_page(seamless: Seamless) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r1", "b1")
    seamless.casino.faults.set("win:refused")
    for number in range(5):
        await seamless.games.win(player, eur("1.00"), "r1", "b1", f"w{number}")
    ledger, token, listed = seamless.installation.admin.ledger, "", []
    while True:
        page = await ledger.ListOpenCases(
            pb.ListOpenCasesRequest(operator_id=seamless.operator_id, page_size=2, page_token=token)
        )
        listed += [case.transaction_id for case in page.open_cases]
        token = page.next_page_token
        if not token:
            break
    assert listed == [f"w{number}" for number in range(5)]
    # All operators' together hold at least these.
    every = await ledger.ListOpenCases(pb.ListOpenCasesRequest(page_size=1_000))
    mine = [case for case in every.open_cases if case.operator_id == seamless.operator_id]
    assert len(mine) == 5


async def test_alerts_and_what_waits_are_metrics(seamless: Seamless, metrics_address: str) -> None:
    player = await seamless.new_player(100)
    await seamless.games.bet(player, eur("1.00"), "r1", "b1")
    seamless.casino.faults.set("win:refused")
    await seamless.games.win(player, eur("1.00"), "r1", "b1", "w1")

    def metric(name: str, **labels: str) -> str:
        told = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
        return f"{name}{{{told}}} "

    me = seamless.operator_id
    wanted = {
        metric("purser_callbacks_total", method="Bet", operator_id=me, outcome="ACCEPTED") + "1.0",
        metric("purser_casino_alerts_total", alert="case_opened", operator_id=me) + "1.0",
        metric("purser_pending_movements", operator_id=me) + "1.0",
        metric("purser_open_cases", operator_id=me) + "1.0",
    }
    await shown(metrics_address, wanted)

    await resolve(seamless, (await the_case(seamless)).case_id, APPLIED)
    await shown(metrics_address, {metric("purser_open_cases", operator_id=me) + "0.0"})


async def shown(address: str, wanted: set[str]) -> None:
    """Wait until the metrics have these lines."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not wanted <= await asyncio.to_thread(scrape, address):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


def scrape(address: str) -> set[str]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return set(str(answer.read(), "utf-8").splitlines())


async def test_cases_on_the_command_line(seamless: Seamless, url: str) -> None:
    player = await seamless.new_player(100)
    case = await lost_bet(seamless, player)
    where = ("--database-url", url)

    code, shown, _ = await run_purser("cases", "list", seamless.operator_id, *where)
    assert code == 0
    assert case.case_id in shown
    assert "b1" in shown
    assert "5.00 EUR" in shown

    note = "asked them by telephone"
    code, shown, errors = await run_purser(
        "cases", "resolve", case.case_id, "--decision", "not-applied", "--note", note, *where
    )
    assert code == 0, errors
    assert "RESOLVED" in shown

    code, shown, _ = await run_purser("cases", "show", case.case_id, *where)
    assert code == 0
    assert note in shown
    code, shown, _ = await run_purser("cases", "list", seamless.operator_id, *where)
    assert "There are no open cases." in shown
    code, _, errors = await run_purser(
        "cases", "resolve", case.case_id, "--decision", "applied", "--note", "no", *where
    )
    assert code == 1
    assert "NOT_APPLIED" in errors
    assert (await seamless.games.transaction("b1")).state == ROLLED_BACK
