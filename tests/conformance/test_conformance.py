"""The conformance runner: what it finds, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from purser_casino import Outcome, ReferenceCasino, Status, Verdict
from purser_casino.movements import Kind, Movement
from purser_casino.rules import Rules
from purser_server.conformance import runner
from purser_server.conformance.caller import Target
from purser_server.conformance.registry import CASES, case
from purser_server.conformance.runner import CannotRunError, Case, Run, cases
from tests.conformance.broken import BREAKAGES, Breakage
from tests.conformance.broken_prizes import PRIZE_BREAKAGES

EVERY_BREAKAGE = [*BREAKAGES, *PRIZE_BREAKAGES]
OPERATOR, SECRET, START = "lucky", "the secret of lucky", 100_000


def target(casino: ReferenceCasino, **other: Any) -> Target:
    given = {
        "address": casino.address,
        "operator_id": OPERATOR,
        "player_id": "anna",
        "currency_code": "EUR",
        "signing_secret": SECRET,
    }
    return Target(**{**given, **other})


async def play(casino: ReferenceCasino, chosen: Sequence[Case] = (), **other: Any) -> Run:
    return await runner.run(target(casino, **other), chosen or cases(), lambda _result: None)


def a_casino(**other: Any) -> ReferenceCasino:
    casino = ReferenceCasino(OPERATOR, SECRET, **other)
    casino.add_player("anna", EUR=START)
    return casino


def skipped(run: Run) -> list[str]:
    return [each.case.name for each in run.results if each.verdict is runner.Verdict.SKIPPED]


async def test_every_case_holds_at_the_reference_casino_and_nothing_is_left_behind() -> None:
    async with a_casino() as casino:
        for _ in range(2):
            run = await play(casino)
            assert run.fails == [] and skipped(run) == []
            assert len(run.results) == len(CASES) > 70
            assert run.start_balance == run.end_balance == casino.balance("anna", "EUR") == START


async def test_every_case_says_what_was_sent_and_what_came() -> None:
    async with a_casino() as casino:
        run = await play(casino)
    for result in run.results:
        assert result.case.rule.endswith(".")
        assert result.steps and all(step.sent and step.came for step in result.steps)


@pytest.mark.parametrize(
    "breakage", EVERY_BREAKAGE, ids=lambda breakage: "-".join((breakage.name, breakage.cases[0]))
)
async def test_a_casino_that_breaks_a_rule_fails_its_case(breakage: Breakage) -> None:
    casino = a_casino(rules=breakage.rules, check=breakage.check, service=breakage.service)
    async with casino:
        run = await play(casino, [each for each in cases() if each.name in breakage.cases])
    assert sorted(run.fails) == sorted(breakage.cases)
    for found in run.results:
        last = found.steps[-1]
        assert last.expected and last.came not in last.expected.split(" or ")


async def test_a_defect_in_one_place_does_not_fail_everything() -> None:
    chosen = {each.name: each for each in EVERY_BREAKAGE}
    for name, fails in (
        ("signs the message", ["received-bytes"]),
        ("limits rounds to 100 bets", ["101-bets-in-one-round"]),
        ("forgets refusals", ["refusal-is-final"]),
        ("serves any operator", ["unknown-operator"]),
        ("complains of spent prizes", ["spent-prize-stands"]),
    ):
        breakage = chosen[name]
        casino = a_casino(rules=breakage.rules, check=breakage.check, service=breakage.service)
        async with casino:
            assert (await play(casino)).fails == fails


async def test_a_casino_that_answers_in_progress_first_is_asked_again() -> None:
    async with a_casino(faults="*:in-progress=1") as casino:
        run = await play(casino, cases("replayed") + cases("at-once"))
    assert run.fails == []


async def test_a_status_instead_of_an_answer_fails_the_case_alone() -> None:
    async with a_casino(faults="win:drop-after@2") as casino:
        run = await play(casino)
        assert run.fails == ["win-replayed"]
        assert casino.balance("anna", "EUR") == START
    (failed,) = (each for each in run.results if each.case.name == "win-replayed")
    assert failed.steps[-1].came.startswith("status UNAVAILABLE")


class PaysNoPrizesAndNoJackpots(Rules):
    def judged(self, asked: Movement) -> Verdict:
        if asked.kind is Kind.PRIZE_CASHBACK and self.store.wallet(asked.player_id, "EUR"):
            return Verdict(Outcome.NOT_ELIGIBLE, "no such prize")
        if asked.amount_minor > 1_000_000:
            return Verdict(Outcome.LIMIT_REACHED)
        return super().judged(asked)


async def test_what_a_casinos_own_rules_do_not_allow_is_skipped_with_the_reason() -> None:
    async with a_casino(rules=PaysNoPrizesAndNoJackpots) as casino:
        run = await play(casino, cases("prize-re") + cases("large") + cases("bet-replayed"))
    assert run.fails == []
    assert set(skipped(run)) == {"prize-replayed", "large-payout"} | {
        each.name for each in cases("prize-re")
    }
    reasons = {each.case.name: each.reason for each in run.results}
    assert "NOT_ELIGIBLE (no such prize)" in reasons["prize-replayed"]
    assert "LIMIT_REACHED" in reasons["large-payout"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"signing_secret": "another"}, "UNAUTHENTICATED"),
        ({"operator_id": "another"}, "UNAUTHENTICATED"),
        ({"player_id": "nobody"}, "PLAYER_NOT_FOUND"),
        ({"currency_code": "USD"}, "CURRENCY_NOT_SUPPORTED"),
        ({"player_id": "poor"}, "99999"),
        ({"player_id": "away"}, "PLAYER_SUSPENDED"),
        ({"address": "127.0.0.1:1"}, "UNAVAILABLE"),
    ],
)
async def test_what_cannot_be_played_is_told(other: dict[str, str], told: str) -> None:
    async with a_casino() as casino:
        casino.add_player("poor", EUR=99_999)
        casino.add_player("away", EUR=START)
        casino.set_status("away", Status.SUSPENDED)
        with pytest.raises(CannotRunError, match=told):
            await play(casino, **other)


async def test_a_casino_that_goes_away_ends_the_run() -> None:
    async with a_casino(faults="balance:unavailable@200-") as casino:
        with pytest.raises(CannotRunError, match="UNAVAILABLE"):
            await play(casino)


def test_names_of_cases_are_unique() -> None:
    with pytest.raises(ValueError, match="bet-replayed"):
        case("bet-replayed", "The same again.")(CASES[0].script)
