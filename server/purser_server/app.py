"""The composition root: settings -> store -> ledger -> use cases -> servicers -> server."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import grpc
from iso4217 import Currency as Iso4217
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from purser_server.casino.client import CasinoClient
from purser_server.casino.resolver import Resolver
from purser_server.domain.pending import Delays
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.lane import LaneLimits
from purser_server.ops.checkpoints import checkpoint
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.ops.metrics import Metrics
from purser_server.ops.settings import Settings
from purser_server.ops.workers import WorkerPool, outlive_parent, reserve_port, tell_ready
from purser_server.rpc.ledger_service import LedgerServicer
from purser_server.rpc.operator_service import OperatorServicer
from purser_server.rpc.player_service import PlayerServicer
from purser_server.rpc.server import PurserServer, ServerLimits, Services, credentials_of
from purser_server.rpc.wallet_service import WalletServicer
from purser_server.store.api_keys import PostgresKeys
from purser_server.store.engine import make_engine
from purser_server.store.faults import CONNECTION_FAULTS
from purser_server.store.feed import PostgresFeed
from purser_server.store.history import PostgresHistory
from purser_server.store.migrate import NoLedgerError, migrate
from purser_server.store.operators import PostgresOperators
from purser_server.store.pending import PostgresPending
from purser_server.store.players import PostgresPlayers
from purser_server.store.sessions import PostgresSessions
from purser_server.store.verification import PostgresVerification
from purser_server.store.writer import PostgresWriter
from purser_server.usecases.authentication import Authenticator
from purser_server.usecases.balances import Balances
from purser_server.usecases.feed import Feed
from purser_server.usecases.history import History
from purser_server.usecases.movements import Movements
from purser_server.usecases.operators import Operators
from purser_server.usecases.players import Players
from purser_server.usecases.seamless import SeamlessMovements
from purser_server.usecases.sessions import Sessions
from purser_server.usecases.verification import LedgerVerification

_log = logging.getLogger(__name__)

T = TypeVar("T")

DATABASE_PATIENCE_S = 30.0
"""How long a start waits for a database that does not answer yet."""

Tell = Callable[[str], None]
"""Prints a line for the person who started the process."""


@cache
def standard_currencies() -> Mapping[str, int]:
    """Return ISO 4217: currency code -> number of decimal places."""
    return {
        currency.code: currency.exponent for currency in Iso4217 if currency.exponent is not None
    }


@asynccontextmanager
async def database(settings: Settings, *, share: bool = True) -> AsyncIterator[str]:
    """Give the URL of the database: the one named, or the embedded one, started if need be.

    With `share` the embedded one of a server that runs already will do. Raises
    EmbeddedPostgresError.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    running = EmbeddedPostgres.running_url(settings.data_directory) if share else None
    if running is not None:
        yield running
        return
    async with EmbeddedPostgres(settings.data_directory) as postgres:
        keeper = asyncio.create_task(postgres.keep_running())
        try:
            yield postgres.url
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


async def prepare(url: str, *, found: bool = False) -> str:
    """Bring the database to this release's schema, which with `found` is not made anew.

    Returns its revision. Waits for a database that does not answer yet, and says so in the log.
    Raises ConnectionError when it does not come, DatabaseRefusedError when it will have none of us,
    NoLedgerError when there is nothing to be found.
    """
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(CONNECTION_FAULTS),
            stop=stop_after_delay(DATABASE_PATIENCE_S),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            before_sleep=_log_waiting,
            reraise=True,
        ):
            with attempt:
                return await migrate(url, found=found)
    except CONNECTION_FAULTS as error:
        raise ConnectionError(
            f"the database {_place_of(url)} cannot be reached: {error or type(error).__name__}"
        ) from error
    raise AssertionError("a retry ends with a result or an error")


def _place_of(url: str) -> str:
    """Return where a database is, without who may enter."""
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", ["the local socket"])[0]
    return f"{parts.path.lstrip('/')} at {host}{f':{parts.port}' if parts.port else ''}"


