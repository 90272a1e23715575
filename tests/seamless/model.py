"""What may be true of a player at a casino in seamless mode, while outcomes may be unknown.

Written from the rules alone. A `World` is one way in which things may stand; where the network
decides, a call leads into several worlds with an answer each. What is really heard leaves those
worlds that would have answered so: when none is left, the server has broken a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

COMPLETED, REFUSED, ROLLED_BACK, PENDING = "COMPLETED", "REFUSED", "ROLLED_BACK", "PENDING"
UNREACHABLE_PENDING = "CASINO_UNREACHABLE PENDING"
UNREACHABLE_NOT_SENT = "CASINO_UNREACHABLE NOT_SENT"
BET, WIN, ROLLBACK, CLOSE = "bet", "win", "rollback", "close"
BROUGHT = 2_000


@dataclass(frozen=True)
class Call:
    """A call of a game. `of` is the bet of a win, or what a rollback undoes."""

    kind: str
    id: str
    player: str = "ann"
    amount: int = 0
    round: str = ""
    of: str = ""
    closes: bool = False


@dataclass(frozen=True)
class Known:
    """A call that Purser remembers, how it stands, and why it was refused."""

    call: Call
    state: str
    reason: str = ""
    waits: bool = False
    """It is pending and was not sent: what it refers to is not decided yet."""
    lacks: bool = False
    """It is pending, and the casino has found that the player has not enough for it."""


Told = tuple[str, "World"]


@dataclass(frozen=True)
class World:
    """One way in which things may stand. `known` is in the order in which ids arrived."""

    known: tuple[Known, ...] = ()

    # -- a call ----------------------------------------------------------------------------------

    def answers(self, call: Call) -> Iterator[Told]:
        """Yield what the game may hear, and the world after it."""
        before = self.find(call.id)
        # A tombstone says nothing to a player who does not exist.
        if before is not None and (before.call.kind or call.player == "ann"):
            yield self._again(call, before), self
        else:
            yield from self._anew(call)

    def _anew(self, call: Call) -> Iterator[Told]:
        if call.kind == BET:
            yield UNREACHABLE_NOT_SENT, self
        if call.player != "ann":
            yield "PLAYER_NOT_FOUND", self
        else:
            by_kind = {BET: self._bet, WIN: self._win, ROLLBACK: self._rollback, CLOSE: self._close}
            yield from by_kind[call.kind](call)

    def _again(self, call: Call, before: Known) -> str:
        if not before.call.kind and call.kind in (BET, WIN):
            return before.reason
        if call != before.call:
            return "TRANSACTION_ID_REUSED"
        if before.reason:
            return before.reason
        if before.state == PENDING and call.kind == BET:
            return UNREACHABLE_PENDING
        return before.state

    def _bet(self, bet: Call) -> Iterator[Told]:
        if self._is_closed(bet.round):
            yield self._refused(bet, "ROUND_CLOSED")
            return
        low, high = self._money()
        if high >= bet.amount:
            yield COMPLETED, self._with(Known(bet, COMPLETED))
        if low < bet.amount:
            yield self._refused(bet, "INSUFFICIENT_FUNDS")
            yield UNREACHABLE_PENDING, self._with(Known(bet, PENDING, lacks=True))
        yield UNREACHABLE_PENDING, self._with(Known(bet, PENDING))

    def _win(self, win: Call) -> Iterator[Told]:
        bet = self.find(win.of)
        if bet is None or bet.state == REFUSED:
            yield self._refused(win, "BET_NOT_FOUND")
        elif bet.state == ROLLED_BACK or self._is_being_undone(bet):
            yield self._refused(win, "TRANSACTION_ROLLED_BACK")
        elif self._is_closed(win.round):
            yield self._refused(win, "ROUND_CLOSED")
        elif bet.state == PENDING:
            yield PENDING, self._with(Known(win, PENDING, waits=True))
        else:
            yield from self._sent(win)

    def _rollback(self, rollback: Call) -> Iterator[Told]:
        original = self.find(rollback.of)
        if original is None:
            stone = Known(Call("", rollback.of), ROLLED_BACK, "TRANSACTION_ROLLED_BACK")
            yield COMPLETED, self._with(Known(rollback, COMPLETED))._with(stone)
        elif original.call.kind in (ROLLBACK, CLOSE):
            yield self._refused(rollback, "TRANSACTION_NOT_REVERSIBLE")
        elif original.state in (REFUSED, ROLLED_BACK):
            yield COMPLETED, self._with(Known(rollback, COMPLETED))
        elif original.call.kind == BET and self._is_settled(original):
            yield self._refused(rollback, "BET_ALREADY_SETTLED")
        elif original.state == PENDING:
            yield PENDING, self._with(Known(rollback, PENDING, waits=True))
        else:
            yield from self._sent(rollback)
            if self._may_lack(original):
                yield self._refused(rollback, "INSUFFICIENT_FUNDS")
                yield PENDING, self._with(Known(rollback, PENDING, lacks=True))

    def _close(self, close: Call) -> Iterator[Told]:
        if any(of.call.round == close.round for of in self._of(BET, COMPLETED, ROLLED_BACK)):
            yield COMPLETED, self._with(Known(close, COMPLETED))
        if not any(of.call.round == close.round for of in self._of(BET, COMPLETED)):
            # A bet that was lost opens no round.
            yield "ROUND_NOT_FOUND", self

    def _sent(self, call: Call) -> Iterator[Told]:
        pending = self._with(Known(call, PENDING))
        yield PENDING, pending
        yield COMPLETED, pending._ended(pending.known[-1], COMPLETED)

    # -- what comes by itself --------------------------------------------------------------------

    def later(self) -> Iterator[World]:
        """Yield the worlds into which this one may turn when one pending movement ends."""
        for of in self.known:
            if of.state == PENDING and not self._waits(of):
                yield from self._ends(of)

    def _waits(self, of: Known) -> bool:
        original = self.find(of.call.of)
        return of.waits and original is not None and original.state == PENDING

    def _ends(self, of: Known) -> Iterator[World]:
        original = self.find(of.call.of)
        if of.call.kind == BET:
            yield self._lost(of)
            if self._is_closed_by_win(of.call.round):
                yield self._ended(of, COMPLETED)  # the casino lets it stand
        elif of.call.kind == WIN:
            assert original is not None, "a win of no bet is refused at once"
            reason = "" if original.state == COMPLETED else _why_not(original)
            yield self._ended(of, REFUSED if reason else COMPLETED, reason)
        else:
            assert original is not None, "what is unknown is not sent"
            yield self._ended(of, COMPLETED)
            yield from self._not_undone(of, original)

    def _lost(self, bet: Known) -> World:
        if bet.lacks:
            return self._ended(bet, REFUSED, "CASINO_REFUSED")
        return self._ended(bet, ROLLED_BACK, "TRANSACTION_ROLLED_BACK")

    def _not_undone(self, rollback: Known, original: Known) -> Iterator[World]:
        if original.state != COMPLETED:
            return
        if original.call.kind == BET and self._is_settled(original):
            yield self._ended(rollback, REFUSED, "BET_ALREADY_SETTLED")
        if rollback.lacks or self._may_lack(original):
            yield self._ended(rollback, REFUSED, "INSUFFICIENT_FUNDS")

    # -- what is looked up -----------------------------------------------------------------------

    def find(self, transaction_id: str) -> Known | None:
        """Return what is known of an id."""
        return next((of for of in self.known if of.call.id == transaction_id), None)

    def standing(self) -> int:
        """Return what the player has by all that stands."""
        bets = sum(of.call.amount for of in self._of(BET, COMPLETED))
        return BROUGHT - bets + sum(of.call.amount for of in self._of(WIN, COMPLETED))

    def _money(self) -> tuple[int, int]:
        """Return the least and the most that the casino may hold, whatever is under way."""
        low = high = self.standing()
        low -= sum(of.call.amount for of in self._of(BET, PENDING))
        high += sum(of.call.amount for of in self._of(WIN, PENDING))
        for of in self._of(ROLLBACK, PENDING):
            original = self.find(of.call.of)
            assert original is not None
            if original.call.kind == BET:
                high += original.call.amount
            else:
                low -= original.call.amount
        return low, high

    def _may_lack(self, win: Known) -> bool:
        """Tell whether the casino may not have enough to take a win back."""
        return win.call.kind == WIN and self._money()[0] < win.call.amount

    def _of(self, kind: str, *states: str) -> list[Known]:
        return [of for of in self.known if of.call.kind == kind and of.state in states]

    def _is_closed(self, round_id: str) -> bool:
        closed = any(of.call.round == round_id for of in self._of(CLOSE, COMPLETED))
        return closed or self._is_closed_by_win(round_id)

    def _is_closed_by_win(self, round_id: str) -> bool:
        wins = self._of(WIN, COMPLETED, PENDING)
        return any(of.call.closes and of.call.round == round_id for of in wins)

    def _is_settled(self, bet: Known) -> bool:
        wins = self._of(WIN, COMPLETED, PENDING)
        return self._is_closed(bet.call.round) or any(of.call.of == bet.call.id for of in wins)

    def _is_being_undone(self, bet: Known) -> bool:
        return any(of.call.of == bet.call.id for of in self._of(ROLLBACK, PENDING))

    # -- the world after it ----------------------------------------------------------------------

    def _with(self, known: Known) -> World:
        return World((*self.known, known))

    def _refused(self, call: Call, reason: str) -> Told:
        return reason, self._with(Known(call, REFUSED, reason))

    def _ended(self, which: Known, state: str, reason: str = "") -> World:
        """Return the world in which a pending movement has ended so."""
        ended = replace(which, state=state, reason=reason)
        undone = which.call.of if which.call.kind == ROLLBACK and state == COMPLETED else ""
        return World(
            tuple(
                ended
                if of == which
                else replace(of, state=ROLLED_BACK)
                if of.call.id == undone and of.state == COMPLETED
                else of
                for of in self.known
            )
        )


def _why_not(bet: Known) -> str:
    return "TRANSACTION_ROLLED_BACK" if bet.state == ROLLED_BACK else "BET_NOT_FOUND"


@dataclass(frozen=True)
class Worlds:
    """All worlds that what was heard leaves possible."""

    possible: frozenset[World] = frozenset({World()})

    def hear(self, call: Call, told: str) -> Worlds:
        """Return what is left when a call was told this; none is left if it cannot be."""
        before = self.as_time_goes_by().possible
        after = {then for world in before for said, then in world.answers(call) if said == told}
        return Worlds(frozenset(after))

    def settled(self) -> Worlds:
        """Return the worlds in which nothing is pending any more."""
        later = self.as_time_goes_by().possible
        return Worlds(
            frozenset(world for world in later if all(of.state != PENDING for of in world.known))
        )

    def as_time_goes_by(self) -> Worlds:
        """Return all worlds that these may have turned into."""
        found, new = set(self.possible), set(self.possible)
        while new:
            new = {then for world in new for then in world.later()} - found
            found |= new
        return Worlds(frozenset(found))

    def could_be_told(self, call: Call) -> set[str]:
        """Return all answers that a call may have."""
        return {
            said for world in self.as_time_goes_by().possible for said, _ in world.answers(call)
        }
