"""What the driver's errors mean to the ledger; its texts stay in the server's log."""

from __future__ import annotations

import asyncpg

from purser_server.ledger.ports import ContentionError, PoisonedError, StoreUnavailableError

CONNECTION_FAULTS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)
"""The connection is gone, or never came to be."""

_UNFIT = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresIOError,
    asyncpg.PostgresSystemError,
)
"""PostgreSQL answers, but can do nothing for anybody: a full disk, a stand-by, a shutdown."""

_CONTENTION = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.UniqueViolationError,
)


def translate(error: Exception) -> Exception:
    """Return the ledger's word for an error of the driver."""
    # The driver's own complaint about a value (too large for its column) is an InterfaceError
    # by inheritance, and must be told from a broken connection first.
    if isinstance(error, asyncpg.DataError):
        too_large = isinstance(error, asyncpg.NumericValueOutOfRangeError)
        return PoisonedError(repr(error), out_of_range=too_large or "range" in str(error))
    if isinstance(error, CONNECTION_FAULTS):
        return StoreUnavailableError(repr(error))
    if isinstance(error, _CONTENTION):
        return ContentionError(repr(error))
    if isinstance(error, _UNFIT):
        return StoreUnavailableError(repr(error))
    return PoisonedError(repr(error), out_of_range=False)
