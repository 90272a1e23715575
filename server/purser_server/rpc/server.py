"""The gRPC server: its limits, its services, health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from purser_server.rpc.calls import CallInterceptor, Observe
from purser_server.rpc.services import SERVICES, Servicer, add_servicer
from purser_server.usecases.authentication import Authenticator

_LAST_WORD_S = 0.2
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of what clients may do: bytes of metadata, streams per connection, calls in all."""

    max_metadata_bytes: int = 16 * 1024
    max_concurrent_streams: int = 1_000
    max_concurrent_calls: int = 20_000


class PurserServer:
    """A grpc.aio server with everything that it serves."""

    def __init__(
        self,
        servicers: Iterable[Servicer],
        authenticator: Authenticator,
        observe: Observe,
        limits: ServerLimits,
        stopping: asyncio.Event,
        *,
        share_port: bool = False,
    ) -> None:
        self._stopping = stopping
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(authenticator, observe)],
            maximum_concurrent_rpcs=limits.max_concurrent_calls,
            options=_options(limits, share_port=share_port),
        )
        add: Any = _ByName(self._server)
        for servicer in servicers:
            add_servicer(servicer, add)
        self._health = _Health(stopping)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, add)
        reflection.enable_server_reflection(
            (
                *SERVICES,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            ),
            add,
        )

    def listen(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Bind the address; return the port. Raises OSError when it cannot be had."""
        try:
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(
                f"cannot listen on {address}: is the port taken? "
                "Choose another --listen; port 0 takes a free one"
            ) from error

    async def start(self) -> None:
        """Begin to serve, and say so in health."""
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no new calls, let accepted ones finish for so many seconds."""
        await self._health.enter_graceful_shutdown()
        self._stopping.set()
        await self._server.stop(grace_s)

    async def _set_health(self, status: Any) -> None:
        for service in ("", *SERVICES):
            await self._health.set(service, status)


class _ByName:
    """A server as the generated code sees it, which finds each call's method by its name.

    For methods that are registered one by one grpc.aio begins, at each call, to wait for the next
    call of every one of them; with thirty of them that is a tenth of what an empty call takes.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, *_: object) -> None:
        """Leave it to the generic handlers, which know the same methods."""


class _Health(health_aio.HealthServicer):  # type: ignore[misc]
    """Ends its watches when the server stops; they would hold it up for all of the grace."""

    def __init__(self, stopping: asyncio.Event) -> None:
        super().__init__()
        self._stopping = stopping

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802
        """Tell a service's status, and each change of it."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # NOT_SERVING was set before the stop began, and is on its way to the watcher.
        await asyncio.wait({watching}, timeout=_LAST_WORD_S)
        for task in (watching, stopping):
            task.cancel()
        await asyncio.gather(watching, stopping, return_exceptions=True)


def credentials_of(
    certificate: bytes, key: bytes, client_ca: bytes | None
) -> grpc.ServerCredentials:
    """Return TLS credentials of PEM texts; with `client_ca` clients must show a certificate."""
    return grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=client_ca,
        require_client_auth=client_ca is not None,
    )


def _options(limits: ServerLimits, *, share_port: bool) -> list[tuple[str, Any]]:
    return [
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", limits.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_metadata_bytes),
        ("grpc.max_concurrent_streams", limits.max_concurrent_streams),
        # A connection whose other end vanished is found within a minute and a half.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
