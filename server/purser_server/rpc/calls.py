"""What surrounds every call: request id, authentication, role, errors, log and metrics."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc
from grpc.aio import AbortError, ServerInterceptor, ServicerContext

from purser_server.domain.errors import Reason, Refusal, RefusedError
from purser_server.domain.money import Currencies
from purser_server.domain.operators import Caller, Role, refuse_role
from purser_server.rpc.access import MAY_CALL, OPEN_TO_ALL
from purser_server.rpc.limits import require_valid
from purser_server.rpc.status import CODES, completed, status_of
from purser_server.usecases.authentication import Authenticator, unauthenticated

_log = logging.getLogger(__name__)

Observe = Callable[[str, str, float], None]
"""Is told (method, status code, seconds) of every call."""

REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_NO_CURRENCIES = Currencies({})

_caller: ContextVar[Caller] = ContextVar("caller")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def caller() -> Caller:
    """Return who makes the call that is being served."""
    return _caller.get()


def request_id() -> str:
    """Return the id of the call that is being served, empty outside of one."""
    return _request_id.get()


def edge_refusal(refusal: Refusal) -> Refusal:
    """Return a refusal with what only the edge knows of this call."""
    who = _caller.get(None)
    return completed(refusal, who.currencies if who else _NO_CURRENCIES, request_id())


class CallInterceptor(ServerInterceptor):
    """Wraps every method of Purser's own services; health and reflection pass untouched."""

    def __init__(self, authenticator: Authenticator, observe: Observe) -> None:
        self._authenticator = authenticator
        self._observe = observe
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the method's handler, wrapped; gRPC asks for each call."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(OPEN_TO_ALL):
            return handler
        serve = self._around(method, MAY_CALL[method], handler.unary_unary)
        wrapped = grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        self._wrapped[method] = wrapped
        return wrapped

    def _around(self, method: str, roles: tuple[Role, ...], serve: Any) -> Any:
        async def serve_call(request: Any, context: ServicerContext[Any, Any]) -> Any:
            started = time.perf_counter()
            code = grpc.StatusCode.OK
            metadata = dict(context.invocation_metadata() or ())
            _request_id.set(_id_of(metadata))
            try:
                who = await self._authenticator.caller_of(_key_of(metadata))
                _caller.set(who)
                refusal = refuse_role(who, roles)
                if refusal is not None:
                    raise RefusedError(refusal)
                require_valid(request, who.currencies)
                response = await serve(request, context)
                context.set_trailing_metadata(((REQUEST_ID, request_id()),))
                return response
            except RefusedError as error:
                code = CODES[error.refusal.reason]
                await _abort(context, edge_refusal(error.refusal))
            except AbortError:
                raise
            except asyncio.CancelledError:
                # The caller hung up, or its deadline has passed.
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception:
                code = grpc.StatusCode.INTERNAL
                _log.exception("%s failed", method)
                await _abort(context, edge_refusal(_INTERNAL))
            finally:
                self._observe(method, code.name, time.perf_counter() - started)

        return serve_call


_INTERNAL = Refusal(Reason.INTERNAL_ERROR, "an internal error; the server's log has the details")


async def _abort(context: ServicerContext[Any, Any], refusal: Refusal) -> None:
    """End the call with the refusal's status and details."""
    _log.debug("refused: %s %s", refusal.reason, refusal.message)
    await context.abort(
        CODES[refusal.reason],
        refusal.message,
        (
            (REQUEST_ID, request_id()),
            ("grpc-status-details-bin", status_of(refusal).SerializeToString()),
        ),
    )


def _id_of(metadata: dict[str, Any]) -> str:
    """Return the caller's own request id if it has a sane form, else a new one."""
    given = metadata.get(REQUEST_ID)
    if isinstance(given, str) and _REQUEST_ID_FORM.fullmatch(given):
        return given
    return uuid.uuid4().hex


def _key_of(metadata: dict[str, Any]) -> str:
    given = metadata.get("authorization", "")
    scheme, _, key = given.partition(" ") if isinstance(given, str) else ("", "", "")
    if scheme.lower() != "bearer":
        raise RefusedError(unauthenticated())
    return str(key.strip())
