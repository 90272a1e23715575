"""What the reference casino answers: the table of the contract, cell by cell."""

from __future__ import annotations

import pytest

from purser_casino import ReferenceCasino, Status
from tests.casino.desk import Desk
from tests.support.client import eur

MOVES = {"bet": "95.00", "win": "102.00", "prize": "102.50"}


async def new(desk: Desk, kind: str, transaction_id: str, **other: object) -> str:
    """Send a movement that stands for itself: a win of bet b-1, which is there."""
    if kind == "win" and desk.casino.movement("b-1") is None:
        assert await desk.bet("b-1") == "ACCEPTED"
    return str(await getattr(desk, kind)(transaction_id, **other))


@pytest.mark.parametrize("kind", MOVES)
async def test_what_is_new_is_applied(desk: Desk, kind: str) -> None:
    assert await new(desk, kind, "x") == "ACCEPTED"
    assert desk.money == desk.told == MOVES[kind]
    assert desk.answer.casino_transaction_id


@pytest.mark.parametrize("kind", MOVES)
async def test_same_id_and_content_is_a_duplicate(desk: Desk, kind: str) -> None:
    await new(desk, kind, "x")
    assert await new(desk, kind, "x") == "DUPLICATE"
    assert desk.money == desk.told == MOVES[kind]


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("other", [{"amount": "1.00"}, {"player_id": "ben"}])
async def test_same_id_and_other_content_is_reused(
    desk: Desk, kind: str, other: dict[str, str]
) -> None:
    await new(desk, kind, "x")
    assert await new(desk, kind, "x", **other) == "TRANSACTION_ID_REUSED"
    assert desk.money == MOVES[kind]


@pytest.mark.parametrize("kind", MOVES)
async def test_what_was_rolled_back_before_it_came_is_refused(desk: Desk, kind: str) -> None:
    assert await desk.rollback("rb", "x") == "TOMBSTONED"
    before = desk.money
    assert await new(desk, kind, "x") == "TRANSACTION_ROLLED_BACK"
    assert desk.money == ("95.00" if kind == "win" else before)


@pytest.mark.parametrize("kind", MOVES)
async def test_what_was_rolled_back_is_refused(desk: Desk, kind: str) -> None:
    await new(desk, kind, "x")
    assert await desk.rollback("rb", "x") == "ACCEPTED"
    money = desk.money
    assert await new(desk, kind, "x") == "TRANSACTION_ROLLED_BACK"
    assert desk.money == money == ("95.00" if kind == "win" else "100.00")


@pytest.mark.parametrize("kind", ["bet", "prize"])
async def test_a_refusal_is_final(reference: ReferenceCasino, desk: Desk, kind: str) -> None:
    reference.set_status("anna", Status.SUSPENDED)
    assert await new(desk, kind, "x") == "PLAYER_SUSPENDED"
    reference.set_status("anna", Status.ACTIVE)
    assert await new(desk, kind, "x") == "PLAYER_SUSPENDED"
    assert desk.money == "100.00"


async def test_a_refused_win_stays_refused_when_its_bet_comes(desk: Desk) -> None:
    assert await desk.win("w-1", bet="late") == "REFUSED"
    assert await desk.bet("late") == "ACCEPTED"
    assert await desk.win("w-1", bet="late") == "REFUSED"
    assert desk.money == "95.00"


async def test_a_bet_refused_for_funds_stays_refused_when_money_comes(desk: Desk) -> None:
    assert await desk.bet("b-1", "100.01") == "INSUFFICIENT_FUNDS"
    assert await desk.win("w-1", "50.00", bet="", win_type="PROMO", round_id="") == "ACCEPTED"
    assert await desk.bet("b-1", "100.01") == "INSUFFICIENT_FUNDS"
    assert desk.money == "150.00"


@pytest.mark.parametrize("win_type", ["PROMO", "JACKPOT", "FREE_ROUND", "TOURNAMENT"])
async def test_a_win_of_no_game_needs_no_bet(desk: Desk, win_type: str) -> None:
    won = await desk.win("w-1", bet="", win_type=win_type, game_id="", round_id="")
    assert won == "ACCEPTED"
    assert desk.money == "107.00"


@pytest.mark.parametrize(
    "other",
    [{"round_id": "r-2"}, {"game_id": "cards"}, {"bet": "unknown"}, {"bet": "", "round_id": "r-2"}],
)
async def test_a_win_of_an_unknown_bet_is_refused(desk: Desk, other: dict[str, str]) -> None:
    await desk.bet("b-1")
    assert await desk.win("w-1", **other) == "REFUSED"
    assert desk.money == "95.00"


