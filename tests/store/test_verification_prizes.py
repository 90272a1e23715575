"""Damage to prizes and their payments is found and named; sound ones have no findings."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2
from purser_server.app import prepare
from purser_server.domain.verification import Finding, FindingKind
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.store.test_verification_history import verify
from tests.support.client import BACKEND, LOYALTY, Client, Installation, eur
from tests.support.databases import connected, database_of_its_own
from tests.support.prizes import DENIED, FAILED, PrizeDesk
from tests.support.process import PurserProcess

PRIZE = FindingKind.PRIZE_MISMATCH
PLAYER = FindingKind.PLAYER_MISMATCH
MALFORMED = FindingKind.TRANSACTION_MALFORMED
NOBODY = "127.0.0.1:1"
SUSPENDED, ACTIVE = wallet_pb2.PLAYER_STATUS_SUSPENDED, wallet_pb2.PLAYER_STATUS_ACTIVE


@pytest.fixture(scope="module")
async def books(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database with prizes in each state, in both modes, that nobody is connected to."""
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        async with PurserProcess("--database-url", url, env={"PURSER_LANES": "1"}) as server:
            installation = Installation(server.address)
            await tell_of_transfer_mode(installation)
            await tell_of_seamless_mode(installation)
            await installation.assert_consistent()
            await installation.close()
        yield url


async def tell_of_transfer_mode(installation: Installation) -> None:
    casino = await installation.new_casino(BACKEND, LOYALTY, operator_id="casino")
    desk = PrizeDesk(casino)
    for player in ("ann", "bob"):
        await casino.new_player(player_id=player)
    for prize in ("kept", "shipped", "returned", "other"):
        await desk.grant("ann", prize, eur("2.00"))
    await status(casino, SUSPENDED)
    assert await desk.hears("ann", "denied", "returned") == DENIED
    await status(casino, ACTIVE)
    await desk.ship("ann", "shipped")
    await desk.give_back("ann", "paid", "returned")
    await desk.give_back("ann", "paid-other", "other")


async def status(casino: Client, status: Any) -> None:
    await casino.players.UpdatePlayer(
        player_service_pb2.UpdatePlayerRequest(player_id="ann", status=status)
    )


async def tell_of_seamless_mode(installation: Installation) -> None:
    casino = await installation.new_casino(BACKEND, LOYALTY, operator_id="seamless")
    desk = PrizeDesk(casino)
    await casino.new_player(player_id="cid")
    await desk.grant("cid", "waits", eur("3.00"))
    callback = operator_pb2.CallbackSettings(target=NOBODY, signing_secret="x" * 32)
    await installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(operator_id="seamless", callback=callback)
    )
    assert await desk.hears("cid", "asked", "waits") == FAILED


@pytest.fixture
async def ledger(postgres: EmbeddedPostgres, books: str) -> AsyncIterator[str]:
    """A copy of the books, to be damaged."""
    async with database_of_its_own(postgres.url, template=books) as url:
        yield url


def found(finding: Finding) -> tuple[Any, ...]:
    def plain(words: str) -> str:
        return re.sub(r"number \d+", "number N", words)

    return (
        finding.kind,
        finding.player_id,
        finding.transaction_id,
        plain(finding.expected),
        plain(finding.found),
    )


async def test_sound_prizes_have_no_findings(ledger: str) -> None:
    assert (await verify(ledger)).findings == ()


PAID = "player number N value 200 EUR prize returned"
WAITS = "player number N value 300 EUR prize waits"
NOT_PAID_BY_IT = "prize returned returned by it"

