"""Many calls at once, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

import grpc
import grpc.aio

from tests.support.client import Client, Failure, failure_of
from tests.support.process import PurserProcess


async def outcome(call: Awaitable[Any]) -> Any | Failure:
    """Return the answer of a call, or what its refusal carries."""
    try:
        return await call
    except grpc.RpcError as error:
        return failure_of(error)


async def together(calls: Iterable[Awaitable[Any]]) -> list[Any | Failure]:
    """Make all calls at once; return their outcomes in order."""
    return list(await asyncio.gather(*(outcome(call) for call in calls)))


def answers(outcomes: Iterable[Any]) -> list[Any]:
    """Return the calls that succeeded."""
    return [found for found in outcomes if not isinstance(found, Failure)]


def reasons(outcomes: Iterable[Any]) -> list[str]:
    """Return the reasons of the calls that were refused, or the status of one without."""
    return [found.reason or found.code.name for found in outcomes if isinstance(found, Failure)]


def beside(client: Any, server: PurserProcess) -> Client:
    """Return a client with the same key at another server; close it yourself."""
    other = Client(server.address, client.api_key)
    other.operator_id = client.operator_id  # type: ignore[attr-defined]
    return other