async def test_a_win_of_a_bet_that_was_undone_is_refused(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.rollback("rb-1")
    assert await desk.win("w-1") == "REFUSED"
    assert await desk.win("w-2", bet="") == "REFUSED"
    assert desk.money == "100.00"


async def test_rollback_same_id_is_a_duplicate(desk: Desk) -> None:
    await desk.bet("b-1")
    assert await desk.rollback("rb-1") == "ACCEPTED"
    assert await desk.rollback("rb-1") == "DUPLICATE"
    assert desk.money == desk.told == "100.00"


async def test_rollback_same_id_other_content_is_reused(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.bet("b-2")
    await desk.rollback("rb-1")
    assert await desk.rollback("rb-1", "b-2") == "TRANSACTION_ID_REUSED"
    assert desk.money == "95.00"


async def test_rollback_of_what_was_rolled_back_is_a_duplicate(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.rollback("rb-1")
    assert await desk.rollback("rb-2") == "DUPLICATE"
    assert await desk.rollback("rb-3", "never-came") == "TOMBSTONED"
    assert await desk.rollback("rb-3", "never-came") == "DUPLICATE"
    assert await desk.rollback("rb-4", "never-came") == "DUPLICATE"
    assert desk.money == "100.00"


async def test_rollback_of_a_refused_bet_has_nothing_to_undo(desk: Desk) -> None:
    await desk.bet("b-1", "100.01")
    assert await desk.rollback("rb-1") == "NOTHING_TO_ROLL_BACK"
    assert await desk.rollback("rb-1") == "NOTHING_TO_ROLL_BACK"
    assert await desk.rollback("rb-2") == "NOTHING_TO_ROLL_BACK"
    assert desk.money == "100.00"


@pytest.mark.parametrize("close_round", [False, True])
async def test_rollback_of_a_settled_bet_stands(desk: Desk, close_round: bool) -> None:
    await desk.bet("b-1")
    await desk.bet("b-2")
    await desk.win("w-1", bet="b-2" if close_round else "b-1", close_round=close_round)
    assert await desk.rollback("rb-1") == "STANDS"
    assert await desk.rollback("rb-1") == "STANDS"
    assert desk.money == "97.00"


async def test_a_win_of_the_round_settles_the_bets_before_it(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.win("w-1", bet="")
    await desk.bet("b-2")
    assert await desk.rollback("rb-1", "b-1") == "STANDS"
    assert await desk.rollback("rb-2", "b-2") == "ACCEPTED"


async def test_a_free_round_in_a_game_settles_nothing(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.win("w-1", bet="", win_type="FREE_ROUND")
    assert await desk.rollback("rb-1") == "ACCEPTED"
    assert desk.money == "107.00"


async def test_a_win_that_was_taken_back_settles_nothing(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.win("w-1", close_round=True)
    assert await desk.rollback("rb-1", "w-1", amount=eur("7.00")) == "ACCEPTED"
    assert await desk.rollback("rb-2", "b-1") == "ACCEPTED"
    assert desk.money == "100.00"


async def test_a_win_that_was_spent_is_not_taken_back(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.win("w-1")
    await desk.bet("b-2", "102.00")
    assert await desk.rollback("rb-1", "w-1") == "INSUFFICIENT_FUNDS"
    assert await desk.rollback("rb-1", "w-1") == "INSUFFICIENT_FUNDS"
    assert desk.money == "0.00"


async def test_a_prize_that_was_spent_stays_paid_for(desk: Desk) -> None:
    await desk.prize("p-1")
    await desk.bet("b-1", "102.50")
    assert await desk.rollback("rb-1", "p-1") == "STANDS"
    assert desk.money == "0.00"


async def test_the_amount_that_moved_goes_back_whatever_the_rollback_tells(desk: Desk) -> None:
    await desk.bet("b-1", "5.00")
    assert await desk.rollback("rb-1", amount=eur("99.00")) == "ACCEPTED"
    assert desk.money == "100.00"


async def test_another_players_movement_is_not_rolled_back(
    reference: ReferenceCasino, desk: Desk
) -> None:
    reference.add_player("ben", EUR=0)
    await desk.bet("b-1")
    assert await desk.rollback("rb-1", player_id="ben") == "REFUSED"
    assert desk.money == "95.00"


async def test_a_rollback_cannot_be_rolled_back(desk: Desk) -> None:
    await desk.bet("b-1")
    await desk.rollback("rb-1")
    assert await desk.rollback("rb-2", "rb-1") == "REFUSED"
    assert desk.money == "100.00"


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.SELF_EXCLUDED])
async def test_status_stops_bets_and_prizes_alone(
    reference: ReferenceCasino, desk: Desk, status: Status
) -> None:
    await desk.bet("b-1")
    reference.set_status("anna", status)
    refusal = f"PLAYER_{status.name}"
    assert await desk.bet("b-2") == refusal
    assert await desk.prize("p-1") == refusal
    assert await desk.win("w-1") == "ACCEPTED"
    assert await desk.rollback("rb-1", "w-1") == "ACCEPTED"
    assert await desk.get_balance() == "ACCEPTED"
    assert desk.told == "95.00"


async def test_nobody_and_no_such_currency(desk: Desk) -> None:
    assert await desk.get_balance("nobody") == "PLAYER_NOT_FOUND"
    assert await desk.bet("b-1", player_id="nobody") == "PLAYER_NOT_FOUND"
    assert desk.told is None
    assert await desk.get_balance("anna", "USD") == "CURRENCY_NOT_SUPPORTED"
    dollars = eur("5.00")
    dollars.currency_code = "USD"
    assert await desk.rollback("rb-1", "never-came", amount=dollars) == "TOMBSTONED"
    assert desk.told is None


async def test_a_payment_beyond_all_numbers_is_refused(desk: Desk) -> None:
    most = str((2**63 - 1) // 100)
    assert await desk.win("w-1", most, bet="", win_type="JACKPOT") == "LIMIT_REACHED"
    assert desk.money == "100.00"


@pytest.mark.parametrize(
    "call",
    [
        lambda desk: desk.bet("b-1", "-1.00"),
        lambda desk: desk.bet("", "1.00"),
        lambda desk: desk.bet("b-1", player_id=""),
        lambda desk: desk.rollback("rb-1", ""),
        lambda desk: desk.rollback("rb-1", "rb-1"),
    ],
)
async def test_what_is_no_movement_at_all_is_no_business_answer(desk: Desk, call: object) -> None:
    assert await call(desk) == "status INVALID_ARGUMENT"  # type: ignore[operator]
    assert desk.money == "100.00"
