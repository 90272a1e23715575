"""Amounts and rounds: exact to the minor unit, however small, large or many."""

from __future__ import annotations

from purser.wallet.v1 import wallet_pb2
from purser_server.conformance.outcomes import (
    ACCEPTED,
    DUPLICATE,
    INSUFFICIENT_FUNDS,
    LIMIT_REACHED,
    REFUSED,
    STANDS,
    TRANSACTION_ROLLED_BACK,
)
from purser_server.conformance.play import Play
from purser_server.conformance.registry import case

# Times 0.01 and back, floating point numbers lose one minor unit of each of these.
_AWKWARD = (1, 29, 57, 58, 113, 115, 201, 435, 1_001, 1_999)
_LARGE = 6_372_709_234
_MANY_BETS = 101


@case("zero-amounts", "A bet and a win of zero are ACCEPTED, remembered, and move nothing.")
async def zero_amounts(play: Play) -> None:
    """Bet zero, and win zero."""
    bet = play.bet(0)
    win = play.win(bet, 0, close_round=True)
    await play.sends(bet, ACCEPTED)
    await play.sends(win, ACCEPTED)
    await play.sends(bet, DUPLICATE)
    await play.sends(win, DUPLICATE)


@case("whole-balance", "A player may bet all there is, and then nothing more.")
async def whole_balance(play: Play) -> None:
    """Bet everything, then one minor unit, then take the first bet back."""
    everything = play.bet(play.balance)
    await play.sends(everything, ACCEPTED, moves=-play.balance, skips_on=[LIMIT_REACHED])
    await play.sends(play.bet(1), INSUFFICIENT_FUNDS)
    await play.sends(play.rollback(everything), ACCEPTED, moves=everything.amount.minor_units)


@case("awkward-amounts", "Amounts are whole minor units: nothing is rounded.")
async def awkward_amounts(play: Play) -> None:
    """Bet and win amounts that floating point numbers cannot hold."""
    bets = [play.bet(minor) for minor in _AWKWARD]
    for bet in bets:
        await play.sends(bet, ACCEPTED, moves=-bet.amount.minor_units)
        await play.sends(
            play.win(bet, bet.amount.minor_units), ACCEPTED, moves=bet.amount.minor_units
        )


@case("large-payout", "A payout of 6,372,709,234 minor units (63,727,092.34) is exact.")
async def large_payout(play: Play) -> None:
    """Win a jackpot, bet on it, and take both back."""
    win = play.payment(_LARGE, wallet_pb2.WIN_TYPE_JACKPOT)
    await play.sends(win, ACCEPTED, moves=_LARGE, skips_on=[LIMIT_REACHED])
    bet = play.bet(1)
    await play.sends(bet, ACCEPTED, moves=-1)
    await play.sends(play.rollback(bet), ACCEPTED, moves=1)
    await play.sends(play.rollback(win), ACCEPTED, moves=-_LARGE)


@case("101-bets-in-one-round", "A round may have any number of bets; each stands for itself.")
async def many_bets_in_one_round(play: Play) -> None:
    """Make 101 bets in a round, undo the last, win the first."""
    bets = [play.bet(1)]
    bets += [play.bet(1, bets[0].round_id) for _ in range(_MANY_BETS - 1)]
    for bet in bets:
        await play.sends(bet, ACCEPTED, moves=-1)
    await play.sends(play.rollback(bets[-1]), ACCEPTED, moves=1)
    await play.sends(play.win(bets[0], _MANY_BETS), ACCEPTED, moves=_MANY_BETS)
    await play.sends(play.rollback(bets[0]), STANDS)


@case("two-rounds-interleaved", "What happens in one round changes nothing in another one.")
async def two_rounds_interleaved(play: Play) -> None:
    """Close one of two rounds, and undo the bet of the other."""
    here, there = play.bet(500), play.bet(300)
    await play.sends(here, ACCEPTED, moves=-500)
    await play.sends(there, ACCEPTED, moves=-300)
    await play.sends(play.win(here, 700, close_round=True), ACCEPTED, moves=700)
    await play.sends(play.rollback(there), ACCEPTED, moves=300)
    await play.sends(play.win(there, 900), REFUSED, TRANSACTION_ROLLED_BACK)
    await play.sends(play.rollback(here), STANDS)


@case("same-round-of-two-games", "A round is named by player, game and round, not by round alone.")
async def same_round_of_two_games(play: Play) -> None:
    """Close a round of one game, and undo a bet in the other game's round of that name."""
    here, there = play.bet(500), play.bet(300)
    there.game_id, there.round_id = "conformance-2", here.round_id
    await play.sends(here, ACCEPTED, moves=-500)
    await play.sends(there, ACCEPTED, moves=-300)
    await play.sends(play.win(here, 0, close_round=True), ACCEPTED)
    await play.sends(play.rollback(there), ACCEPTED, moves=300)


@case("win-names-another-round", "A win of a bet of another round is REFUSED.")
async def win_names_another_round(play: Play) -> None:
    """Win a bet in a round that is not its own."""
    bet = play.bet(500)
    win = play.win(bet, 700)
    win.round_id = play.new_id("round")
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(win, REFUSED)


@case("several-wins-of-one-bet", "A bet may win several times, each under an id of its own.")
async def several_wins_of_one_bet(play: Play) -> None:
    """Win a bet three times; the last win closes the round."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.win(bet, 100), ACCEPTED, moves=100)
    await play.sends(play.win(bet, 100), ACCEPTED, moves=100)
    await play.sends(play.win(bet, 300, close_round=True), ACCEPTED, moves=300)


@case("round-win", "A regular win may be of the round as a whole, and name no bet.")
async def round_win(play: Play) -> None:
    """Win a round with two bets."""
    first = play.bet(200)
    second = play.bet(300, first.round_id)
    await play.sends(first, ACCEPTED, moves=-200)
    await play.sends(second, ACCEPTED, moves=-300)
    win = play.win(first, 500, close_round=True)
    win.bet_transaction_id = ""
    await play.sends(win, ACCEPTED, moves=500)


def _enter_win_without_bet(name: str, win_type: wallet_pb2.WinType.ValueType) -> None:
    @case(f"{name}-win-without-bet", f"A win of type {name} needs no bet, round or game.")
    async def win_without_bet(play: Play) -> None:
        win = play.payment(700, win_type)
        await play.sends(win, ACCEPTED, moves=700)
        await play.sends(win, DUPLICATE)
        in_a_game = play.payment(300, win_type)
        in_a_game.game_id, in_a_game.round_id = play.game_id, play.new_id("round")
        await play.sends(in_a_game, ACCEPTED, moves=300)


for _name, _win_type in (
    ("promo", wallet_pb2.WIN_TYPE_PROMO),
    ("jackpot", wallet_pb2.WIN_TYPE_JACKPOT),
    ("free-round", wallet_pb2.WIN_TYPE_FREE_ROUND),
    ("tournament", wallet_pb2.WIN_TYPE_TOURNAMENT),
):
    _enter_win_without_bet(_name, _win_type)
