"""The game result of an operator, over any time, in both modes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from purser_server.domain.errors import RefusedError
from purser_server.domain.game_result import GameResult, game_results, refuse_results
from purser_server.usecases.operators import Operators
from purser_server.usecases.ports import GameResultStore


class GameResults:
    """Reads game results."""

    def __init__(self, store: GameResultStore, operators: Operators) -> None:
        self._store = store
        self._operators = operators

    async def of(
        self, operator_id: str, start: datetime | None, end: datetime | None
    ) -> Sequence[GameResult]:
        """Return the result per currency from `start` on and before `end`.

        Raises RefusedError: OPERATOR_NOT_FOUND; AMOUNT_RANGE where a sum is beyond 64 bits.
        """
        operator = await self._operators.get(operator_id)
        results = game_results(await self._store.played(operator.number, start, end))
        refusal = refuse_results(results)
        if refusal is not None:
            raise RefusedError(refusal)
        return results
