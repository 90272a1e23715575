"""Faults on demand do what their grammar says."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from purser_casino import FaultSpecError, ReferenceCasino
from purser_casino.fault_rules import GRAMMAR, FaultRule, parse
from tests.casino.desk import OPERATOR, SECRET, Desk

BOUND_S = 20.0


async def until_known(casino: ReferenceCasino, transaction_id: str) -> None:
    async with asyncio.timeout(BOUND_S):
        while casino.movement(transaction_id) is None:  # noqa: ASYNC110 - the casino has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("bet:hang", FaultRule("Bet", "hang")),
        ("bet:delay=300ms", FaultRule("Bet", "delay", 0.3)),
        ("win:late=2s", FaultRule("Win", "late", 2.0)),
        ("rollback:before-late=1.5s@3", FaultRule("Rollback", "before-late", 1.5, 3, 3)),
        ("prize:drop-after@2-4", FaultRule("PrizeCashback", "drop-after", "", 2, 4)),
        ("balance:unavailable@2-", FaultRule("GetBalance", "unavailable", "", 2, None)),
        ("*:internal%25", FaultRule("", "internal", chance=0.25)),
        ("bet:in-progress", FaultRule("Bet", "in-progress", 1)),
        ("bet:in-progress=3", FaultRule("Bet", "in-progress", 3)),
        ("bet:nonsense-balance=missing", FaultRule("Bet", "nonsense-balance", "missing")),
    ],
)
def test_a_rule_is_read(spec: str, rule: FaultRule) -> None:
    assert parse(spec) == (rule,)


def test_rules_are_a_list_and_an_empty_one_is_none() -> None:
    assert [rule.fault for rule in parse("bet:hang, win:twice@2")] == ["hang", "twice"]
    assert parse("") == parse("  ") == ()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("hang", "RPC:FAULT"),
        ("bet:hang,", "RPC:FAULT"),
        ("bets:hang", "no rpc 'bets'"),
        ("bet:hnag", "no fault 'hnag'"),
        ("bet:hang=2s", "takes no value"),
        ("bet:late", "needs a time"),
        ("bet:late=2", "needs a time"),
        ("bet:late=soon", "needs a time"),
        ("bet:in-progress=0", "number of times"),
        ("bet:in-progress=x", "number of times"),
        ("bet:hang@0", "from 1"),
        ("bet:hang@4-2", "before the first"),
        ("bet:hang%101", "100 percent"),
        ("bet:hang@2%", "RPC:FAULT"),
        ("bet:nonsense-balance=huge", "negative, currency, missing"),
        ("balance:in-progress", "no transaction id"),
    ],
)
def test_a_bad_specification_says_what_is_wrong(
    spec: str, told: str, reference: ReferenceCasino
) -> None:
    reference.faults.set("bet:hang")
    with pytest.raises(FaultSpecError, match=told):
        reference.faults.set(spec)


def test_the_grammar_names_every_fault() -> None:
    with pytest.raises(FaultSpecError) as told:
        parse("bet:?".replace("?", "x"))
    faults = str(told.value).partition("there are ")[2].split(", ")
    assert len(faults) > 20
    assert [fault for fault in faults if fault not in GRAMMAR] == []


async def test_hang_never_answers_and_applies_nothing(
    reference: ReferenceCasino, desk: Desk, hasty: Desk
) -> None:
    reference.faults.set("bet:hang@1")
    assert await hasty.bet("b-1") == "status DEADLINE_EXCEEDED"
    assert await desk.rollback("rb-1") == "TOMBSTONED"


async def test_late_applies_and_answers_late(reference: ReferenceCasino, hasty: Desk) -> None:
    reference.faults.set("bet:late=60s")
    assert await hasty.bet("b-1") == "status DEADLINE_EXCEEDED"
    assert hasty.money == "95.00"


async def test_before_late_applies_although_the_caller_has_gone(
    reference: ReferenceCasino, hasty: Desk
) -> None:
    reference.faults.set("bet:before-late=500ms")
    assert await hasty.bet("b-1") == "status DEADLINE_EXCEEDED"
    assert hasty.money == "100.00"
    await until_known(reference, "b-1")
    assert hasty.money == "95.00"


async def test_delay_applies_nothing_when_the_caller_has_gone(
    reference: ReferenceCasino, desk: Desk, hasty: Desk
) -> None:
    reference.faults.set("bet:delay=500ms@1,bet:before-late=1s@2")
    assert await hasty.bet("b-1") == "status DEADLINE_EXCEEDED"
    # The second was sent later and waits longer, so the first would have been there before it.
    assert await desk.bet("b-2") == "ACCEPTED"
    assert reference.movement("b-1") is None


async def test_delay_applies_when_the_caller_waits(reference: ReferenceCasino, desk: Desk) -> None:
    reference.faults.set("bet:delay=1ms")
    assert await desk.bet("b-1") == "ACCEPTED"
    assert desk.money == "95.00"


@pytest.mark.parametrize(
    ("fault", "status", "money"),
    [
        ("drop-before", "UNAVAILABLE", "100.00"),
        ("drop-after", "UNAVAILABLE", "95.00"),
        ("unavailable", "UNAVAILABLE", "100.00"),
        ("internal", "INTERNAL", "100.00"),
        ("unauthenticated", "UNAUTHENTICATED", "100.00"),
        ("invalid-argument", "INVALID_ARGUMENT", "100.00"),
        ("unimplemented", "UNIMPLEMENTED", "100.00"),
    ],
)
async def test_a_call_ends_with_a_status(
    reference: ReferenceCasino, desk: Desk, fault: str, status: str, money: str
) -> None:
    reference.faults.set(f"*:{fault}@2")
    assert await desk.bet("b-0", "0.00") == "ACCEPTED"
    assert await desk.bet("b-1") == f"status {status}"
    assert desk.money == money
    assert await desk.bet("b-1") == ("ACCEPTED" if money == "100.00" else "DUPLICATE")


async def test_twice_answers_as_to_the_second_arrival(
    reference: ReferenceCasino, desk: Desk
) -> None:
    reference.faults.set("*:twice")
    assert await desk.bet("b-1") == "DUPLICATE"
    assert await desk.rollback("rb-1") == "DUPLICATE"
    assert desk.money == "100.00"


async def test_in_progress_comes_first_for_each_id(reference: ReferenceCasino, desk: Desk) -> None:
    reference.faults.set("*:in-progress=2")
    for transaction_id in ("b-1", "b-2"):
        assert await desk.bet(transaction_id) == "IN_PROGRESS"
        assert await desk.bet(transaction_id) == "IN_PROGRESS"
        assert await desk.bet(transaction_id) == "ACCEPTED"
    assert await desk.get_balance() == "ACCEPTED"
    assert desk.money == "90.00"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("insufficient", "INSUFFICIENT_FUNDS"),
        ("limit", "LIMIT_REACHED"),
        ("not-eligible", "NOT_ELIGIBLE"),
        ("refused", "REFUSED"),
        ("player-not-found", "PLAYER_NOT_FOUND"),
        ("suspended", "PLAYER_SUSPENDED"),
        ("self-excluded", "PLAYER_SELF_EXCLUDED"),
        ("currency", "CURRENCY_NOT_SUPPORTED"),
    ],
)
async def test_a_refusal_on_demand_is_remembered(
    reference: ReferenceCasino, desk: Desk, fault: str, outcome: str
) -> None:
    reference.faults.set(f"bet:{fault}@2,rollback:{fault}@1")
    assert await desk.bet("b-1") == "ACCEPTED"
    assert await desk.bet("b-2") == outcome
    assert await desk.bet("b-2") == outcome
    assert await desk.rollback("rb-2", "b-2") == outcome
    assert await desk.rollback("rb-2", "b-2") == "NOTHING_TO_ROLL_BACK"
    assert desk.money == "95.00"


async def test_a_refusal_on_demand_does_not_unmake_what_was_applied(
    reference: ReferenceCasino, desk: Desk
) -> None:
    assert await desk.bet("b-1") == "ACCEPTED"
    reference.faults.set("bet:refused")
    assert await desk.bet("b-1") == "DUPLICATE"


@pytest.mark.parametrize(
    ("fault", "outcome"), [("unspecified", "UNSPECIFIED"), ("unknown-outcome", "outcome 999")]
)
async def test_an_outcome_that_is_none(
    reference: ReferenceCasino, desk: Desk, fault: str, outcome: str
) -> None:
    reference.faults.set(f"bet:{fault}")
    assert await desk.bet("b-1") == outcome
    assert desk.money == "95.00"


async def test_balances_that_cannot_be(reference: ReferenceCasino, desk: Desk) -> None:
    reference.faults.set("*:nonsense-balance")
    told = []
    for number in range(4):
        assert await desk.bet(f"b-{number}") == "ACCEPTED"
        told.append(desk.answer.balance)
    assert told == [("EUR", -1), ("XXX", 9000), None, ("EUR", -1)]
    assert desk.money == "80.00"


async def test_the_left_rule_comes_first(reference: ReferenceCasino, desk: Desk) -> None:
    reference.faults.set("bet:drop-after,bet:twice")
    assert await desk.bet("b-1") == "status UNAVAILABLE"
    assert reference.movement("b-1") is not None


async def test_calls_are_counted_by_rpc_from_the_setting_on(
    reference: ReferenceCasino, desk: Desk
) -> None:
    await desk.bet("b-0")
    reference.faults.set("bet:unavailable@2-3")
    await desk.rollback("rb-1", "b-0")
    came = [await desk.bet(f"b-{number}", "0.00") for number in range(1, 5)]
    assert [each == "ACCEPTED" for each in came] == [True, False, False, True]
    reference.faults.set("")
    assert await desk.bet("b-2") == "ACCEPTED"


async def test_luck_is_the_same_with_the_same_seed() -> None:
    async def play(seed: int) -> list[str]:
        casino = ReferenceCasino(OPERATOR, SECRET, faults="bet:unavailable%50", faults_seed=seed)
        async with casino:
            casino.add_player("anna", EUR=100_00)
            desk = Desk(casino)
            came = [await desk.bet(f"b-{number}", "0.00") for number in range(40)]
            await desk.close()
            return came

    played = [await play(seed) for seed in (1, 1, 2)]
    assert {"ACCEPTED", "status UNAVAILABLE"} == set(played[0])
    assert [one == other for one, other in pairwise(played)] == [True, False]


async def test_the_casino_stops_although_calls_hang(hasty: Desk) -> None:
    async with asyncio.timeout(BOUND_S):
        async with ReferenceCasino(OPERATOR, SECRET, faults="*:before-late=1000s") as casino:
            casino.add_player("anna", EUR=100_00)
            desk = Desk(casino, deadline_s=0.2)
            assert await desk.bet("b-1") == "status DEADLINE_EXCEEDED"
            await desk.close()


async def test_at_rest_means_that_nothing_is_left_to_be_applied(
    reference: ReferenceCasino, hasty: Desk
) -> None:
    reference.faults.set("bet:before-late=500ms")
    assert await hasty.bet("b-1") == "status DEADLINE_EXCEEDED"
    assert hasty.money == "100.00"

    await reference.faults.at_rest()

    assert hasty.money == "95.00"
