"""The prize's table of steps, and what a request to return one means to caller and player."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser_server.domain.errors import FINAL_REASONS, Reason, Refusal
from purser_server.domain.outcomes import CallbackOutcome as Outcome
from purser_server.domain.outcomes import Movement, Phase, Report, casino_unreachable, refusal_of
from purser_server.domain.players import PlayerStatus
from purser_server.domain.points import NEVER
from purser_server.domain.prize_cashbacks import (
    PLAYER_MESSAGES,
    PrizeCashback,
    PrizeCashbackState,
    casino_unheard,
    player_message,
    replay_return,
)
from purser_server.domain.prizes import (
    GrantPrize,
    Prize,
    PrizeState,
    PrizeStep,
    ReturnPrize,
    granted,
    refuse_grant,
    refuse_return,
    take,
)
from purser_server.domain.transactions import Transaction, TransactionState, TransactionType
from purser_server.domain.wallet import transaction_rolled_back

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GRANT = GrantPrize("mug", "anna", "A mug", "EUR", 2_500)
MUG = granted(GRANT, 7, NOW)
STORED_STATES = [state for state in PrizeState if state is not PrizeState.EXPIRED]

MAY = {
    (PrizeState.GRANTED, PrizeStep.SHIP): PrizeState.SHIPMENT_ORDERED,
    (PrizeState.GRANTED, PrizeStep.PAY): PrizeState.CASHED_BACK,
    (PrizeState.GRANTED, PrizeStep.ASK): PrizeState.RETURN_PENDING,
    (PrizeState.RETURN_PENDING, PrizeStep.CONFIRM): PrizeState.CASHED_BACK,
    (PrizeState.RETURN_PENDING, PrizeStep.RELEASE): PrizeState.GRANTED,
}


def in_state(state: PrizeState, expire_time: datetime = NEVER) -> Prize:
    return replace(MUG, stored_state=state, expire_time=expire_time)


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "step"), list(product(STORED_STATES, PrizeStep)))
def test_a_prize_takes_the_steps_of_the_table_and_no_other(
    state: PrizeState, step: PrizeStep
) -> None:
    after = take(in_state(state), step, NOW)
    assert (after and after.stored_state) == MAY.get((state, step))


@pytest.mark.parametrize("step", PrizeStep)
def test_nothing_happens_to_a_prize_that_has_expired(step: PrizeStep) -> None:
    assert take(in_state(PrizeState.GRANTED, expire_time=NOW), step, NOW) is None


def test_a_prize_expires_exactly_at_its_time() -> None:
    prize = in_state(PrizeState.GRANTED, expire_time=NOW)
    assert prize.state_at(NOW - timedelta(microseconds=1)) is PrizeState.GRANTED
    assert prize.state_at(NOW) is PrizeState.EXPIRED


@pytest.mark.parametrize("state", [state for state in STORED_STATES if state.name != "GRANTED"])
def test_what_has_left_the_player_or_is_on_its_way_does_not_expire(state: PrizeState) -> None:
    assert in_state(state, expire_time=NOW).state_at(NOW + SECOND) is state


def test_a_confirmation_after_the_expiry_counts_and_a_release_after_it_finds_it_expired() -> None:
    waiting = in_state(PrizeState.RETURN_PENDING, expire_time=NOW)
    confirmed = take(waiting, PrizeStep.CONFIRM, NOW + SECOND, "c")
    released = take(waiting, PrizeStep.RELEASE, NOW + SECOND)
    assert confirmed is not None
    assert confirmed.state_at(NOW + SECOND) is PrizeState.CASHED_BACK
    assert released is not None
    assert released.state_at(NOW + SECOND) is PrizeState.EXPIRED


@given(
    steps=st.lists(st.tuples(st.sampled_from(PrizeStep), st.integers(0, 3)), max_size=12),
    lives=st.one_of(st.none(), st.integers(0, 12)),
)
def test_whatever_is_tried_a_prize_ends_once_and_only_from_the_players_hands(
    steps: list[tuple[PrizeStep, int]], lives: int | None
) -> None:
    prize = replace(MUG, expire_time=NEVER if lives is None else NOW + lives * SECOND)
    now, ends = NOW, []
    for step, pause in steps:
        now += pause * SECOND
        before = prize.state_at(now)
        after = take(prize, step, now, "c")
        assert (after and after.stored_state) == MAY.get((before, step))
        prize = after or prize
        if after is not None and prize.stored_state in (
            PrizeState.CASHED_BACK,
            PrizeState.SHIPMENT_ORDERED,
        ):
            ends.append(step)
    assert len(ends) <= 1
    if ends:
        assert prize.state_at(now + 100 * SECOND) is prize.stored_state


# -- grants ----------------------------------------------------------------------------------------


def test_a_grant_is_compared_with_the_grant_and_not_with_what_became_of_the_prize() -> None:
    shipped = in_state(PrizeState.SHIPMENT_ORDERED)
    assert refuse_grant(GRANT, shipped) is None
    for changed in (
        replace(GRANT, player_id="bob"),
        replace(GRANT, name="A cup"),
        replace(GRANT, currency_code="USD"),
        replace(GRANT, cash_value=2_501),
        replace(GRANT, expire_time=NOW),
    ):
        refusal = refuse_grant(changed, shipped)
        assert refusal is not None
        assert (refusal.reason, dict(refusal.metadata)) == (
            Reason.PRIZE_EXISTS,
            {"prize_id": "mug"},
        )


# -- returns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "status"), list(product(PrizeState, PlayerStatus)))
def test_the_prize_is_judged_before_the_player(state: PrizeState, status: PlayerStatus) -> None:
    is_expired = state is PrizeState.EXPIRED
    prize = in_state(PrizeState.GRANTED, NOW) if is_expired else in_state(state)
    refusal = refuse_return(prize, status, NOW)
    if state is not PrizeState.GRANTED:
        assert refusal is not None
        assert (refusal.reason, refusal.is_final) == (Reason.PRIZE_NOT_RETURNABLE, False)
        assert refusal.metadata == {"state": state.name}
    elif status is PlayerStatus.ACTIVE:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.reason in FINAL_REASONS


def returned(state: TransactionState, refusal: Refusal | None = None) -> Transaction:
    return Transaction(
        1,
        "c",
        TransactionType.PRIZE_CASHBACK,
        state,
        "anna",
        NOW,
        "EUR",
        2_500,
        refusal=refusal,
        prize_id="mug",
    )


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (ReturnPrize("c", "anna", "mug"), ""),
        (ReturnPrize("c", "anna", "cup"), "prize_id"),
        (ReturnPrize("c", "bob", "mug"), "player_id"),
    ],
)
def test_a_known_id_is_compared_by_player_and_prize(asked: ReturnPrize, field: str) -> None:
    refusal = replay_return(asked, returned(TransactionState.COMPLETED))
    assert (refusal.metadata["field"] if refusal else "") == field


def test_a_known_id_of_another_kind_says_so() -> None:
    bet = replace(returned(TransactionState.COMPLETED), type=TransactionType.BET)
    refusal = replay_return(ReturnPrize("c", "anna", "mug"), bet)
    assert refusal is not None
    assert refusal.metadata["field"] == "type"


PRIZE = Movement(TransactionType.PRIZE_CASHBACK, "c", "anna", "EUR", 2_500)
REFUSED_BY_CASINO = refusal_of(PRIZE, Report(Phase.SENDING, Outcome.LIMIT_REACHED))
HAD_BEEN_REFUSED = refusal_of(PRIZE, Report(Phase.UNDOING, Outcome.NOTHING_TO_ROLL_BACK))
SUSPENDED = Refusal(Reason.PLAYER_SUSPENDED, "", {"player_id": "anna"})
REFUSED, ROLLED_BACK = TransactionState.REFUSED, TransactionState.ROLLED_BACK
UNDONE = transaction_rolled_back("c", "")

MEANINGS = {
    "paid": (returned(TransactionState.COMPLETED), None, PrizeCashbackState.CONFIRMED),
    "being asked": (returned(TransactionState.PENDING), Phase.SENDING, PrizeCashbackState.PENDING),
    "being undone": (returned(TransactionState.PENDING), Phase.UNDOING, PrizeCashbackState.FAILED),
    "undone": (returned(ROLLED_BACK, UNDONE), None, PrizeCashbackState.FAILED),
    "denied by us": (returned(REFUSED, SUSPENDED), None, PrizeCashbackState.DENIED),
    "denied by the casino": (returned(REFUSED, REFUSED_BY_CASINO), None, PrizeCashbackState.DENIED),
    "never asked": (returned(REFUSED, casino_unheard("c")), None, PrizeCashbackState.FAILED),
    "found refused": (returned(REFUSED, HAD_BEEN_REFUSED), None, PrizeCashbackState.FAILED),
}


@pytest.mark.parametrize("what", MEANINGS)
def test_the_state_of_a_cashback_follows_from_its_transaction(what: str) -> None:
    transaction, phase, state = MEANINGS[what]
    cashback = PrizeCashback(transaction, phase)
    assert cashback.state is state
    came_to_nothing = state in (PrizeCashbackState.DENIED, PrizeCashbackState.FAILED)
    assert (cashback.refusal is not None) == came_to_nothing
    assert bool(player_message(cashback, {})) == came_to_nothing


def test_a_failed_one_has_the_same_words_however_it_is_settled() -> None:
    own = {Reason.CASINO_UNREACHABLE: "Later.", Reason.TRANSACTION_ROLLED_BACK: "Undone."}
    failed = ("being undone", "undone", "never asked", "found refused")
    found = {player_message(PrizeCashback(*MEANINGS[what][:2]), own) for what in failed}
    assert found == {"Later."}
    told = PrizeCashback(*MEANINGS["being undone"][:2]).refusal
    assert told == casino_unreachable("c", is_sent=True)


def test_the_operators_words_come_first_and_an_empty_text_is_none() -> None:
    denied = PrizeCashback(returned(REFUSED, SUSPENDED))
    assert player_message(denied, {"PLAYER_SUSPENDED": "Nein."}) == "Nein."
    for own in ({}, {"PLAYER_SUSPENDED": ""}, {"PLAYER_CLOSED": "Zu."}):
        assert player_message(denied, own) == PLAYER_MESSAGES[Reason.PLAYER_SUSPENDED]


@pytest.mark.parametrize("reason", sorted(FINAL_REASONS))
def test_whatever_the_reason_there_is_a_text_for_players(reason: Reason) -> None:
    denied = PrizeCashback(returned(REFUSED, Refusal(reason, "casino's words")))
    text = player_message(denied, {})
    assert text
    assert "casino's words" not in text
