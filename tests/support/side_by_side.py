"""Cases that mostly wait, played a few at a time; each is told by a test of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

import pytest

Case = TypeVar("Case")


class SideBySide(Generic[Case]):
    """Plays each case once; use it as an asynchronous context manager."""

    def __init__(
        self, play: Callable[[Case], Awaitable[None]], cases: Iterable[Case], most: int
    ) -> None:
        self._play = play
        self._room = asyncio.Semaphore(most)
        self._played = {case: asyncio.create_task(self._in_turn(case)) for case in cases}

    async def of(self, case: Case) -> None:
        """Wait for a case; raises what went wrong in it."""
        await self._played[case]

    async def _in_turn(self, case: Case) -> None:
        async with self._room:
            await self._play(case)

    async def __aenter__(self) -> SideBySide[Case]:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._played.values():
            task.cancel()
        await asyncio.gather(*self._played.values(), return_exceptions=True)


def chosen_cases(request: pytest.FixtureRequest) -> list[Any]:
    """Return the parameters named `case` of those tests of this module that are to run."""
    own = (item for item in request.session.items if item.getparent(pytest.Module) is request.node)
    called_with = (item.callspec.params for item in own if hasattr(item, "callspec"))
    return [params["case"] for params in called_with if "case" in params]


def is_to_run(request: pytest.FixtureRequest, name: str) -> bool:
    """Tell whether a test of this module whose name begins so is to run."""
    own = (item for item in request.session.items if item.getparent(pytest.Module) is request.node)
    return any(item.name.startswith(name) for item in own)
