"""Running: serve until a signal comes, in one process or in several on one port."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from purser_server.app import database, prepare, serving
from purser_server.ops.settings import Settings
from purser_server.ops.workers import WorkerPool, outlive_parent, reserve_port, tell_ready
from purser_server.store.api_keys import PostgresKeys
from purser_server.store.engine import make_engine
from purser_server.store.operators import PostgresOperators
from purser_server.usecases.operators import Operators

_log = logging.getLogger(__name__)

T = TypeVar("T")

Tell = Callable[[str], None]
"""Prints a line for the person who started the process."""


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


async def _show_admin_key(settings: Settings, url: str, tell: Tell) -> None:
    """Make the admin key at the first start of an installation, and show it this once.

    It comes after all that can keep a server from starting: whoever saw a key saw it start.
    """
    if settings.admin_key is not None:
        return
    engine = make_engine(url)
    try:
        key = await Operators(PostgresOperators(engine), PostgresKeys(engine)).create_admin_key()
    finally:
        await engine.dispose()
    if key is not None:
        tell(f"Admin key, shown this once: {key}")


def _tell_address(settings: Settings, port: int, tell: Tell) -> None:
    host = settings.listen.rpartition(":")[0]
    security = "TLS" if settings.tls_certificate else "plaintext"
    tell(f"Purser listens on {host}:{port} ({security}). Ctrl-C or SIGTERM stops it.")
    tell("Next: `purser operator create ID`, then `purser key create ID --role backend`.")


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
