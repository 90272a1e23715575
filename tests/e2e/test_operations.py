"""Purser as it is operated: started, stopped, started again, several processes, its logs."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.calls import answers, outcome, reasons, together
from tests.support.client import Client, Failure, Installation, eur, new_id
from tests.support.databases import connected
from tests.support.process import ADMIN_KEY, PurserProcess, run_purser

BOUND_S = 60.0


@asynccontextmanager
async def a_held_wallet(url: str, player: str) -> AsyncIterator[Callable[[], Any]]:
    """Hold the lock of a player's wallets, so that movements wait; gives what counts them."""
    async with connected(url) as holder, connected(url) as watcher, holder.transaction():
        await holder.execute(
            "SELECT 1 FROM accounts a JOIN players p USING (operator_no, player_no)"
            " WHERE p.player_id = $1 FOR UPDATE OF a",
            player,
        )

        async def waiting() -> bool:
            return bool(
                await watcher.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )

        yield waiting


async def eventually(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(BOUND_S):
        while True:
            found = is_so()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.05)


# -- stopping and starting --------------------------------------------------------------------


@pytest.mark.slow
async def test_accepted_calls_finish_when_the_server_is_told_to_stop(own_database: str) -> None:
    server = await PurserProcess("--database-url", own_database).start()
    installation = Installation(server.address)
    casino = await installation.new_casino()
    player = await casino.new_player(money=eur("100.00"))
    async with a_held_wallet(own_database, player) as waiting:
        bets = [
            asyncio.create_task(outcome(casino.bet(player, eur("1.00"), "r", f"bet-{i}")))
            for i in range(20)
        ]
        await eventually(waiting)
        # Calls of one channel arrive in their order, so that all bets are accepted by now.
        await casino.balance(player)
        stopping = asyncio.create_task(server.terminate())
        await eventually(lambda: b"stopping" in server.output)
        assert await health_of(server.address) != health_pb2.HealthCheckResponse.SERVING
        refused = await outcome(casino.deposit(player, eur("1.00"), "too-late"))
        assert isinstance(refused, Failure), "new calls are not accepted"
        assert not any(bet.done() for bet in bets)
    found = await asyncio.gather(*bets)
    assert reasons(found) == []
    assert await stopping == 0
    assert "Traceback" not in server.errors.decode()
    await installation.close()


