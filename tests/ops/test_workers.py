"""Several processes on one port: the port that they share, and how their start can fail."""

from __future__ import annotations

import os
import socket
import sys

import psutil
import pytest

from purser_server.ops.workers import WorkerError, WorkerPool, reserve_port

READY = "from purser_server.ops.workers import tell_ready; tell_ready()"
SERVE = f"{READY}; import time; time.sleep(60)"
FAIL = "from purser_server.ops.workers import tell_failure; tell_failure('no room'); exit(1)"


def test_a_port_is_free_again_though_connections_of_a_former_server_linger() -> None:
    with socket.create_server(("127.0.0.1", 0)) as former:
        port = former.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            # Whoever closes first lingers in TIME_WAIT.
            former.accept()[0].close()
            assert caller.recv(1) == b""
    assert psutil.CONN_TIME_WAIT in states_of(port)

    reserved, address = reserve_port(f"127.0.0.1:{port}")

    reserved.close()
    assert address == f"127.0.0.1:{port}"


def test_a_port_that_another_installation_shares_among_its_workers_is_taken() -> None:
    reserved, address = reserve_port("127.0.0.1:0")
    with reserved, socket.socket() as worker:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(reserved.getsockname())
        worker.listen()
        with pytest.raises(OSError, match="is the port taken"):
            reserve_port(address)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}: is the port taken"):
            reserve_port(address)


@pytest.mark.parametrize(
    ("program", "why"),
    [(FAIL, "no room"), ("exit(3)", "worker [01] ended with 3 before all of them served")],
)
async def test_a_worker_that_never_serves_ends_the_start(program: str, why: str) -> None:
    pool = WorkerPool([sys.executable, "-c", program], os.environ, 2)
    await pool.start()
    try:
        with pytest.raises(WorkerError, match=why):
            await pool.ready()
    finally:
        await pool.stop(10.0)


async def test_workers_that_all_serve_are_ready() -> None:
    pool = WorkerPool([sys.executable, "-c", SERVE], os.environ, 2)
    await pool.start()
    try:
        assert await pool.ready() == 2
    finally:
        await pool.stop(10.0)


def states_of(port: int) -> set[str]:
    found = psutil.net_connections("tcp4")
    return {each.status for each in found if each.laddr and each.laddr.port == port}
