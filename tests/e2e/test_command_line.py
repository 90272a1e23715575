"""The command line, as a person or a script uses it."""

from __future__ import annotations

import asyncio
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purser.wallet.v1 import player_service_pb2
from purser_server import cli
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Client, Installation, eur, money, new_id, refused
from tests.support.databases import connected, database_of_its_own
from tests.support.process import PurserProcess, run_purser

COMMANDS = [
    ("serve",),
    ("migrate",),
    ("operator", "create"),
    ("key", "create"),
    ("key", "list"),
    ("key", "revoke"),
    ("verify",),
    ("demo",),
    ("bench",),
]


async def succeed(*words: str) -> str:
    """Run a command that must succeed; return what it told."""
    code, output, errors = await run_purser(*words)
    assert code == 0, output + errors
    return output


async def fail(*words: str, code: int = 1) -> str:
    """Run a command that must fail; return what it complained."""
    found, output, errors = await run_purser(*words)
    assert found == code, output + errors
    assert "Traceback" not in errors
    return errors


async def run_here(*words: str) -> tuple[int, str, str]:
    """Run a command in this process, without the second that a new one takes to begin.

    For what ends before it does anything; it is asynchronous so that whatever goes on from there
    finds an event loop at work, and fails.
    """
    clean = {name: None for name in os.environ if name.startswith("PURSER_")}
    done = CliRunner().invoke(cli.app, words, env=clean, prog_name="purser")
    return done.exit_code, done.stdout, done.stderr


