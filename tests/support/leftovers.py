"""What a program that was to clean up has left running."""

from __future__ import annotations

from pathlib import Path

import psutil


def processes_of(tmpdir: Path, prefix: str = "") -> list[str]:
    """Return the command lines of what a program with this TMPDIR has started.

    Servers and PostgreSQLs name a folder in it, which begins with `prefix`; a casino names none,
    and is known by its environment.
    """
    return [
        line
        for each in psutil.process_iter(["cmdline", "environ"])
        if f"{tmpdir}/{prefix}" in (line := " ".join(each.info["cmdline"] or ()))
        or ("purser_casino" in line and (each.info["environ"] or {}).get("TMPDIR") == str(tmpdir))
    ]
