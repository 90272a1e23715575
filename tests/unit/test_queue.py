"""The queue hands out everything once, in each player's order, no player to two flushes."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from purser_server.domain.errors import ledger_unavailable
from purser_server.ledger.batch import Group
from purser_server.ledger.ports import Request
from purser_server.ledger.queue import Job, Queue, Taken
from tests.unit.commands import deposit

PLAYERS = st.sampled_from("ABCDE")
PUT = st.tuples(
    st.sampled_from(["group", "together", "each"]), st.lists(PLAYERS, min_size=1, max_size=4)
)
STEP = st.one_of(PUT, st.sampled_from(["take", "finish first", "finish last", "give up"]))


def group_of(number: int, *players: str) -> Group:
    return Group(
        tuple(Request(1, deposit(f"{number}-{at}", "1", player=p)) for at, p in enumerate(players))
    )


class Story:
    """Callers and writers of one queue."""

    def __init__(self, per_flush: int) -> None:
        self.queue = Queue(1_000, per_flush)
        self.jobs: list[Job] = []
        self.under_way: list[Taken] = []
        self.taken: defaultdict[str, list[int]] = defaultdict(list)

    def put(self, kind: str, players: list[str]) -> None:
        number = len(self.jobs)
        if kind == "group":
            groups = [group_of(number, *players)]
        else:
            groups = [group_of(number, player) for player in players]
        self.jobs.append(self.queue.put(groups, together=kind == "together"))

    async def take(self) -> None:
        try:
            taken = await asyncio.wait_for(self.queue.take(), 0.001)
        except TimeoutError:
            return
        if taken is None:
            return
        for other in self.under_way:
            assert other.players.isdisjoint(taken.players)
        self.under_way.append(taken)
        for group in taken.groups:
            for request in group.requests:
                number = int(request.command.transaction_id.split("-")[0])
                self.taken[request.command.player_id].append(number)

    def finish(self, place: int) -> None:
        if self.under_way:
            taken = self.under_way.pop(place)
            taken.answer([[] for _ in taken.groups])
            self.queue.finish(taken)

    async def give_up(self) -> None:
        waiting = [job for job in self.jobs if not job.done.done()]
        if waiting:
            waiting[len(waiting) // 2].done.cancel()
            await asyncio.sleep(0)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=40), st.sampled_from([1, 3, 100]))
def test_everything_is_taken_once_and_in_each_players_order(
    steps: list[object], per_flush: int
) -> None:
    asyncio.run(_play(steps, per_flush))


async def _play(steps: list[object], per_flush: int) -> None:
    story = Story(per_flush)
    for step in steps:
        match step:
            case (kind, players):
                story.put(kind, players)
            case "take":
                await story.take()
            case "give up":
                await story.give_up()
            case "finish first":
                story.finish(0)
            case _:
                story.finish(-1)
    while story.queue.size or story.under_way:
        await story.take()
        story.finish(-1)

    assert all(job.done.done() for job in story.jobs)
    for numbers in story.taken.values():
        assert numbers == sorted(numbers)
    assert story.queue.size == 0


async def test_what_callers_gave_up_does_not_pile_up_behind_a_held_player() -> None:
    bound = 100
    queue = Queue(bound, per_flush=10)
    queue.put([group_of(0, "A")])
    taken = await queue.take()
    for number in range(1, 50 * bound):
        queue.put([group_of(number, "A")]).done.cancel()
        await asyncio.sleep(0)

    assert taken is not None
    assert sum(map(len, queue._lines.values())) <= 2 * bound


async def test_a_group_given_up_while_all_is_refused_disturbs_nobody() -> None:
    queue = Queue(100, per_flush=10)
    queue.put([group_of(0, "A")])
    held = await queue.take()
    group = queue.put([group_of(1, "A", "B")])
    queue.put([group_of(2, "C")])
    other = await queue.take()  # looks at the group, and sets B aside
    assert held is not None
    assert other is not None

    group.done.cancel()
    queue.finish(held)
    queue.refuse_all(ledger_unavailable())
    await asyncio.sleep(0)
    queue.finish(other)

    job = queue.put([group_of(3, "D")])
    taken = await queue.take()
    assert taken is not None
    taken.answer([[]])
    assert (await job.done) == [[]]
