"""`purser key`: the keys that an operator's programs identify themselves with."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from purser_server import app as composition
from purser_server.cli_options import DatabaseUrl, DataDir
from purser_server.cli_support import carry_out, out, settings_of, tell
from purser_server.domain.errors import Reason
from purser_server.domain.operators import ApiKey, Role

app = typer.Typer(help="API keys of operators.", no_args_is_help=True)


class KeyRole(StrEnum):
    """What an operator's key may be used for."""

    GAME = "game"
    BACKEND = "backend"
    LOYALTY = "loyalty"


@app.command("create")
def key_create(
    operator_id: Annotated[str, typer.Argument(help="The operator that the key is for.")],
    role: Annotated[list[KeyRole], typer.Option(help="What it may be used for. Repeatable.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make an API key; it is shown this once."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> tuple[str, str]:
        async with composition.administration(settings) as admin:
            roles = [Role[name.name] for name in role]
            return await admin.operators.create_key(operator_id, roles)

    key_id, api_key = carry_out(
        run(),
        settings,
        hints={
            Reason.OPERATOR_NOT_FOUND: "make it with "
            f"`purser operator create {shlex.quote(operator_id)}`"
        },
    )
    tell(f"Key id:  {key_id}")
    tell(f"API key, shown this once: {api_key}")
    tell("Send it as gRPC metadata `authorization: Bearer <API key>`.")


@app.command("list")
def key_list(
    operator_id: Annotated[str, typer.Argument(help="The operator whose keys to list.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List an operator's keys, without their secrets."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> list[ApiKey]:
        found: list[ApiKey] = []
        async with composition.administration(settings) as admin:
            token = ""
            while True:
                page, token = await admin.operators.list_keys(operator_id, 1_000, token)
                found += page
                if not token:
                    return found

    table = Table("key id", "roles", "created", "revoked")
    for key in carry_out(run(), settings):
        roles = ", ".join(role.name.lower() for role in sorted(key.roles))
        revoked = f"{key.revoke_time:%Y-%m-%d %H:%M:%S}" if key.revoke_time else ""
        table.add_row(key.key_id, roles, f"{key.create_time:%Y-%m-%d %H:%M:%S}", revoked)
    out.print(table)


@app.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `key list` shows it.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke a key; servers refuse it within seconds."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def run() -> None:
        async with composition.administration(settings) as admin:
            await admin.operators.revoke_key(key_id)

    carry_out(run(), settings)
    tell(f"Key {key_id} is revoked.")
