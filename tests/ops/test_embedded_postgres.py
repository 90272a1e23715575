"""An embedded PostgreSQL in its ordinary life, and what it says when it cannot have one."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from purser_server.ops import postgres_folder, postgres_programs
from purser_server.ops.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.ops.postgres import (
    SMALL,
    connected,
    permissions,
    programs_of,
    remember,
    small,
    socket_dir,
    start_script,
    words,
)

# ---- the ordinary life ----


async def test_first_start_makes_a_durable_database_that_no_network_reaches(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as pg, connected(pg.url) as connection:
        shown = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "data_checksums", "listen_addresses")
        }
        assert shown == {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
        }
        assert await connection.fetchval("SELECT current_database()") == "purser"
        assert await connection.fetchval("SELECT 'É' = upper('é')"), "texts are Unicode"
    assert permissions(data_dir) == 0o700


async def test_data_survives_stop_and_start(data_dir: Path) -> None:
    pg = small(data_dir)
    await pg.start()
    await remember(pg.url, "kept")
    await pg.stop()
    assert pg.pid is None
    await pg.start()
    assert await words(pg.url) == ["kept"]
    await pg.stop()
    assert programs_of(data_dir) == []


async def test_start_and_stop_may_be_said_twice(data_dir: Path) -> None:
    pg = small(data_dir)
    await pg.stop()
    await pg.start()
    pid = pg.pid
    await pg.start()
    assert pg.pid == pid
    await pg.stop()
    await pg.stop()


async def test_ordinary_stop_needs_no_recovery_at_the_next_start(data_dir: Path) -> None:
    for _ in range(2):
        async with small(data_dir) as pg:
            await asyncio.sleep(0)
        assert await pg.wait_exited() == 0
    assert "automatic recovery" not in (data_dir / "postgres.log").read_text()


async def test_stop_does_not_wait_for_a_client_with_an_open_transaction(data_dir: Path) -> None:
    pg = small(data_dir)
    await pg.start()
    connection = await asyncpg.connect(pg.url)
    await connection.execute("BEGIN; CREATE TABLE never (a int)")
    await pg.stop()
    assert await pg.wait_exited() == 0
    with suppress(Exception):
        await connection.close(timeout=1)


async def test_settings_of_the_caller_win(data_dir: Path) -> None:
    pg = EmbeddedPostgres(data_dir, settings={**SMALL, "work_mem": "7MB"})
    async with pg, connected(pg.url) as connection:
        assert await connection.fetchval("SHOW work_mem") == "7MB"


async def test_listen_port_opens_the_loopback_too(data_dir: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with EmbeddedPostgres(data_dir, settings=SMALL, listen_port=port) as pg:
        await remember(pg.url, "by socket")
        assert await words(f"postgresql://purser@127.0.0.1:{port}/purser") == ["by socket"]


async def test_server_has_its_own_session_so_that_ctrl_c_does_not_reach_it(data_dir: Path) -> None:
    async with small(data_dir) as pg:
        assert pg.pid is not None
        assert os.getsid(pg.pid) == pg.pid
        assert psutil.Process(pg.pid).ppid() == os.getpid()


def test_wheel_programs_are_beside_the_server(data_dir: Path) -> None:
    version = subprocess.check_output([small(data_dir).bin_dir / "pgbench", "--version"], text=True)
    assert "(PostgreSQL) 18" in version


# ---- paths ----


async def test_long_path_gets_a_short_private_socket_folder(tmp_path: Path) -> None:
    long = tmp_path / ("n" * 100) / "data"
    async with small(long) as pg:
        folder = socket_dir(pg)
        assert long not in folder.parents
        assert permissions(folder) == 0o700
        await remember(pg.url, "kept")
        with pytest.raises(EmbeddedPostgresError, match="another Purser"):
            await small(long).start()
        assert await words(pg.url) == ["kept"]
        assert EmbeddedPostgres.running_url(long) == pg.url
    assert not folder.exists()


async def test_socket_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    pg = small(tmp_path / ("n" * 100))
    socket_dir(pg).mkdir(mode=0o755)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private folder"):
            await pg.start()
    finally:
        socket_dir(pg).rmdir()


async def test_path_with_characters_that_urls_and_lists_split_at(open_dir: Path) -> None:
    for name in ("a b%20c?d&e#f", 'comma,colon:"quote"', "ünï"):
        async with small(open_dir / name) as pg:
            await remember(pg.url, name)
            assert await words(pg.url) == [name]


async def test_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(EmbeddedPostgresError, match="choose another --data-dir"):
        await small(tmp_path / "data").start()


# ---- two processes on one directory ----


async def test_second_owner_is_refused_and_the_first_goes_on(data_dir: Path) -> None:
    async with small(data_dir) as first:
        second = small(data_dir)
        with pytest.raises(EmbeddedPostgresError, match=f"another Purser .*pid {os.getpid()}"):
            await second.start()
        await second.stop()
        await remember(first.url, "still here")
        assert await words(first.url) == ["still here"]


ASK_FOR_URL = """
    import sys
    from pathlib import Path
    from purser_server.ops.embedded_postgres import EmbeddedPostgres
    print(EmbeddedPostgres.running_url(Path(sys.argv[1])))
"""


async def test_running_url_tells_another_process_where_to_connect(data_dir: Path) -> None:
    async def answer() -> str:
        output, _ = await asyncio.to_thread(start_script(ASK_FOR_URL, data_dir).communicate)
        return output.strip()

    assert EmbeddedPostgres.running_url(data_dir) is None
    async with small(data_dir) as pg:
        url = await answer()
        assert url == pg.url
        await remember(url, "seen")
    assert await answer() == "None"


# ---- what is told when it cannot start ----


async def test_start_error_tells_what_postgres_said_and_gives_the_directory_free(
    data_dir: Path,
) -> None:
    pg = EmbeddedPostgres(data_dir, settings={"shared_buffers": "plenty"})
    with pytest.raises(EmbeddedPostgresError) as caught:
        await pg.start()
    assert 'invalid value for parameter "shared_buffers"' in str(caught.value)
    assert str(data_dir / "postgres.log") in str(caught.value)
    async with small(data_dir) as better:
        assert better.pid is not None


async def test_data_of_another_major_version_is_told(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 16.*brings 18"):
        await small(data_dir).start()


async def test_missing_wheel_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_programs, "_WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedPostgresError, match=r"install purser\[embedded\]"):
        small(data_dir)


async def test_log_that_grew_too_long_is_put_aside(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_folder, "LOG_LIMIT_BYTES", 100)
    for _ in range(3):
        async with small(data_dir):
            pass
    logs = [data_dir / "postgres.log", data_dir / "postgres.log.1"]
    assert [log.read_text().count("starting PostgreSQL") for log in logs] == [1, 1]
