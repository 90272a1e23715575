"""A bet may name a game session, which must then be open and its own."""

from __future__ import annotations

import pytest

from purser_server.domain.commands import Bet
from purser_server.domain.errors import Reason
from purser_server.domain.players import WalletBalance
from purser_server.domain.wallet import refuse_entry
from tests.unit.casino import Casino
from tests.unit.commands import POKER, bet
from tests.unit.money import EUR, USD, eur


@pytest.fixture
def entered(casino: Casino) -> Casino:
    """Anna sits at the roulette table, with euros."""
    casino.player("anna", eur="10.00", usd="10.00")
    casino.player("ben", eur="10.00")
    casino.open_session("s1")
    return casino


def test_bet_in_its_open_session_is_accepted(entered: Casino) -> None:
    entered.bet("b1", "2.50", session="s1")

    assert entered.balance() == eur("7.50")


def test_bet_without_a_session_is_accepted(entered: Casino) -> None:
    entered.close_session("s1")

    entered.bet("b1", "2.50")

    assert entered.balance() == eur("7.50")


@pytest.mark.parametrize(
    "wrong",
    [
        bet("b1", "2.50", session="s9"),
        bet("b1", "2.50", session="s1", player="ben"),
        bet("b1", "2.50", session="s1", game=POKER),
        bet("b1", "2.50", session="s1", currency=USD),
    ],
    ids=["unknown session", "another player", "another game", "another currency"],
)
def test_bet_in_a_session_that_is_not_its_own_is_refused(entered: Casino, wrong: Bet) -> None:
    refusal = entered.refuses(wrong)

    assert refusal.reason is Reason.SESSION_INVALID
    assert refusal.metadata["transaction_id"] == "b1"
    assert refusal.metadata["round_id"] == wrong.round_id
    assert entered.round(player=wrong.player_id) is None


def test_bet_in_a_closed_session_is_refused_for_good(entered: Casino) -> None:
    entered.close_session("s1")
    entered.refuses(bet("b1", "2.50", session="s1"))
    entered.open_session("s1")

    refusal = entered.refuses_again(bet("b1", "2.50", session="s1"))

    assert refusal.reason is Reason.SESSION_INVALID


def test_session_of_another_operator_is_unknown(entered: Casino) -> None:
    other = Casino(operator=2, store=entered.store)
    other.player("anna", eur="10.00")

    assert other.refuses(bet("b1", "1.00", session="s1")).reason is Reason.SESSION_INVALID


def test_wins_and_rollbacks_do_not_look_at_sessions(entered: Casino) -> None:
    entered.bet("b1", "2.50", session="s1")
    entered.bet("b2", "2.50", session="s1")
    entered.close_session("s1")

    entered.rollback("r1", of="b2")
    entered.win("w1", "5.00", of="b1")

    assert entered.balance() == eur("12.50")


def test_session_is_no_content_of_a_bet(entered: Casino) -> None:
    entered.bet("b1", "2.50", session="s1")
    entered.close_session("s1")

    entered.replays(bet("b1", "2.50", session="s1"))
    entered.replays(bet("b1", "2.50", session="s9"))
    entered.replays(bet("b1", "2.50"))


def test_session_is_refused_on_an_empty_wallet() -> None:
    refusal = refuse_entry(WalletBalance(EUR, 0, 7))

    assert refusal is not None
    assert refusal.reason is Reason.INSUFFICIENT_FUNDS
    assert refusal.metadata == {"balance": "0", "required": "1", "currency_code": EUR}


def test_one_cent_is_enough_to_open_a_session() -> None:
    assert refuse_entry(WalletBalance(EUR, 1, 1)) is None
