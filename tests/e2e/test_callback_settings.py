"""Callback settings: stored as a whole, judged field by field, and told without secrets."""

from __future__ import annotations

import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.client import Installation, new_id, refused
from tests.support.databases import connected

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
TLS = operator_pb2.CallbackTls(ca_pem=PEM, client_certificate_pem=PEM, client_key_pem=KEY)
SETTINGS = operator_pb2.CallbackSettings(
    deadline_ms=1_500, max_calls_in_flight=16, tls=TLS, signing_secret="s" * 32
)
SHOWN = operator_pb2.CallbackSettings(
    deadline_ms=1_500,
    max_calls_in_flight=16,
    tls=operator_pb2.CallbackTls(ca_pem=PEM, client_certificate_pem=PEM),
)


async def _update(
    installation: Installation, operator: str, callback: operator_pb2.CallbackSettings | None
) -> operator_pb2.Operator:
    answer = await installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(operator_id=operator, callback=callback)
    )
    return answer.operator


async def _get(installation: Installation, operator: str) -> operator_pb2.Operator:
    request = operator_service_pb2.GetOperatorRequest(operator_id=operator)
    return (await installation.admin.operators.GetOperator(request)).operator


@pytest.fixture
async def operator(installation: Installation) -> str:
    """Create an operator without callback settings."""
    operator_id = new_id("casino")
    await installation.admin.operators.CreateOperator(
        operator_service_pb2.CreateOperatorRequest(operator_id=operator_id)
    )
    return operator_id


async def test_settings_are_kept_and_told_without_their_secrets(
    installation: Installation, operator: str
) -> None:
    assert not (await _get(installation, operator)).HasField("callback")

    updated = await _update(installation, operator, SETTINGS)

    assert updated.callback == SHOWN
    assert updated.wallet_mode == operator_pb2.WALLET_MODE_TRANSFER
    assert (await _get(installation, operator)).callback == SHOWN


async def test_absent_settings_stay_and_present_ones_are_replaced_whole(
    installation: Installation, operator: str
) -> None:
    await _update(installation, operator, SETTINGS)

    assert (await _update(installation, operator, None)).callback == SHOWN

    replaced = await _update(installation, operator, operator_pb2.CallbackSettings())
    assert replaced.callback == operator_pb2.CallbackSettings(
        deadline_ms=2_000, max_calls_in_flight=256
    )


async def test_secrets_are_stored_as_given(
    postgres: EmbeddedPostgres, installation: Installation, operator: str
) -> None:
    await _update(installation, operator, SETTINGS)

    async with connected(postgres.url) as connection:
        stored = await connection.fetchval(
            "SELECT callback->>'signing_secret' || (callback->'tls'->>'client_key_pem')"
            " FROM operators WHERE operator_id = $1",
            operator,
        )
    assert stored == "s" * 32 + KEY


async def test_a_target_makes_seamless_mode_and_none_makes_transfer_mode(
    installation: Installation, operator: str
) -> None:
    seamless = operator_pb2.CallbackSettings(target="casino:443", signing_secret="x" * 32)

    await _update(installation, operator, seamless)
    found = await _get(installation, operator)
    assert found.wallet_mode == operator_pb2.WALLET_MODE_SEAMLESS
    assert found.callback.target == "casino:443"

    await _update(installation, operator, operator_pb2.CallbackSettings())
    found = await _get(installation, operator)
    assert found.wallet_mode == operator_pb2.WALLET_MODE_TRANSFER


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("target", operator_pb2.CallbackSettings(target="casino", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target=":443", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="casino:0", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="casino:65536", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="casino:²", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="h:" + "1" * 5_000, signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="a b:443", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="a:b:c:443", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="user@casino:443", signing_secret="x")),
        ("target", operator_pb2.CallbackSettings(target="c" * 252 + ":443", signing_secret="x")),
        ("deadline_ms", operator_pb2.CallbackSettings(deadline_ms=99)),
        ("deadline_ms", operator_pb2.CallbackSettings(deadline_ms=30_001)),
        ("deadline_ms", operator_pb2.CallbackSettings(deadline_ms=-1)),
        ("max_calls_in_flight", operator_pb2.CallbackSettings(max_calls_in_flight=-1)),
        ("max_calls_in_flight", operator_pb2.CallbackSettings(max_calls_in_flight=10_001)),
        ("signing_secret", operator_pb2.CallbackSettings(target="casino:443")),
        ("signing_secret", operator_pb2.CallbackSettings(signing_secret="x" * 257)),
        ("signing_secret", operator_pb2.CallbackSettings(signing_secret="\0")),
        ("tls.ca_pem", operator_pb2.CallbackSettings(tls={"ca_pem": "no certificate"})),
        ("tls.ca_pem", operator_pb2.CallbackSettings(tls={"ca_pem": PEM + "x" * 65_536})),
        # What is shown again must not hold a key, as files with both do.
        ("tls.ca_pem", operator_pb2.CallbackSettings(tls={"ca_pem": KEY})),
        (
            "tls.client_certificate_pem",
            operator_pb2.CallbackSettings(
                tls={"client_certificate_pem": PEM + KEY, "client_key_pem": KEY}
            ),
        ),
        (
            "tls.client_key_pem",
            operator_pb2.CallbackSettings(
                tls={"client_certificate_pem": PEM, "client_key_pem": PEM}
            ),
        ),
        (
            "tls.client_key_pem",
            operator_pb2.CallbackSettings(tls={"client_certificate_pem": PEM}),
        ),
        (
            "tls.client_certificate_pem",
            operator_pb2.CallbackSettings(tls={"client_key_pem": KEY}),
        ),
    ],
)
async def test_settings_that_cannot_be_are_refused(
    installation: Installation, operator: str, field: str, settings: operator_pb2.CallbackSettings
) -> None:
    with refused("INVALID_FIELD") as failure:
        await _update(installation, operator, settings)

    assert failure.metadata["field"] == f"callback.{field}"
    assert not (await _get(installation, operator)).HasField("callback")
