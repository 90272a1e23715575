"""Rounds: what they sum up, when a bet in them is settled, and how each event changes them.

A round belongs to a player and a game and opens by itself with its first bet. Its state is
derived: it is closed while anything that closed it stands, and a bet is settled while a standing
win names it or covers it, or while its round is closed.
"""

from __future__ import annotations

from dataclasses import replace

from purser_server.domain.values import Number, value


class RoundState(Number):
    """The state of a round; the numbers are those of the contract."""

    OPEN = 1
    CLOSED = 2


@value
class Settler:
    """A standing win that settles: the bet it names, or (empty) every bet before it."""

    number: int
    transaction_id: str
    bet_transaction_id: str


@value
class Round:
    """The sums of what stands in a round, in counts and minor units.

    `number` is that of the transaction that named it first. `opened` is False while only its name
    is known: something was refused, or a promotion was paid, and no bet has opened it yet.
    `closers` counts the standing transactions that close it. `covered_to` is the number of the
    last standing win that covers every bet before it. `settlers` is None when not loaded: only
    a rollback needs to know them.
    """

    number: int
    player_id: str
    game_id: str
    round_id: str
    opened: bool = False
    currency_code: str = ""
    bets: int = 0
    wins: int = 0
    total_bet: int = 0
    total_win: int = 0
    closers: int = 0
    covered_to: int = 0
    settlers: tuple[Settler, ...] | None = None

    @property
    def state(self) -> RoundState:
        """OPEN, or CLOSED while anything that closed it stands."""
        return RoundState.CLOSED if self.closers else RoundState.OPEN

    def is_settled(self, bet_number: int, bet_transaction_id: str) -> bool:
        """Tell whether this bet of the round is settled; needs the settlers."""
        assert self.settlers is not None, "settlers are loaded for every round of a rollback"
        if self.closers or bet_number < self.covered_to:
            return True
        return any(win.bet_transaction_id == bet_transaction_id for win in self.settlers)


def with_bet(round_: Round, currency_code: str, amount: int) -> Round:
    """Return the round after a bet; the first bet opens it and fixes its currency."""
    # Written out, here and in `with_win`: `replace` takes longer than the rest of a decision.
    return Round(
        round_.number,
        round_.player_id,
        round_.game_id,
        round_.round_id,
        True,
        currency_code,
        round_.bets + 1,
        round_.wins,
        round_.total_bet + amount,
        round_.total_win,
        round_.closers,
        round_.covered_to,
        round_.settlers,
    )


def with_win(round_: Round, amount: int, settler: Settler | None, closes: bool) -> Round:
    """Return the round after a win that settles (`settler`) and closes, or does neither."""
    covers = settler is not None and not settler.bet_transaction_id
    settlers = round_.settlers
    if settlers is not None and settler is not None:
        settlers = (*settlers, settler)
    return Round(
        round_.number,
        round_.player_id,
        round_.game_id,
        round_.round_id,
        True,
        round_.currency_code,
        round_.bets,
        round_.wins + 1,
        round_.total_bet,
        round_.total_win + amount,
        round_.closers + closes,
        settler.number if settler is not None and covers else round_.covered_to,
        settlers,
    )


def with_close(round_: Round) -> Round:
    """Return the round after a CloseRound; closing twice is one more reason to stay closed."""
    return replace(round_, closers=round_.closers + 1)


def without_bet(round_: Round, amount: int) -> Round:
    """Return the round after one of its bets was rolled back."""
    return replace(round_, bets=round_.bets - 1, total_bet=round_.total_bet - amount)


def without_win(round_: Round, transaction_id: str, amount: int, closed: bool) -> Round:
    """Return the round after one of its wins was rolled back.

    The bets that only this win settled are open again, and so is the round if only it had
    closed it.
    """
    assert round_.settlers is not None, "settlers are loaded for every round of a rollback"
    settlers = tuple(win for win in round_.settlers if win.transaction_id != transaction_id)
    covering = (win.number for win in settlers if not win.bet_transaction_id)
    return replace(
        round_,
        wins=round_.wins - 1,
        total_win=round_.total_win - amount,
        closers=round_.closers - closed,
        covered_to=max(covering, default=0),
        settlers=settlers,
    )
