"""An embedded PostgreSQL that root starts: it runs without the rights of root."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from purser_server.ops.embedded_postgres import EmbeddedPostgresError
from purser_server.ops.unprivileged import RunAs
from tests.ops.postgres import (
    lose_lock,
    needs_linux,
    needs_root,
    permissions,
    remember,
    small,
    start_script,
    words,
)


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
    lose_lock(pg)
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
    assert "Choose a --data-dir" in str(caught.value)
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
