"""An embedded PostgreSQL: what its owner, a second owner, and an unlucky one see of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import purser_server
import pytest
from purser_server.ops import postgres_folder, postgres_programs
from purser_server.ops.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from purser_server.ops.unprivileged import RunAs

BOUND_S = 60.0
SMALL = {"shared_buffers": "16MB"}
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root has to become someone else")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has this")


def small(data_dir: Path, run_as: RunAs = "auto") -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, settings=SMALL, run_as=run_as)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, timeout=BOUND_S)
    try:
        yield connection
    finally:
        await connection.close()


async def remember(url: str, word: str) -> None:
    async with connected(url) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS words (word text PRIMARY KEY)")
        await connection.execute("INSERT INTO words VALUES ($1)", word)


async def words(url: str) -> list[str]:
    async with connected(url) as connection:
        return [row["word"] for row in await connection.fetch("SELECT word FROM words ORDER BY 1")]


async def eventually(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen within the bound"
        await asyncio.sleep(0.005)


def programs_of(data_dir: Path) -> list[int]:
    """The pids of all programs of PostgreSQL that were told to work in `data_dir`."""
    lines = ((one.pid, one.info["cmdline"]) for one in psutil.process_iter(["cmdline"]))
    return [pid for pid, line in lines if line and any(str(data_dir) in word for word in line[1:])]


def permissions(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def half_made(data_dir: Path) -> list[Path]:
    return list(data_dir.glob("initdb-*"))


def socket_dir(pg: EmbeddedPostgres) -> Path:
    return Path(parse_qs(urlsplit(pg.url).query)["host"][0])


def start_script(body: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another Python process that knows our package; `body` finds its arguments in argv."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(purser_server.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that every user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="purser-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


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


# ---- faults ----

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
    left._folder.unlock()  # as the kernel does when the owner dies
    async with small(data_dir) as pg:
        assert left.pid is None
        assert await words(pg.url) == ["kept"]


async def test_stale_pid_file_with_the_pid_of_a_stranger(data_dir: Path) -> None:
    pg = small(data_dir)
    await pg.start()
    await remember(pg.url, "kept")
    await pg.kill()
    await pg.stop()
    pid_file = data_dir / "postgres" / "postmaster.pid"
    stranger = start_script("import time; time.sleep(600)")
    try:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        async with small(data_dir) as again:
            assert await words(again.url) == ["kept"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


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
        await eventually(lambda folder=data_dir: list(folder.glob("initdb-*/base")))
        owner.kill()
        owner.communicate()
        if not (data_dir / "postgres").exists():
            break
    else:
        pytest.fail("the kill always came too late")
    async with small(data_dir) as pg:
        await remember(pg.url, "fine")
    assert half_made(data_dir) == []


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


# ---- root ----


def effective(pid: int | None, field: str) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{field}:"))


@needs_root
@needs_linux
async def test_root_runs_it_without_rights_in_a_folder_that_only_root_enters(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with small(closed / "data", "namespace") as pg:
        assert int(effective(pg.pid, "CapEff")[0], 16) == 0
        await remember(pg.url, "fine")
    assert permissions(closed) == 0o700
    assert (closed / "data" / "postgres").stat().st_uid == 0


@needs_root
async def test_root_runs_it_under_another_account(open_dir: Path) -> None:
    async with small(open_dir / "data", "account") as pg:
        await remember(pg.url, "fine")
        owner = (open_dir / "data" / "postgres").stat().st_uid
        assert owner != 0
        assert psutil.Process(pg.pid).uids().effective == owner
        assert permissions(open_dir / "data") & 0o007 == 0


@needs_root
@needs_linux
async def test_data_moves_between_the_two_ways(open_dir: Path) -> None:
    ways: tuple[RunAs, ...] = ("account", "namespace", "account", "auto")
    for count, way in enumerate(ways):
        async with small(open_dir / "data", way) as pg:
            await remember(pg.url, f"{count} {way}")
            assert len(await words(pg.url)) == count + 1


@needs_root
@needs_linux
async def test_other_account_whose_server_was_killed_hands_over(open_dir: Path) -> None:
    pg = small(open_dir / ("n" * 100) / "data", "account")
    await pg.start()
    await remember(pg.url, "kept")
    await pg.kill()
    pg._folder._lock_file.close()  # as the kernel does when the owner dies
    async with small(open_dir / ("n" * 100) / "data", "namespace") as again:
        assert await words(again.url) == ["kept"]


@needs_root
@pytest.mark.parametrize("place", ["closed/deeper/data", "closed"])
async def test_folder_that_the_account_cannot_enter_is_named_and_left_alone(
    open_dir: Path, place: str
) -> None:
    closed = open_dir / "closed"
    closed.mkdir(mode=0o700)
    (closed / "someone's file").touch()
    with pytest.raises(EmbeddedPostgresError) as caught:
        await small(open_dir / place, "account").start()
    assert f"cannot enter {closed}." in str(caught.value)
    assert "--data-dir elsewhere" in str(caught.value)
    assert permissions(closed) == 0o700


# A filter of system calls as containers have it: unshare (272, on ARM 97) answers EPERM.
WITHOUT_NAMESPACES = """
    import asyncio, ctypes, platform, struct, sys
    from pathlib import Path
    from purser_server.ops.embedded_postgres import EmbeddedPostgres

    unshare = {"x86_64": 272, "aarch64": 97}[platform.machine()]
    load, compare, answer = 0x20, 0x15, 0x06
    forbidden, allowed = 0x50001, 0x7FFF0000
    steps = [
        (load, 0, 0, 0),
        (compare, 0, 1, unshare),
        (answer, 0, 0, forbidden),
        (answer, 0, 0, allowed),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    assert ctypes.CDLL(None).prctl(22, 2, program) == 0

    async def main():
        pg = EmbeddedPostgres(Path(sys.argv[1]), run_as=sys.argv[2])
        await pg.start()
        await pg.stop()

    try:
        asyncio.run(main())
    except Exception as error:
        print(error)
"""


@needs_root
@needs_linux
async def test_where_namespaces_are_forbidden_another_account_is_used(open_dir: Path) -> None:
    script = start_script(WITHOUT_NAMESPACES, open_dir / "data", "auto")
    output, _ = await asyncio.to_thread(script.communicate)
    assert output == ""
    assert (open_dir / "data" / "postgres").stat().st_uid != 0


@needs_root
@needs_linux
async def test_where_namespaces_are_forbidden_that_is_told(tmp_path: Path) -> None:
    assert permissions(tmp_path) == 0o700
    script = start_script(WITHOUT_NAMESPACES, tmp_path / "data", "auto")
    output, _ = await asyncio.to_thread(script.communicate)
    assert "root without its privileges cannot be had" in output
    assert "cannot enter" in output