DAMAGE: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "a prize that was paid for and is still there": (
        "UPDATE prizes SET state = 1, return_id = '' WHERE prize_id = 'returned'",
        [(PRIZE, "ann", "paid", NOT_PAID_BY_IT, "no such prize")],
    ),
    "a prize that was paid for and is gone": (
        "DELETE FROM prizes WHERE prize_id = 'returned'",
        [(PRIZE, "ann", "paid", NOT_PAID_BY_IT, "no such prize")],
    ),
    "a prize that was taken and never paid for": (
        "UPDATE prizes SET state = 3, return_id = 'made-up' WHERE prize_id = 'kept'",
        [(PRIZE, "ann", "made-up", "a payment of prize kept", "no payment")],
    ),
    "a prize whose payment was refused": (
        "UPDATE prizes SET state = 3, return_id = 'denied' WHERE prize_id = 'kept'",
        [(PRIZE, "ann", "denied", "a payment of prize kept", "no payment")],
    ),
    "a prize that was paid for twice": (
        'UPDATE transactions SET detail = \'{"prize_id": "returned"}\''
        " WHERE transaction_id = 'paid-other'",
        [
            (PRIZE, "ann", "paid-other", NOT_PAID_BY_IT, "no such prize"),
            (
                *(PRIZE, "ann", "paid-other"),
                "player number N value 200 EUR prize other",
                "player number N value 200 EUR prize returned",
            ),
        ],
    ),
    "a payment that names no prize": (
        "UPDATE transactions SET detail = NULL WHERE transaction_id = 'paid'",
        [
            (MALFORMED, "ann", "paid", "a prize", "nothing"),
            (PRIZE, "ann", "paid", "prize  returned by it", "no such prize"),
        ],
    ),
    "a prize that is worth more than was paid": (
        "UPDATE prizes SET cash_value = 201 WHERE prize_id = 'returned'",
        [(PRIZE, "ann", "paid", PAID.replace("200", "201"), PAID)],
    ),
    "a prize of another player than was paid": (
        "UPDATE prizes SET player_no = (SELECT player_no FROM players WHERE player_id = 'bob')"
        " WHERE prize_id = 'returned'",
        [(PRIZE, "bob", "paid", PAID, PAID)],
    ),
    "a prize of nobody": (
        "UPDATE prizes SET player_no = 0 WHERE prize_id = 'kept'",
        [(PLAYER, "", "", "a player with the number N", "no player")],
    ),
    "a prize that is stored as expired": (
        "UPDATE prizes SET state = 5 WHERE prize_id = 'kept'",
        [(PRIZE, "ann", "", "GRANTED or SHIPMENT_ORDERED", "EXPIRED")],
    ),
    "a shipped prize that names a return": (
        "UPDATE prizes SET return_id = 'paid' WHERE prize_id = 'shipped'",
        [(PRIZE, "ann", "paid", "RETURN_PENDING or CASHED_BACK", "SHIPMENT_ORDERED")],
    ),
    "a prize that waits for nobody": (
        "DELETE FROM pending WHERE transaction_id = 'asked'",
        [(PRIZE, "cid", "asked", WAITS, "nobody is asked")],
    ),
    "a casino that is asked for more": (
        "UPDATE pending SET amount = 301 WHERE transaction_id = 'asked'",
        [(PRIZE, "cid", "asked", WAITS, WAITS.replace("300", "301"))],
    ),
    "a casino that is asked for a prize that was let go": (
        "UPDATE prizes SET state = 1, return_id = '' WHERE prize_id = 'waits'",
        [(PRIZE, "cid", "asked", "prize waits RETURN_PENDING", "no such prize")],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damage_is_found_and_named(ledger: str, what: str) -> None:
    statement, expected = DAMAGE[what]
    async with connected(ledger) as connection:
        await connection.execute("SET session_replication_role = replica")
        done = await connection.execute(statement)
    assert done.endswith(" 1"), done

    result = await verify(ledger)

    assert sorted(map(found, result.findings)) == sorted(expected)
    assert all(finding.message for finding in result.findings)
    damaged = {finding.operator_id for finding in result.findings}
    (other,) = {"casino", "seamless"} - damaged
    assert (await verify(ledger, other)).consistent
