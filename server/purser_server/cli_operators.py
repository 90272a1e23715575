"""`purser operator`: the casinos of an installation, and how their own casinos are called."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser_server import app as composition
from purser_server.cli_options import DatabaseUrl, DataDir
from purser_server.cli_support import carry_out, refuse, settings_of, tell
from purser_server.domain.ids import id_problem
from purser_server.domain.money import Currencies, declaration_problem
from purser_server.domain.operators import Operator, WalletMode
from purser_server.rpc import from_proto
from purser_server.rpc.limits import validate
from purser_server.usecases.ports import OperatorChange

app = typer.Typer(help="Operators: the casinos of this installation.", no_args_is_help=True)

CallbackOf = Annotated[str, typer.Argument(help="The operator whose casino keeps the money.")]
CallbackTarget = Annotated[
    str, typer.Option(help="HOST:PORT of its CasinoCallbackService; none is transfer mode.")
]
SigningSecret = Annotated[
    str,
    typer.Option(
        envvar="PURSER_CASINO_SIGNING_SECRET",
        help="What calls are signed with. Rather by the variable: others can read arguments.",
    ),
]
DeadlineMs = Annotated[int, typer.Option(help="Per attempt; 0 means 2000.")]
MaxCallsInFlight = Annotated[int, typer.Option(help="At a time; 0 means 256.")]
TrustedTls = Annotated[bool, typer.Option("--tls", help="With the CAs this machine trusts.")]
PemFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A PEM file.")]


@app.command("create")
def operator_create(
    operator_id: Annotated[str, typer.Argument(help="Your id for the casino.")],
    display_name: Annotated[str, typer.Option(help="Its name for people.")] = "",
    currency: Annotated[
        list[str] | None,
        typer.Option(
            help="CODE:EXPONENT of a currency beside ISO 4217, such as USDT:6. Repeatable."
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an operator; the same again is fine."""
    _require_id(operator_id)
    currencies = dict(_currency(given) for given in currency or [])
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> bool:
        # Whoever begins with an operator may serve later: an installation is made for it.
        async with composition.administration(settings, found=False) as admin:
            return (await admin.operators.create(operator_id, display_name, currencies))[1]

    existed = carry_out(run(), settings)
    tell(f"Operator {operator_id} {'exists already' if existed else 'is created'}.")
    tell(f"Next: `purser key create {shlex.quote(operator_id)} --role backend`.")


@app.command("callback")
def operator_callback(
    operator_id: CallbackOf,
    target: CallbackTarget = "",
    signing_secret: SigningSecret = "",
    deadline_ms: DeadlineMs = 0,
    max_calls_in_flight: MaxCallsInFlight = 0,
    tls: TrustedTls = False,
    tls_ca: PemFile = None,
    tls_certificate: PemFile = None,
    tls_key: PemFile = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Switch to seamless mode, change how the casino is called, or (no target) switch back."""
    request = operator_service_pb2.UpdateOperatorRequest(
        operator_id=operator_id,
        callback=operator_pb2.CallbackSettings(
            target=target,
            signing_secret=signing_secret,
            deadline_ms=deadline_ms,
            max_calls_in_flight=max_calls_in_flight,
        ),
    )
    if tls or tls_ca or tls_certificate or tls_key:
        request.callback.tls.CopyFrom(
            operator_pb2.CallbackTls(
                ca_pem=_text(tls_ca),
                client_certificate_pem=_text(tls_certificate),
                client_key_pem=_text(tls_key),
            )
        )
    problem = validate(request, Currencies(composition.standard_currencies()))
    if problem is not None:
        field = problem.metadata.get("field", "")
        refuse(problem.message.replace(field, _flag_of(field), 1))
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    change = OperatorChange(callback=from_proto.callback(request.callback))

    async def run() -> Operator:
        async with composition.administration(settings) as admin:
            return await admin.operators.update(operator_id, change)

    mode = carry_out(run(), settings).wallet_mode
    if mode is WalletMode.SEAMLESS:
        tell(f"Operator {operator_id} is in seamless mode: its casino is called at {target}.")
    else:
        tell(f"Operator {operator_id} is in transfer mode: Purser keeps the money.")


def _flag_of(field: str) -> str:
    """Return the flag that gives a field of the callback settings."""
    if not field.startswith("callback."):
        return field
    name = field.removeprefix("callback.").removesuffix("_pem").replace("client_", "")
    return "--" + name.replace(".", "-").replace("_", "-")


def _text(file: Path | None) -> str:
    return file.read_text() if file is not None else ""


def _require_id(operator_id: str) -> None:
    problem = id_problem(operator_id)
    if problem:
        raise typer.BadParameter(f"operator id {problem}")


def _currency(given: str) -> tuple[str, int]:
    code, _, exponent = given.partition(":")
    if not (exponent.isascii() and exponent.isdigit()):
        raise typer.BadParameter(f"{given!r} must be CODE:EXPONENT, such as USDT:6")
    problem = declaration_problem(code, int(exponent), composition.standard_currencies())
    if problem:
        raise typer.BadParameter(f"{given!r} {problem}")
    return code, int(exponent)
