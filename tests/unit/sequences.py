"""Random sequences of commands, most of which follow up on an earlier one of their sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from purser_server.domain.commands import (
    Bet,
    CloseRound,
    Command,
    Deposit,
    Rollback,
    Win,
    Withdraw,
)
from purser_server.domain.money import MAX_MINOR
from purser_server.domain.players import PlayerStatus
from purser_server.domain.transactions import WinType
from tests.unit.casino import Ask, AtomicGroup, Casino
from tests.unit.money import EUR, USD
from tests.unit.naive_casino import NaiveCasino

OPENING = {("anna", EUR): "0.50", ("anna", USD): "0.10", ("ben", EUR): "0.50"}

LETTERS = {Deposit: "d", Withdraw: "o", Bet: "b", Win: "w", Rollback: "r", CloseRound: "c"}

players = st.sampled_from(["anna"] * 15 + ["ben"] * 6 + ["nobody"])
currencies = st.sampled_from([EUR] * 24 + [USD, USD, "XXX"])
amounts = st.sampled_from([0, 1, 1, 2, 3, 5, 8, 13, 34])
huge = st.sampled_from([MAX_MINOR - 40, MAX_MINOR])
rounds = st.sampled_from(
    [("roulette", "spin-1")] * 4 + [("roulette", "spin-2"), ("poker", "spin-1")]
)
win_types = st.sampled_from([WinType.REGULAR] * 5 + list(WinType))
sessions = st.sampled_from([""] * 30 + ["open", "open", "closed", "unknown"])


def one_in(number: int) -> st.SearchStrategy[bool]:
    return st.sampled_from([False] * (number - 1) + [True])


class Teller:
    """Draws one command after another, and remembers them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._told: list[Command] = []

    def next(self) -> Command:
        """Draw a command: most follow up on an earlier bet or win, or on anything earlier."""
        played = [command for command in self._told if isinstance(command, Bet | Win)]
        if played and self._draw(st.sampled_from([True, True, False])):
            earlier = self._draw(st.sampled_from(played))
            options = [self._bet_beside, self._win_of, self._win_beside, self._undo, self._undo]
            command = self._pick([*options, self._close, self._again])(earlier)
        elif self._told and self._draw(one_in(5)):
            command = self._pick([self._undo, self._again])(self._draw(st.sampled_from(self._told)))
        else:
            command = self._pick(
                [self._bet] * 5
                + [self._win, self._win, self._deposit, self._withdraw, self._bury, self._close_any]
            )()
        self._told.append(command)
        return command

    def _pick(self, options: Sequence[Callable[..., Command]]) -> Callable[..., Command]:
        return self._draw(st.sampled_from(options))

    def _id(self, kind: type) -> str:
        """Draw an id: that of this place in the sequence, now and then a used one."""
        if self._told and self._draw(one_in(15)):
            return self._draw(st.sampled_from(self._told)).transaction_id
        return f"{LETTERS[kind]}{len(self._told)}"

    # -- out of the blue ---------------------------------------------------------------------------

    def _deposit(self) -> Command:
        amount = self._draw(huge) if self._draw(one_in(4)) else 1 + self._draw(amounts)
        return Deposit(self._id(Deposit), self._draw(players), self._draw(currencies), amount)

    def _withdraw(self) -> Command:
        amount = self._draw(st.sampled_from([None, None, 1, 5, 20, 60]))
        return Withdraw(self._id(Withdraw), self._draw(players), self._draw(currencies), amount)

    def _bet(self) -> Bet:
        game, round_id = self._draw(rounds)
        return Bet(
            self._id(Bet),
            self._draw(players),
            self._draw(currencies),
            self._draw(amounts),
            game,
            round_id,
            self._draw(sessions),
        )

    def _win(self) -> Win:
        """Pay a round, or (promotions) for no round at all."""
        bet = self._bet()
        won = self._win_beside(bet)
        roundless = won.win_type is not WinType.REGULAR and not won.close_round
        if roundless and self._draw(one_in(3)):
            return replace(won, round_id="", game_id=self._draw(st.sampled_from(["", "poker"])))
        return won

    def _bury(self) -> Command:
        """Roll back what may come soon."""
        soon = len(self._told) + self._draw(st.integers(1, 3))
        original = self._draw(st.sampled_from(["b", "b", "w", "d"])) + str(soon)
        return Rollback(self._id(Rollback), self._draw(players), original)

    def _close_any(self) -> Command:
        return self._close(self._bet())

    # -- about an earlier command ------------------------------------------------------------------

    def _bet_beside(self, earlier: Bet | Win) -> Command:
        bet = self._bet()
        if not earlier.round_id:
            return bet
        return replace(
            bet,
            player_id=earlier.player_id,
            game_id=earlier.game_id,
            round_id=earlier.round_id,
        )

    def _win_of(self, earlier: Bet | Win) -> Win:
        """Pay an earlier bet in its round, now and then in another one."""
        of_earlier = earlier.round_id and not self._draw(one_in(8))
        game, round_id = (earlier.game_id, earlier.round_id) if of_earlier else self._draw(rounds)
        player = self._draw(players) if self._draw(one_in(8)) else earlier.player_id
        return Win(
            self._id(Win),
            player,
            self._draw(currencies),
            self._draw(huge) if self._draw(one_in(20)) else self._draw(amounts),
            game,
            round_id,
            earlier.transaction_id,
            self._draw(win_types),
            self._draw(one_in(6)),
        )

    def _win_beside(self, earlier: Bet | Win) -> Win:
        return replace(self._win_of(earlier), bet_transaction_id="")

    def _undo(self, earlier: Command) -> Command:
        player = self._draw(players) if self._draw(one_in(8)) else earlier.player_id
        undone = Rollback(self._id(Rollback), player, earlier.transaction_id)
        # A rollback of itself is refused for its form, before any rule sees it.
        return earlier if undone.transaction_id == earlier.transaction_id else undone

    def _close(self, earlier: Bet | Win) -> Command:
        if not earlier.round_id:
            return self._bet()
        return CloseRound(
            self._id(CloseRound), earlier.player_id, earlier.game_id, earlier.round_id
        )

    def _again(self, earlier: Command) -> Command:
        """Use an id again: with the same content, with a field changed, or for something else."""
        other = self._pick([self._bet, self._win, self._deposit, self._withdraw, self._close_any])
        return self._draw(
            st.sampled_from(
                [
                    earlier,
                    replace(earlier, player_id=self._draw(players)),
                    replace(other(), transaction_id=earlier.transaction_id),
                ]
            )
        )


