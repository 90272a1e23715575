"""Metrics for Prometheus: calls by method and code, flushes, queued operations, callbacks."""

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


class Metrics:
    """What one process counts and measures."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "purser_calls", "Calls by method and code.", ["method", "code"], registry=self._registry
        )
        self._call_seconds = Histogram(
            "purser_call_seconds",
            "Seconds that calls took.",
            ["method"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        # Looking a label up costs more than counting.
        self._seen: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._flush_operations = Histogram(
            "purser_flush_operations",
            "Operations written in one SQL transaction.",
            buckets=_OPERATIONS,
            registry=self._registry,
        )
        self._flush_seconds = Histogram(
            "purser_flush_seconds",
            "Seconds that an SQL transaction of operations took.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._queued = Gauge(
            "purser_queued_operations",
            "Operations that wait to be written.",
            registry=self._registry,
        )

        self._callbacks = Counter(
            "purser_callbacks",
            "Calls to casinos by operator, method and outcome.",
            ["operator_id", "method", "outcome"],
            registry=self._registry,
        )
        self._callback_seconds = Histogram(
            "purser_callback_seconds",
            "Seconds that calls to casinos took.",
            ["operator_id"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._seen_callbacks: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._alerts = Counter(
            "purser_casino_alerts",
            "What people must look at, by operator and kind.",
            ["operator_id", "alert"],
            registry=self._registry,
        )
        self._waiting = {
            name: Gauge(f"purser_{name}", text, ["operator_id"], registry=self._registry)
            for name, text in _WAITING.items()
        }
        self._waiting_of: set[str] = set()

    def observe_call(self, method: str, code: str, seconds: float) -> None:
        """Count one call."""
        found = self._seen.get((method, code))
        if found is None:
            found = self._calls.labels(method, code), self._call_seconds.labels(method)
            self._seen[method, code] = found
        calls, call_seconds = found
        calls.inc()
        call_seconds.observe(seconds)

    def observe_flush(self, operations: int, seconds: float) -> None:
        """Count one SQL transaction of the write path."""
        self._flush_operations.observe(operations)
        self._flush_seconds.observe(seconds)

    def observe_callback(self, operator_id: str, method: str, outcome: str, seconds: float) -> None:
        """Count one call to a casino."""
        key = operator_id, method, outcome
        found = self._seen_callbacks.get(key)
        if found is None:
            found = self._callbacks.labels(*key), self._callback_seconds.labels(operator_id)
            self._seen_callbacks[key] = found
        callbacks, callback_seconds = found
        callbacks.inc()
        callback_seconds.observe(seconds)

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

    def watch_queue(self, queued: Callable[[], int]) -> None:
        """Ask this for the number of waiting operations, whenever metrics are read."""
        self._queued.set_function(queued)

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