def plain(text: str) -> str:
    """Return text without colours and the breaking of lines."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


# -- help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    code, output, errors = await run_here(*command, "--help")
    assert code == 0, output + errors
    told = plain(output)
    assert f"purser {' '.join(command)}" in told
    assert len(told) > 100


async def test_the_version_is_told() -> None:
    assert await succeed("--version") == f"Purser {version('purser')}\n"


async def test_the_help_names_every_command() -> None:
    told = await succeed("--help")
    for command in ("serve", "migrate", "operator", "key", "verify", "demo"):
        assert command in told
    assert "worker" not in told.split("Commands")[1], "an inner command is not shown"


# -- migrate ----------------------------------------------------------------------------------


async def test_migrate_makes_the_schema_and_is_fine_twice(postgres: EmbeddedPostgres) -> None:
    async with database_of_its_own(postgres.url) as url:
        first = await succeed("migrate", "--database-url", url)
        assert re.search(r"revision \d+", first)
        assert await succeed("migrate", "--database-url", url) == first
        async with connected(url) as connection:
            assert await connection.fetchval("SELECT count(*) FROM transactions") == 0


async def test_a_database_that_is_not_there_is_told_without_a_traceback(
    postgres: EmbeddedPostgres,
) -> None:
    missing = postgres.url.replace("/purser?", "/no-such-database?")
    assert "no-such-database" in await fail("migrate", "--database-url", missing)
    wrong = await fail("migrate", "--database-url", "mysql://elsewhere/db", code=2)
    assert "postgresql://" in wrong


# -- operators and keys -----------------------------------------------------------------------


@pytest.mark.slow
async def test_a_casino_is_set_up_from_the_command_line(own_database: str) -> None:
    database = ("--database-url", own_database)
    operator = ("--display-name", "Casino One", "--currency", "USDT:6", "--currency", "GEM:0")
    assert "created" in await succeed("operator", "create", "casino-one", *operator, *database)
    assert "exists" in await succeed("operator", "create", "casino-one", *operator, *database)
    other = await fail("operator", "create", "casino-one", "--display-name", "Other", *database)
    assert "OPERATOR_EXISTS" in other
    made = await succeed("key", "create", "casino-one", "--role", "backend", *database)
    (api_key,) = re.findall(r"shown this once: (\S+)", made)
    (key_id,) = re.findall(r"Key id:\s+(\S+)", made)
    async with PurserProcess(*database) as server:
        async with Client(server.address, api_key) as casino:
            player = new_id("player")
            await casino.players.CreatePlayer(
                player_service_pb2.CreatePlayerRequest(player_id=player, currency_codes=["USDT"])
            )
            await casino.deposit(player, money("1.000001", "USDT", 6))
            # Beside a running server the same commands work, and it hears of them.
            await succeed("key", "revoke", key_id, *database)
            with refused("UNAUTHENTICATED_KEY"):
                for _ in range(200):
                    await casino.balance(player, "USDT")
                    await asyncio.sleep(0.1)
        more = await succeed(
            *("key", "create", "casino-one", "--role", "game", "--role", "backend"), *database
        )
        (second,) = re.findall(r"shown this once: (\S+)", more)
        async with Client(server.address, second) as casino:
            assert await casino.balance(player, "USDT") == 1_000_001
    listed = await succeed("key", "list", "casino-one", *database)
    assert api_key not in listed
    (second_id,) = re.findall(r"Key id:\s+(\S+)", more)
    for each in (key_id, second_id):
        assert each in listed, "ids are shown whole, for the next command to be given them"
    assert re.search(rf"{second_id}\W+game, backend", listed)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("operator", "create", ""), "empty"),
        (("operator", "create", "x" * 129), "128"),
        (("operator", "create", "x", "--currency", "USDT"), "CODE:EXPONENT"),
        (("operator", "create", "x", "--currency", "EUR:3"), "ISO 4217"),
        (("operator", "create", "x", "--currency", "USDT:99"), "exponent"),
        (("operator", "create", "x", "--currency", "USDT:²"), "CODE:EXPONENT"),
        (("key", "create", "x"), "--role"),
        (("key", "create", "x", "--role", "admin"), "admin"),
        (("serve", "--workers", "0"), "workers"),
        (("serve", "--listen", "nonsense"), "HOST:PORT"),
        (("serve", "--listen", "127.0.0.1:65536"), "0 to 65535"),
        (("serve", "--metrics-listen", "127.0.0.1:65535", "--workers", "2"), "above 65535"),
        (("serve", "--data-dir", __file__), "is a file"),
        (("serve", "--tls-certificate", "no.pem", "--tls-key", "no.key"), "--tls-certificate"),
        (("bench", "--only", "nothing"), "unary, 16 in flight"),
        (("bench", "--json", "/nowhere/bench.json"), "/nowhere"),
        (("serve", "--log-level", "loud"), "log-level"),
        (("nonsense",), "nonsense"),
    ],
    ids=lambda value: "",
)
async def test_wrong_words_end_with_two_and_say_what_is_wrong(
    words: tuple[str, ...], complaint: str
) -> None:
    code, output, errors = await run_here(*words)
    assert code == 2, output + errors
    assert complaint in plain(errors)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(("nonsense",), "nonsense"), (("serve", "--listen", "nonsense"), "HOST:PORT")],
    ids=["a command", "a setting"],
)
async def test_wrong_words_end_the_program_with_two(words: tuple[str, ...], complaint: str) -> None:
    assert complaint in plain(await fail(*words, code=2))


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"PURSER_LANES": "99"}, "PURSER_LANES: "),
        ({"PURSER_ADMIN_KEY": "short"}, "PURSER_ADMIN_KEY: "),
        ({"PURSER_DATA_DIR": "/tmp/x", "PURSER_DATABASE_URL": "postgresql://x/y"}, "PURSER_DATA_D"),
        ({"PURSER_DATA_DIR": "/tmp/x"}, "PURSER_DATA_DIR, --database-url: "),
    ],
    ids=lambda value: "",
)
async def test_a_bad_setting_is_named_by_where_it_came_from(
    variables: dict[str, str], complaint: str
) -> None:
    words = ["serve"]
    if complaint.endswith("--database-url: "):
        words += ["--database-url", "postgresql://x/y"]
    code, _, errors = await run_purser(*words, **variables)
    assert code == 2
    assert errors.startswith(complaint)


async def test_a_variable_that_is_empty_counts_as_not_given(postgres: EmbeddedPostgres) -> None:
    code, _, errors = await run_purser(
        *("key", "list", "nobody", "--database-url", postgres.url), PURSER_DATA_DIR=""
    )
    assert (code, "OPERATOR_NOT_FOUND" in errors) == (1, True), errors


async def test_commands_that_are_told_next_can_be_copied(own_database: str) -> None:
    database = ("--database-url", own_database)
    assert "operator create 'my casino'" in await fail(
        "key", "create", "my casino", "--role", "game", *database
    )
    told = await succeed("operator", "create", "my casino", *database)
    assert "purser key create 'my casino' --role backend" in told


@pytest.mark.parametrize(
    "words",
    [
        ("verify",),
        ("key", "create", "casino", "--role", "game"),
        ("key", "list", "casino"),
        ("key", "revoke", "key"),
    ],
    ids=lambda value: "",
)
async def test_what_is_no_installation_does_not_become_one(
    postgres: EmbeddedPostgres, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder = tmp_path / "mistyped"
    complaint = await fail(*words, "--data-dir", str(folder))
    assert str(folder) in complaint
    assert "purser serve" in complaint
    assert not folder.exists()
    async with database_of_its_own(postgres.url) as url:
        assert "no Purser" in await fail(*words, "--database-url", url)
        async with connected(url) as connection:
            assert not await connection.fetchval("SELECT to_regclass('transactions')::text")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("key", "create", "nobody", "--role", "game"), "OPERATOR_NOT_FOUND"),
        (("key", "list", "nobody"), "OPERATOR_NOT_FOUND"),
        (("key", "revoke", "nothing"), "API_KEY_NOT_FOUND"),
        (("verify", "nobody"), "OPERATOR_NOT_FOUND"),
    ],
    ids=lambda value: "",
)
async def test_what_is_not_there_ends_with_one_and_its_reason(
    postgres: EmbeddedPostgres, words: tuple[str, ...], reason: str
) -> None:
    assert reason in await fail(*words, "--database-url", postgres.url)


# -- verify -----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_verify_ends_with_zero_and_with_one_when_something_is_wrong(
    own_database: str,
) -> None:
    database = ("--database-url", own_database)
    operator, player = "casino-with-a-rather-long-name", "player-with-a-rather-long-name"
    async with PurserProcess(*database) as server:
        installation = Installation(server.address)
        casino = await installation.new_casino(operator_id=operator)
        await installation.new_casino(operator_id="sound")
        await casino.new_player(player_id=player, money=eur("12.50"))
        await installation.close()
    assert "consistent" in await succeed("verify", *database)
    async with connected(own_database) as connection:
        await connection.execute("UPDATE accounts SET balance = balance + 1 WHERE kind = 1")
    code, output, errors = await run_purser("verify", *database)
    assert code == 1
    assert "NOT consistent" in errors
    assert "BALANCE_MISMATCH" in output
    assert operator in output, "names are shown whole"
    assert player in output
    assert "1251" in output
    assert (await run_purser("verify", operator, *database))[0] == 1
    assert "consistent" in await succeed("verify", "sound", *database)


# -- the embedded database --------------------------------------------------------------------


@pytest.mark.slow
async def test_commands_work_on_a_data_directory_with_and_without_a_server(
    short_tmp: Path,
) -> None:
    folder = ("--data-dir", str(short_tmp / "cli"))
    await succeed("operator", "create", "early", *folder)
    async with PurserProcess(*folder) as server:
        await succeed("operator", "create", "late", *folder)
        installation = Installation(server.address)
        for operator in ("early", "late"):
            casino = await installation.new_client(operator)
            await casino.new_player(money=eur("1.00"))
        await installation.close()
        assert await server.terminate() == 0
    assert "consistent" in await succeed("verify", *folder)


async def test_an_operator_is_switched_to_seamless_mode_and_back(own_database: str) -> None:
    where = ("--database-url", own_database)
    await run_purser("operator", "create", "lucky", *where)

    code, shown, _ = await run_purser(
        *("operator", "callback", "lucky", "--target", "127.0.0.1:50061", *where),
        PURSER_CASINO_SIGNING_SECRET="s3cret",
    )
    assert code == 0
    assert "lucky is in seamless mode" in shown
    code, shown, _ = await run_purser("operator", "callback", "lucky", *where)
    assert code == 0
    assert "lucky is in transfer mode" in shown

    code, _, errors = await run_purser("operator", "callback", "lucky", "--target", "x", *where)
    assert code == 2
    assert errors.startswith("--target must be")
    to = ("--target", "127.0.0.1:50061")
    code, _, errors = await run_purser("operator", "callback", "lucky", *to, *where)
    assert code == 2
    assert errors.startswith("--signing-secret must be given")
    code, _, errors = await run_purser("operator", "callback", "nobody", *where)
    assert code == 1
    assert "there is no operator" in errors
