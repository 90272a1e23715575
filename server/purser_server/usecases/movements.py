"""Deposit, withdraw, bet, win, rollback, close round: money moves, at most once per id.

In transfer mode the ledger decides; in seamless mode the casino is asked as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from purser_server.domain.commands import Bet, Command, Rollback, Win
from purser_server.domain.decisions import Answer, Result
from purser_server.domain.errors import Reason, Refusal, RefusedError, accepted
from purser_server.domain.prizes import ReturnPrize
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.modes import Modes
from purser_server.usecases.seamless import SeamlessMovements

_ASKED = (Bet, Win, Rollback, ReturnPrize)
"""What a casino that keeps the money is asked about; all else is the ledger's alone."""


class Movements:
    """Hands commands to the ledger, alone or many at a time."""

    def __init__(self, ledger: Ledger, modes: Modes, seamless: SeamlessMovements) -> None:
        self._ledger = ledger
        self._modes = modes
        self._seamless = seamless

    async def execute(self, operator: int, command: Command | ReturnPrize) -> Answer:
        """Execute one command. Raises RefusedError with the command's own refusal.

        A prize whose return was denied or has failed is an answer, too.
        """
        if isinstance(command, _ASKED) and await self._is_seamless(operator):
            return await self._seamless.execute(operator, command)
        result = accepted(await self._ledger.execute(Request(operator, command)))
        if result.pending is None:
            return result
        return await self._seamless.carry_late(operator, result)

    async def execute_many(
        self, operator: int, commands: Sequence[Command], *, atomic: bool
    ) -> list[Result]:
        """Execute commands with independent results, or (`atomic`) all or none of them.

        Raises RefusedError (OVERLOADED, WRONG_MODE) before any of them is begun.
        """
        requests = [Request(operator, command) for command in commands]
        if not requests:
            return []
        if atomic:
            results = await self._ledger.execute_atomically(requests)
            if isinstance(results[0], Refusal) and results[0].reason is Reason.WRONG_MODE:
                raise RefusedError(results[0])
            return results
        if await self._is_seamless(operator):
            return await self._ask_for_each(operator, commands)
        results = await self._ledger.execute_each(requests)
        if any(_is_intent(result) for result in results):
            return list(await asyncio.gather(*(self._carried(operator, it) for it in results)))
        return results

    async def _is_seamless(self, operator: int) -> bool:
        """Tell whether the operator was in seamless mode at the last look.

        Only the first look is waited for, so that calls keep their order. The ledger decides by the
        mode of now, and what turns out to be an intent is carried late.
        """
        if not self._modes.is_known(operator):
            await self._modes.look(operator)
        return self._modes.last_known(operator) is not None

    async def _carried(self, operator: int, result: Result) -> Result:
        """Ask the casino for what became an intent, though the mode was not known."""
        if isinstance(result, Refusal):
            return result
        try:
            return await self._seamless.carry_late(operator, result)
        except RefusedError as error:
            return error.refusal

    async def _ask_for_each(self, operator: int, commands: Sequence[Command]) -> list[Result]:
        """Execute a player's commands one after another, and those of several side by side."""
        results: dict[int, Result] = {}
        places: dict[str, list[int]] = {}
        for place, command in enumerate(commands):
            places.setdefault(command.player_id, []).append(place)

        async def play(of_player: list[int]) -> None:
            for place in of_player:
                results[place] = await self._outcome(operator, commands[place])

        await asyncio.gather(*(play(of_player) for of_player in places.values()))
        return [results[place] for place in range(len(commands))]

    async def _outcome(self, operator: int, command: Command) -> Result:
        try:
            return await self.execute(operator, command)
        except RefusedError as error:
            return error.refusal


def _is_intent(result: Result) -> bool:
    return not isinstance(result, Refusal) and result.pending is not None
