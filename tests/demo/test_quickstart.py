"""The Python example of the documents, run as its readers run it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.support.client import Client, Installation

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "docs" / "guide" / "quickstart.py"

FIRST_RUN = """\
d-1  EUR 100.00
b-1  EUR 90.00
w-1  EUR 115.00
b-2  EUR 110.00
x-1  EUR 115.00
b-3  refused: INSUFFICIENT_FUNDS {'balance': '11500', 'currency_code': 'EUR', 'required': '100000'}
alice has EUR 115.00
"""

SECOND_RUN = """\
d-1  EUR 100.00  replayed
b-1  EUR 90.00  replayed
w-1  EUR 115.00  replayed
b-2  EUR 110.00  replayed
x-1  EUR 115.00  replayed
b-3  refused: INSUFFICIENT_FUNDS \
{'balance': '11500', 'currency_code': 'EUR', 'replayed': 'true', 'required': '100000'}
alice has EUR 115.00
"""


async def run_quickstart(address: str, api_key: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, QUICKSTART],
        env={**os.environ, "PURSER_ADDRESS": address, "PURSER_API_KEY": api_key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_quickstart_plays_and_its_second_run_moves_nothing(
    casino: Client, installation: Installation
) -> None:
    api_key: str = casino.api_key  # type: ignore[attr-defined]
    for wanted in (FIRST_RUN, SECOND_RUN):
        finished = await run_quickstart(installation.address, api_key)
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout == wanted
    await installation.assert_consistent()


async def test_quickstart_without_a_key_says_where_one_comes_from(
    installation: Installation,
) -> None:
    finished = await run_quickstart(installation.address, "")
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line.startswith("Set PURSER_API_KEY")
    assert "purser key create" in line


async def test_quickstart_with_a_wrong_key_ends_with_the_reason(installation: Installation) -> None:
    finished = await run_quickstart(installation.address, "not-a-key")
    assert finished.returncode == 1
    assert "StatusCode.UNAUTHENTICATED" in finished.stderr


def test_readme_holds_the_quickstart_and_what_it_prints() -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"```python\n{QUICKSTART.read_text()}```\n" in readme
    assert f"\n{FIRST_RUN}```\n" in readme
