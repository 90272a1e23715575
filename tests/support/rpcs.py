"""Every rpc that is served, taken from the descriptors, and a way to call the unary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.protobuf import descriptor_pool, message_factory

from purser_server.rpc.services import SERVICES


@dataclass(frozen=True)
class Rpc:
    """One method of one service."""

    service: str
    name: str
    request: Any
    response: Any
    streams: bool

    @property
    def path(self) -> str:
        """The method path on the wire."""
        return f"/{self.service}/{self.name}"

    def __str__(self) -> str:
        return self.name

    async def call(
        self,
        channel: grpc.aio.Channel,
        request: Any,
        api_key: str | None = None,
        *metadata: tuple[str, str],
    ) -> Any:
        """Call it; `request` is a message, or bytes to be sent as they are."""
        if api_key is not None:
            metadata = (("authorization", f"Bearer {api_key}"), *metadata)
        method = channel.unary_unary(
            self.path,
            request_serializer=bytes if isinstance(request, bytes) else _serialize,
            response_deserializer=self.response.FromString,
        )
        return await method(request, metadata=metadata, timeout=60)


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _served() -> list[Rpc]:
    pool = descriptor_pool.Default()
    return [
        Rpc(
            service,
            method.name,
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
            method.client_streaming or method.server_streaming,
        )
        for service in SERVICES
        for method in pool.FindServiceByName(service).methods
    ]


EVERY_RPC = _served()
"""In the order of the protos."""

RPCS = [rpc for rpc in EVERY_RPC if not rpc.streams]
"""Those with one request and one answer; the streams have tests of their own."""
