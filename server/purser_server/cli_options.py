"""The options that commands share, and those of `purser serve`, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded PostgreSQL. Default: ~/.local/share/purser, "
        "or /var/lib/purser for root. \\[env: PURSER_DATA_DIR]"
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        help="postgresql://… of your own PostgreSQL, instead of the embedded one. "
        "\\[env: PURSER_DATABASE_URL]"
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT; port 0 takes a free one. \\[env: PURSER_LISTEN; 127.0.0.1:50051]"
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Server processes on one port. \\[env: PURSER_WORKERS; 1]")
]
TlsCertificate = Annotated[
    Path | None, typer.Option(help="The server's certificate chain, PEM. Turns TLS on.")
]
TlsKey = Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(help="Accept only clients with a certificate of this CA, PEM (mutual TLS)."),
]
Insecure = Annotated[
    bool | None,
    typer.Option("--insecure", help="Allow plaintext on an address that others can reach."),
]
MetricsListen = Annotated[
    str | None, typer.Option(help="HOST:PORT for Prometheus over HTTP; worker n takes port + n.")
]
LogFormat = Annotated[str | None, typer.Option(help="text or json, on standard error.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
GraceSeconds = Annotated[
    float | None, typer.Option(help="Seconds that accepted calls may take at the end.")
]