# -- sequences ----------------------------------------------------------------------------------


@st.composite
def ask_lists(draw: st.DrawFn, min_size: int = 0, max_size: int = 30) -> list[Ask]:
    """Draw what callers ask for: commands and atomic groups."""
    teller = Teller(draw)
    return [_ask(draw, teller) for _ in range(draw(st.integers(min_size, max_size)))]


def _ask(draw: st.DrawFn, teller: Teller) -> Ask:
    if not draw(one_in(5)):
        return teller.next()
    return AtomicGroup(tuple(teller.next() for _ in range(draw(st.integers(2, 4)))))


@dataclass(frozen=True)
class StatusChange:
    """Between two flushes, a player gets another status."""

    player_id: str
    status: PlayerStatus


status_changes = st.builds(
    StatusChange,
    st.sampled_from(["anna", "ben"]),
    st.sampled_from([PlayerStatus.ACTIVE] * 6 + list(PlayerStatus)),
)


@st.composite
def flush_lists(draw: st.DrawFn) -> list[list[Ask] | StatusChange]:
    """Draw flushes, with changes of status between them."""
    asks: list[Any] = draw(ask_lists())
    flushes: list[list[Ask] | StatusChange] = []
    while asks:
        size = draw(st.integers(1, 8))
        flushes.append(asks[:size])
        asks = asks[size:]
        if draw(one_in(4)):
            flushes.append(draw(status_changes))
    return flushes


# -- where they are played ----------------------------------------------------------------------


def new_casino() -> Casino:
    """Open the casino of all properties: two players, and two sessions of anna's."""
    casino = Casino()
    casino.player("anna", eur=OPENING["anna", EUR], usd=OPENING["anna", USD])
    casino.player("ben", eur=OPENING["ben", EUR])
    for session in ("open", "closed"):
        casino.open_session(session)
    casino.close_session("closed")
    return casino


def naive_casino(casino: Casino) -> NaiveCasino:
    """Open its naive twin, with the same players and sessions."""
    wallets = {
        (player, currency): wallet.balance
        for (_, player, currency), wallet in casino.store.wallets.items()
    }
    active = {player: PlayerStatus.ACTIVE for player, _ in wallets}
    sessions_ = {session: found for (_, session), found in casino.store.sessions.items()}
    return NaiveCasino(active, wallets, sessions_)
