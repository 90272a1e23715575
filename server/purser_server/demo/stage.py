"""Where the story is played: a casino's client, and what it expects of every answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from purser.type.v1.money_pb2 import Money
from purser.wallet.v1.wallet_pb2 import TRANSACTION_STATE_COMPLETED, Transaction
from purser.wallet.v1.wallet_service_pb2 import GetBalanceRequest
from purser_server.demo.client import Client, Refused
from purser_server.demo.money import CURRENCY, eur, shown
from purser_server.demo.printing import Narrator
from purser_server.demo.requests import PLAYER

if TYPE_CHECKING:
    from purser_server.demo.client import Rpc


SETTLED_WITHIN_S = 60.0
"""How long the demo waits for what Purser settles by itself."""
_POLL_S = 0.05


class StoryError(Exception):
    """An expectation of the story failed; the text says which, and what came instead."""


class Moved(Protocol):
    """The answer to any movement of money."""

    @property
    def transaction(self) -> Transaction:
        """The transaction."""

    @property
    def replayed(self) -> bool:
        """Whether an earlier request had done it."""


Request = TypeVar("Request")
Answer = TypeVar("Answer", bound=Moved)


class Stage:
    """Makes calls as the casino, compares every answer with the story, and has it told."""

    def __init__(self, narrator: Narrator, casino: Client, player: str = PLAYER) -> None:
        self.narrator = narrator
        self.casino = casino
        self._player = player
        self._balance = eur("0.00")

    def moves(self, rpc: Rpc[Request, Answer], request: Request, *, leaves: str) -> Transaction:
        """Move money, now and for the first time; the wallet holds `leaves` afterwards."""
        answer = self.casino.call(rpc, request)
        moved = answer.transaction
        name = f"{_name(request)} {moved.transaction_id}"
        expect(f"the state of {name}", moved.state, TRANSACTION_STATE_COMPLETED)
        expect(f"replayed of {name}", answer.replayed, False)
        expect(f"the balance before {name}", moved.balance_before, self._balance)
        expect(f"the balance after {name}", moved.balance_after, eur(leaves))
        self.holds(leaves)
        self.narrator.movement(_name(request), moved)
        return moved

    def is_refused(
        self,
        rpc: Rpc[Request, Any],
        request: Request,
        reason: str,
        who: str,
        **metadata: str,
    ) -> None:
        """Make a call that must be refused for this reason, with these metadata at least.

        Nothing may have moved.
        """
        self.fails(rpc, request, reason, who, **metadata)
        self.still_holds()

    def fails(
        self,
        rpc: Rpc[Request, Any],
        request: Request,
        reason: str,
        who: str,
        **metadata: str,
    ) -> None:
        """Make a call that must fail in this way, whatever it may have moved."""
        name = f"{_name(request)} {who}"
        try:
            answer = self.casino.call(rpc, request)
        except Refused as refused:
            expect(f"the reason that refuses {name}", refused.reason or str(refused), reason)
            for key, value in metadata.items():
                expect(f"{key} in the refusal of {name}", refused.metadata.get(key), value)
            self.narrator.refusal(_name(request), who, refused)
            return
        raise StoryError(f"{name} should be refused with {reason}, but succeeded:\n{answer}")

    def holds(self, amount: str) -> None:
        """Read the balance, which must be this one."""
        self._balance = eur(amount)
        self.still_holds()

    def still_holds(self) -> None:
        """Read the balance, which must be what it was last."""
        expect("the balance that GetBalance reads", self.balance(), self._balance)

    def balance(self) -> Money:
        """Read the balance; in seamless mode it is the casino's own."""
        request = GetBalanceRequest(player_id=self._player, currency_code=CURRENCY)
        return self.casino.call(self.casino.wallet.GetBalance, request).balances[0].balance


def expect(what: str, found: object, wanted: object) -> None:
    """Compare what came with what the story wants. Raises StoryError."""
    if found != wanted:
        raise StoryError(f"{what} should be {_told(wanted)}, but is {_told(found)}")


def wait_while(what: str, state_of: Callable[[], int], state: int) -> tuple[int, float]:
    """Wait while `what` is so; return the state that follows, and the seconds that took.

    Raises StoryError when it takes too long.
    """
    started = time.monotonic()
    while (now := state_of()) == state:
        if time.monotonic() - started > SETTLED_WITHIN_S:
            raise StoryError(f"{what} after {SETTLED_WITHIN_S:.0f} s")
        time.sleep(_POLL_S)
    return now, time.monotonic() - started


def _told(value: object) -> str:
    if isinstance(value, Money):
        return shown(value)
    return " ".join(str(value).split()) or repr(value)


def _name(request: object) -> str:
    """Return the rpc's name, which its request carries."""
    return type(request).__name__.removesuffix("Request")
