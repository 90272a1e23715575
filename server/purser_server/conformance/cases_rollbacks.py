"""Rollbacks: in any order, any number of times, of anything."""

from __future__ import annotations

from purser_server.conformance.outcomes import (
    ACCEPTED,
    DUPLICATE,
    INSUFFICIENT_FUNDS,
    LIMIT_REACHED,
    REFUSED,
    STANDS,
    TOMBSTONED,
    TRANSACTION_ROLLED_BACK,
)
from purser_server.conformance.play import Play
from purser_server.conformance.prizes import pays_prize
from purser_server.conformance.registry import case


@case("bet-rolled-back", "A bet that was not settled is undone: ACCEPTED, and the stake is back.")
async def bet_rolled_back(play: Play) -> None:
    """Roll a bet back."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.rollback(bet), ACCEPTED, moves=500)


@case(
    "bet-rolled-back-by-two-ids",
    "A bet that was rolled back before answers DUPLICATE to another rollback; it pays once.",
)
async def bet_rolled_back_by_two_ids(play: Play) -> None:
    """Roll a bet back under two ids."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.rollback(bet), ACCEPTED, moves=500)
    await play.sends(play.rollback(bet), DUPLICATE)


@case("bet-replayed-after-rollback", "A bet that was rolled back is TRANSACTION_ROLLED_BACK.")
async def bet_replayed_after_rollback(play: Play) -> None:
    """Send a bet again after its rollback."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.rollback(bet), ACCEPTED, moves=500)
    await play.sends(bet, TRANSACTION_ROLLED_BACK)


@case(
    "late-bet-after-tombstone",
    "A rollback of an unknown bet is TOMBSTONED; the bet that comes later is refused.",
)
async def late_bet_after_tombstone(play: Play) -> None:
    """Roll a bet back before it arrives, and let it arrive twice."""
    bet = play.bet(500)
    await play.sends(play.rollback(bet), TOMBSTONED)
    await play.sends(bet, TRANSACTION_ROLLED_BACK)
    await play.sends(bet, TRANSACTION_ROLLED_BACK)


@case("late-win-after-tombstone", "A win that was rolled back before it arrived is refused.")
async def late_win_after_tombstone(play: Play) -> None:
    """Roll a win back before it arrives."""
    bet = play.bet(500)
    win = play.win(bet, 700)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.rollback(win), TOMBSTONED)
    await play.sends(win, TRANSACTION_ROLLED_BACK)


@case("late-prize-after-tombstone", "A cashback that was rolled back before it arrived is refused.")
async def late_prize_after_tombstone(play: Play) -> None:
    """Roll the cashback of a prize back before it arrives."""
    prize = play.prize(250)
    await play.sends(play.rollback(prize), TOMBSTONED)
    await play.sends(prize, TRANSACTION_ROLLED_BACK)


@case(
    "tombstone-again",
    "A second rollback of what never arrived is DUPLICATE, under the same id and another one.",
)
async def tombstone_again(play: Play) -> None:
    """Roll back what never arrives, three times under two ids."""
    bet = play.bet(500)
    rollback = play.rollback(bet)
    await play.sends(rollback, TOMBSTONED)
    await play.sends(rollback, DUPLICATE)
    await play.sends(play.rollback(bet), DUPLICATE)
    await play.sends(bet, TRANSACTION_ROLLED_BACK)


@case(
    "tombstone-for-unknown-player",
    "A rollback of an unknown bet is TOMBSTONED, also for a player that is not known.",
)
async def tombstone_for_unknown_player(play: Play) -> None:
    """Roll back the bet of nobody: a refusal would be asked again for ever."""
    bet = play.bet(500)
    bet.player_id = play.new_id("player")
    await play.sends(play.rollback(bet), TOMBSTONED)


@case("settled-bet-stands", "A bet with a win cannot be rolled back: STANDS, each time.")
async def settled_bet_stands(play: Play) -> None:
    """Roll back a bet that was won, twice under one id and once under another."""
    bet = play.bet(500)
    rollback = play.rollback(bet)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.win(bet, 700), ACCEPTED, moves=700)
    await play.sends(rollback, STANDS)
    # DUPLICATE would say that the stake went back.
    await play.sends(rollback, STANDS)
    await play.sends(play.rollback(bet), STANDS)
    await play.sends(bet, DUPLICATE)


@case("lost-bet-stands", "A win of zero settles its bet, too: STANDS.")
async def lost_bet_stands(play: Play) -> None:
    """Roll back a bet that was lost."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.win(bet, 0), ACCEPTED)
    await play.sends(play.rollback(bet), STANDS)


@case("bet-of-closed-round-stands", "The bets of a round that a win closed are settled: STANDS.")
async def bet_of_closed_round_stands(play: Play) -> None:
    """Roll back the first of two bets, after a win of the second has closed the round."""
    first = play.bet(500)
    second = play.bet(300, first.round_id)
    await play.sends(first, ACCEPTED, moves=-500)
    await play.sends(second, ACCEPTED, moves=-300)
    await play.sends(play.win(second, 0, close_round=True), ACCEPTED)
    await play.sends(play.rollback(first), STANDS)


@case("win-after-rollback", "A win of a bet that was rolled back is refused; nothing is paid.")
async def win_after_rollback(play: Play) -> None:
    """Roll a bet back, then win it."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(play.rollback(bet), ACCEPTED, moves=500)
    await play.sends(play.win(bet, 700), REFUSED, TRANSACTION_ROLLED_BACK)


@case("win-of-tombstoned-bet", "A win of a bet that was rolled back before it came is refused.")
async def win_of_tombstoned_bet(play: Play) -> None:
    """Roll a bet back that never came, then win it."""
    bet = play.bet(500)
    await play.sends(play.rollback(bet), TOMBSTONED)
    await play.sends(play.win(bet, 700), REFUSED, TRANSACTION_ROLLED_BACK)


@case("win-rolled-back", "A win is taken back, once, and is then TRANSACTION_ROLLED_BACK.")
async def win_rolled_back(play: Play) -> None:
    """Roll a win back under two ids, and send it again."""
    bet = play.bet(500)
    win = play.win(bet, 700)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(win, ACCEPTED, moves=700)
    await play.sends(play.rollback(win), ACCEPTED, moves=-700)
    await play.sends(play.rollback(win), DUPLICATE)
    await play.sends(win, TRANSACTION_ROLLED_BACK)


@case(
    "spent-win-not-rolled-back",
    "A win that has been spent cannot be taken back: INSUFFICIENT_FUNDS, and it stands.",
)
async def spent_win_not_rolled_back(play: Play) -> None:
    """Spend everything, then roll a win back."""
    win = play.payment(700)
    await play.sends(win, ACCEPTED, moves=700)
    everything = play.bet(play.balance)
    await play.sends(everything, ACCEPTED, moves=-play.balance, skips_on=[LIMIT_REACHED])
    await play.sends(play.rollback(win), INSUFFICIENT_FUNDS)
    await play.sends(win, DUPLICATE)
    await play.sends(play.rollback(everything), ACCEPTED, moves=everything.amount.minor_units)


@case("prize-rolled-back", "The cashback of a prize is taken back, once, and then refused.")
async def prize_rolled_back(play: Play) -> None:
    """Roll the cashback of a prize back under two ids, and send it again."""
    prize = play.prize(250)
    await pays_prize(play, prize, 250)
    rollback = play.rollback(prize)
    await play.sends(rollback, ACCEPTED, moves=-250)
    await play.sends(rollback, DUPLICATE)
    await play.sends(play.rollback(prize), DUPLICATE)
    await play.sends(prize, TRANSACTION_ROLLED_BACK)
