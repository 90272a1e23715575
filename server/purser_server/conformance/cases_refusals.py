"""Refusals: what is refused, and that it stays refused under its id."""

from __future__ import annotations

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser_server.conformance.outcomes import (
    ACCEPTED,
    CURRENCY_NOT_SUPPORTED,
    INSUFFICIENT_FUNDS,
    LIMIT_REACHED,
    NOT_ELIGIBLE,
    NOTHING_TO_ROLL_BACK,
    PLAYER_NOT_FOUND,
    REFUSED,
    TRANSACTION_ROLLED_BACK,
)
from purser_server.conformance.play import Moving, Play
from purser_server.conformance.registry import case

_NO_CURRENCY = "NO-SUCH-MONEY"


@case("bet-beyond-balance", "A bet of more than the balance is INSUFFICIENT_FUNDS, each time.")
async def bet_beyond_balance(play: Play) -> None:
    """Bet one minor unit more than there is, twice under one id."""
    bet = play.bet(play.balance + 1)
    await play.sends(bet, INSUFFICIENT_FUNDS, skips_on=[LIMIT_REACHED])
    await play.sends(bet, INSUFFICIENT_FUNDS)


@case("refusal-is-final", "A bet refused for funds is refused under its id, also when money came.")
async def refusal_is_final(play: Play) -> None:
    """Refuse a bet, pay what was missing, and send it again."""
    bet = play.bet(play.balance + 1)
    await play.sends(bet, INSUFFICIENT_FUNDS, skips_on=[LIMIT_REACHED])
    await play.sends(play.payment(10_000), ACCEPTED, moves=10_000)
    await play.sends(bet, INSUFFICIENT_FUNDS)


@case("refused-bet-rolled-back", "A refused bet has nothing to undo: NOTHING_TO_ROLL_BACK.")
async def refused_bet_rolled_back(play: Play) -> None:
    """Roll a refused bet back, twice under one id and once under another."""
    bet = play.bet(play.balance + 1)
    rollback = play.rollback(bet)
    await play.sends(bet, INSUFFICIENT_FUNDS, skips_on=[LIMIT_REACHED])
    await play.sends(rollback, NOTHING_TO_ROLL_BACK)
    await play.sends(rollback, NOTHING_TO_ROLL_BACK)
    await play.sends(play.rollback(bet), NOTHING_TO_ROLL_BACK)


@case("win-of-unknown-bet", "A win of a bet that the casino does not know is REFUSED.")
async def win_of_unknown_bet(play: Play) -> None:
    """Win a bet that was never sent, twice under one id."""
    win = play.win(play.bet(500), 700)
    await play.sends(win, REFUSED)
    await play.sends(win, REFUSED)


@case("win-of-refused-bet", "A win of a bet that was refused is refused.")
async def win_of_refused_bet(play: Play) -> None:
    """Win a bet that was refused for funds."""
    bet = play.bet(play.balance + 1)
    await play.sends(bet, INSUFFICIENT_FUNDS, skips_on=[LIMIT_REACHED])
    await play.sends(play.win(bet, 700), REFUSED, TRANSACTION_ROLLED_BACK)


@case("regular-win-without-bet", "A regular win of a round in which no bet stands is REFUSED.")
async def regular_win_without_bet(play: Play) -> None:
    """Win a round that never began."""
    win = play.win(play.bet(500), 700)
    win.bet_transaction_id = ""
    await play.sends(win, REFUSED)


@case("unknown-player", "A player that the casino does not have is PLAYER_NOT_FOUND.")
async def unknown_player(play: Play) -> None:
    """Ask, bet, pay and give for nobody, each twice."""
    player_id = play.new_id("player")
    await play.sends(play.balance_request(player_id=player_id), PLAYER_NOT_FOUND)
    for request in (play.bet(500), play.payment(500), play.prize(500)):
        request.player_id = player_id
        answer = await play.sends(request, PLAYER_NOT_FOUND, *_prize_refusals(request))
        await play.sends(request, answer.came)


@case("unknown-currency", "A currency that the player does not have is CURRENCY_NOT_SUPPORTED.")
async def unknown_currency(play: Play) -> None:
    """Ask, bet, pay and give in a currency that does not exist."""
    asked = play.balance_request(currency_code=_NO_CURRENCY)
    await play.sends(asked, CURRENCY_NOT_SUPPORTED)
    for request in (play.bet(500), play.payment(500), play.prize(500)):
        request.amount.currency_code = _NO_CURRENCY
        answer = await play.sends(request, CURRENCY_NOT_SUPPORTED, *_prize_refusals(request))
        await play.sends(request, answer.came)


def _prize_refusals(request: Moving) -> tuple[str, ...]:
    """Return what a casino may say first that does not know the prize."""
    return (NOT_ELIGIBLE, REFUSED) if isinstance(request, pb.PrizeCashbackRequest) else ()
