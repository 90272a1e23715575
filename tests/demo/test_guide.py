"""What the guides and the README say, held against the server: examples, settings, links."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest

from purser.casino.v1.casino_callback_service_pb2 import PrizeCashbackRequest, PrizeCashbackResponse
from purser.loyalty.v1.cashback_service_pb2 import (
    IssueCashbackRequest,
    IssueCashbackResponse,
    RewardOrderRequest,
)
from purser.loyalty.v1.refund_service_pb2 import RefundRequest, RefundResponse
from purser.wallet.v1.wallet_pb2 import RollbackOutcome, TransactionState, WinType
from purser_server import cli
from purser_server.domain.outcomes import Alert
from purser_server.domain.prize_cashbacks import PLAYER_MESSAGES, PrizeCashbackState
from purser_server.domain.prizes import PrizeState
from purser_server.ops.metrics import Metrics
from purser_server.ops.settings import Settings
from tests.support.casino_process import CasinoProcess
from tests.support.client import LOYALTY, Client, Installation, eur, failure_of
from tests.support.pages import Page, run_program
from tests.support.process import ADMIN_KEY, PurserProcess

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
GAME_SERVER = (GUIDE / "game-server.md").read_text()
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "clients" / "python" / "README.md",
    *sorted(GUIDE.glob("*.md")),
    *sorted((ROOT / "docs" / "reference").glob("*.md")),
]

Row = tuple[str, str, str]


def stories() -> Iterator[Any]:
    """The worked examples of the guide: tables with the columns call, answer, balance."""
    tables = GAME_SERVER.split("| call | answer | balance |\n| --- | --- | --- |\n")
    for before, table in itertools.pairwise(tables):
        rows = re.findall(r"^\| `(.+)` \| (.+) \| (.+) \|$", table.split("\n\n")[0], re.M)
        title = before.strip().splitlines()[-1]
        yield pytest.param(rows, id=re.sub(r"\W+", " ", title).strip())


async def play(casino: Client, player: str, call: str) -> str:
    """Make a call as the guide writes it, and return its answer as the guide writes it."""
    try:
        kind, answer = await _send(casino, player, call.split())
    except grpc.RpcError as error:
        failure = failure_of(error)
        return failure.reason + (", replayed" if "replayed" in failure.metadata else "")
    replayed = ", replayed" if answer.replayed else ""
    if kind == "Rollback":
        return RollbackOutcome.Name(answer.outcome).removeprefix("ROLLBACK_OUTCOME_") + replayed
    if kind == "CloseRound":
        return "COMPLETED" + replayed
    state = TransactionState.Name(answer.transaction.state)
    return state.removeprefix("TRANSACTION_STATE_") + replayed


async def _send(casino: Client, player: str, words: list[str]) -> tuple[str, Any]:
    kind, transaction_id, *rest = words
    sends: dict[str, Callable[[], Awaitable[Any]]] = {
        "Bet": lambda: casino.bet(player, eur(rest[0]), "r-1", transaction_id),
        "Win": lambda: casino.win(
            player,
            eur(rest[0]),
            "r-1",
            bet=rest[2] if "for" in rest else "",
            transaction_id=transaction_id,
            win_type=WinType.WIN_TYPE_FREE_ROUND if "FREE_ROUND" in rest else 0,
            close_round="closing" in rest,
        ),
        "Rollback": lambda: casino.rollback(player, rest[1], transaction_id),
        "CloseRound": lambda: casino.close_round(player, "r-1", transaction_id),
    }
    return kind, await sends[kind]()


@pytest.mark.parametrize("story", list(stories()))
async def test_worked_example_comes_out_as_the_guide_says(casino: Client, story: list[Row]) -> None:
    player = await casino.new_player(money=eur("100.00"))
    assert len(story) >= 3
    for call, answer, balance in story:
        assert await play(casino, player, call) == answer, call
        assert await casino.balance(player) == Decimal(balance) * 100, call


async def test_python_of_calls_runs_after_the_quick_start(
    casino: Client, installation: Installation
) -> None:
    begin = "from quickstart import *"
    page = (GUIDE / "calls.md").read_text()
    assert f"`{begin}`" in page
    (retries,) = re.findall(r"```python\n(.*?)```", page, re.S)
    api_key: str = casino.api_key  # type: ignore[attr-defined]

    async def run(program: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            cwd=GUIDE,
            env={
                **os.environ,
                "PURSER_ADDRESS": installation.address,
                "PURSER_API_KEY": api_key,
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
        return printed.decode()

    await run(f"{begin}\nmain()")
    balance = (
        "print(WalletServiceStub(channel).GetBalance(GetBalanceRequest(player_id='alice'), **CALL))"
    )
    assert "minor_units: 11500" in await run("\n".join([begin, retries, balance]))


async def test_health_check_of_the_guide_runs(server: PurserProcess) -> None:
    check = re.findall(r"```python\n(.*?)```", (GUIDE / "operations.md").read_text(), re.S)[0]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", check, server.address)
    assert await process.wait() == 0


async def test_python_of_seamless_mode_runs(casino: Client, installation: Installation) -> None:
    page = (GUIDE / "seamless-mode.md").read_text()
    switch, first_round, results = re.findall(r"```python\n(.*?)```", page, re.S)
    secret = "a secret of the casino"
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]

    env = {
        "PURSER_ADDRESS": installation.address,
        "PURSER_ADMIN_KEY": ADMIN_KEY,
        "PURSER_API_KEY": casino.api_key,  # type: ignore[attr-defined]
        "PURSER_CASINO_SIGNING_SECRET": secret,
    }

    async def run(program: str, *words: str) -> str:
        return await run_program(
            program, GUIDE, env, words=(installation.address, operator_id, *words)
        )

    player = await casino.new_player(money=eur("10.00"))
    await casino.bet(player, eur("10.00"), "r")
    await casino.close_round(player, "r")
    async with CasinoProcess(operator_id, secret, "--player", "anna=1000.00EUR") as theirs:
        assert await run(switch, theirs.address) == "WALLET_MODE_SEAMLESS\n"
        told = await run(first_round)
        assert told == "b-1  EUR 990.00\nw-1  EUR 1015.00\n"
        assert f"```\n{told}```" in page
    assert await run(results) == "EUR kept -500 of 2000\n"


async def test_python_of_prizes_runs(casino: Client, installation: Installation) -> None:
    page = Page(GUIDE / "prizes.md")
    loyalty: Any = await installation.new_client(casino.operator_id, LOYALTY)  # type: ignore[attr-defined]
    player = await casino.new_player(money=eur("10.00"))
    words = (installation.address, loyalty.api_key, player)
    for _ in range(2):
        assert await run_program(page.program, GUIDE, {}, words=words) == page.prints
    assert await casino.balance(player) == 3_500


def test_the_page_of_prizes_names_every_state_and_every_reason_with_words() -> None:
    page = (GUIDE / "prizes.md").read_text()
    for name in (*PrizeState.__members__, *PrizeCashbackState.__members__, *PLAYER_MESSAGES):
        assert f"`{name}`" in page, name


async def test_python_of_loyalty_runs(casino: Client, installation: Installation) -> None:
    section = (ROOT / "README.md").read_text().split("## Loyalty")[1]
    program = re.findall(r"```python\n(.*?)```", section, re.S)[0]
    loyalty: Any = await installation.new_client(casino.operator_id, LOYALTY)  # type: ignore[attr-defined]
    player = await casino.new_player()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, installation.address, loyalty.api_key, player),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    assert told.decode().endswith("92 points, worth 920 cents\n")
    assert f"```\n{told.decode()}```" in section


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("cashback", (IssueCashbackRequest, RewardOrderRequest, IssueCashbackResponse)),
        ("refund", (RefundRequest, RefundResponse)),
        ("return of a prize", (PrizeCashbackRequest, PrizeCashbackResponse)),
    ],
)
def test_readme_maps_field_names_to_ones_that_exist(table: str, names: tuple[Any, ...]) -> None:
    readme = (ROOT / "README.md").read_text()
    (rows,) = re.findall(rf"^\| {table} \| here.*\n\| ---.*\n((?:\|.*\n)+)", readme, re.M)
    fields = {field for message in names for field in fields_of(message.DESCRIPTOR)}
    for row in rows.splitlines():
        ours = re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", row.split(" | ")[1])
        assert set(ours) <= fields, row
    assert len(rows.splitlines()) >= 7


def fields_of(message: Any, above: str = "") -> Iterator[str]:
    """Yield the paths of a message's fields, and the names of those of an answer's noun."""
    for field in message.fields:
        yield f"{above}{field.name}"
        if field.message_type is not None:
            yield from fields_of(field.message_type, f"{above}{field.name}.")
            if field.name == "refund":
                yield from fields_of(field.message_type)


def test_operations_name_every_alert() -> None:
    page = (GUIDE / "operations.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| .+ \|$", page, re.M)) >= set(Alert)


def test_readme_names_every_setting_and_its_default() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = {
        variable: (flag, default)
        for flag, variable, default in re.findall(
            r"^\| (\S*) ?\| `(PURSER_\w+)` \| (.+?) \|", readme, re.M
        )
    }
    assert set(rows) == {f"PURSER_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        flag, default = rows[f"PURSER_{name.upper()}"]
        assert flag in ("", f"`--{name.replace('_', '-')}`")
        if field.default is not None:
            told = str(field.default).removesuffix(".0").lower()
            assert default.strip("`").lower() == told, name


def test_readme_names_every_command_and_every_room() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in cli.app.registered_commands:
        if not command.hidden:
            name = getattr(command.callback, "__name__", "")
            assert re.search(rf"^\| `purser {name}\b", readme, re.M), name
    package = Path(cli.__file__).parent
    for room in package.glob("*/__init__.py"):
        assert f"| `server/purser_server/{room.parent.name}/` |" in readme


def test_operations_name_every_metric() -> None:
    page = (GUIDE / "operations.md").read_text()
    for metric in Metrics()._registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / urllib.parse.unquote(path)) if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
