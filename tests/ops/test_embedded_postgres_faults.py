"""An embedded PostgreSQL whose owner, whose server or whose start is killed."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from purser_server.ops.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.ops.postgres import (
    BOUND_S,
    eventually,
    half_made,
    lose_lock,
    needs_linux,
    programs_of,
    remember,
    small,
    start_script,
    words,
)

OWNER = """
    import asyncio, sys
    from pathlib import Path
    import asyncpg
    from purser_server.ops.embedded_postgres import EmbeddedPostgres

    async def main():
        pg = EmbeddedPostgres(Path(sys.argv[1]), settings={"shared_buffers": "16MB"})
        await pg.start()
        connection = await asyncpg.connect(pg.url)
        await connection.execute("CREATE TABLE words (word text PRIMARY KEY)")
        print(pg.pid, flush=True)
        for number in range(1_000_000):
            await connection.execute("INSERT INTO words VALUES ($1)", str(number))
            print(number, flush=True)

    asyncio.run(main())
"""


@needs_linux
async def test_killed_owner_takes_postgres_along_and_loses_nothing_acknowledged(
    data_dir: Path,
) -> None:
    owner = start_script(OWNER, data_dir)
    assert owner.stdout is not None
    postmaster = int(await asyncio.to_thread(owner.stdout.readline))
    acknowledged = [await asyncio.to_thread(owner.stdout.readline) for _ in range(200)]
    owner.kill()
    acknowledged += owner.communicate()[0].splitlines(keepends=True)
    await eventually(lambda: not psutil.pid_exists(postmaster))
    async with small(data_dir) as pg:
        found = set(await words(pg.url))
    # The last line may be cut off.
    assert {line.strip() for line in acknowledged if line.endswith("\n")} <= found


@needs_linux
async def test_start_right_after_the_owner_was_killed_waits_for_its_postgres(
    data_dir: Path,
) -> None:
    owner = start_script(OWNER, data_dir)
    assert owner.stdout is not None
    postmaster = int(await asyncio.to_thread(owner.stdout.readline))
    owner.kill()
    owner.communicate()
    async with small(data_dir) as pg:
        assert pg.pid != postmaster
        await words(pg.url)


async def test_postgres_that_outlived_its_owner_is_ended_first(data_dir: Path) -> None:
    left = small(data_dir)
    await left.start()
    await remember(left.url, "kept")
    lose_lock(left)
    async with small(data_dir) as pg:
        assert left.pid is None
        assert await words(pg.url) == ["kept"]


async def leave_stale_pid_file(data_dir: Path, stranger: int) -> None:
    """Leave what a power cut leaves, once the pid of the postmaster has gone to someone else."""
    pg = small(data_dir)
    await pg.start()
    await remember(pg.url, "kept")
    await pg.kill()
    await pg.stop()
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid_file.write_text("\n".join([str(stranger), *pid_file.read_text().split("\n")[1:]]))


async def test_stale_pid_file_with_the_pid_of_a_stranger(data_dir: Path) -> None:
    stranger = start_script("import time; time.sleep(600)")
    try:
        await leave_stale_pid_file(data_dir, stranger.pid)
        async with small(data_dir) as pg:
            assert await words(pg.url) == ["kept"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


async def test_stale_pid_file_with_the_pid_of_another_postgres(
    data_dir: Path, tmp_path: Path
) -> None:
    async with small(tmp_path / "other") as other:
        assert other.pid is not None
        await leave_stale_pid_file(data_dir, other.pid)
        async with small(data_dir) as pg:
            assert await words(pg.url) == ["kept"]
        await remember(other.url, "undisturbed")


@pytest.mark.parametrize("fault", ["stop_immediately", "kill"])
async def test_keep_running_brings_a_broken_server_back(data_dir: Path, fault: str) -> None:
    pg = small(data_dir)
    await pg.start()
    keeper = asyncio.create_task(pg.keep_running())
    await remember(pg.url, "kept")
    for _ in range(2):
        pid = pg.pid
        await getattr(pg, fault)()
        await eventually(lambda: EmbeddedPostgres.running_url(data_dir))
        assert pg.pid not in (None, pid)
        assert await words(pg.url) == ["kept"]
    await pg.stop()
    await asyncio.wait_for(keeper, BOUND_S)
    assert programs_of(data_dir) == []


async def test_keep_running_tries_again_when_a_restart_fails(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg = small(data_dir)
    await pg.start()
    keeper = asyncio.create_task(pg.keep_running())
    version = data_dir / "postgres" / "PG_VERSION"
    version.write_text("7\n")
    await pg.kill()
    await asyncio.sleep(0.5)
    assert pg.pid is None
    version.write_text("18\n")
    await eventually(lambda: EmbeddedPostgres.running_url(data_dir))
    await pg.stop()
    await asyncio.wait_for(keeper, BOUND_S)


async def test_stop_ends_a_keeper_that_cannot_restart(data_dir: Path) -> None:
    pg = small(data_dir)
    await pg.start()
    keeper = asyncio.create_task(pg.keep_running())
    (data_dir / "postgres" / "PG_VERSION").write_text("7\n")
    await pg.kill()
    await asyncio.sleep(0.2)
    await pg.stop()
    await asyncio.wait_for(keeper, BOUND_S)
    assert pg.pid is None


async def test_wait_exited_tells_the_signal(data_dir: Path) -> None:
    pg = small(data_dir)
    with pytest.raises(EmbeddedPostgresError, match="never started"):
        await pg.wait_exited()
    await pg.start()
    waiter = asyncio.create_task(pg.wait_exited())
    await pg.kill()
    assert await waiter == -signal.SIGKILL
    await pg.stop()


@pytest.mark.parametrize("way", ["stop", "cancel"])
async def test_broken_off_start_leaves_nothing_running(data_dir: Path, way: str) -> None:
    for delay_s in (0.0, 0.02, 0.1, 0.3, 0.6, 0.9, 1.2, 0.04, 0.06, 0.08, 0.1, 0.12):
        pg = small(data_dir)
        starting = asyncio.create_task(pg.start())
        await asyncio.sleep(delay_s)
        if way == "cancel":
            starting.cancel()
        else:
            await pg.stop()
        with suppress(EmbeddedPostgresError, asyncio.CancelledError):
            await starting
        await pg.stop()
        assert pg.pid is None
        await eventually(lambda: not programs_of(data_dir))
    async with small(data_dir) as pg:
        await remember(pg.url, "fine")
    assert half_made(data_dir) == []


async def test_stop_in_the_midst_of_a_start_is_told_to_the_starter(data_dir: Path) -> None:
    pg = small(data_dir)
    starting = asyncio.create_task(pg.start())
    await eventually(lambda: half_made(data_dir))
    await pg.stop()
    with pytest.raises(EmbeddedPostgresError, match="stopped while it was starting"):
        await starting


def has_tables(data_dir: Path) -> bool:
    return any(data_dir.glob("initdb-*/base"))


START_ONLY = """
    import asyncio, sys
    from pathlib import Path
    from purser_server.ops.embedded_postgres import EmbeddedPostgres
    asyncio.run(EmbeddedPostgres(Path(sys.argv[1])).start())
"""


async def test_kill_during_initdb_leaves_a_directory_that_starts(tmp_path: Path) -> None:
    for attempt in range(10):
        data_dir = tmp_path / str(attempt)
        owner = start_script(START_ONLY, data_dir)
        await eventually(partial(has_tables, data_dir))
        owner.kill()
        owner.communicate()
        if not (data_dir / "postgres").exists():
            break
    else:
        pytest.fail("the kill always came too late")
    async with small(data_dir) as pg:
        await remember(pg.url, "fine")
    # The orphan may have outlived the clean-up of the first start by a moment.
    await eventually(lambda: not programs_of(data_dir))
    async with small(data_dir) as pg:
        assert await words(pg.url) == ["fine"]
    assert half_made(data_dir) == []
