"""Deposit, withdraw, bet, win, rollback, close round: money moves, at most once per id."""

from __future__ import annotations

from collections.abc import Sequence

from purser_server.domain.commands import Command
from purser_server.domain.errors import Refusal, RefusedError
from purser_server.ledger.batch import Answer, Outcome, group_failed
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request

__all__ = ["Answer", "Movements", "Outcome", "group_failed"]


class Movements:
    """Hands commands to the ledger, alone or many at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def execute(self, operator: int, command: Command) -> Answer:
        """Execute one command. Raises RefusedError with the command's own refusal."""
        outcome = await self._ledger.execute(Request(operator, command))
        if isinstance(outcome, Refusal):
            raise RefusedError(outcome)
        return outcome

    async def execute_many(
        self, operator: int, commands: Sequence[Command], *, atomic: bool
    ) -> list[Outcome]:
        """Execute commands with independent outcomes, or (`atomic`) all or none of them.

        Raises RefusedError (OVERLOADED) before any of them is begun.
        """
        requests = [Request(operator, command) for command in commands]
        if not requests:
            return []
        if atomic:
            return await self._ledger.execute_atomically(requests)
        return await self._ledger.execute_each(requests)