def _log_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1:
        _log.warning("the database does not answer yet (%s); waiting for it", error)


class Administration:
    """The use cases that a command line needs, without a server."""

    def __init__(self, engine: AsyncEngine, forget: Callable[[], None] = lambda: None) -> None:
        self.operators = Operators(PostgresOperators(engine), PostgresKeys(engine), forget)
        self.verification = LedgerVerification(PostgresVerification(engine), self.operators)


@asynccontextmanager
async def administration(
    settings: Settings, *, found: bool = True
) -> AsyncIterator[Administration]:
    """Give the administration of an installation, whether or not a server runs on it.

    The installation must be there, unless `found` is False. Raises NoLedgerError: a wrong folder
    must not become an installation, and be found in good order.
    """
    embedded = settings.database_url is None
    if found and embedded and not EmbeddedPostgres.is_in(settings.data_directory):
        raise NoLedgerError
    async with database(settings) as url:
        await prepare(url, found=found)
        engine = make_engine(url)
        try:
            yield Administration(engine)
        finally:
            await engine.dispose()


@asynccontextmanager
async def serving(settings: Settings, url: str, *, share_port: bool = False) -> AsyncIterator[int]:
    """Serve in this process on a prepared database; give the port.

    At the end: NOT_SERVING, accepted calls finish, what was accepted is written.
    """
    async with AsyncExitStack() as stack:
        engine = make_engine(url)
        stack.push_async_callback(engine.dispose)
        # Connections of their own, so that no slow reader keeps a bet waiting for its key.
        key_engine = make_engine(url, pool_size=2)
        stack.push_async_callback(key_engine.dispose)
        authenticator = Authenticator(
            PostgresKeys(key_engine),
            standard_currencies(),
            settings.admin_key.get_secret_value() if settings.admin_key else None,
        )
        metrics = Metrics()
        ledger = _make_ledger(settings, url, metrics)
        metrics.watch_queue(lambda: ledger.queued)
        stopping = asyncio.Event()
        casinos = CasinoClient()
        stack.push_async_callback(casinos.close)
        store = PostgresPending(engine)
        seamless = SeamlessMovements(
            ledger, casinos, store, PostgresHistory(engine), delays=Delays(), reached=checkpoint()
        )
        resolver = Resolver(store.take_due, seamless.resolve)
        services = _make_services(engine, ledger, seamless, authenticator.forget, stopping)
        server = PurserServer(
            services,
            authenticator,
            metrics.observe_call,
            # Above what the queue holds: its own answer says more than gRPC's.
            ServerLimits(max_concurrent_calls=settings.queue_limit + 1_000),
            stopping,
            share_port=share_port,
        )
        port = server.listen(settings.listen, _credentials(settings))
        if settings.metrics_listen:
            stack.callback(metrics.serve(_metrics_address(settings.metrics_listen)))
        ledger.start()
        stack.push_async_callback(ledger.stop)
        stack.push_async_callback(seamless.stop)
        resolver.start()
        stack.push_async_callback(resolver.stop)
        await server.start()
        stack.push_async_callback(server.stop, settings.grace_s)
        _calm_garbage_collection()
        yield port


async def serve(settings: Settings, tell: Tell) -> None:
    """Run Purser until it is told to stop by SIGTERM or SIGINT."""
    stopped = _until_signal()
    async with database(settings, share=False) as url:
        revision = await _unless(stopped, prepare(url))
        if revision is None:
            return
        _log.info("database ready, schema revision %s", revision)
        if settings.workers > 1:
            await _serve_with_workers(settings, url, tell, stopped)
            return
        async with serving(settings, url) as port:
            await _show_admin_key(settings, url, tell)
            _tell_address(settings, port, tell)
            await stopped()
            tell("Purser is stopping: accepted calls finish first.")


async def serve_as_worker(settings: Settings) -> None:
    """Serve as one of several processes on one port; the parent prepared the database."""
    stopped = _until_signal()
    assert settings.database_url is not None
    async with serving(settings, settings.database_url.get_secret_value(), share_port=True):
        tell_ready()
        await _unless(stopped, outlive_parent())


