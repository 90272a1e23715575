"""`purser-casino serve` and `purser conformance casino`, as processes, with and without TLS."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.support.casino_process import CasinoProcess
from tests.support.process import run_purser

SECRET = "the secret of lucky"


async def conform(address: str, *more: str, secret: str = SECRET) -> tuple[int, str, str]:
    return await run_purser(
        *("conformance", "casino", "--target", address, "--operator", "lucky"),
        *("--player", "anna", "--currency", "EUR", "--signing-secret", secret, *more),
    )


async def test_a_casino_that_keeps_the_contract_ends_with_0() -> None:
    async with CasinoProcess("lucky", SECRET, "--player", "anna=1000.00EUR") as casino:
        code, output, errors = await conform(casino.address)
    assert code == 0, output + errors
    assert "0 fail, 0 skipped" in output
    for heading in ("case", "rule", "sent", "expected", "came", "holds late-bet-after-tombstone:"):
        assert heading in output
    assert "FAILS" not in output


async def test_a_casino_that_does_not_ends_with_1_and_the_case_is_named(tmp_path: Path) -> None:
    options = (
        *("--player", "anna=1000.00EUR", "--database", str(tmp_path / "casino.sqlite")),
        *("--faults", "prize:not-eligible,rollback:unknown-outcome"),
    )
    async with CasinoProcess("lucky", SECRET, *options) as casino:
        code, output, _ = await conform(casino.address, "--only", "-replayed")
    assert code == 1
    assert "FAILS rollback-replayed: The same rollback again is DUPLICATE" in output
    assert "outcome 999" in output
    assert "skipped prize-replayed: this casino answers NOT_ELIGIBLE" in output
    assert "3 hold, 2 fail, 1 skipped" in output


async def test_what_cannot_be_played_ends_with_2() -> None:
    async with CasinoProcess("lucky", SECRET, "--player", "anna=999.99EUR") as casino:
        poor = await conform(casino.address)
        wrong = await conform(casino.address, secret="another secret")
    gone = await conform(casino.address)
    nothing = await conform(casino.address, "--only", "no such case")
    half = await conform(casino.address, "--tls-key", "key.pem")
    for code, output, errors in (poor, wrong, gone, nothing, half):
        assert code == 2, output + errors
        assert "Traceback" not in errors
    assert "99999" in poor[2]
    assert "UNAUTHENTICATED" in wrong[2]
    assert "UNAVAILABLE" in gone[2]


@pytest.fixture
def pem(tmp_path: Path) -> dict[str, str]:
    """Files of one authority, of a casino and of a client that it has certified."""
    ca = trustme.CA()
    made = {"ca": ca.cert_pem.bytes()}
    for name, whom in (("server", "127.0.0.1"), ("client", "purser@example.com")):
        issued = ca.issue_cert(whom)
        made[f"{name}-key"] = issued.private_key_pem.bytes()
        made[name] = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    for name, text in made.items():
        (tmp_path / f"{name}.pem").write_bytes(text)
    return {name: str(tmp_path / f"{name}.pem") for name in made}


async def test_with_mutual_tls(pem: dict[str, str]) -> None:
    options = (
        *("--player", "anna=1000.00EUR", "--tls-certificate", pem["server"]),
        *("--tls-key", pem["server-key"], "--tls-client-ca", pem["ca"]),
    )
    own = ("--tls-certificate", pem["client"], "--tls-key", pem["client-key"])
    some = ("--only", "bet-replayed")
    async with CasinoProcess("lucky", SECRET, *options) as casino:
        known = await conform(casino.address, "--tls-ca", pem["ca"], *own, *some)
        without = await conform(casino.address, "--tls-ca", pem["ca"], *some)
        plain = await conform(casino.address, *some)
    assert known[0] == 0, known
    assert without[0] == plain[0] == 2
