"""TLS from Purser to the casino, and mutual TLS, with certificates made on the spot."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trustme

from purser.admin.v1 import operator_pb2
from purser_casino import ReferenceCasino, Tls
from tests.seamless.scene import ROLLED_BACK, SECRET, Seamless
from tests.support.client import Client, Installation, eur, refused

CA, STRANGER = trustme.CA(), trustme.CA()
OF_CASINO = CA.issue_cert("127.0.0.1", "localhost")


def trusting(ca: trustme.CA, shown_from: trustme.CA | None = None) -> operator_pb2.CallbackTls:
    """Return settings that trust one authority, and perhaps show a certificate of another."""
    settings = operator_pb2.CallbackTls(ca_pem=ca.cert_pem.bytes().decode())
    if shown_from is not None:
        own = shown_from.issue_cert("purser@example.org")
        settings.client_certificate_pem = own.cert_chain_pems[0].bytes().decode()
        settings.client_key_pem = own.private_key_pem.bytes().decode()
    return settings


@pytest.fixture
async def secured(
    installation: Installation, casino: Client, asks_for_certificate: bool
) -> AsyncIterator[Seamless]:
    """An operator whose casino speaks TLS, and may ask for Purser's certificate as well."""
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    tls = Tls(
        b"".join(blob.bytes() for blob in OF_CASINO.cert_chain_pems),
        OF_CASINO.private_key_pem.bytes(),
        CA.cert_pem.bytes() if asks_for_certificate else None,
    )
    async with ReferenceCasino(operator_id, SECRET, tls=tls) as keeper:
        yield Seamless(casino, keeper, installation, operator_id)


@pytest.mark.parametrize(
    ("asks_for_certificate", "tls"),
    [
        pytest.param(False, trusting(CA), id="TLS"),
        pytest.param(True, trusting(CA, shown_from=CA), id="mutual TLS"),
    ],
)
async def test_with_the_right_certificates_all_is_as_ever(
    secured: Seamless, tls: operator_pb2.CallbackTls
) -> None:
    await secured.call_the_casino_at(secured.casino.address, tls=tls)
    player = await secured.new_player(100)

    await secured.games.bet(player, eur("5.00"), "r1", "b1")
    await secured.games.win(player, eur("12.50"), "r1", "b1", "w1")
    await secured.games.rollback(player, "w1", "u1")

    assert await secured.games.balance(player) == 9_500
    await secured.assert_agreement()


@pytest.mark.parametrize(
    ("asks_for_certificate", "wrong"),
    [
        pytest.param(False, None, id="no TLS"),
        pytest.param(False, trusting(STRANGER), id="nobody vouches for the casino"),
        pytest.param(True, trusting(STRANGER, shown_from=CA), id="nor for this one"),
        pytest.param(True, trusting(CA), id="no certificate of Purser"),
        pytest.param(True, trusting(CA, shown_from=STRANGER), id="nobody vouches for Purser"),
    ],
)
async def test_with_wrong_certificates_nothing_reaches_the_casino_and_nothing_is_half_done(
    secured: Seamless, wrong: operator_pb2.CallbackTls | None
) -> None:
    await secured.call_the_casino_at(secured.casino.address, tls=wrong)
    player = await secured.new_player(100)

    with refused("CASINO_UNREACHABLE"):
        await secured.games.bet(player, eur("5.00"), "r1", "b1")
    with refused("CASINO_UNREACHABLE"):
        await secured.games.balance(player)
    assert not secured.casino.seen()

    # Once somebody has set it right, what was left undecided comes to its end by itself.
    right = trusting(CA, shown_from=CA)
    await secured.call_the_casino_at(secured.casino.address, tls=right)
    assert (await secured.settled("b1")).state == ROLLED_BACK
    assert secured.money(player) == 10_000
    await secured.assert_agreement()
