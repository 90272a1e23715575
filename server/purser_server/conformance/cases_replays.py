"""The same id again: with the same content nothing moves, with other content it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from purser.wallet.v1 import wallet_pb2
from purser_server.conformance.outcomes import ACCEPTED, DUPLICATE, TRANSACTION_ID_REUSED
from purser_server.conformance.play import Play
from purser_server.conformance.prizes import pays_prize
from purser_server.conformance.registry import case

Change: TypeAlias = Callable[[Play, Any], None]


@case("bet-replayed", "The same bet again is DUPLICATE, and takes nothing.")
async def bet_replayed(play: Play) -> None:
    """Send a bet three times."""
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(bet, DUPLICATE)
    await play.sends(bet, DUPLICATE)


@case("win-replayed", "The same win again is DUPLICATE, and pays nothing.")
async def win_replayed(play: Play) -> None:
    """Send a win three times."""
    bet = play.bet(500)
    win = play.win(bet, 700)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(win, ACCEPTED, moves=700)
    await play.sends(win, DUPLICATE)
    await play.sends(win, DUPLICATE)


@case("settled-bet-replayed", "A bet that was won, and its round closed, is DUPLICATE as ever.")
async def settled_bet_replayed(play: Play) -> None:
    """Send a bet again after the win that closed its round."""
    bet = play.bet(500)
    win = play.win(bet, 0, close_round=True)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(win, ACCEPTED)
    await play.sends(bet, DUPLICATE)
    await play.sends(win, DUPLICATE)


@case("rollback-replayed", "The same rollback again is DUPLICATE, and gives nothing.")
async def rollback_replayed(play: Play) -> None:
    """Send a rollback twice under its id."""
    bet = play.bet(500)
    rollback = play.rollback(bet)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(rollback, ACCEPTED, moves=500)
    await play.sends(rollback, DUPLICATE)


@case("prize-replayed", "The same prize cashback again is DUPLICATE, and pays nothing.")
async def prize_replayed(play: Play) -> None:
    """Send the cashback of a prize twice."""
    prize = play.prize(250)
    await pays_prize(play, prize, 250)
    await play.sends(prize, DUPLICATE)


def _another_player(play: Play, request: Any) -> None:
    request.player_id = play.new_id("player")


def _more(_play: Play, request: Any) -> None:
    request.amount.minor_units += 1


def _another_currency(_play: Play, request: Any) -> None:
    request.amount.currency_code = "USD" if request.amount.currency_code != "USD" else "EUR"


def _other(field: str) -> Change:
    def change(play: Play, request: Any) -> None:
        setattr(request, field, play.new_id(field))

    return change


def _another_type(_play: Play, request: Any) -> None:
    request.win_type = wallet_pb2.WIN_TYPE_JACKPOT


def _closes(_play: Play, request: Any) -> None:
    request.close_round = not request.close_round


_ANY: dict[str, Change] = {
    "player_id": _another_player,
    "amount": _more,
    "currency": _another_currency,
}
_ROUND: dict[str, Change] = {"game_id": _other("game_id"), "round_id": _other("round_id")}
_PRIZE: dict[str, Change] = {"prize_id": _other("prize_id")}
CHANGES: dict[str, dict[str, Change]] = {
    "bet": {**_ANY, **_ROUND},
    "win": {
        **_ANY,
        **_ROUND,
        "bet_transaction_id": _other("bet_transaction_id"),
        "win_type": _another_type,
        "close_round": _closes,
    },
    "rollback": {
        **_ANY,
        **_ROUND,
        **_PRIZE,
        "original_transaction_id": _other("original_transaction_id"),
    },
    "prize": {**_ANY, **_PRIZE},
}


async def _applied(play: Play, kind: str) -> Any:
    """Have the casino apply a movement of a kind; return its request."""
    if kind == "prize":
        prize = play.prize(250)
        await pays_prize(play, prize, 250)
        return prize
    bet = play.bet(500)
    await play.sends(bet, ACCEPTED, moves=-500)
    if kind == "bet":
        return bet
    second, moves = (play.win(bet, 700), 700) if kind == "win" else (play.rollback(bet), 500)
    await play.sends(second, ACCEPTED, moves=moves)
    return second


def _enter_change(kind: str, field: str, change: Change) -> None:
    @case(
        f"{kind}-id-reused-with-other-{field.replace('_', '-')}",
        f"A known id with another {field} is TRANSACTION_ID_REUSED, and nothing moves.",
    )
    async def reused(play: Play) -> None:
        request = await _applied(play, kind)
        changed = type(request)()
        changed.CopyFrom(request)
        change(play, changed)
        await play.sends(changed, TRANSACTION_ID_REUSED, how=f"another {field}")
        await play.sends(request, DUPLICATE)


for _kind, _changes in CHANGES.items():
    for _field, _change in _changes.items():
        _enter_change(_kind, _field, _change)


@case(
    "id-reused-by-another-rpc",
    "An id is unique over all movements: a win with a bet's id is TRANSACTION_ID_REUSED.",
)
async def id_reused_by_another_rpc(play: Play) -> None:
    """Send a win, a prize cashback and a rollback with a bet's id."""
    bet, other = play.bet(500), play.bet(0)
    await play.sends(bet, ACCEPTED, moves=-500)
    await play.sends(other, ACCEPTED)
    win, prize, rollback = play.payment(500), play.prize(500), play.rollback(other)
    for request in (win, prize, rollback):
        request.transaction_id = bet.transaction_id
        await play.sends(request, TRANSACTION_ID_REUSED)
    await play.sends(bet, DUPLICATE)
