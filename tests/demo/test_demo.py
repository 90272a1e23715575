"""`purser demo`, run as a newcomer runs it; however it ends, it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from purser_server.demo import casino_chapters, chapters, loyalty_chapters, stage, story
from purser_server.demo.loyalty_orders import PURCHASES
from purser_server.demo.requests import deposit
from purser_server.demo.stage import Stage
from tests.support.leftovers import processes_of

pytestmark = pytest.mark.slow

PURSER = Path(sys.executable).with_name("purser")
BOUND_S = 120

STORY = (
    # Transfer mode.
    "OpenGameSession alice refused: INSUFFICIENT_FUNDS balance € 0.00, required € 0.01",
    "Deposit deposit-1 +€ 100.00 balance € 100.00",
    "Win win-1 +€ 50.00 balance € 130.00",
    "Rollback rollback-1 +€ 20.00 balance € 130.00",
    "Bet bet-4 refused: TRANSACTION_ROLLED_BACK",
    "Deposit deposit-1 replayed",
    "refused: TRANSACTION_ID_REUSED field amount.minor_units",
    "Bet bet-5 refused: INSUFFICIENT_FUNDS balance € 130.00, required € 500.00",
    "Execute: bet bet-7 refused: INSUFFICIENT_FUNDS",
    "Execute, atomic deposit-2 refused: ATOMIC_GROUP_FAILED",
    "Withdraw withdraw-1 -€ 145.00 balance € 0.00",
    "withdraw-1 WITHDRAWAL COMPLETED € 145.00 € 145.00 € 0.00 9",
    "bet-3 BET ROLLED_BACK € 20.00 € 130.00 € 110.00 5 round-2",
    # Seamless mode.
    "Bet bet-1 -€ 10.00 the casino has € 90.00",
    "Win win-1 +€ 25.00 the casino has € 115.00",
    "Bet bet-2 not known: CASINO_UNREACHABLE state PENDING",
    "GetTransaction bet-2 ROLLED_BACK",
    "Bet bet-2 refused: TRANSACTION_ROLLED_BACK, replayed round_id round-2",
    "Bet bet-5 refused: INSUFFICIENT_FUNDS, replayed balance € 130.00",
    # Prizes, in both modes.
    "PrizeCashback return-1 CONFIRMED: balance € 25.00",
    "OrderPrizeShipment prize-1 refused: PRIZE_NOT_SHIPPABLE state CASHED_BACK",
    "PrizeCashback return-1 FAILED",
    "GetPrize prize-1 GRANTED again after",
    "PrizeCashback return-2 CONFIRMED: the casino has € 140.00",
    # What the casino has in the end.
    "Purser recorded bob € 100.00 +€ 40.00 = € 140.00",
    "GetBalance bob the casino has € 140.00",
    "purser-casino ended with exit code 0",
    # The shop: orders, cashback and points.
    "QuoteOrder Lisa 80 points, and nothing is stored yet",
    "RewardOrder ORDER-54321 Sarah earns 12 points, worth € 1.20",
    "RewardOrder ORDER-98765 John earns 75 points, worth € 7.50",
    "RewardOrder ORDER-11111 Emma earns 30 points, worth € 3.00",
    "RewardOrder ORDER-56789 Lisa earns 80 points, worth € 8.00",
    "who product qty net rate multiplier campaign exact points",
    "Sarah shoes001 1 € 12.50 1 1 - 12.5 12",
    "John console001 1 € 25.00 1 3 triple-games 75 75",
    "Lisa yoga_mat001 3 € 30.00 1 2 double-health 60 60",
    "bottle001 2 € 10.00 1 2 double-health 20 20",
    "IssueCashback TXN987654321 € 150.75 earns 150 points, worth € 15.00",
    "IssueCashback TXN987654321 replayed",
    "HoldPoints checkout-1 50 points are set aside for € 5.00",
    "GetPointsBalance 100 to spend (€ 10.00), 50 held",
    "tea001 0.375 € 5.04 1 1 - 5.04 5",
    "GetHold checkout-1 captured by the order",
    "ORDER-20001 REDEMPTION -50 150 100 checkout-1",
    "ORDER-20001 REWARD +14 100 114",
    "IssueCashback TXN987654322 € 150.75 earns € 150.75 and 0 points",
    "GetBalance cust_12345abc € 150.75, to play with",
    "GetPointsBalance 100 to spend (€ 10.00), 14 pending",
    # The shop: returns.
    "txn_sarah001 reverses ORDER-54321: € 12.50 for 1 shoes001 at € 12.50",
    "Refund Sarah 12 points and € 12.50, 0 points stay",
    "Refund John 75 points and € 25.00, 0 points stay",
    "txn_emma003 reverses ORDER-11111: € 15.00, no lines",
    "Refund Emma 0 points and € 15.00, 30 points stay",
    "Refund Lisa 40 points and € 20.00, 40 points stay",
    # The end.
    "operators 2",
    "transactions 32",
    "the ledger is consistent",
    "ended with exit code 0",
    "All of it came true",
)
"""What a newcomer reads, among other lines."""


@pytest.fixture
def tmpdir_of_demo() -> Iterator[Path]:
    """The folder for temporary files that the demo is given; it must be as empty at the end."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def environment(tmpdir: Path) -> dict[str, str]:
    # None of these may reach the demo's server.
    confusing = {
        "PURSER_DATABASE_URL": "postgresql://nobody@nowhere/nothing",
        "PURSER_WORKERS": "3",
    }
    return {**os.environ, **confusing, "TMPDIR": str(tmpdir), "LC_ALL": "C.UTF-8"}


