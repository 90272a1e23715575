"""A server that reaches its PostgreSQL through a network which the tests can break."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.faults.proxy import Proxy
from tests.support.client import Client, Installation, new_id
from tests.support.process import PurserProcess


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stage:
    """Everything between a client and the disk."""

    postgres: EmbeddedPostgres
    proxy: Proxy
    server: PurserProcess
    installation: Installation

    async def patient_casino(self) -> Client:
        """Make a casino whose calls wait longer than any fault here lasts."""
        casino = await self.installation.new_casino()
        key, operator_id = casino.api_key, casino.operator_id  # type: ignore[attr-defined]
        patient = Client(self.server.address, key, timeout_s=150.0)
        patient.operator_id = operator_id  # type: ignore[attr-defined]
        return patient


@pytest.fixture(scope="module")
async def stage(short_tmp: Path) -> AsyncIterator[Stage]:
    """Give a server, its PostgreSQL, and the network between them."""
    port = free_port()
    async with (
        EmbeddedPostgres(short_tmp / new_id("cut"), listen_port=port) as postgres,
        Proxy(port) as proxy,
        PurserProcess("--database-url", proxy.url) as server,
    ):
        installation = Installation(server.address)
        yield Stage(postgres, proxy, server, installation)
        await installation.close()
    errors = server.errors.decode()
    assert "Traceback" not in errors, errors


@pytest.fixture
def dice() -> random.Random:
    """Chance that falls the same way in every run."""
    return random.Random(4)
