"""What the processes of a run cost: CPU time and memory, by part."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds that were used so far."""

    server: float
    postgres: float
    client: float
    casino: float

    def since(self, before: Cpu) -> Cpu:
        """Return what was used in between."""
        return Cpu(
            self.server - before.server,
            self.postgres - before.postgres,
            self.client - before.client,
            self.casino - before.casino,
        )


class Processes:
    """The server with its workers, its PostgreSQL, this client, and a casino if there is one."""

    def __init__(self, server_pid: int, casino_pid: int | None = None) -> None:
        self._server = psutil.Process(server_pid)
        self._client = psutil.Process()
        self._casino = None if casino_pid is None else psutil.Process(casino_pid)

    def cpu(self) -> Cpu:
        """Return the CPU time of each part so far."""
        server, postgres = _seconds(self._server), 0.0
        for child in self._server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.name() == "postgres":
                    postgres += _seconds(child)
                else:
                    server += _seconds(child)
        casino = 0.0 if self._casino is None else _seconds(self._casino)
        return Cpu(server, postgres, _seconds(self._client), casino)

    def server_memory_mib(self) -> float:
        """Return the resident memory of the largest server process, in MiB."""
        sizes = [self._server.memory_info().rss]
        for child in self._server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.name() != "postgres":
                    sizes.append(child.memory_info().rss)
        return max(sizes) / 2**20


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
