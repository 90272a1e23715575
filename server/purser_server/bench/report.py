"""What a run has measured, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_HEADINGS = (
    *("per s", "p50 ms", "p99 ms", "server µs", "PG µs", "client µs", "casino µs", "MiB"),
    "x pgbench",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One workload: throughput, latency of its calls, and what an operation cost.

    `casino_cpu_us` is 0 where no casino is asked.
    """

    workload: str
    operations_per_s: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    postgres_cpu_us: float
    client_cpu_us: float
    casino_cpu_us: float
    server_memory_mib: float
    ratio_to_pgbench: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `conditions` says where and on what it ran."""

    conditions: Mapping[str, str | int]
    pgbench_tps: Sequence[float]
    figures: Sequence[Figures]

    def print(self, console: Console) -> None:
        """Print the conditions and the table."""
        for name, text in self.conditions.items():
            console.print(f"{name}: {text}", highlight=False)
        tps = ", ".join(f"{tps:,.0f}" for tps in self.pgbench_tps)
        console.print(f"pgbench, TPC-B-like: {tps} transactions/s", highlight=False)
        table = Table("workload", title="Purser; each figure's ledger was verified")
        for heading in _HEADINGS:
            table.add_column(heading, justify="right")
        for line in self.figures:
            table.add_row(
                line.workload,
                f"{line.operations_per_s:,.0f}",
                f"{line.p50_ms:.1f}",
                f"{line.p99_ms:.1f}",
                f"{line.server_cpu_us:.1f}",
                f"{line.postgres_cpu_us:.1f}",
                f"{line.client_cpu_us:.1f}",
                f"{line.casino_cpu_us:.1f}" if line.casino_cpu_us else "",
                f"{line.server_memory_mib:.0f}",
                f"{line.ratio_to_pgbench:.2f}",
            )
        console.print(table)
        console.print(
            "CPU is per operation; latency is per call, for batches per message; "
            "MiB is the largest server process; the casino is the one that a seamless "
            "workload asks.",
            highlight=False,
        )

    def write_json(self, path: Path) -> None:
        """Write everything as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")
