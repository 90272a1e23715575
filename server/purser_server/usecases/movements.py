"""Deposit, withdraw, bet, win, rollback, close round: money moves, at most once per id."""

from __future__ import annotations

from collections.abc import Sequence

from purser_server.domain.commands import Command
from purser_server.domain.decisions import Answer, Result
from purser_server.domain.errors import Refusal, RefusedError
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request


class Movements:
    """Hands commands to the ledger, alone or many at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def execute(self, operator: int, command: Command) -> Answer:
        """Execute one command. Raises RefusedError with the command's own refusal."""
        result = await self._ledger.execute(Request(operator, command))
        if isinstance(result, Refusal):
            raise RefusedError(result)
        return result

    async def execute_many(
        self, operator: int, commands: Sequence[Command], *, atomic: bool
    ) -> list[Result]:
        """Execute commands with independent results, or (`atomic`) all or none of them.

        Raises RefusedError (OVERLOADED) before any of them is begun.
        """
        requests = [Request(operator, command) for command in commands]
        if not requests:
            return []
        if atomic:
            return await self._ledger.execute_atomically(requests)
        return await self._ledger.execute_each(requests)
