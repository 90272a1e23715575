"""The pool for everything but the write path, and what its faults mean to callers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from purser_server.domain.errors import Reason, RefusedError, ledger_unavailable
from purser_server.ledger.ports import ContentionError, StoreUnavailableError
from purser_server.store.faults import CONNECTION_FAULTS, translate

_POOL_WAIT_S = 5.0
_DIALECT = "postgresql+asyncpg://"
_SERVER_SETTINGS = {
    "application_name": "purser",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",
}


def make_engine(url: str, *, pool_size: int = 8) -> AsyncEngine:
    """Return a pool for a `postgresql://` URL; it connects when first used.

    With `pool_size` 0 it keeps no connections. The driver itself reads the URL, so that it means
    the same here and in the write path.
    """

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, timeout=_POOL_WAIT_S, server_settings=_SERVER_SETTINGS)

    # Parameters may be secrets, and errors are logged.
    if not pool_size:
        return create_async_engine(
            _DIALECT, async_creator=connect, poolclass=NullPool, hide_parameters=True
        )
    return create_async_engine(
        _DIALECT,
        async_creator=connect,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_S,
        pool_pre_ping=True,
    )


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection for reading. Raises RefusedError: LEDGER_UNAVAILABLE."""
    async with _translated(), engine.connect() as connection:
        yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a transaction that commits at the end. Raises RefusedError: LEDGER_UNAVAILABLE."""
    async with _translated(), engine.begin() as connection:
        yield connection


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeoutError, *CONNECTION_FAULTS) as error:
        if isinstance(error, PoolTimeoutError) or _is_passing(error):
            raise RefusedError(ledger_unavailable()) from error
        raise


def _is_passing(error: Any) -> bool:
    """Tell whether the fault lies in the connection or in other writers, not in the request."""
    if isinstance(error, DBAPIError):
        driver_error = getattr(error.orig, "__cause__", None) or error.orig
        if error.connection_invalidated or not isinstance(driver_error, Exception):
            return True
        error = driver_error
    return isinstance(translate(error), StoreUnavailableError | ContentionError)


P = ParamSpec("P")
T = TypeVar("T")


def again_when_cut(
    work: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Do idempotent work once more when its connection was lost; what it did then is found."""

    @wraps(work)
    async def do(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await work(*args, **kwargs)
        except RefusedError as error:
            if error.refusal.reason is not Reason.LEDGER_UNAVAILABLE:
                raise
        return await work(*args, **kwargs)

    return do
