"""What a player may do in each status: every cell of the table."""

from __future__ import annotations

import pytest

from purser_server.domain.commands import Command
from purser_server.domain.errors import Reason
from purser_server.domain.players import (
    Activity,
    PlayerStatus,
    refuse_activity,
    refuse_status_change,
)
from tests.unit.casino import Casino
from tests.unit.commands import bet, close_round, deposit, rollback, win, withdraw, withdraw_all
from tests.unit.money import eur

ACTIVE, SUSPENDED = PlayerStatus.ACTIVE, PlayerStatus.SUSPENDED
SELF_EXCLUDED, CLOSED = PlayerStatus.SELF_EXCLUDED, PlayerStatus.CLOSED

COMMANDS: dict[str, Command] = {
    "bet": bet("b2", "1.00"),
    "bet of zero": bet("b2", "0"),
    "deposit": deposit("d1", "1.00"),
    "withdraw": withdraw("o1", "1.00"),
    "withdraw all": withdraw_all("o1"),
    "win": win("w1", "1.00"),
    "win of a bet": win("w1", "1.00", of="b1"),
    "rollback": rollback("r1", of="b1"),
    "rollback of what never came": rollback("r1", of="b9"),
    "close round": close_round("c1"),
}

ALWAYS = {"win", "win of a bet", "rollback", "rollback of what never came", "close round"}

ALLOWED = {
    ACTIVE: {"bet", "bet of zero", "deposit", "withdraw", "withdraw all"} | ALWAYS,
    SUSPENDED: ALWAYS,
    SELF_EXCLUDED: {"withdraw", "withdraw all"} | ALWAYS,
    CLOSED: {"withdraw", "withdraw all"} | ALWAYS,
}

REASON = {
    SUSPENDED: Reason.PLAYER_SUSPENDED,
    SELF_EXCLUDED: Reason.PLAYER_SELF_EXCLUDED,
    CLOSED: Reason.PLAYER_CLOSED,
}


@pytest.mark.parametrize("status", PlayerStatus)
@pytest.mark.parametrize("activity", COMMANDS)
def test_status_decides_what_is_accepted(
    casino: Casino, activity: str, status: PlayerStatus
) -> None:
    casino.player("anna", eur="10.00")
    casino.bet("b1", "2.00")
    casino.status(status)

    if activity in ALLOWED[status]:
        casino.does(COMMANDS[activity])
    else:
        refusal = casino.refuses(COMMANDS[activity])
        assert refusal.reason is REASON[status]
        assert refusal.metadata == {"player_id": "anna"}
        assert casino.balance() == eur("8.00")


@pytest.mark.parametrize("status", PlayerStatus)
def test_only_an_active_player_may_open_a_session(status: PlayerStatus) -> None:
    refusal = refuse_activity("anna", status, Activity.OPEN_SESSION)

    if status is ACTIVE:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.reason is REASON[status]


def test_refusal_by_status_is_final_though_the_player_is_active_again(casino: Casino) -> None:
    casino.player("anna", eur="10.00", status=SUSPENDED)
    casino.refuses(bet("b1", "1.00"))
    casino.status(ACTIVE)

    assert casino.refuses_again(bet("b1", "1.00")).reason is Reason.PLAYER_SUSPENDED
    casino.bet("b2", "1.00")


def test_accepted_bet_is_replayed_for_a_closed_player(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    first = casino.bet("b1", "1.00")
    casino.status(CLOSED)

    assert casino.replays(bet("b1", "1.00")) == first


def test_status_is_told_before_funds_and_rounds(casino: Casino) -> None:
    casino.player("anna", eur="10.00")
    casino.bet("b1", "1.00")
    casino.close_round("c1")
    casino.status(SELF_EXCLUDED)

    assert casino.refuses(bet("b2", "500.00")).reason is Reason.PLAYER_SELF_EXCLUDED


@pytest.mark.parametrize("wanted", PlayerStatus)
@pytest.mark.parametrize("current", PlayerStatus)
def test_closed_is_final_and_every_other_change_is_free(
    current: PlayerStatus, wanted: PlayerStatus
) -> None:
    refusal = refuse_status_change("anna", current, wanted)

    if current is CLOSED and wanted is not CLOSED:
        assert refusal is not None
        assert refusal.reason is Reason.PLAYER_CLOSED
    else:
        assert refusal is None
