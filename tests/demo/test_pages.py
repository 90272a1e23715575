"""The pages of the guide that are followed from their first command to their last line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.error.v1.error_reason_pb2 import ErrorReason
from tests.support.casino_process import CasinoProcess
from tests.support.client import Installation, eur
from tests.support.pages import Page, run_commands, run_program
from tests.support.process import ADMIN_KEY, PurserProcess

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
CREATE = "purser operator create casino-one"
BACKEND_KEY = "purser key create casino-one --role backend"
SECRET = "a secret of the casino"
REFUSED_WINS = ("--faults", "win:refused")


@pytest.fixture
def database(own_database: str) -> dict[str, str]:
    """The variable that tells commands where the database is."""
    return {"PURSER_DATABASE_URL": own_database}


async def follow(page: Page, address: str, database: dict[str, str]) -> str:
    """Run a page's commands, then its program with the last key; return what it prints."""
    (*_, key) = await run_commands(page.commands, **database)
    env = {"PURSER_ADDRESS": address, "PURSER_API_KEY": key}
    return await run_program(page.program, GUIDE, env)


async def assert_consistent(server: PurserProcess) -> None:
    installation = Installation(server.address)
    await installation.assert_consistent()
    await installation.close()


async def test_loyalty_prints_what_its_page_says(
    own_database: str, database: dict[str, str]
) -> None:
    page = Page(GUIDE / "loyalty.md")
    async with PurserProcess("--database-url", own_database) as server:
        assert await follow(page, server.address, database) == page.prints
        await assert_consistent(server)


async def play_quickstart(address: str, database: dict[str, str]) -> dict[str, str]:
    """Run the quick start with a new operator; return the variables that it was given."""
    (key,) = await run_commands([CREATE, BACKEND_KEY], **database)
    env = {"PURSER_ADDRESS": address, "PURSER_API_KEY": key}
    await run_program("from quickstart import *\nmain()", GUIDE, env)
    return env


async def test_game_server_prints_what_its_page_says(
    own_database: str, database: dict[str, str]
) -> None:
    page = Page(GUIDE / "game-server.md")
    async with PurserProcess("--database-url", own_database) as server:
        await play_quickstart(server.address, database)
        assert await follow(page, server.address, database) == page.prints
        await assert_consistent(server)


async def test_transfer_mode_prints_what_its_page_says(
    own_database: str, database: dict[str, str]
) -> None:
    page = Page(GUIDE / "transfer-mode.md")
    async with PurserProcess("--database-url", own_database) as server:
        env = await play_quickstart(server.address, database)
        assert await run_program(page.program, GUIDE, env) == page.prints
        await assert_consistent(server)


async def test_program_of_the_administrator_prints_what_operations_say(own_database: str) -> None:
    page = Page(GUIDE / "operations.md", "The same over gRPC")
    async with (
        PurserProcess("--database-url", own_database) as server,
        CasinoProcess("lucky", SECRET, "--player", "anna=1000.00EUR", *REFUSED_WINS) as casino,
    ):
        await leave_a_case(server.address, casino.address)
        env = {"PURSER_ADDRESS": server.address, "PURSER_ADMIN_KEY": ADMIN_KEY}
        assert await run_program(page.program, GUIDE, env) == page.prints
        await assert_consistent(server)


async def leave_a_case(address: str, casino: str) -> None:
    """Play a round of `lucky` whose win the casino refuses."""
    installation = Installation(address)
    games = await installation.new_casino(operator_id="lucky")
    callback = operator_pb2.CallbackSettings(target=casino, signing_secret=SECRET)
    await installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(operator_id="lucky", callback=callback)
    )
    await games.new_player(player_id="anna")
    await games.bet("anna", eur("10.00"), "r-1", "b-1")
    await games.win("anna", eur("25.00"), "r-1", transaction_id="w-1")
    await installation.close()


@pytest.mark.parametrize("page", sorted(GUIDE.glob("*.md")), ids=lambda path: path.stem)
def test_reasons_of_a_table_are_in_the_catalogue(page: Path) -> None:
    """Of tables whose first column holds reasons, each is one that can be sent."""
    values = ErrorReason.DESCRIPTOR.values
    known = {value.name.removeprefix("ERROR_REASON_") for value in values}
    tables = re.findall(r"^\| reason \|.*\n\| ---.*\n((?:\|.*\n)+)", page.read_text(), re.M)
    for row in "".join(tables).splitlines():
        reasons = set(re.findall(r"`(\w+)`", row.split("|")[1]))
        assert reasons and reasons <= known, row


def test_the_guide_leads_to_every_page_of_it() -> None:
    links = set(re.findall(r"\]\(([\w.-]+)\)", (GUIDE / "README.md").read_text()))
    assert links >= {path.name for path in GUIDE.iterdir() if path.is_file()} - {"README.md"}
