"""What the use cases need of casinos that keep their players' money."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.outcomes import Report
from purser_server.domain.pending import Pending


class Gate(Protocol):
    """What stands before one casino: a bound of calls in flight, and a circuit breaker."""

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open."""

    def may_send(self) -> bool:
        """Tell whether a call may be sent now; while the breaker is open, as its probe."""

    def has_place(self, callback: CallbackSettings) -> bool:
        """Tell whether a place is free at once."""

    def note(self, *, is_known: bool) -> None:
        """Note the outcome of a call."""

    def place(
        self, callback: CallbackSettings, *, is_probe: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Hold a place meanwhile; a probe without an outcome leaves it to another to be the probe.

        Raises RefusedError (OVERLOADED) after a deadline in vain.
        """


class Casinos(Protocol):
    """The casinos, which keep their players' money. Nothing here raises for the network."""

    def gate(self, operator: int) -> Gate:
        """Return what stands before this operator's casino."""

    async def ask(self, settings: CallbackSettings, operator_id: str, pending: Pending) -> Report:
        """Make one attempt for an intent, in its phase."""

    async def balance(
        self, settings: CallbackSettings, operator_id: str, player_id: str, currency_code: str
    ) -> Report:
        """Ask for a player's balance."""
