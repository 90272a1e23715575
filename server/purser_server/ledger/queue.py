"""The queue before the writers: a line per player, and whose turn it is to write.

A player's requests are decided in their order: while a flush holds a player, no other flush takes
requests of that player. Who stands at the head of a line and is held by nobody is `ready`, and
what is taken is taken from ready players alone; a slow flush, or a player with thousands of
requests, costs the others nothing.

What needs several players (an atomic group, or requests that name the same ids) stands in all
their lines, and is taken when it is at the head of each. Lines are joined in one step, and so two
such items never wait for each other.

While little waits, one writer at a time flushes, for a flush costs about as much as a dozen of its
operations.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import count
from operator import attrgetter

from purser_server.domain.decisions import Result
from purser_server.domain.errors import Refusal
from purser_server.ledger.batch import Group
from purser_server.ledger.ports import PlayerKey, Request

SIDE_BY_SIDE = 16
"""So many players must be ready for a second writer to flush beside the first."""

ALONE_BOUND_S = 0.02
"""A flush that takes longer (a lock, a lost connection) keeps no other writer waiting."""


class Job:
    """What one caller waits for; `done` gives the results, group by group."""

    __slots__ = ("done", "item_of_many", "results", "unanswered", "untaken")

    def __init__(self, groups: int) -> None:
        self.done: asyncio.Future[list[list[Result]]] = asyncio.get_running_loop().create_future()
        self.results: list[list[Result]] = [[]] * groups
        self.unanswered = groups
        self.untaken = 0
        self.item_of_many: Item | None = None

    def answer(self, place: int, results: list[Result]) -> None:
        """Note the results of one group; with the last one the job is done."""
        self.results[place] = results
        self.unanswered -= 1
        if not self.unanswered and not self.done.done():
            self.done.set_result(self.results)


class Item:
    """Groups that are taken together, from `place` on among those of their job."""

    __slots__ = ("groups", "job", "number", "place", "players", "ready", "size")

    def __init__(self, number: int, job: Job, place: int, groups: Sequence[Group]) -> None:
        self.number = number
        self.job = job
        self.place = place
        self.groups = groups
        requests = groups[0].requests if len(groups) == 1 else _requests_of(groups)
        self.size = len(requests)
        self.players = _players_of(requests)
        # The players, of several, who wait for nothing but the others.
        self.ready: set[PlayerKey] | None = None if len(self.players) == 1 else set()


def _requests_of(groups: Sequence[Group]) -> list[Request]:
    return [request for group in groups for request in group.requests]


def _players_of(requests: Sequence[Request]) -> tuple[PlayerKey, ...]:
    """Return the players, each once."""
    if len(requests) == 1:
        request = requests[0]
        return ((request.operator, request.command.player_id),)
    return tuple({(request.operator, request.command.player_id) for request in requests})


class Taken:
    """What one writer flushes at once, and the players that it holds meanwhile."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.players: set[PlayerKey] = set()
        self.size = 0
        self._items: list[Item] = []

    def add(self, item: Item) -> None:
        """Take an item."""
        self._items.append(item)
        self.players.update(item.players)
        self.size += item.size
        item.job.untaken -= item.size

    def in_order(self) -> Taken:
        """Return this with its groups in the order in which they came."""
        self._items.sort(key=attrgetter("number"))
        self.groups = [group for item in self._items for group in item.groups]
        return self

    def answer(self, results: Sequence[list[Result]]) -> None:
        """Give each caller the results, which stand in the order of `groups`."""
        at = iter(results)
        for item in self._items:
            for place in range(item.place, item.place + len(item.groups)):
                item.job.answer(place, next(at))

    def fail(self, error: Exception) -> None:
        """Let all the callers' jobs fail."""
        for item in self._items:
            if not item.job.done.done():
                item.job.done.set_exception(error)


class Queue:
    """Jobs of all callers, for all writers of a process. Both bounds are in operations.

    `size` counts the operations that wait, without those of callers who gave up; `writers_up` the
    writers that have a store to write to.
    """

    def __init__(self, bound: int, per_flush: int) -> None:
        self._bound = bound
        self._per_flush = per_flush
        self.writers_up = 0
        # A player has a line while something of the player waits or is held by a flush.
        self._lines: dict[PlayerKey, deque[Item]] = {}
        self._ready: deque[PlayerKey] = deque()
        self._numbers = count()
        self._under_way: set[Taken] = set()
        self._alone: Taken | None = None
        self._alone_bound: asyncio.TimerHandle | None = None
        self._idle: list[asyncio.Future[None]] = []
        self._is_waking = False
        self.is_stopping = False
        self.size = 0
        # Operations given up since the lines were last cleared of such.
        self._given_up = 0

    # -- callers ---------------------------------------------------------------------------------

    def has_room(self, size: int) -> bool:
        """Tell whether so many operations may join; an empty queue takes a call of any size."""
        if self.is_stopping:
            return False
        return self.size == 0 or self.size + size <= self._bound

    def put(self, groups: Sequence[Group], *, together: bool = False) -> Job:
        """Add groups, of which `together` makes one flush; the caller saw that there is room."""
        job = Job(len(groups))
        if together:
            self._join(Item(next(self._numbers), job, 0, groups))
        else:
            for place, group in enumerate(groups):
                self._join(Item(next(self._numbers), job, place, (group,)))
        self.size += job.untaken
        job.done.add_done_callback(lambda done: self._give_up(job) if done.cancelled() else None)
        self._wake()
        return job

    def stop(self) -> None:
        """Let the writers end when nothing waits any more."""
        self.is_stopping = True
        self._wake()

    def _join(self, item: Item) -> None:
        item.job.untaken += item.size
        if item.ready is not None:
            item.job.item_of_many = item
        for player in item.players:
            line = self._lines.get(player)
            if line is None:
                self._lines[player] = deque((item,))
                self._ready.append(player)
            else:
                line.append(item)

    def _give_up(self, job: Job) -> None:
        """Forget what a caller no longer waits for; players who waited for it go on."""
        self.size -= job.untaken
        self._given_up += job.untaken
        job.untaken = 0
        if job.item_of_many is not None and job.item_of_many.ready:
            self._ready.extend(job.item_of_many.ready)
            job.item_of_many.ready.clear()
        if self._given_up > self._bound:
            self._clear_lines()
        self._wake()

    def _clear_lines(self) -> None:
        """Take what callers gave up out of the lines: a slow flush may hold a player for long."""
        for player, line in self._lines.items():
            self._lines[player] = deque(item for item in line if not item.job.done.done())
        self._given_up = 0

    # -- writers ---------------------------------------------------------------------------------

    async def take(self) -> Taken | None:
        """Wait for what this writer may flush now; None when the queue has stopped and is empty.

        Give it to `finish` afterwards.
        """
        while True:
            taken = self._take() if self._may_take() else None
            if taken is not None and taken.size:
                self._begin(taken)
                return taken
            if self.is_stopping and not self.size:
                self._wake()
                return None
            turn = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._idle:
                    self._idle.remove(turn)
                raise
            finally:
                self._is_waking = False

    def finish(self, taken: Taken) -> None:
        """Let others have the players of a flush that is over."""
        self._under_way.discard(taken)
        for player in taken.players:
            if self._lines[player]:
                self._ready.append(player)
            else:
                del self._lines[player]
        if taken is self._alone:
            self._end_alone()
        self._wake()

    def refuse_all(self, refusal: Refusal) -> None:
        """Answer everything that waits with a refusal."""
        waiting = {id(item): item for line in self._lines.values() for item in line}
        held = set[PlayerKey]().union(*(taken.players for taken in self._under_way))
        self._lines = {player: deque() for player in held}
        self._ready.clear()
        self.size = 0
        for item in waiting.values():
            item.job.untaken = 0
            item.job.item_of_many = None
            for place, group in enumerate(item.groups, item.place):
                item.job.answer(place, [refusal] * len(group.requests))
        self._wake()

    # -- whose turn it is ------------------------------------------------------------------------

    def _may_take(self) -> bool:
        ready = len(self._ready)
        return ready >= SIDE_BY_SIDE or (ready > 0 and self._alone is None)

    def _begin(self, taken: Taken) -> None:
        self._under_way.add(taken)
        if self._alone is None:
            self._alone = taken
            loop = asyncio.get_running_loop()
            self._alone_bound = loop.call_later(ALONE_BOUND_S, self._alone_too_long)
        self._wake()

    def _alone_too_long(self) -> None:
        self._end_alone()
        self._wake()

    def _end_alone(self) -> None:
        if self._alone_bound is not None:
            self._alone_bound.cancel()
        self._alone = self._alone_bound = None

    def _wake(self) -> None:
        """Wake the writer that has been idle for the shortest time, if there is work for it."""
        if self.is_stopping and not self.size:
            while self._idle:
                self._idle.pop().set_result(None)
        elif self._idle and not self._is_waking and self._may_take():
            self._is_waking = True
            self._idle.pop().set_result(None)

    # -- what is taken ---------------------------------------------------------------------------

    def _take(self) -> Taken:
        """Take from the lines of ready players, one after another, up to the bound of a flush."""
        taken = Taken()
        again: deque[PlayerKey] = deque()
        while again or self._ready:
            player = again.popleft() if again else self._ready.popleft()
            if not self._take_line(player, taken, again):
                if player not in taken.players:
                    self._ready.appendleft(player)
                break
        self.size -= taken.size
        return taken.in_order()

    def _take_line(self, player: PlayerKey, taken: Taken, again: deque[PlayerKey]) -> bool:
        """Take from a line what can be taken now; False when the flush is full.

        Players whose lines go on behind an item of several are to be looked at `again`.
        """
        line = self._lines[player]
        while line:
            item = line[0]
            if item.job.done.done():
                line.popleft()
                continue
            if taken.size and taken.size + item.size > self._per_flush:
                return False
            if item.ready is not None:
                if player not in taken.players:
                    item.ready.add(player)
                if self._is_at_the_head_of_all(item, taken):
                    again.extend(item.players)
                    self._take_of_many(item, taken)
                return True
            line.popleft()
            taken.add(item)
        if player not in taken.players:
            del self._lines[player]
        return True

    def _is_at_the_head_of_all(self, item: Item, taken: Taken) -> bool:
        """Tell whether each player of an item waits for it, or is in this very flush."""
        assert item.ready is not None
        if len(item.ready) + len(taken.players) < len(item.players):
            return False
        return all(
            self._lines[player][0] is item and (player in item.ready or player in taken.players)
            for player in item.players
        )

    def _take_of_many(self, item: Item, taken: Taken) -> None:
        for player in item.players:
            self._lines[player].popleft()
        item.job.item_of_many = None
        taken.add(item)
