"""The queue before the writers: what waits, in the order in which it came, and who may take it.

A player's requests are decided in their order: while a flush holds requests of a player, no other
flush takes any. While little waits, one writer at a time flushes, for a flush costs about as much
as a dozen of its operations; when much waits, all do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from purser_server.domain.decisions import Result
from purser_server.domain.errors import Refusal
from purser_server.ledger.batch import Group

SIDE_BY_SIDE = 16
"""So many operations must wait for a second writer to flush beside the first."""

ALONE_BOUND_S = 0.02
"""A flush that takes longer (a lock, a lost connection) keeps no other writer waiting."""

_PASSED_OVER_BOUND = 2_000
"""How many groups of busy players are passed over in search of others."""

PlayerKey = tuple[int, str]


class Job:
    """Groups that one caller waits for; `done` gives their results, group by group."""

    __slots__ = ("done", "groups", "left", "results", "together", "unanswered")

    def __init__(self, groups: Sequence[Group], together: bool) -> None:
        self.groups = groups
        self.together = together
        self.left: Sequence[int] = range(len(groups))
        self.unanswered = len(groups)
        self.results: list[list[Result]] = [[]] * len(groups)
        self.done: asyncio.Future[list[list[Result]]] = asyncio.get_running_loop().create_future()

    @property
    def size(self) -> int:
        """Operations that nobody has taken yet."""
        return sum(len(self.groups[place].requests) for place in self.left)


class Taken:
    """What one writer flushes at once, and the players that it holds meanwhile."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.players: set[PlayerKey] = set()
        self.size = 0
        self._places: list[tuple[Job, int]] = []

    def add(self, job: Job, place: int, group: Group, players: Iterable[PlayerKey]) -> None:
        """Take a group of a job."""
        self.groups.append(group)
        self.players.update(players)
        self.size += len(group.requests)
        self._places.append((job, place))

    def answer(self, results: Sequence[list[Result]]) -> None:
        """Give each job its results; a job that has all of them is done."""
        for (job, place), result in zip(self._places, results, strict=True):
            job.results[place] = result
            job.unanswered -= 1
            if not job.unanswered and not job.done.done():
                job.done.set_result(job.results)

    def fail(self, error: Exception) -> None:
        """Let all the jobs fail."""
        for job, _ in self._places:
            if not job.done.done():
                job.done.set_exception(error)


class Queue:
    """Jobs of all callers, for all writers of a process. `bound` is in operations."""

    def __init__(self, bound: int, per_flush: int) -> None:
        self._bound = bound
        self._per_flush = per_flush
        self._jobs: deque[Job] = deque()
        self._busy: set[PlayerKey] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._alone: asyncio.TimerHandle | None = None
        self._holder: Taken | None = None
        self._all_are_busy = False
        self._is_waking = False
        self._stopping = False
        self.size = 0

    def has_room(self, size: int) -> bool:
        """Tell whether so many operations may join; an empty queue takes a call of any size."""
        if self._stopping:
            return False
        return self.size == 0 or self.size + size <= self._bound

    def put(self, groups: Sequence[Group], *, together: bool = False) -> Job:
        """Add groups, of which `together` makes one flush; the caller saw that there is room."""
        job = Job(groups, together)
        self._jobs.append(job)
        self.size += job.size
        self._wake()
        return job

    def stop(self) -> None:
        """Let the writers end when nothing waits any more."""
        self._stopping = True
        self._wake()

    def refuse_all(self, refusal: Refusal) -> None:
        """Answer everything that waits with a refusal."""
        waiting, self._jobs, self.size = self._jobs, deque(), 0
        for job in waiting:
            refused = Taken()
            for place in job.left:
                refused.add(job, place, job.groups[place], ())
            refused.answer([[refusal] * len(group.requests) for group in refused.groups])

    async def take(self) -> Taken | None:
        """Wait for what this writer may flush now; None when the queue has stopped and is empty.

        Give it to `finish` afterwards.
        """
        while True:
            if self._may_take():
                taken = self._take()
                if taken.groups:
                    self._begin(taken)
                    self._wake()
                    return taken
                self._all_are_busy = self.size > 0
            if self._stopping and not self._jobs:
                return None
            turn = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            await turn
            self._is_waking = False

    def finish(self, taken: Taken) -> None:
        """Let others have the players of a flush that is over."""
        self._busy -= taken.players
        self._all_are_busy = False
        if taken is self._holder:
            self._end_alone()
        self._wake()

    # -- whose turn it is ------------------------------------------------------------------------

    def _may_take(self) -> bool:
        if not self.size or self._all_are_busy:
            return False
        return self._alone is None or self.size >= SIDE_BY_SIDE

    def _begin(self, taken: Taken) -> None:
        self._busy |= taken.players
        if self._alone is None:
            self._holder = taken
            loop = asyncio.get_running_loop()
            self._alone = loop.call_later(ALONE_BOUND_S, self._alone_too_long)

    def _alone_too_long(self) -> None:
        self._end_alone()
        self._wake()

    def _end_alone(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
        self._alone = self._holder = None

    def _wake(self) -> None:
        """Wake the writer that has been idle for the shortest time, if there is work for it."""
        if self._may_take() and self._idle and not self._is_waking:
            self._is_waking = True
            self._idle.pop().set_result(None)
        elif self._stopping and not self._jobs:
            while self._idle:
                self._idle.pop().set_result(None)

    # -- what is taken ---------------------------------------------------------------------------

    def _take(self) -> Taken:
        """Take what waits, in its order, up to the bound of a flush.

        Passed over are groups of players that another flush holds, and with them what came later
        of the same players; callers who gave up are left out.
        """
        taken, blocked, kept = Taken(), set(self._busy), deque[Job]()
        while self._jobs and len(blocked) < len(self._busy) + _PASSED_OVER_BOUND:
            job = self._jobs.popleft()
            if job.done.done():
                self.size -= job.size
                continue
            is_full = self._take_of(job, taken, blocked)
            if job.left:
                kept.append(job)
            if is_full:
                break
        self._jobs.extendleft(reversed(kept))
        self.size -= taken.size
        return taken

    def _take_of(self, job: Job, taken: Taken, blocked: set[PlayerKey]) -> bool:
        """Take groups of a job; tell whether the flush is full."""
        groups = job.groups
        if job.together:
            players = [key for group in groups for key in _players_of(group)]
            if not blocked.isdisjoint(players):
                blocked.update(players)
                return False
            if taken.groups and taken.size + len(players) > self._per_flush:
                return True
        left: list[int] = []
        for at, place in enumerate(job.left):
            group = groups[place]
            players = _players_of(group)
            if not blocked.isdisjoint(players):
                blocked.update(players)
                left.append(place)
                continue
            too_large = taken.size + len(group.requests) > self._per_flush
            if too_large and taken.groups and not job.together:
                job.left = [*left, *job.left[at:]]
                return True
            taken.add(job, place, group, players)
        job.left = left
        return False


def _players_of(group: Group) -> list[PlayerKey]:
    return [(request.operator, request.command.player_id) for request in group.requests]