async def _serve_with_workers(
    settings: Settings, url: str, tell: Tell, stopped: Callable[[], Awaitable[None]]
) -> None:
    reserved, address = reserve_port(settings.listen)
    with reserved:
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PURSER_DATA_DIR"},
            **settings.model_copy(update={"data_dir": None}).as_environment(),
            "PURSER_LISTEN": address,
            "PURSER_DATABASE_URL": url,
        }
        command = [sys.executable, "-m", "purser_server", "worker"]
        pool = WorkerPool(command, environment, settings.workers)
        await pool.start()
        try:
            if await _unless(stopped, pool.ready()) is None:
                return
            await _show_admin_key(settings, url, tell)
            _tell_address(settings, int(address.rpartition(":")[2]), tell)
            await stopped()
            tell("Purser is stopping: accepted calls finish first.")
        finally:
            await pool.stop(settings.grace_s + 20.0)


def _calm_garbage_collection() -> None:
    """Keep the collector from walking through all that lives for ever, and from coming often.

    A flush makes thousands of objects that reference counting alone frees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _make_ledger(settings: Settings, url: str, metrics: Metrics) -> Ledger:
    return Ledger(
        [PostgresWriter(url) for _ in range(settings.lanes)],
        LaneLimits(queued=settings.queue_limit, per_flush=settings.flush_limit),
        metrics.observe_flush,
    )


def _make_services(
    engine: AsyncEngine,
    ledger: Ledger,
    seamless: SeamlessMovements,
    forget: Callable[[], None],
    stopping: asyncio.Event,
) -> Services:
    admin = Administration(engine, forget)
    players = Players(PostgresPlayers(engine))
    balances = Balances(players, seamless)
    sessions = Sessions(PostgresSessions(engine), balances)
    history = History(PostgresHistory(engine))
    feed = Feed(PostgresFeed(engine))
    return Services(
        wallet=WalletServicer(
            Movements(ledger, seamless), balances, sessions, history, feed=feed, stopping=stopping
        ),
        player=PlayerServicer(players),
        operator=OperatorServicer(admin.operators),
        ledger=LedgerServicer(admin.verification),
    )


async def _show_admin_key(settings: Settings, url: str, tell: Tell) -> None:
    """Make the admin key at the first start of an installation, and show it this once.

    It comes after all that can keep a server from starting: whoever saw a key saw it start.
    """
    if settings.admin_key is not None:
        return
    engine = make_engine(url)
    try:
        key = await Administration(engine).operators.create_admin_key()
    finally:
        await engine.dispose()
    if key is not None:
        tell(f"Admin key, shown this once: {key}")


def _tell_address(settings: Settings, port: int, tell: Tell) -> None:
    host = settings.listen.rpartition(":")[0]
    security = "TLS" if settings.tls_certificate else "plaintext"
    tell(f"Purser listens on {host}:{port} ({security}). Ctrl-C or SIGTERM stops it.")
    tell("Next: `purser operator create ID`, then `purser key create ID --role backend`.")


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    client_ca = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    return credentials_of(
        settings.tls_certificate.read_bytes(), settings.tls_key.read_bytes(), client_ca
    )


def _metrics_address(address: str) -> str:
    """Return this process's own address for metrics: workers take ascending ports."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + int(os.environ.get('PURSER_WORKER', '0'))}"


async def _unless(stopped: Callable[[], Awaitable[None]], work: Coroutine[Any, Any, T]) -> T | None:
    """Return what the work gives, or None when the process is told to stop before."""
    working = asyncio.create_task(work)
    stopping = asyncio.ensure_future(stopped())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


def _until_signal() -> Callable[[], Awaitable[None]]:
    """Begin to listen for SIGTERM and SIGINT; return what waits for the first of them."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)

    async def wait() -> None:
        await told.wait()

    return wait
