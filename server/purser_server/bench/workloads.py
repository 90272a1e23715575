"""The workloads: who calls what, and how many at once."""

from __future__ import annotations

import asyncio
from bisect import bisect
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from random import choice, random
from time import perf_counter
from typing import Any

from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import AsyncPurserClient, Money
from purser_server.bench.casino import (
    PAYOUT_MINOR,
    STAKE_MINOR,
    Casino,
    acknowledged,
    bet,
    new_id,
    pairs,
    win,
)
from purser_server.bench.refunds import refund
from purser_server.bench.shop import issue_cashback, reward_order, rewarding
from purser_server.bench.window import Window

_STAKE = Money(Decimal(STAKE_MINOR).scaleb(-2), "EUR")
_PAYOUT = Money(Decimal(PAYOUT_MINOR).scaleb(-2), "EUR")
_ZIPF_EXPONENT = 1.1

Pick = Callable[[], str]
"""Chooses the player of the next round."""

Load = Callable[[Casino, Window, Pick, int], Coroutine[Any, Any, None]]
"""Keeps so many calls in flight until the window is over."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the table. `in_flight` counts calls or, for batches, messages.

    A seamless one is played at a casino that keeps its players' money itself.
    """

    name: str
    load: Load
    in_flight: int
    players: Callable[[Sequence[str]], Pick]
    is_seamless: bool = False


def anyone(players: Sequence[str]) -> Pick:
    """Choose all players alike."""
    return lambda: choice(players)


def one(players: Sequence[str]) -> Pick:
    """Choose the same player always."""
    return lambda: players[0]


def zipf(players: Sequence[str]) -> Pick:
    """Choose few players often and many rarely, as a casino sees them."""
    weights = list(accumulate(1 / rank**_ZIPF_EXPONENT for rank in range(1, len(players) + 1)))
    return lambda: players[bisect(weights, random() * weights[-1], hi=len(players) - 1)]


async def unary(casino: Casino, window: Window, pick: Pick, in_flight: int) -> None:
    """Bet and win, each by a call of its own."""

    async def play() -> None:
        while not window.over:
            player, round_id = pick(), new_id()
            for rpc, request in (
                (casino.wallet.Bet, bet(player, round_id)),
                (casino.wallet.Win, win(player, round_id)),
            ):
                sent = perf_counter()
                await rpc(request, metadata=casino.metadata)
                window.answered([request.transaction_id], sent)

    await asyncio.gather(*(play() for _ in range(in_flight)))


async def combined(casino: Casino, window: Window, pick: Pick, in_flight: int) -> None:
    """Bet and win by single calls of `purser_client`, which combines them."""

    async def play(client: AsyncPurserClient) -> None:
        while not window.over:
            player, round_id = pick(), new_id()
            bet_id, win_id = f"{round_id}-b", f"{round_id}-w"
            sent = perf_counter()
            await client.bet(
                player, _STAKE, game_id="slots", round_id=round_id, transaction_id=bet_id
            )
            window.answered([bet_id], sent)
            sent = perf_counter()
            await client.win(
                player,
                _PAYOUT,
                game_id="slots",
                round_id=round_id,
                transaction_id=win_id,
                bet_transaction_id=bet_id,
                close_round=True,
            )
            window.answered([win_id], sent)

    async with AsyncPurserClient(casino.address, casino.api_key) as client:
        await asyncio.gather(*(play(client) for _ in range(in_flight)))


def execute(size: int) -> Load:
    """Make a load of Execute messages with `size` operations each."""

    async def load(casino: Casino, window: Window, pick: Pick, in_flight: int) -> None:
        async def play() -> None:
            while not window.over:
                operations = pairs(size, pick)
                sent = perf_counter()
                window.answered(await casino.play(operations), sent)

        await asyncio.gather(*(play() for _ in range(in_flight)))

    return load


def stream(size: int) -> Load:
    """Make a load of one StreamExecute with messages of `size` operations."""

    async def load(casino: Casino, window: Window, pick: Pick, in_flight: int) -> None:
        sent: dict[int, float] = {}
        room = asyncio.Semaphore(in_flight)

        async def messages() -> AsyncIterator[pb.StreamExecuteRequest]:
            number = 0
            while not window.over:
                await room.acquire()
                number += 1
                sent[number] = perf_counter()
                yield pb.StreamExecuteRequest(correlation_id=number, operations=pairs(size, pick))

        async for answer in casino.wallet.StreamExecute(messages(), metadata=casino.metadata):
            window.answered(acknowledged(answer.results), sent.pop(answer.correlation_id))
            room.release()

    return load


WORKLOADS = (
    *(Workload(f"unary, {n} in flight", unary, n, anyone) for n in (1, 16, 64, 256)),
    *(
        Workload(f"combining client, {n} in flight", combined, n, anyone)
        for n in (64, 128, 1024, 4096)
    ),
    Workload("Execute of 100, 8 in flight", execute(100), 8, anyone),
    Workload("Execute of 1000, 4 in flight", execute(1_000), 4, anyone),
    Workload("StreamExecute of 100, 16 in flight", stream(100), 16, anyone),
    Workload("spread players, 256 in flight", combined, 256, anyone),
    Workload("one hot player, 256 in flight", combined, 256, one),
    Workload("zipf players, 256 in flight", combined, 256, zipf),
    Workload("cashback of amounts, 64 in flight", rewarding(issue_cashback), 64, anyone),
    Workload("cashback of orders, 64 in flight", rewarding(reward_order), 64, anyone),
    Workload("refund of a line, 64 in flight", refund, 64, anyone),
    Workload("seamless bet+win, 64 in flight", unary, 64, anyone, is_seamless=True),
    Workload(
        "seamless bet+win, combining client, 64 in flight", combined, 64, anyone, is_seamless=True
    ),
)
