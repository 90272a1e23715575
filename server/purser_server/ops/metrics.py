"""Metrics for Prometheus: calls of clients, the write path, calls to casinos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OPERATIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 10_000)

_WAITING = {
    "pending_movements": "Movements whose outcome at the casino is not known.",
    "open_cases": "Movements that wait for a person.",
    "oldest_pending_seconds": "Seconds since the oldest movement without an outcome was asked for.",
}


class CallMetrics:
    """Calls of clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "purser_calls", "Calls by method and code.", ["method", "code"], registry=registry
        )
        self._seconds = Histogram(
            "purser_call_seconds",
            "Seconds that calls took.",
            ["method"],
            buckets=_SECONDS,
            registry=registry,
        )
        # Looking a label up costs more than counting.
        self._seen: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, code: str, seconds: float) -> None:
        """Count one call."""
        found = self._seen.get((method, code))
        if found is None:
            found = self._calls.labels(method, code), self._seconds.labels(method)
            self._seen[method, code] = found
        calls, call_seconds = found
        calls.inc()
        call_seconds.observe(seconds)


class WriteMetrics:
    """The write path: what is written at once, and what waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._operations = Histogram(
            "purser_flush_operations",
            "Operations written in one SQL transaction.",
            buckets=_OPERATIONS,
            registry=registry,
        )
        self._seconds = Histogram(
            "purser_flush_seconds",
            "Seconds that an SQL transaction of operations took.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._queued = Gauge(
            "purser_queued_operations",
            "Operations that wait to be written.",
            registry=registry,
        )

    def observe(self, operations: int, seconds: float) -> None:
        """Count one SQL transaction."""
        self._operations.observe(operations)
        self._seconds.observe(seconds)

    def watch_queue(self, queued: Callable[[], int]) -> None:
        """Ask this for the number of waiting operations, whenever metrics are read."""
        self._queued.set_function(queued)


class CasinoMetrics:
    """Calls to casinos, and what is left open by them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "purser_callbacks",
            "Calls to casinos by operator, method and outcome.",
            ["operator_id", "method", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "purser_callback_seconds",
            "Seconds that calls to casinos took.",
            ["operator_id"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._seen: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._alerts = Counter(
            "purser_casino_alerts",
            "What people must look at, by operator and kind.",
            ["operator_id", "alert"],
            registry=registry,
        )
        self._waiting = {
            name: Gauge(f"purser_{name}", text, ["operator_id"], registry=registry)
            for name, text in _WAITING.items()
        }
        self._waiting_of: set[str] = set()

    def observe(self, operator_id: str, method: str, outcome: str, seconds: float) -> None:
        """Count one call to a casino."""
        key = operator_id, method, outcome
        found = self._seen.get(key)
        if found is None:
            found = self._calls.labels(*key), self._seconds.labels(operator_id)
            self._seen[key] = found
        calls, call_seconds = found
        calls.inc()
        call_seconds.observe(seconds)

    def count_alert(self, operator_id: str, alert: str) -> None:
        """Count what people must look at."""
        self._alerts.labels(operator_id, alert).inc()

    def show_waiting(self, waiting: Mapping[str, Sequence[float]]) -> None:
        """Show how much waits for casinos, as of now: operator id -> a figure for each gauge."""
        for operator_id in self._waiting_of | waiting.keys():
            figures = waiting.get(operator_id) or [0.0] * len(self._waiting)
            for gauge, figure in zip(self._waiting.values(), figures, strict=True):
                gauge.labels(operator_id).set(figure)
        self._waiting_of |= waiting.keys()


class Metrics:
    """What one process counts and measures."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.calls = CallMetrics(self._registry)
        self.writes = WriteMetrics(self._registry)
        self.casinos = CasinoMetrics(self._registry)

    def serve(self, address: str) -> Callable[[], None]:
        """Serve the metrics over HTTP at HOST:PORT; return what stops that. Raises OSError."""
        host, _, port = address.rpartition(":")
        try:
            server, thread = start_http_server(int(port), host.strip("[]"), registry=self._registry)
        except OSError as error:
            raise OSError(
                f"cannot serve metrics on {address}: is the port taken? ({error}); choose another "
                "--metrics-listen"
            ) from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop
