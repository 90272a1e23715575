"""What surrounds every call: request id, authentication, role, errors, log and metrics."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import AbortError, ServerInterceptor, ServicerContext

from purser_server.domain.errors import Reason, Refusal, RefusedError, invalid_field
from purser_server.domain.money import Currencies
from purser_server.domain.operators import Caller, refuse_role
from purser_server.rpc.access import MAY_CALL, OPEN_TO_ALL
from purser_server.rpc.limits import require_valid
from purser_server.rpc.status import CODES, completed, status_of
from purser_server.usecases.authentication import Authenticator, unauthenticated

_log = logging.getLogger(__name__)

Context = ServicerContext[Any, Any]
Observe = Callable[[str, str, float], None]
"""Is told (method, status code, seconds) of every call."""

REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_NO_CURRENCIES = Currencies({})

_caller: ContextVar[Caller] = ContextVar("caller")
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_admit_again: ContextVar[Callable[[], Awaitable[Caller]]] = ContextVar("admit_again")


def caller() -> Caller:
    """Return who makes the call that is being served."""
    return _caller.get()


async def still_allowed() -> None:
    """Authenticate the caller of a stream again. Raises RefusedError when the key was revoked."""
    await _admit_again.get()()


def request_id() -> str:
    """Return the id of the call that is being served, empty outside of one."""
    return _request_id.get()


def edge_refusal(refusal: Refusal) -> Refusal:
    """Return a refusal with what only the edge knows of this call."""
    if refusal.reason is Reason.INTERNAL_ERROR:
        # The defect is logged where it shows, which may be outside of the call: this is the link.
        _log.error("answered with INTERNAL_ERROR; the lines before tell of the defect")
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
        wrapped = self._wrap(method, handler)
        self._wrapped[method] = wrapped
        return wrapped

    def _wrap(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        if not handler.response_streaming:
            make, serve = grpc.unary_unary_rpc_method_handler, self._one_answer(method, handler)
        elif handler.request_streaming:
            make, serve = grpc.stream_stream_rpc_method_handler, self._answers(method, handler)
        else:
            make, serve = grpc.unary_stream_rpc_method_handler, self._answers(method, handler)
        # Single requests are decoded within the call, where bytes that are no message have an
        # answer like any other; those of a stream are decoded by gRPC.
        deserialize = handler.request_deserializer if handler.request_streaming else None
        return make(serve, deserialize, handler.response_serializer)

    def _one_answer(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Any:
        serve: Any = handler.unary_unary

        async def serve_call(request: Any, context: Context) -> Any:
            started = time.perf_counter()
            code = grpc.StatusCode.OK
            try:
                who = await self._admit(method, _begin(context))
                message = _decoded(handler, request)
                require_valid(message, who.currencies)
                answer = await serve(message, context)
                context.set_trailing_metadata(((REQUEST_ID, request_id()),))
                return answer
            except BaseException as error:
                code = _code_of(error, method)
                await _abort_for(context, error)
                raise
            finally:
                self._observe(method, code.name, time.perf_counter() - started)

        return serve_call

    def _answers(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Any:
        serve: Any = handler.stream_stream or handler.unary_stream

        async def serve_call(request: Any, context: Context) -> AsyncIterator[Any]:
            started = time.perf_counter()
            code = grpc.StatusCode.OK
            try:
                metadata = _begin(context)
                who = await self._admit(method, metadata)
                _admit_again.set(partial(self._admit, method, metadata))
                message = request
                if not handler.request_streaming:
                    message = _decoded(handler, request)
                    require_valid(message, who.currencies)
                async for answer in serve(message, context):
                    yield answer
                context.set_trailing_metadata(((REQUEST_ID, request_id()),))
            except BaseException as error:
                code = _code_of(error, method)
                await _abort_for(context, error)
                raise
            finally:
                self._observe(method, code.name, time.perf_counter() - started)

        return serve_call

    async def _admit(self, method: str, metadata: dict[str, Any]) -> Caller:
        """Know the caller. Raises RefusedError: UNAUTHENTICATED_KEY, ROLE_MISSING."""
        who = await self._authenticator.caller_of(_key_of(metadata))
        refusal = refuse_role(who, MAY_CALL[method])
        if refusal is not None:
            raise RefusedError(refusal)
        _caller.set(who)
        return who


def _begin(context: Context) -> dict[str, Any]:
    """Give the call its id; return its metadata."""
    metadata = dict(context.invocation_metadata() or ())
    _request_id.set(_id_of(metadata))
    return metadata


def _code_of(error: BaseException, method: str) -> grpc.StatusCode:
    """Return the status with which an error ends a call; what nobody foresaw is logged."""
    if isinstance(error, RefusedError):
        return CODES[error.refusal.reason]
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        # The caller hung up, or its deadline has passed.
        return grpc.StatusCode.CANCELLED
    if not isinstance(error, AbortError):
        _log.error("%s failed", method, exc_info=error)
    return grpc.StatusCode.INTERNAL


async def _abort_for(context: Context, error: BaseException) -> None:
    """End the call with the error's status and details, if it is one that callers are told."""
    if isinstance(error, RefusedError):
        await _abort(context, edge_refusal(error.refusal))
    elif isinstance(error, Exception) and not isinstance(error, AbortError):
        await _abort(context, edge_refusal(_INTERNAL))


def _decoded(handler: grpc.RpcMethodHandler[Any, Any], request: bytes) -> Any:
    deserialize: Any = handler.request_deserializer
    try:
        return deserialize(request)
    except DecodeError as error:
        problem = "is not an encoded message of this rpc's request type"
        raise RefusedError(invalid_field("request", problem)) from error


_INTERNAL = Refusal(Reason.INTERNAL_ERROR, "an internal error; the server's log has the details")


async def _abort(context: Context, refusal: Refusal) -> None:
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
    return secrets.token_hex(16)


def _key_of(metadata: dict[str, Any]) -> str:
    given = metadata.get("authorization", "")
    scheme, _, key = given.partition(" ") if isinstance(given, str) else ("", "", "")
    if scheme.lower() != "bearer":
        raise RefusedError(unauthenticated())
    return str(key.strip())
