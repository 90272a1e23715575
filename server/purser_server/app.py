"""The composition root: settings -> store -> ledger -> use cases -> servicers -> server."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
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
from purser_server.domain.outcomes import Alert
from purser_server.domain.pending import Delays
from purser_server.ledger.combiner import Ledger
from purser_server.ledger.lane import LaneLimits
from purser_server.ops.checkpoints import checkpoint
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.ops.metrics import CasinoMetrics, Metrics, WriteMetrics
from purser_server.ops.periodic import Periodic
from purser_server.ops.settings import Settings
from purser_server.rpc.cashback_service import CashbackServicer
from purser_server.rpc.ledger_service import LedgerServicer
from purser_server.rpc.operator_service import OperatorServicer
from purser_server.rpc.player_service import PlayerServicer
from purser_server.rpc.points_service import PointsServicer
from purser_server.rpc.prize_cashback_service import PrizeCashbackServicer
from purser_server.rpc.program_service import ProgramServicer
from purser_server.rpc.refund_service import RefundServicer
from purser_server.rpc.server import PurserServer, ServerLimits, credentials_of
from purser_server.rpc.services import Servicer
from purser_server.rpc.wallet_service import WalletServicer
from purser_server.store.api_keys import PostgresKeys
from purser_server.store.cases import PostgresCases
from purser_server.store.engine import make_engine
from purser_server.store.faults import CONNECTION_FAULTS
from purser_server.store.feed import PostgresFeed
from purser_server.store.game_results import PostgresGameResults
from purser_server.store.history import PostgresHistory
from purser_server.store.migrate import NoLedgerError, migrate
from purser_server.store.modes import PostgresModes
from purser_server.store.operators import PostgresOperators
from purser_server.store.pending import PostgresPending
from purser_server.store.players import PostgresPlayers
from purser_server.store.points import PostgresPoints
from purser_server.store.prizes import PostgresPrizes
from purser_server.store.programs import PostgresPrograms
from purser_server.store.refunds import PostgresRefunds
from purser_server.store.rewards import PostgresRewards
from purser_server.store.sessions import PostgresSessions
from purser_server.store.verification import PostgresVerification
from purser_server.store.writer import PostgresWriter
from purser_server.usecases.authentication import Authenticator
from purser_server.usecases.balances import Balances
from purser_server.usecases.cases import Cases
from purser_server.usecases.cashback import Cashback
from purser_server.usecases.feed import Feed
from purser_server.usecases.game_results import GameResults
from purser_server.usecases.history import History
from purser_server.usecases.modes import Modes
from purser_server.usecases.movements import Movements
from purser_server.usecases.operators import Operators
from purser_server.usecases.players import Players
from purser_server.usecases.points import PointsUse
from purser_server.usecases.prizes import Prizes
from purser_server.usecases.programs import Programs
from purser_server.usecases.refunds import Refunds
from purser_server.usecases.seamless import SeamlessMovements
from purser_server.usecases.sessions import Sessions
from purser_server.usecases.verification import LedgerVerification

_log = logging.getLogger(__name__)

WATCH_S = 5.0
"""How often what waits for casinos is counted for the metrics."""

DUE_S = 1.0
"""How often cashback is paid and expired points are posted; whoever looks does it at once."""

DATABASE_PATIENCE_S = 30.0
"""How long a start waits for a database that does not answer yet."""


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

    def __init__(
        self, engine: AsyncEngine, ledger: Ledger, forget: Callable[[], None] = lambda: None
    ) -> None:
        self._ledger = ledger
        self.operators = Operators(PostgresOperators(engine), PostgresKeys(engine), forget)
        self.verification = LedgerVerification(PostgresVerification(engine), self.operators)
        self.game_results = GameResults(PostgresGameResults(engine), self.operators)
        self.cases = Cases(PostgresCases(engine), self.operators, ledger)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Let the ledger write meanwhile, where no server runs it."""
        self._ledger.start()
        try:
            yield
        finally:
            await self._ledger.stop()


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
            yield Administration(engine, _make_ledger(settings, url, Metrics().writes))
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
        authenticator = await stack.enter_async_context(_authenticating(settings, url))
        metrics = Metrics()
        ledger = _make_ledger(settings, url, metrics.writes)
        metrics.writes.watch_queue(lambda: ledger.queued)
        stopping = asyncio.Event()
        casinos = CasinoClient(metrics.casinos.observe)
        stack.push_async_callback(casinos.close)
        mode = _make_seamless_mode(settings, engine, ledger, casinos, metrics.casinos)

        def forget() -> None:
            authenticator.forget()
            mode.modes.forget()

        admin = Administration(engine, ledger, forget)
        points = PointsUse(ledger, PostgresPoints(engine), PostgresPrograms(engine))
        due = Periodic(points.post_due, DUE_S, "posting what is due")
        servicers = _make_servicers(engine, ledger, mode, admin, points=points, stopping=stopping)
        server = PurserServer(
            servicers,
            authenticator,
            metrics.calls.observe,
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
        stack.push_async_callback(mode.movements.stop)
        for background in (*mode.background, due):
            background.start()
            stack.push_async_callback(background.stop)
        await server.start()
        stack.push_async_callback(server.stop, settings.grace_s)
        _calm_garbage_collection()
        yield port


def _calm_garbage_collection() -> None:
    """Keep the collector from walking through all that lives for ever, and from coming often.

    A flush makes thousands of objects that reference counting alone frees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def _authenticating(settings: Settings, url: str) -> AsyncIterator[Authenticator]:
    """Give what knows the keys, until the end."""
    # Connections of its own, so that no slow reader keeps a bet waiting for its key.
    engine = make_engine(url, pool_size=2)
    try:
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        yield Authenticator(PostgresKeys(engine), standard_currencies(), admin_key)
    finally:
        await engine.dispose()


def _make_ledger(settings: Settings, url: str, metrics: WriteMetrics) -> Ledger:
    return Ledger(
        [PostgresWriter(url) for _ in range(settings.lanes)],
        LaneLimits(queued=settings.queue_limit, per_flush=settings.flush_limit),
        metrics.observe,
    )


def _delays(settings: Settings) -> Delays:
    return Delays(
        case_after=timedelta(seconds=settings.case_after_s),
        case_every=timedelta(seconds=settings.case_every_s),
    )


def _raise_alerts(metrics: CasinoMetrics) -> Callable[[str, Alert, str], None]:
    def alert(operator_id: str, kind: Alert, words: str) -> None:
        _log.error("casino of %s: %s: %s", operator_id, kind, words)
        metrics.count_alert(operator_id, kind)

    return alert


@dataclass(frozen=True, slots=True)
class _SeamlessMode:
    """What carries movements to casinos, and what goes on in the background."""

    modes: Modes
    movements: SeamlessMovements
    background: tuple[Resolver, Periodic]


def _make_seamless_mode(
    settings: Settings,
    engine: AsyncEngine,
    ledger: Ledger,
    casinos: CasinoClient,
    metrics: CasinoMetrics,
) -> _SeamlessMode:
    pending = PostgresPending(engine)
    modes = Modes(PostgresModes(engine))
    movements = SeamlessMovements(
        ledger,
        casinos,
        modes,
        pending,
        PostgresHistory(engine),
        delays=_delays(settings),
        alert=_raise_alerts(metrics),
        reached=checkpoint(),
    )

    async def count_waiting() -> None:
        metrics.show_waiting(await pending.waiting())

    resolver = Resolver(pending.take_due, movements.resolve)
    watch = Periodic(count_waiting, WATCH_S, "counting what waits for casinos")
    return _SeamlessMode(modes, movements, (resolver, watch))


def _make_servicers(
    engine: AsyncEngine,
    ledger: Ledger,
    mode: _SeamlessMode,
    admin: Administration,
    *,
    points: PointsUse,
    stopping: asyncio.Event,
) -> Iterable[Servicer]:
    players = Players(PostgresPlayers(engine), mode.modes)
    balances = Balances(players, mode.modes, mode.movements)
    movements = Movements(ledger, mode.modes, mode.movements)
    return (
        WalletServicer(
            movements,
            balances,
            Sessions(PostgresSessions(engine), balances),
            History(PostgresHistory(engine)),
            feed=Feed(PostgresFeed(engine)),
            stopping=stopping,
        ),
        PlayerServicer(players),
        CashbackServicer(Cashback(ledger, PostgresRewards(engine))),
        ProgramServicer(Programs(PostgresPrograms(engine))),
        PointsServicer(points),
        RefundServicer(Refunds(ledger, PostgresRefunds(engine))),
        PrizeCashbackServicer(Prizes(ledger, movements, PostgresPrizes(engine))),
        OperatorServicer(admin.operators),
        LedgerServicer(admin.verification, admin.game_results, admin.cases),
    )


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