async def health_of(address: str) -> Any:
    """Return the health that a new caller is told, None when nobody answers."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        found = await outcome(stub.Check(health_pb2.HealthCheckRequest(), timeout=5))
        return None if isinstance(found, Failure) else found.status


@pytest.mark.slow
async def test_every_call_that_a_stop_broke_off_is_settled_by_its_id(own_database: str) -> None:
    async with PurserProcess("--database-url", own_database) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino()
        player = await casino.new_player()
        ids = [f"deposit-{i}" for i in range(400)]
        storm = asyncio.create_task(
            together(casino.deposit(player, eur("1.00"), each) for each in ids)
        )
        await asyncio.sleep(0.05)
        assert await server.terminate() == 0
        found = await storm
        for each in found:
            if isinstance(each, Failure):
                assert each.code in {
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                }, str(each)
        await installation.close()
    async with PurserProcess("--database-url", own_database) as server:
        installation = Installation(server.address)
        casino = installation.client(casino.api_key)  # type: ignore[attr-defined]
        again = await together(casino.deposit(player, eur("1.00"), each) for each in ids)
        assert reasons(again) == []
        for first, second in zip(found, again, strict=True):
            if not isinstance(first, Failure):
                assert second.replayed, "what was answered is on disk"
        assert await casino.balance(player) == 100 * len(ids)
        await installation.assert_consistent()
        await installation.close()


@pytest.mark.slow
async def test_a_data_directory_is_continued_and_its_admin_key_shown_once(
    short_tmp: Path,
) -> None:
    options = ("--data-dir", str(short_tmp / "own"))
    no_key: dict[str, str | None] = {"PURSER_ADMIN_KEY": None}
    async with PurserProcess(*options, env=no_key) as server:
        shown = re.findall(rb"Admin key, shown this once: (\S+)", server.output)
        assert len(shown) == 1
        admin_key = shown[0].decode()
        assert len(admin_key) >= 32
        installation = Installation(server.address, admin_key)
        casino = await installation.new_casino()
        player = await casino.new_player(money=eur("12.50"))
        await casino.bet(player, eur("2.50"), "r", "bet")
        await installation.close()
        assert await server.terminate() == 0
        assert admin_key not in server.errors.decode()
    async with PurserProcess(*options, env=no_key) as server:
        assert b"Admin key" not in server.output
        installation = Installation(server.address, admin_key)
        casino = installation.client(casino.api_key)  # type: ignore[attr-defined]
        assert await casino.balance(player) == 1_000
        assert (await casino.bet(player, eur("2.50"), "r", "bet")).replayed
        await installation.new_casino()
        await installation.assert_consistent()
        await installation.close()
    # A key from the environment is the only admin key while it is set.
    async with PurserProcess(*options) as server:
        assert b"Admin key" not in server.output
        found = await outcome(Installation(server.address, admin_key).new_casino())
        assert isinstance(found, Failure)
        assert found.reason == "UNAUTHENTICATED_KEY"
        await Installation(server.address, ADMIN_KEY).new_casino()


# -- where it listens -------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.com:0"])
async def test_plaintext_for_other_machines_must_be_asked_for(address: str) -> None:
    code, _, errors = await run_purser("serve", "--listen", address)
    assert code == 2
    assert "--insecure" in errors
    assert "--tls-certificate" in errors
    assert "Traceback" not in errors


async def test_plaintext_for_other_machines_can_be_asked_for(own_database: str) -> None:
    options = ("--database-url", own_database, "--listen", "0.0.0.0:0", "--insecure")
    async with PurserProcess(*options) as server:
        assert await health_of(server.address) == health_pb2.HealthCheckResponse.SERVING


async def test_a_port_that_is_taken_is_told_in_one_line(
    server: PurserProcess, own_database: str
) -> None:
    code, _, errors = await run_purser(
        *("serve", "--listen", server.address, "--database-url", own_database),
        PURSER_ADMIN_KEY=ADMIN_KEY,
    )
    assert code == 1
    assert server.address in errors
    assert "Traceback" not in errors


async def test_a_port_that_is_taken_is_told_alike_for_several_workers(
    server: PurserProcess, own_database: str
) -> None:
    code, output, errors = await run_purser(
        *("serve", "--listen", server.address, "--database-url", own_database, "--workers", "2")
    )
    assert code == 1
    assert f"cannot listen on {server.address}: is the port taken?" in errors
    assert "Traceback" not in errors
    assert "Admin key" not in output, "nobody keeps the key of a server that never served"


async def test_a_server_that_never_served_shows_no_admin_key(
    server: PurserProcess, own_database: str
) -> None:
    options = ("--listen", server.address, "--database-url", own_database)
    _, output, _ = await run_purser("serve", *options)
    assert "Admin key" not in output
    async with PurserProcess("--database-url", own_database, env={"PURSER_ADMIN_KEY": None}) as one:
        assert b"Admin key, shown this once" in one.output


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_port_for_metrics_that_is_taken_ends_the_start_with_one_line(
    own_database: str, workers: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, output, errors = await run_purser(
            *("serve", "--listen", "127.0.0.1:0", "--database-url", own_database),
            *("--workers", workers, "--metrics-listen", address, "--log-level", "error"),
        )
    assert code == 1
    assert output == ""
    (line,) = errors.splitlines()
    assert f"cannot serve metrics on {address}" in line
    assert "--metrics-listen" in line


async def test_a_short_admin_key_is_refused() -> None:
    code, _, errors = await run_purser("serve", PURSER_ADMIN_KEY="too-short-a-key")
    assert code == 2
    assert "32" in errors
    assert "too-short-a-key" not in errors


# -- several processes on one port ------------------------------------------------------------


@pytest.mark.slow
async def test_a_killed_worker_is_replaced_and_a_stop_ends_them_all(own_database: str) -> None:
    async with PurserProcess("--database-url", own_database, "--workers", "2") as server:
        installation = Installation(server.address)
        await eventually(lambda: len(workers_of(server)) == 2)
        casino = await installation.new_casino()
        player = await casino.new_player(money=eur("100.00"))
        before = workers_of(server)
        before[0].kill()
        await eventually(
            lambda: len(workers_of(server)) == 2 and before[0] not in workers_of(server)
        )
        clients = [Client(server.address, casino.api_key) for _ in range(8)]  # type: ignore[attr-defined]
        for number, client in enumerate(clients):
            await settled(
                lambda client=client, n=number: client.bet(player, eur("1.00"), "r", f"bet-{n}")
            )
            await client.close()
        assert await casino.balance(player) == 9_200
        await installation.assert_consistent()
        await installation.close()
        everyone = workers_of(server)
        assert await server.terminate() == 0
        assert [worker for worker in everyone if worker.is_running()] == []


@pytest.mark.slow
async def test_workers_end_when_the_process_that_started_them_is_killed(
    own_database: str,
) -> None:
    server = await PurserProcess("--database-url", own_database, "--workers", "2").start()
    await eventually(lambda: len(workers_of(server)) == 2)
    orphans = workers_of(server)
    try:
        psutil.Process(server.pid).kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, orphans, timeout=30)
        assert alive == [], "they would hold the port, and serve beside those that follow"
    finally:
        for orphan in orphans:
            if orphan.is_running():
                orphan.kill()
        await server.terminate()


def workers_of(server: PurserProcess) -> list[psutil.Process]:
    found = psutil.Process(server.pid).children()
    return [each for each in found if is_worker(each)]


def is_worker(process: psutil.Process) -> bool:
    # It may end between two questions.
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "worker" in process.cmdline()
    except psutil.Error:
        return False


async def settled(call: Callable[[], Any]) -> Any:
    """Send until it is answered, as a client does whose connection breaks."""
    async with asyncio.timeout(BOUND_S):
        while isinstance(found := await outcome(call()), Failure):
            assert found.code is grpc.StatusCode.UNAVAILABLE, str(found)
            await asyncio.sleep(0.1)
        return found


# -- deadlines --------------------------------------------------------------------------------


async def test_a_call_whose_deadline_passed_is_settled_by_its_id(own_database: str) -> None:
    async with PurserProcess("--database-url", own_database) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino()
        player = await casino.new_player(money=eur("10.00"))
        impatient = Client(server.address, casino.api_key, timeout_s=0.5)  # type: ignore[attr-defined]
        async with a_held_wallet(own_database, player):
            found = await together(
                impatient.bet(player, eur("1.00"), "r", f"bet-{i}") for i in range(5)
            )
        for each in found:
            assert isinstance(each, Failure)
            assert each.code is grpc.StatusCode.DEADLINE_EXCEEDED
        again = await together(casino.bet(player, eur("1.00"), "r", f"bet-{i}") for i in range(5))
        assert len(answers(again)) == 5
        assert await casino.balance(player) == 500
        await impatient.close()
        await installation.assert_consistent()
        await installation.close()


# -- logs -------------------------------------------------------------------------------------


async def test_logs_in_json_hold_no_key(own_database: str) -> None:
    options = ("--database-url", own_database, "--log-format", "json", "--log-level", "debug")
    async with PurserProcess(*options) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino()
        player = await casino.new_player(money=eur("1.00"))
        wrong_key = f"purser_{new_id('wrong')}"
        for client in (installation.client(wrong_key), casino):
            await outcome(client.bet(player, eur("5.00"), "r"))
        await outcome(casino.deposit("", eur("1.00")))
        await installation.close()
    lines = server.errors.decode().splitlines()
    assert lines
    for line in lines:
        record = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(record), line
    for secret in (ADMIN_KEY, wrong_key, casino.api_key):  # type: ignore[attr-defined]
        assert secret not in server.errors.decode() + server.output.decode()
