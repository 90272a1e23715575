"""TLS, and mutual TLS, with certificates made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import outcome
from tests.support.client import Failure
from tests.support.process import ADMIN_KEY, PurserProcess, run_purser
from tests.support.rpcs import RPCS

(LIST_OPERATORS,) = (rpc for rpc in RPCS if rpc.name == "ListOperators")


@dataclass(frozen=True)
class Certificates:
    """Files of a server, and two authorities for clients: one trusted, one not."""

    ca: trustme.CA
    stranger: trustme.CA
    certificate: Path
    key: Path
    ca_file: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--tls-certificate", str(self.certificate), "--tls-key", str(self.key))

    def client(self, issued_by: trustme.CA | None = None) -> grpc.ChannelCredentials:
        """Return what a client brings, perhaps with a certificate of its own."""
        roots = self.ca.cert_pem.bytes()
        if issued_by is None:
            return grpc.ssl_channel_credentials(roots)
        own = issued_by.issue_cert("backend@casino.example")
        return grpc.ssl_channel_credentials(
            roots, own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1", "localhost")
    found = Certificates(
        ca, trustme.CA(), folder / "server.pem", folder / "server.key", folder / "ca.pem"
    )
    for blob in issued.cert_chain_pems:
        blob.write_to_path(found.certificate, append=True)
    issued.private_key_pem.write_to_path(found.key)
    ca.cert_pem.write_to_path(found.ca_file)
    return found


async def health(channel: grpc.aio.Channel) -> Any:
    async with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return await outcome(stub.Check(health_pb2.HealthCheckRequest(), timeout=10))


def secured(server: PurserProcess, credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(server.address, credentials)


async def test_with_tls_the_server_proves_itself_and_plaintext_is_not_served(
    postgres: EmbeddedPostgres, certificates: Certificates
) -> None:
    options = ("--database-url", postgres.url, *certificates.options)
    async with PurserProcess(*options) as server:
        assert b"TLS" in server.output
        channel = secured(server, certificates.client())
        listed = await LIST_OPERATORS.call(channel, LIST_OPERATORS.request(), ADMIN_KEY)
        assert listed is not None
        assert not isinstance(await health(channel), Failure)
        assert isinstance(await health(grpc.aio.insecure_channel(server.address)), Failure)
        strangers = grpc.ssl_channel_credentials(certificates.stranger.cert_pem.bytes())
        assert isinstance(await health(secured(server, strangers)), Failure)


async def test_with_a_client_authority_only_its_clients_get_in(
    postgres: EmbeddedPostgres, certificates: Certificates
) -> None:
    options = (
        *("--database-url", postgres.url, *certificates.options),
        *("--tls-client-ca", str(certificates.ca_file)),
    )
    async with PurserProcess(*options) as server:
        known = await health(secured(server, certificates.client(certificates.ca)))
        assert not isinstance(known, Failure), str(known)
        without = await health(secured(server, certificates.client()))
        assert isinstance(without, Failure)
        foreign = await health(secured(server, certificates.client(certificates.stranger)))
        assert isinstance(foreign, Failure)


async def test_a_secured_server_may_listen_for_other_machines(
    postgres: EmbeddedPostgres, certificates: Certificates
) -> None:
    options = ("--database-url", postgres.url, *certificates.options, "--listen", "0.0.0.0:0")
    async with PurserProcess(*options) as server:
        found = await health(secured(server, certificates.client()))
        assert not isinstance(found, Failure), str(found)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--tls-certificate", "server.pem"), "PURSER_TLS_KEY: TLS"),
        (("--tls-key", "server.key"), "PURSER_TLS_CERTIFICATE: TLS"),
        (("--tls-client-ca", "ca.pem"), "--tls-certificate"),
    ],
)
async def test_half_of_a_tls_setting_is_refused(options: tuple[str, ...], word: str) -> None:
    code, _, errors = await run_purser("serve", *options)
    assert code == 2
    assert word in errors
    assert "Traceback" not in errors


async def test_a_certificate_that_is_not_there_is_told_in_one_line(
    postgres: EmbeddedPostgres, certificates: Certificates, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.pem"
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for wrong in (missing, garbage):
        code, _, errors = await run_purser(
            *("serve", "--listen", "127.0.0.1:0", "--database-url", postgres.url),
            *("--tls-certificate", str(wrong), "--tls-key", str(certificates.key)),
            PURSER_ADMIN_KEY=ADMIN_KEY,
        )
        assert code in {1, 2}
        assert "Traceback" not in errors
