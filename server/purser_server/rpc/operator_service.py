"""OperatorService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.admin.v1 import operator_pb2
from purser.admin.v1 import operator_service_pb2 as pb
from purser.admin.v1.operator_service_pb2_grpc import OperatorServiceServicer
from purser_server.domain.errors import RefusedError, invalid_field
from purser_server.domain.operators import Role
from purser_server.rpc import from_proto, to_proto
from purser_server.usecases.operators import Operators
from purser_server.usecases.ports import OperatorChange

Context = ServicerContext[Any, Any]


class OperatorServicer(OperatorServiceServicer):
    """Serves purser.admin.v1.OperatorService, for the installation's admin key."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    async def CreateOperator(
        self, request: pb.CreateOperatorRequest, context: Context
    ) -> pb.CreateOperatorResponse:
        """Create an operator."""
        operator, replayed = await self._operators.create(
            request.operator_id, request.display_name, _exponents(request.currencies)
        )
        return pb.CreateOperatorResponse(operator=to_proto.operator(operator), replayed=replayed)

    async def GetOperator(
        self, request: pb.GetOperatorRequest, context: Context
    ) -> pb.GetOperatorResponse:
        """Return an operator."""
        operator = await self._operators.get(request.operator_id)
        return pb.GetOperatorResponse(operator=to_proto.operator(operator))

    async def ListOperators(
        self, request: pb.ListOperatorsRequest, context: Context
    ) -> pb.ListOperatorsResponse:
        """Return a page of operators, oldest first."""
        page, token = await self._operators.list(request.page_size, request.page_token)
        return pb.ListOperatorsResponse(
            operators=map(to_proto.operator, page), next_page_token=token
        )

    async def UpdateOperator(
        self, request: pb.UpdateOperatorRequest, context: Context
    ) -> pb.UpdateOperatorResponse:
        """Change an operator's settings."""
        change = OperatorChange(
            display_name=request.display_name,
            add_currencies=_exponents(request.add_currencies),
            player_messages=dict(request.player_messages) or None,
            callback=from_proto.callback(request.callback)
            if request.HasField("callback")
            else None,
        )
        operator = await self._operators.update(request.operator_id, change)
        return pb.UpdateOperatorResponse(operator=to_proto.operator(operator))

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        """Make an API key for an operator."""
        roles = [Role(role) for role in request.roles]
        if Role.ADMIN in roles:
            problem = "must not hold ADMIN: an operator's key cannot administer the installation"
            raise RefusedError(invalid_field(f"roles[{roles.index(Role.ADMIN)}]", problem))
        key_id, api_key = await self._operators.create_key(request.operator_id, roles)
        return pb.CreateApiKeyResponse(key_id=key_id, api_key=api_key)

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Context
    ) -> pb.ListApiKeysResponse:
        """Return a page of an operator's keys, oldest first."""
        page, token = await self._operators.list_keys(
            request.operator_id, request.page_size, request.page_token
        )
        return pb.ListApiKeysResponse(api_keys=map(to_proto.api_key, page), next_page_token=token)

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        """Revoke a key."""
        revoked = await self._operators.revoke_key(request.key_id)
        return pb.RevokeApiKeyResponse(api_key=to_proto.api_key(revoked))


def _exponents(currencies: Any) -> dict[str, int]:
    found: list[operator_pb2.Currency] = list(currencies)
    return {currency.code: currency.exponent for currency in found}
