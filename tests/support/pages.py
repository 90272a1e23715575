"""Pages of the documents, as their readers follow them: commands, a program, what it prints."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.process import run_purser

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_KEY = re.compile(r"\bpurser_[\w-]+")


class Page:
    """A page whose Python is one program in parts; what a part prints stands below it, unmarked.

    Of a page that holds other things too, `section` is the heading above the program.
    """

    def __init__(self, path: Path, section: str = "") -> None:
        text = path.read_text()
        if section:
            text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
        blocks = _BLOCK.findall(text)
        self.commands = [line for kind, text in blocks if kind == "sh" for line in text.split("\n")]
        self.program = "\n".join(text for kind, text in blocks if kind == "python")
        self.prints = "".join(text for kind, text in blocks if not kind)


async def run_commands(lines: Sequence[str], **env: str) -> list[str]:
    """Run the `purser` commands of a page; return the API keys that they show."""
    keys = []
    for line in filter(None, lines):
        program, *words = shlex.split(line)
        assert program == "purser", line
        code, output, errors = await run_purser(*words, **env)
        assert code == 0, f"{line}: {errors}"
        keys += _KEY.findall(output)
    return keys


async def run_program(
    program: str, folder: Path, env: Mapping[str, str], *, words: Sequence[str] = ()
) -> str:
    """Run a program in a folder, with these words behind its name; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *words),
        cwd=folder,
        env={**os.environ, **env, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return printed.decode()
