"""The store in memory, with prizes and intents besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from purser_server.domain.intents import Settle
from purser_server.domain.pending import Pending
from purser_server.domain.prizes import Prize, PrizeCommand
from purser_server.ledger.ports import Changes, Entry, Loaded, Request
from tests.unit.memory_store import FIRST_DAY, MemoryStore

Key = tuple[int, str]
LEASE = timedelta(seconds=5)


class PrizeStore(MemoryStore):
    """As the store, for operators in either mode; the test says what time it is."""

    def __init__(self, seamless: Sequence[int]) -> None:
        super().__init__()
        self.now: datetime = FIRST_DAY
        self.prizes: dict[Key, Prize] = {}
        self.pending: dict[Key, Pending] = {}
        self._seamless = dict.fromkeys(seamless, LEASE)

    def load(self, requests: Sequence[Request]) -> Loaded:
        loaded = super().load(requests)
        players = {(request.operator, request.command.player_id) for request in requests}
        ids = {(request.operator, request.command.transaction_id) for request in requests}
        return replace(
            loaded,
            now=self.now,
            seamless=dict(self._seamless),
            pending={
                key: pending
                for key, pending in self.pending.items()
                if key in ids or (key[0], pending.transaction.player_id) in players
            },
            prizes={key: self.prizes[key] for key in map(_named, requests) if key in self.prizes},
        )

    def save(self, changes: Changes) -> None:
        super().save(changes)
        assert changes.prizes is not None
        for operator, player, prize in changes.prizes.new:
            assert (operator, prize.prize_id) not in self.prizes, "a prize was granted twice"
            assert player == self.players[operator, prize.player_id]
            self.prizes[operator, prize.prize_id] = prize
        for operator, prize in changes.prizes.changed:
            assert self.prizes[operator, prize.prize_id].number == prize.number
            self.prizes[operator, prize.prize_id] = prize
        for operator, transaction_id in changes.ended:
            self.pending.pop((operator, transaction_id), None)
        for operator, _, pending in changes.pending:
            self.pending[operator, pending.transaction.transaction_id] = pending

    def _assert_rows_of(self, entry: Entry) -> None:
        if entry.transaction.at_casino:
            assert entry.account is None or entry.account in self.house
        else:
            super()._assert_rows_of(entry)


def _named(request: Request) -> Key:
    command = request.command
    if isinstance(command, PrizeCommand):
        return request.operator, command.prize_id
    prize_id = command.intent.prize_id if isinstance(command, Settle) else ""
    return request.operator, prize_id
