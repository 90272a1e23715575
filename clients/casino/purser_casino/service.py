"""CasinoCallbackService over gRPC: bytes in, checked, answered by the rules, bytes out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser.type.v1.money_pb2 import Money
from purser_casino import movements
from purser_casino.faults import BrokenCallError, Call, Faults
from purser_casino.movements import Answer, Movement, Verdict
from purser_casino.rules import Rules
from purser_casino.signatures import SignatureCheck
from purser_casino.store import Store

SERVICE = pb.DESCRIPTOR.services_by_name["CasinoCallbackService"].full_name
_SEEN = 10_000
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class Seen(NamedTuple):
    """A call that arrived. `reference` is the bet of a win or the original of a rollback."""

    rpc: str
    transaction_id: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method: its messages, and how its request is read."""

    name: str
    request: type[Any]
    response: type[Any]
    read: Callable[[Any], Movement] | None = None

    @property
    def path(self) -> str:
        """What the signature covers."""
        return f"/{SERVICE}/{self.name}"


RPCS = (
    Rpc("GetBalance", pb.GetBalanceRequest, pb.GetBalanceResponse),
    Rpc("Bet", pb.BetRequest, pb.BetResponse, movements.read_bet),
    Rpc("Win", pb.WinRequest, pb.WinResponse, movements.read_win),
    Rpc("Rollback", pb.RollbackRequest, pb.RollbackResponse, movements.read_rollback),
    Rpc(
        "PrizeCashback",
        pb.PrizeCashbackRequest,
        pb.PrizeCashbackResponse,
        movements.read_prize_cashback,
    ),
)


class CallbackService:
    """Answers Purser for one operator.

    `calls` counts, by rpc, those that were Purser's; `seen` has the latest of them in their order.
    """

    def __init__(
        self, operator_id: str, check: SignatureCheck, store: Store, rules: Rules, faults: Faults
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.seen: deque[Seen] = deque(maxlen=_SEEN)
        self._operator_id = operator_id
        self._check = check
        self.store = store
        self.rules = rules
        self._faults = faults

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for a server.

        No deserializer is named, so that each method gets the bytes as they were received: the
        signature covers those.
        """
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            rpc.name: grpc.unary_unary_rpc_method_handler(self._method(rpc)) for rpc in RPCS
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def answer(self, asked: Movement) -> Answer:
        """Answer a movement, once all of it is stored."""
        return await self.store.run(lambda: self.rules.answer(asked))

    def serves(self, operator_id: str) -> bool:
        """Tell whether an operator is this casino."""
        return operator_id == self._operator_id

    def _method(self, rpc: Rpc) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def serve(received: bytes, context: Context) -> bytes:
            metadata = dict(context.invocation_metadata() or ())
            problem = self._check.problem(rpc.path, metadata, received)
            if problem:
                await _abort(context, grpc.StatusCode.UNAUTHENTICATED, problem)
            request = await _parse(rpc, received, context)
            if not self.serves(request.operator_id):
                await _abort(context, grpc.StatusCode.UNAUTHENTICATED, "not this casino's operator")
            self.calls[rpc.name] += 1
            call = self._call(rpc, request)
            if isinstance(call, str):
                await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, call)
            try:
                response = await self._faults.answer(call)
            except BrokenCallError as error:
                await _abort(context, error.code, str(error))
            return bytes(response.SerializeToString())

        return serve

    def _call(self, rpc: Rpc, request: Any) -> Call | str:
        """Return what is to be done, or what is wrong with the request."""
        if rpc.read is None:
            self.seen.append(Seen(rpc.name))
            return self._balance_call(rpc, request)
        asked = rpc.read(request)
        self.seen.append(Seen(rpc.name, asked.transaction_id, asked.reference))
        problem = movements.malformed(asked)
        if problem:
            return problem

        async def proceed() -> Any:
            return self._response(rpc, asked.currency_code, await self.answer(asked))

        async def refuse(verdict: Verdict) -> Any:
            answer = await self._refuse(asked, verdict)
            return self._response(rpc, asked.currency_code, answer)

        return Call(rpc.name, asked.transaction_id, rpc.response, proceed, refuse)

    def _balance_call(self, rpc: Rpc, request: Any) -> Call:
        player_id, currency_code = request.player_id, request.currency_code

        async def proceed() -> Any:
            found = await self.store.run(lambda: self.rules.balance(player_id, currency_code))
            return self._response(rpc, currency_code, found)

        async def refuse(verdict: Verdict) -> Any:
            return self._response(rpc, currency_code, Answer(verdict, None))

        return Call(rpc.name, "", rpc.response, proceed, refuse)

    async def _refuse(self, asked: Movement, verdict: Verdict) -> Answer:
        if asked.kind is movements.Kind.ROLLBACK:
            # Purser asks for a rollback until it is done, so that a refusal of it must not stay.
            return Answer(verdict, None)
        return await self.store.run(lambda: self.rules.refuse(asked, verdict))

    def _response(self, rpc: Rpc, currency_code: str, answer: Answer) -> Any:
        response = rpc.response(outcome=answer.verdict.outcome, message=answer.verdict.message)
        if answer.balance_minor is not None:
            balance = Money(currency_code=currency_code, minor_units=answer.balance_minor)
            response.balance.CopyFrom(balance)
        if answer.casino_transaction_id:
            response.casino_transaction_id = answer.casino_transaction_id
        return response


async def _parse(rpc: Rpc, received: bytes, context: Context) -> Any:
    try:
        return rpc.request.FromString(received)
    except DecodeError:
        await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, f"no {rpc.name}Request")


async def _abort(context: Context, code: grpc.StatusCode, details: str) -> NoReturn:
    await context.abort(code, details)
    raise AssertionError("abort always raises")
