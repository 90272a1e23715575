"""One id for movements of different players: one of them has it, whatever their order."""

from __future__ import annotations

from typing import Any

import pytest

from purser_server.domain.commands import Bet, Command, Rollback
from purser_server.domain.intents import Settle
from purser_server.domain.outcomes import CallbackOutcome, Phase, Report
from purser_server.ledger.batch import Batch, Group
from purser_server.ledger.ports import ContentionError, Request
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.store.writer import PostgresWriter
from tests.seamless.scene import COMPLETED, PENDING, ROLLED_BACK, Seamless
from tests.support.calls import answers, reasons, together
from tests.support.client import eur, refused
from tests.support.databases import connected


async def test_of_ten_players_who_race_for_one_id_one_gets_it(seamless: Seamless) -> None:
    players = [await seamless.new_player() for _ in range(10)]
    for number in range(5):
        found = await together(
            seamless.games.bet(player, eur("1.00"), "r", f"b{number}") for player in players
        )
        assert len(answers(found)) == 1
        assert reasons(found) == ["TRANSACTION_ID_REUSED"] * 9
    await seamless.assert_agreement()


async def test_a_rollback_of_another_players_pending_bet_finds_nothing(
    seamless: Seamless,
) -> None:
    owner, stranger = await seamless.new_player(), await seamless.new_player()
    seamless.casino.faults.set("*:unavailable")
    with refused("CASINO_UNREACHABLE"):
        await seamless.games.bet(owner, eur("1.00"), "r", "b")

    with refused("TRANSACTION_NOT_FOUND"):
        await seamless.games.rollback(stranger, "b", "u")

    assert (await seamless.games.transaction("b")).state == PENDING
    seamless.casino.faults.set("")
    assert (await seamless.settled("b")).state == ROLLED_BACK
    await seamless.assert_agreement()


class Lane:
    """A writer's connection that flushes step by step, so that a test may put two in one order."""

    def __init__(self, url: str, operator: int) -> None:
        self._writer = PostgresWriter(url)
        self._operator = operator

    async def load(self, command: Command | Settle) -> Batch:
        await self._writer.connect(5.0)
        await self._writer.begin()
        request = Request(self._operator, command)
        batch = Batch(await self._writer.load([request]))
        self.results = batch.decide([Group((request,))])[0]
        return batch

    async def save(self, batch: Batch) -> None:
        await self._writer.save(batch.changes())
        await self._writer.commit()

    async def flush(self, command: Command | Settle) -> Any:
        await self.save(await self.load(command))
        return self.results[0]

    async def give_up(self) -> None:
        await self._writer.rollback()

    async def close(self) -> None:
        await self._writer.close()


def bet_of(player: str, transaction_id: str) -> Bet:
    return Bet(transaction_id, player, "EUR", 100, "game", "round")


@pytest.mark.parametrize("first_ends", [False, True], ids=["pending", "ended"])
async def test_an_intent_whose_id_was_taken_meanwhile_is_not_stored(
    seamless: Seamless, postgres: EmbeddedPostgres, first_ends: bool
) -> None:
    one, two = await seamless.new_player(), await seamless.new_player()
    operator = await _number_of(seamless, postgres)
    ours, theirs = Lane(postgres.url, operator), Lane(postgres.url, operator)

    batch = await ours.load(bet_of(one, "b"))
    intent = (await theirs.flush(bet_of(two, "b"))).transaction
    if first_ends:
        report = Report(Phase.SENDING, CallbackOutcome.ACCEPTED, balance=0)
        await theirs.flush(Settle("b", two, intent, report))
    with pytest.raises(ContentionError):
        await ours.save(batch)
    await ours.give_up()

    # Whoever tries again sees it.
    assert (await ours.flush(bet_of(one, "b"))).reason == "TRANSACTION_ID_REUSED"
    found = await seamless.games.transaction("b")
    assert found.player_id == two
    assert found.state == (COMPLETED if first_ends else PENDING)
    for lane in (ours, theirs):
        await lane.close()


async def test_a_tombstone_whose_id_is_an_intent_by_now_is_not_stored(
    seamless: Seamless, postgres: EmbeddedPostgres
) -> None:
    one, two = await seamless.new_player(), await seamless.new_player()
    operator = await _number_of(seamless, postgres)
    ours, theirs = Lane(postgres.url, operator), Lane(postgres.url, operator)

    batch = await ours.load(Rollback("u", one, "b"))
    await theirs.flush(bet_of(two, "b"))
    with pytest.raises(ContentionError):
        await ours.save(batch)
    await ours.give_up()

    assert (await ours.flush(Rollback("u", one, "b"))).reason == "TRANSACTION_NOT_FOUND"
    for lane in (ours, theirs):
        await lane.close()


async def _number_of(seamless: Seamless, postgres: EmbeddedPostgres) -> int:
    async with connected(postgres.url) as connection:
        found: int = await connection.fetchval(
            "SELECT operator_no FROM operators WHERE operator_id = $1", seamless.operator_id
        )
    return found
