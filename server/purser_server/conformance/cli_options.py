"""The options of `purser conformance casino`, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Address = Annotated[str, typer.Option(help="HOST:PORT of the casino's CasinoCallbackService.")]
OperatorId = Annotated[str, typer.Option(help="The operator id that the casino knows.")]
PlayerId = Annotated[
    str, typer.Option(help="An active player who holds at least 1,000.00 and does not play.")
]
CurrencyCode = Annotated[str, typer.Option(help="The currency to play in, such as EUR.")]
SigningSecret = Annotated[
    str,
    typer.Option(
        envvar="PURSER_CASINO_SIGNING_SECRET",
        show_envvar=False,
        help="The secret that signs. \\[env: PURSER_CASINO_SIGNING_SECRET]",
    ),
]
TlsCa = Annotated[Path | None, typer.Option(help="The authority of the casino's certificate, PEM.")]
TlsCertificate = Annotated[
    Path | None, typer.Option(help="A certificate to show (mutual TLS), PEM.")
]
TlsKey = Annotated[Path | None, typer.Option(help="Its private key, PEM.")]
TrustedTls = Annotated[
    bool, typer.Option("--tls", help="TLS with an authority that this machine trusts.")
]
DeadlineSeconds = Annotated[float, typer.Option(min=0.1, help="Seconds for one call.")]
Only = Annotated[str, typer.Option(help="Play only cases whose name contains this.")]
