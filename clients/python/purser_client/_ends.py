"""How a stream of the combiner ended, and what that means for those who wait."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

from purser_client._errors import may_be_repeated, of_status

# How a broken connection may show itself, beside UNAVAILABLE; ids make a repetition harmless.
# RESOURCE_EXHAUSTED without a reason is gRPC's own: too many calls at once.
_BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)

# What is said of the client, and not of a message: no other stream will fare better.
FINAL = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


def end_of(receiver: object, sender: object) -> grpc.aio.AioRpcError:
    """Return how a stream ended, from what its receiver and its sender returned or raised."""
    if isinstance(receiver, grpc.aio.AioRpcError):
        return receiver
    # These say no more than that the stream had ended before.
    late = isinstance(sender, grpc.aio.AioRpcError | asyncio.InvalidStateError)
    for end in (receiver, None if late else sender):
        if isinstance(end, Exception):
            raise end
    return _ended()


def _ended() -> grpc.aio.AioRpcError:
    """Return what it means that a stream ended without an error: one side gave it up."""
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, nothing, nothing, "the stream ended before the answer"
    )


def is_broken(error: grpc.aio.AioRpcError) -> bool:
    """Tell whether another stream may serve the same callers."""
    told = of_status(error)
    if told.reason:
        return may_be_repeated(told)
    return error.code() in _BROKEN
