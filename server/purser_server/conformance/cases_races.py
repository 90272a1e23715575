"""At once: repetitions and different calls may arrive at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser_server.conformance.caller import Answer
from purser_server.conformance.outcomes import (
    ACCEPTED,
    DUPLICATE,
    INSUFFICIENT_FUNDS,
    LIMIT_REACHED,
    TOMBSTONED,
    TRANSACTION_ROLLED_BACK,
)
from purser_server.conformance.play import Moving, Play, SkippedCase, described
from purser_server.conformance.prizes import pays_prize
from purser_server.conformance.registry import case

_AT_ONCE = 10
_RACES = 10


@case("ten-bets-at-once", "Ten different bets at the same time are ten bets.")
async def ten_bets_at_once(play: Play) -> None:
    """Send ten bets of different amounts."""
    bets = [play.bet(100 + number) for number in range(_AT_ONCE)]
    answers = await play.at_once(*bets)
    _expect_all(play, bets, answers, ACCEPTED)
    _expect_one_after_the_other(play, bets, answers)
    play.balance -= sum(bet.amount.minor_units for bet in bets)
    for bet in bets:
        await play.sends(bet, DUPLICATE, ACCEPTED)


@case("same-bet-ten-times-at-once", "One of ten equal bets is ACCEPTED, the others move nothing.")
async def same_bet_at_once(play: Play) -> None:
    """Send one bet ten times."""
    await _once_of_many(play, play.bet(500), -500)


@case("same-win-ten-times-at-once", "One of ten equal wins is ACCEPTED, the others move nothing.")
async def same_win_at_once(play: Play) -> None:
    """Send one win ten times."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await _once_of_many(play, play.win(bet, 700), 700)


@case("same-rollback-ten-times-at-once", "One of ten equal rollbacks is ACCEPTED; it pays once.")
async def same_rollback_at_once(play: Play) -> None:
    """Send one rollback ten times."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await _once_of_many(play, play.rollback(bet), 500)


@case("same-prize-ten-times-at-once", "One of ten equal cashbacks is ACCEPTED; it pays once.")
async def same_prize_at_once(play: Play) -> None:
    """Send the cashback of one prize ten times."""
    # A casino that pays for no unknown prize tells so here, and the case is skipped.
    await pays_prize(play, play.prize(100), 100)
    await _once_of_many(play, play.prize(250), 250)


@case("ten-rollbacks-of-one-bet-at-once", "Of ten rollbacks of one bet, one gives the stake back.")
async def ten_rollbacks_at_once(play: Play) -> None:
    """Send ten rollbacks of one bet under ten ids."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    rollbacks = [play.rollback(bet) for _ in range(_AT_ONCE)]
    answers = await play.at_once(*rollbacks)
    _expect_one(play, rollbacks, answers)
    play.balance += 500
    await play.sends(bet, TRANSACTION_ROLLED_BACK)


@case("whole-balance-ten-times-at-once", "Of ten bets of the whole balance, one is ACCEPTED.")
async def overspending_at_once(play: Play) -> None:
    """Send ten different bets of everything."""
    bets = [play.bet(play.balance) for _ in range(_AT_ONCE)]
    answers = await play.at_once(*bets)
    came = Counter(answer.came for answer in answers)
    if came[LIMIT_REACHED]:
        raise SkippedCase(f"this casino answers {LIMIT_REACHED} to a bet of the whole balance")
    _expect_all(play, bets, answers, ACCEPTED, INSUFFICIENT_FUNDS)
    play.balance = 0
    settled = [(await play.sends(bet, DUPLICATE, ACCEPTED, INSUFFICIENT_FUNDS)) for bet in bets]
    applied = [answer for answer in settled if answer.came != INSUFFICIENT_FUNDS]
    if len(applied) != 1:
        play.breaks(f"{_AT_ONCE} times {described(bets[0])}", "one ACCEPTED", f"{len(applied)}")


@case("bet-and-rollback-at-once", "A bet and its rollback at the same time: the bet never stands.")
async def bet_and_rollback_at_once(play: Play) -> None:
    """Send a bet and its rollback together, ten times; whichever came first, nothing is left."""
    for _ in range(_RACES):
        await _never_stands(play, play.bet(500))


@case(
    "prize-and-rollback-at-once",
    "The cashback of a prize and its rollback at the same time: the cashback never stands.",
)
async def prize_and_rollback_at_once(play: Play) -> None:
    """Send a cashback and its rollback together, ten times."""
    await pays_prize(play, play.prize(100), 100)
    for _ in range(_RACES):
        await _never_stands(play, play.prize(250))


async def _never_stands(play: Play, movement: pb.BetRequest | pb.PrizeCashbackRequest) -> None:
    """Send a movement and its rollback together: whichever came first, nothing is left."""
    rollback = play.rollback(movement)
    answers = await play.at_once(movement, rollback)
    _expect_all(play, [movement], answers[:1], ACCEPTED, TRANSACTION_ROLLED_BACK)
    _expect_all(play, [rollback], answers[1:], ACCEPTED, TOMBSTONED)
    await play.sends(rollback, DUPLICATE, ACCEPTED, TOMBSTONED)
    await play.sends(movement, TRANSACTION_ROLLED_BACK)


def _expect_one_after_the_other(
    play: Play, bets: Sequence[pb.BetRequest], answers: Sequence[Answer]
) -> None:
    """Check that the balances told are those of the bets in some order."""
    if any(answer.asked_again for answer in answers):
        return  # then the balance is that of a later moment
    told = sorted(
        zip(answers, bets, strict=True), key=lambda pair: pair[0].balance or (), reverse=True
    )
    balance = play.balance
    for answer, bet in told:
        balance -= bet.amount.minor_units
        expected = (play.currency_code, balance)
        if answer.balance != expected:
            play.breaks(f"{described(bet)}: the balance", str(expected), str(answer.balance))


async def _once_of_many(play: Play, request: Moving, moves: int) -> None:
    """Send a request ten times at once, and once more: it has one effect."""
    requests = [request] * _AT_ONCE
    answers = await play.at_once(*requests)
    _expect_one(play, requests, answers)
    play.balance += moves
    await play.sends(request, DUPLICATE)


def _expect_one(play: Play, requests: Sequence[Moving], answers: Sequence[Answer]) -> None:
    _expect_all(play, requests, answers, ACCEPTED, DUPLICATE)
    accepted = sum(answer.came == ACCEPTED for answer in answers)
    # Where all were in progress at first, all may hear later that it was done.
    waited = any(answer.asked_again for answer in answers)
    if accepted > 1 or (not accepted and not waited):
        what = f"{len(requests)} times {described(requests[0])}"
        play.breaks(what, "one ACCEPTED", f"{accepted} ACCEPTED")


def _expect_all(
    play: Play, requests: Sequence[Moving], answers: Sequence[Answer], *expected: str
) -> None:
    for request, answer in zip(requests, answers, strict=True):
        if answer.came not in expected and not answer.was_done_meanwhile:
            play.breaks(described(request), " or ".join(expected), answer.shown)
