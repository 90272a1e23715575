"""The options of `purser-casino serve`, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OperatorId = Annotated[str, typer.Option(help="The operator id that Purser knows it by.")]
SigningSecret = Annotated[
    str,
    typer.Option(
        envvar="PURSER_CASINO_SIGNING_SECRET",
        help="The secret of the operator's callback settings.",
    ),
]
Listen = Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")]
Database = Annotated[str, typer.Option(help="A SQLite file; without one all is gone at the end.")]
PlayersByName = Annotated[
    list[str] | None,
    typer.Option(help="ID=1000.00EUR: a player and what is there at first. Repeatable."),
]
PlayersByNumber = Annotated[
    list[str] | None,
    typer.Option(
        help="PREFIX:COUNT=1000.00EUR: players PREFIX0, PREFIX1, … with that much. Repeatable."
    ),
]
Statuses = Annotated[
    list[str] | None,
    typer.Option(help="ID=active, ID=suspended or ID=self-excluded. Repeatable."),
]
Currencies = Annotated[
    list[str] | None,
    typer.Option(help="CODE:EXPONENT beside ISO 4217, such as USDT:6. Repeatable."),
]
Faults = Annotated[str, typer.Option(help="SPEC of what goes wrong; see below.")]
FaultsSeed = Annotated[
    int | None, typer.Option(help="Makes the luck of faults the same each time.")
]
TlsCertificate = Annotated[
    Path | None, typer.Option(help="The casino's certificate chain, PEM. Turns TLS on.")
]
TlsKey = Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(help="Accept only clients with a certificate of this CA, PEM (mutual TLS)."),
]
