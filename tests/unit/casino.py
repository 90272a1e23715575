"""A casino to tell stories with: each call is one flush, decided by the rules and remembered.

`casino.bet(...)` and its like must succeed and return the transaction; `casino.refuses(...)`
returns the refusal of a command that must not; `casino.replays(...)` asks for what was done
before. `casino.flush(...)` decides many commands at once and returns their results as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from purser_server.domain.commands import Command
from purser_server.domain.decisions import Answer, Result, Session
from purser_server.domain.errors import REPLAYED, Refusal
from purser_server.domain.players import PlayerStatus
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import Transaction
from purser_server.ledger.batch import Batch, Group
from purser_server.ledger.ports import Request
from tests.unit import commands
from tests.unit.commands import ANNA, ROULETTE, SPIN
from tests.unit.memory_store import MemoryStore
from tests.unit.money import EUR


@dataclass(frozen=True)
class AtomicGroup:
    """Commands that succeed or fail together."""

    commands: tuple[Command, ...]


Ask = Command | AtomicGroup
"""What one caller asks for."""


def group(*commands_: Command) -> AtomicGroup:
    return AtomicGroup(commands_)


def commands_of(ask: Ask) -> tuple[Command, ...]:
    return ask.commands if isinstance(ask, AtomicGroup) else (ask,)


def accepted(result: Result) -> Transaction:
    """Return the transaction of what was done just now."""
    assert isinstance(result, Answer), result
    assert not result.replayed, f"{result.transaction.transaction_id} is a replay"
    return result.transaction


def replayed(result: Result) -> Transaction:
    """Return the transaction of what was done before."""
    assert isinstance(result, Answer), result
    assert result.replayed, f"{result.transaction.transaction_id} is new"
    return result.transaction


def refused(result: Result) -> Refusal:
    """Return the refusal that is told for the first time."""
    assert isinstance(result, Refusal), result
    assert REPLAYED not in result.metadata, result
    return result


class Casino:
    """One operator; with a store of its own, or beside another one in the same store."""

    def __init__(self, operator: int = 1, store: MemoryStore | None = None) -> None:
        self.operator = operator
        self.store = store or MemoryStore()

    # -- given ---------------------------------------------------------------------------------

    def player(
        self, player_id: str, *, status: PlayerStatus = PlayerStatus.ACTIVE, **balances: str
    ) -> None:
        """Link a player, with a wallet for each balance: `eur="10.00"`, `usd="0"`."""
        wallets = {currency.upper(): amount for currency, amount in balances.items()}
        self.store.add_player(self.operator, player_id, PlayerStatus.ACTIVE, wallets)
        for currency, amount in wallets.items():
            if amount != "0":
                opening = f"opening {player_id} {currency}"
                self.deposit(opening, amount, player=player_id, currency=currency)
        self.status(status, player_id)

    def status(self, status: PlayerStatus, player_id: str = ANNA) -> None:
        """Give the player another status."""
        self.store.set_status(self.operator, player_id, status)

    def open_session(
        self, session_id: str, *, player: str = ANNA, game: str = ROULETTE, currency: str = EUR
    ) -> None:
        session = Session(session_id, player, game, currency, is_open=True)
        self.store.sessions[self.operator, session_id] = session

    def close_session(self, session_id: str) -> None:
        key = (self.operator, session_id)
        self.store.sessions[key] = replace(self.store.sessions[key], is_open=False)

    # -- when ----------------------------------------------------------------------------------

    def flush_all(self, asks: Sequence[Ask]) -> list[list[Result]]:
        """Decide all that is asked for in one flush."""
        groups = [
            Group(
                tuple(map(self._request, commands_of(ask))),
                is_atomic=isinstance(ask, AtomicGroup),
            )
            for ask in asks
        ]
        batch = Batch(self.store.load([request for group in groups for request in group.requests]))
        results = batch.decide(groups)
        self.store.save(batch.changes())
        return results

    def flush(self, *commands_: Command) -> list[Result]:
        """Decide independent commands in one flush."""
        return [results[0] for results in self.flush_all(commands_)]

    def story(self, *commands_: Command, in_one_flush: bool) -> list[Result]:
        """Decide commands one after another, in one flush or each in its own."""
        if in_one_flush:
            return self.flush(*commands_)
        return [self.flush(command)[0] for command in commands_]

    def atomically(self, *commands_: Command) -> list[Result]:
        """Decide an atomic group in a flush of its own."""
        return self.flush_all([AtomicGroup(commands_)])[0]

    def refuses(self, command: Command) -> Refusal:
        """Ask for what must be refused, for the first time."""
        (result,) = self.flush(command)
        return refused(result)

    def refuses_again(self, command: Command) -> Refusal:
        """Ask for what was refused for good before; the refusal must say so."""
        (result,) = self.flush(command)
        assert isinstance(result, Refusal), result
        assert result.metadata[REPLAYED] == "true"
        return result

    def replays(self, command: Command) -> Transaction:
        """Ask for what was done before."""
        (result,) = self.flush(command)
        return replayed(result)

    def does(self, command: Command) -> Transaction:
        """Ask for what must be done just now."""
        (result,) = self.flush(command)
        return accepted(result)

    def deposit(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.deposit(*args, **kwargs))

    def withdraw(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.withdraw(*args, **kwargs))

    def withdraw_all(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.withdraw_all(*args, **kwargs))

    def bet(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.bet(*args, **kwargs))

    def win(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.win(*args, **kwargs))

    def rollback(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.rollback(*args, **kwargs))

    def close_round(self, *args: str, **kwargs: object) -> Transaction:
        return self.does(commands.close_round(*args, **kwargs))

    def _request(self, command: Command) -> Request:
        return Request(self.operator, command)

    # -- then ----------------------------------------------------------------------------------

    def balance(self, player_id: str = ANNA, currency: str = EUR) -> int:
        """Return what the wallet holds, in minor units."""
        return self.store.wallets[self.operator, player_id, currency].balance

    def sequence(self, player_id: str = ANNA, currency: str = EUR) -> int:
        """Return the number of the wallet's last posting."""
        return self.store.wallets[self.operator, player_id, currency].sequence

    def transaction(self, transaction_id: str) -> Transaction | None:
        """Return a transaction as it is now."""
        return self.store.find(self.operator, transaction_id)

    def round(
        self, round_id: str = SPIN, *, player: str = ANNA, game: str = ROULETTE
    ) -> Round | None:
        """Return a round that exists: one that a bet has opened."""
        found = self.store.rounds.get((self.operator, player, game, round_id))
        return found if found is not None and found.opened else None

    def history(self) -> list[str]:
        """Return the ids of all that is stored, the oldest first."""
        return [entry.transaction.transaction_id for entry in self.store.history]
