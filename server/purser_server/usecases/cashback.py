"""Cashback: what purchases earn, and where their rewards stand."""

from __future__ import annotations

from purser_server.domain.decisions import RewardAnswer
from purser_server.domain.errors import RefusedError, accepted
from purser_server.domain.rewards import EarnReward, order_not_found
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.ports import Request
from purser_server.usecases.loyalty_ports import RewardStore


class Cashback:
    """The verbs of rewards."""

    def __init__(self, ledger: Ledger, store: RewardStore) -> None:
        self._ledger = ledger
        self._store = store

    async def earn(self, operator: int, command: EarnReward) -> RewardAnswer:
        """Reward a purchase, or quote what it would earn.

        Raises RefusedError with the command's own refusal.
        """
        result = accepted(await self._ledger.execute_points(Request(operator, command)))
        assert isinstance(result, RewardAnswer), "purchases are answered with rewards"
        return result

    async def reward(self, operator: int, transaction_id: str) -> RewardAnswer:
        """Return a reward as it is now. Raises RefusedError: ORDER_NOT_FOUND."""
        found = await self._store.reward(operator, transaction_id)
        if found is None:
            raise RefusedError(order_not_found(transaction_id))
        return RewardAnswer(*found, replayed=False)
