"""The intents of seamless mode as a flush changes them: movements whose outcome is not known yet.

Groups, which could be taken back, do not exist in that mode.
"""

from __future__ import annotations

from purser_server.domain.cases import EndedCase
from purser_server.domain.pending import Pending
from purser_server.ledger.ports import Changes, IdKey, Loaded, PlayerKey


class IntentBook:
    """Looks intents up by their ids and by their players, and notes what becomes of them."""

    def __init__(self, loaded: Loaded) -> None:
        self._players = loaded.players
        self._intents = dict(loaded.pending)
        self._by_player: dict[PlayerKey, dict[str, Pending]] = {}
        for (operator, transaction_id), pending in loaded.pending.items():
            self._of_player(operator, pending)[transaction_id] = pending
        self._touched: dict[IdKey, None] = {}
        self._begun: set[int] = set()
        self._ended_cases: list[tuple[int, int, EndedCase]] = []

    def find(self, operator: int, transaction_id: str) -> Pending | None:
        """Return an intent, unless there is none or its outcome is known."""
        return self._intents.get((operator, transaction_id))

    def of(self, operator: int, player_id: str) -> list[Pending]:
        """Return a player's intents, in the order in which they were stored."""
        intents = self._by_player.get((operator, player_id), {})
        return sorted(intents.values(), key=lambda pending: pending.transaction.number)

    def begin(self, operator: int, pending: Pending) -> None:
        """Store a new intent."""
        self._begun.add(pending.transaction.number)
        self.keep(operator, pending)

    def keep(self, operator: int, pending: Pending) -> None:
        """Store an intent as it is now."""
        key = (operator, pending.transaction.transaction_id)
        self._intents[key] = self._of_player(operator, pending)[key[1]] = pending
        self._touched[key] = None

    def end(self, operator: int, pending: Pending) -> None:
        """Let an intent be no more: its outcome is known."""
        key = (operator, pending.transaction.transaction_id)
        del self._intents[key], self._of_player(operator, pending)[key[1]]
        self._touched[key] = None

    def end_case(self, operator: int, case: EndedCase) -> None:
        """Remember how a case ended."""
        player = self._players[operator, case.pending.transaction.player_id]
        self._ended_cases.append((operator, player, case))

    def add_to(self, changes: Changes) -> None:
        """Add all that is to be written of intents."""
        changes.begun = self._begun
        changes.ended_cases = self._ended_cases
        for operator, transaction_id in self._touched:
            pending = self.find(operator, transaction_id)
            if pending is None:
                changes.ended.append((operator, transaction_id))
            else:
                player = self._players[operator, pending.transaction.player_id]
                changes.pending.append((operator, player, pending))

    def _of_player(self, operator: int, pending: Pending) -> dict[str, Pending]:
        return self._by_player.setdefault((operator, pending.transaction.player_id), {})