def run(tmpdir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PURSER, "demo"],
        env=environment(tmpdir),
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


def assert_nothing_left(tmpdir: Path) -> None:
    deadline = time.monotonic() + 20
    while (left := processes_of(tmpdir, "purser-demo-")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    # A program that ends while Python tries whether the folder can be written to leaves the small
    # file of that trial; everything of Purser's own lives in folders.
    assert [path for path in tmpdir.iterdir() if path.is_dir() or path.stat().st_size > 8] == []


def test_demo_plays_the_whole_story(tmpdir_of_demo: Path) -> None:
    finished = run(tmpdir_of_demo)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    said = " ".join(finished.stdout.split())
    assert said.startswith("1. The server")
    for part in STORY:
        assert part in said, f"{part!r} is not in the output:\n{finished.stdout}"
    assert_nothing_left(tmpdir_of_demo)


def test_demo_tells_why_its_server_cannot_start(tmpdir_of_demo: Path) -> None:
    too_long_for_sockets = tmpdir_of_demo / ("n" * 120)
    too_long_for_sockets.mkdir()
    finished = run(too_long_for_sockets)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    said = " ".join(finished.stderr.split())
    assert "The demo failed: the server ended with exit code 1" in said
    assert "no socket can have a path as long as" in said
    assert_nothing_left(too_long_for_sockets)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "after", ["starting the server", "A casino is set up", "The casino keeps the money", "roll it"]
)
def test_interrupted_demo_cleans_up(told: signal.Signals, after: str, tmpdir_of_demo: Path) -> None:
    with subprocess.Popen(
        [PURSER, "demo"],
        env=environment(tmpdir_of_demo),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        assert any(after in line for line in demo.stdout)
        demo.send_signal(told)
        _, errors = demo.communicate(timeout=BOUND_S)
    assert demo.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert_nothing_left(tmpdir_of_demo)


def test_demo_fails_when_an_expectation_does(
    tmpdir_of_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bring_too_little(stage: Stage) -> None:
        stage.moves(stage.casino.wallet.Deposit, deposit("deposit-1", "90.00"), leaves="100.00")

    monkeypatch.setattr(chapters, "bring_money", bring_too_little)
    monkeypatch.setattr(tempfile, "tempdir", str(tmpdir_of_demo))
    assert story.play() == 1
    said = " ".join(capsys.readouterr().err.split())
    wanted = "the balance after Deposit deposit-1 should be € 100.00, but is € 90.00"
    assert f"The demo failed: {wanted}" in said
    assert_nothing_left(tmpdir_of_demo)


def test_demo_fails_when_the_casino_keeps_a_stake_that_nobody_knows_of(
    tmpdir_of_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The answer is lost, and every rollback with it.
    faults = "bet:drop-after@2,rollback:drop-before"
    monkeypatch.setattr(casino_chapters, "FAULTS", faults)
    monkeypatch.setattr(stage, "SETTLED_WITHIN_S", 1.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmpdir_of_demo))
    monkeypatch.setenv("TMPDIR", str(tmpdir_of_demo))
    assert story.play() == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "The demo failed: bet-2 is still pending after 1 s" in said
    assert_nothing_left(tmpdir_of_demo)


def test_demo_fails_when_an_order_earns_something_else(
    tmpdir_of_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {**PURCHASES, "Lisa": replace(PURCHASES["Lisa"], earns=(40, 40))}
    monkeypatch.setattr(loyalty_chapters, "PURCHASES", wrong)
    monkeypatch.setattr(tempfile, "tempdir", str(tmpdir_of_demo))
    monkeypatch.setenv("TMPDIR", str(tmpdir_of_demo))
    assert story.play() == 1
    said = " ".join(capsys.readouterr().err.split())
    wanted = "the points of each line of ORDER-56789 should be [40, 40], but is [60, 20]"
    assert f"The demo failed: {wanted}" in said
    assert_nothing_left(tmpdir_of_demo)
