"""Structured logs on standard error, as text for people or JSON for machines.

The rooms log through the standard library; what a call is about (its request id) is added here.
No log line holds a key, a secret or a URL with a password.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog

_NOISY = ("asyncio", "alembic", "sqlalchemy.engine", "grpc")


def configure(
    form: Literal["text", "json"], level: str, context: Callable[[], Mapping[str, str]]
) -> None:
    """Send everything that is logged to standard error; `context` tells what a call is about."""

    def add_context(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event.update(context())
        return event

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_context,
    ]
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        # Tracebacks without the values of variables: those may be secrets.
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_hang_up)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _is_no_hang_up(record: logging.LogRecord) -> bool:
    """Leave out gRPC's traceback for a client that hung up while it was being answered."""
    return "ExecuteBatchError" not in record.getMessage()
