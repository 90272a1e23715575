"""The README of the Python client, run as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from purser_client import AsyncPurserClient
from tests.support.client import Client
from tests.support.process import PurserProcess

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


async def run(example: str, address: str, api_key: str) -> str:
    """Run an example as a program of its own; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        example,
        env={**os.environ, "PURSER_ADDRESS": address, "PURSER_API_KEY": api_key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output.decode()


def test_every_verb_is_named() -> None:
    verbs = {name for name in dir(AsyncPurserClient) if not name.startswith("_")} - {"close"}
    named = re.search(r"\*\*Verbs\*\*: (.*?)\n- ", README.read_text(), re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) == verbs


async def test_the_examples_do_what_they_say(server: PurserProcess, casino: Client) -> None:
    api_key: str = casino.api_key  # type: ignore[attr-defined]
    concurrent, plain = EXAMPLES

    for _ in range(2):
        told = await run(concurrent, server.address, api_key)
        assert told == "refused: the wallet holds 10750 cents\n107.50 EUR\n"
    assert await run(plain, server.address, api_key) == "20.00 EUR\n"
    assert await run(plain, server.address, api_key) == "20.00 EUR\n"
