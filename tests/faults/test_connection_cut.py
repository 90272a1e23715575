"""The connection to PostgreSQL breaks around COMMIT: callers hear the truth, and hear it once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from purser.wallet.v1.wallet_service_pb2 import ExecuteRequest, Operation, OperationResult
from tests.faults import rounds
from tests.faults.book import Book, Call, reason_of
from tests.faults.conftest import Stage
from tests.faults.proxy import Cut
from tests.faults.traffic import Traffic, bet, deposit, single, transfer
from tests.support.calls import together
from tests.support.client import eur, new_id

PROMPT_S = 10.0
"""Far more than it takes, and less than PostgreSQL's own patience with a session that was lost."""

Make = Callable[[str, str, str], Call]


def one_bet(player: str, _: str, amount: str) -> Call:
    return single(bet(player, "round-1", amount))


def many_operations(player: str, other: str, amount: str) -> Call:
    bets = [bet(player, "round-1", amount), bet(other, "round-1", amount)]
    return Call((*bets, deposit(player, "1.00")), execute=True)


def a_group(player: str, other: str, amount: str) -> Call:
    return transfer(player, other, amount)


every_cut = pytest.mark.parametrize("cut", list(Cut), ids=lambda cut: cut.name.lower())
every_kind = pytest.mark.parametrize("make", [one_bet, many_operations, a_group])


async def players_with_money(book: Book) -> tuple[str, str]:
    pair = (await book.client.new_player(), await book.client.new_player())
    for player in pair:
        assert await book.send(single(deposit(player, "100.00")))
    return pair


@every_kind
@every_cut
async def test_a_call_whose_connection_breaks_takes_effect_once_and_is_answered_so(
    stage: Stage, make: Make, cut: Cut
) -> None:
    book = Book(await stage.installation.new_casino())
    player, other = await players_with_money(book)
    for _ in range(3):
        stage.proxy.cut_next(cut)
        call = make(player, other, "5.00")
        async with asyncio.timeout(PROMPT_S):
            assert await book.send(call), "the server did not find out by itself"
        assert not stage.proxy.is_armed
        assert {reason_of(result) for result in call.results or ()} == {""}
        await stage.proxy.deliver_late()
    await book.settle()
    await book.assert_settled(stage.installation)


@every_kind
@every_cut
async def test_a_refusal_whose_connection_breaks_is_told_and_stays(
    stage: Stage, make: Make, cut: Cut
) -> None:
    book = Book(await stage.installation.new_casino())
    player, other = await players_with_money(book)
    stage.proxy.cut_next(cut)
    call = make(player, other, "100.01")
    async with asyncio.timeout(PROMPT_S):
        assert await book.send(call)
    assert not stage.proxy.is_armed
    assert call.results is not None
    assert reason_of(call.results[0]) == "INSUFFICIENT_FUNDS"
    await stage.proxy.deliver_late()
    await book.settle()
    await book.assert_settled(stage.installation)


@every_cut
async def test_of_equal_calls_at_once_one_is_new_also_when_the_connection_breaks(
    stage: Stage, cut: Cut
) -> None:
    casino = await stage.installation.new_casino()
    player = await casino.new_player(money=eur("100.00"))
    bet_id = new_id("bet")
    stage.proxy.cut_next(cut)
    told = await together(casino.bet(player, eur("5.00"), "round-1", bet_id) for _ in range(20))
    assert len({answer.transaction.SerializeToString() for answer in told}) == 1
    assert await casino.balance(player) == 9500
    assert Counter(answer.replayed for answer in told) == {False: 1, True: 19}


@every_cut
async def test_an_operation_twice_in_one_call_is_new_once_also_when_the_connection_breaks(
    stage: Stage, cut: Cut
) -> None:
    book = Book(await stage.installation.new_casino())
    player, _ = await players_with_money(book)
    for amount in ("5.00", "1000.00"):
        stage.proxy.cut_next(cut)
        results = await execute_both(book, *[bet(player, "round-1", amount)] * 2)
        assert reason_of(results[0]) == reason_of(results[1])
        assert [result.replayed for result in results] == [False, True]


@every_cut
async def test_an_id_used_twice_in_one_call_is_told_so_also_when_the_connection_breaks(
    stage: Stage, cut: Cut
) -> None:
    book = Book(await stage.installation.new_casino())
    player, _ = await players_with_money(book)
    first, second = bet(player, "round-1", "100.01"), bet(player, "round-1", "1.00")
    second.bet.transaction_id = first.bet.transaction_id
    stage.proxy.cut_next(cut)
    told = [reason_of(result) for result in await execute_both(book, first, second)]
    assert told == ["INSUFFICIENT_FUNDS", "TRANSACTION_ID_REUSED"]


async def execute_both(book: Book, *operations: Operation) -> Sequence[OperationResult]:
    response = await book.client.wallet.Execute(ExecuteRequest(operations=operations))
    return list(response.results)


@pytest.mark.slow
async def test_traffic_through_a_network_that_breaks_all_the_time(
    stage: Stage, dice: random.Random
) -> None:
    commits = [cut for cut in Cut if cut is not Cut.IN_WRITE]
    cuts = unanswered = 0
    for _ in range(rounds(0.2)):
        book = Book(await stage.patient_casino())
        traffic = Traffic(book, dice)
        await traffic.start()
        before = stage.proxy.cuts
        stage.proxy.odds = lambda: dice.choice(commits) if dice.random() < 0.2 else None
        for _ in range(25):
            await asyncio.sleep(0.1)
            stage.proxy.cut_next(Cut.IN_WRITE)
            await stage.proxy.deliver_late()
        stage.proxy.odds = lambda: None
        await traffic.stop()
        await stage.proxy.deliver_late()
        cuts += stage.proxy.cuts - before
        unanswered += book.unanswered
        await book.settle()
        await book.assert_settled(stage.installation)
        await book.client.close()
    assert cuts > 20, "the network hardly ever broke"


@pytest.mark.slow
@pytest.mark.parametrize("silence_s", [3.0, 25.0])
async def test_a_network_that_falls_silent_costs_patience_and_no_truth(
    stage: Stage, dice: random.Random, silence_s: float
) -> None:
    book = Book(await stage.patient_casino())
    traffic = Traffic(book, dice, tables=4)
    await traffic.start()
    await asyncio.sleep(0.5)
    stage.proxy.stop_flow()
    await asyncio.sleep(silence_s)
    stage.proxy.resume_flow()
    await asyncio.sleep(1.0)
    await traffic.stop()
    await book.settle()
    await book.assert_settled(stage.installation)
    await book.client.close()
