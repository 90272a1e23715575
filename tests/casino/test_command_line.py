"""`purser-casino` takes what its help says, and tells in one line what it cannot take."""

from __future__ import annotations

from pathlib import Path

import pytest

from purser_casino.fault_rules import GRAMMAR
from purser_casino.money import minor_units
from tests.casino.desk import OPERATOR, SECRET, Desk
from tests.support.casino_process import CasinoProcess, run_casino

NEEDED = ("--operator", OPERATOR, "--signing-secret", SECRET)


async def test_players_statuses_and_faults_come_by_options() -> None:
    options = (
        *("--player", "anna=1000.00EUR", "--player", "anna=500JPY", "--player", "ben=1EUR"),
        *("--players", "player-:3000=2.00EUR"),
        *("--player", "cleo=0.000001USDT", "--currency", "USDT:6"),
        *("--status", "ben=self-excluded", "--faults", "bet:unavailable@1"),
    )
    async with CasinoProcess(OPERATOR, SECRET, *options) as process:
        desk = Desk(process)  # type: ignore[arg-type]
        told = {}
        for player, currency in (
            ("anna", "EUR"),
            ("anna", "JPY"),
            ("cleo", "USDT"),
            ("player-2999", "EUR"),
        ):
            assert await desk.get_balance(player, currency) == "ACCEPTED"
            told[player, currency] = desk.answer.balance
        assert told == {
            ("anna", "EUR"): ("EUR", 100_000),
            ("anna", "JPY"): ("JPY", 500),
            ("cleo", "USDT"): ("USDT", 1),
            ("player-2999", "EUR"): ("EUR", 200),
        }
        assert await desk.get_balance("player-3000") == "PLAYER_NOT_FOUND"
        assert await desk.bet("b-1", player_id="ben") == "status UNAVAILABLE"
        assert await desk.bet("b-1", player_id="ben") == "PLAYER_SELF_EXCLUDED"
        await desk.close()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--faults", "bet:hnag"), "no fault 'hnag'"),
        (("--player", "anna"), "ID=1000.00EUR"),
        (("--player", "anna=ten"), "1000.00EUR"),
        (("--player", "anna=1.001EUR"), "2 decimal places"),
        (("--players", "player-=1.00EUR"), "PREFIX:COUNT"),
        (("--status", "anna=asleep"), "active"),
        (("--status", "nobody=active"), "no player"),
        (("--currency", "USDT"), "USDT:6"),
        (("--tls-key", "key.pem"), "both"),
        (("--tls-client-ca", "ca.pem"), "both"),
        (("--tls-key", "/nowhere.pem", "--tls-certificate", "/nowhere.pem"), "nowhere.pem"),
        (("--operator", ""), "must not be empty"),
    ],
)
async def test_a_bad_option_is_told(options: tuple[str, ...], told: str) -> None:
    code, output, errors = await run_casino("serve", *NEEDED, "--listen", "127.0.0.1:0", *options)
    assert code == 2
    assert told in errors and "Traceback" not in errors
    assert "listens" not in output


async def test_a_taken_port_is_told() -> None:
    async with CasinoProcess(OPERATOR, SECRET) as process:
        code, _, errors = await run_casino("serve", *NEEDED, "--listen", process.address)
    assert code == 1
    assert process.address in errors and "Traceback" not in errors


async def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "casino.sqlite"
    code, _, errors = await run_casino("serve", *NEEDED, "--database", str(file))
    assert code == 1
    assert "database" in errors and "Traceback" not in errors


async def test_a_secret_is_needed() -> None:
    code, _, errors = await run_casino("serve", "--operator", OPERATOR)
    assert code == 2
    assert "--signing-secret" in errors


async def test_the_help_and_the_readme_have_the_grammar() -> None:
    code, output, _ = await run_casino("serve", "--help", TERMINAL_WIDTH="120", COLUMNS="120")
    assert code == 0
    readme = (Path(__file__).parents[2] / "clients" / "casino" / "README.md").read_text()
    assert GRAMMAR in readme
    for line in GRAMMAR.splitlines():
        assert line.strip() in output


@pytest.mark.parametrize(
    ("text", "money"),
    [("1000.00EUR", ("EUR", 100_000)), ("1.5KWD", ("KWD", 1_500)), ("7JPY", ("JPY", 7))],
)
def test_money_is_read_exactly(text: str, money: tuple[str, int]) -> None:
    assert minor_units(text, {}) == money


@pytest.mark.parametrize("text", ["-1EUR", "1.5JPY", "EUR", "1", "1.EUR", "1 EUR", f"{2**63}JPY"])
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimal|much"):
        minor_units(text, {})
