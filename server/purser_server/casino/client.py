"""Calls a casino's CasinoCallbackService and says what came of it; never raises for the network."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1.wallet_pb2 import WIN_TYPE_PROMO, WinType
from purser_server.casino.gate import Gate
from purser_server.casino.signatures import signature_metadata
from purser_server.domain.callbacks import CallbackSettings, CallbackTls
from purser_server.domain.outcomes import CallbackOutcome, Phase, Report
from purser_server.domain.pending import Pending
from purser_server.domain.transactions import Transaction, TransactionType

_log = logging.getLogger(__name__)

_SERVICE = "/purser.casino.v1.CasinoCallbackService/"
_MAX_ANSWER_BYTES = 64 * 1024
_MAX_MESSAGE = 1_000
_MAX_ID = 128
_OUTCOMES = {int(outcome): outcome for outcome in CallbackOutcome}

_CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
)


_Target = tuple[str, CallbackTls | None]

Observe = Callable[[str, str, str, float], None]
"""Is told of each call: operator id, method, outcome, seconds."""


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    request: Any
    answer: Callable[[bytes], Any]
    currency_code: str


class CasinoClient:
    """Implements `usecases.casino_ports.Casinos`. One channel per operator; `close` ends them."""

    def __init__(self, observe: Observe, clock: Callable[[], float] = time.time) -> None:
        self._observe = observe
        self._clock = clock
        self._channels: dict[str, tuple[_Target, grpc.aio.Channel]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._gates: dict[int, Gate] = {}

    def gate(self, operator: int) -> Gate:
        """Return what stands before this operator's casino."""
        gate = self._gates.get(operator)
        if gate is None:
            gate = self._gates[operator] = Gate()
        return gate

    async def close(self) -> None:
        """Close all channels."""
        for _, channel in self._channels.values():
            await channel.close()
        await asyncio.gather(*self._closing)
        self._channels.clear()

    async def ask(self, settings: CallbackSettings, operator_id: str, pending: Pending) -> Report:
        """Make one attempt for an intent, in its phase."""
        question = _question_of(operator_id, pending)
        return await self._ask(settings, operator_id, question, pending.phase)

    async def balance(
        self, settings: CallbackSettings, operator_id: str, player_id: str, currency_code: str
    ) -> Report:
        """Ask for a player's balance."""
        request = pb.GetBalanceRequest(
            request_id=_request_id(),
            operator_id=operator_id,
            player_id=player_id,
            currency_code=currency_code,
        )
        question = _Question("GetBalance", request, pb.GetBalanceResponse.FromString, currency_code)
        return await self._ask(settings, operator_id, question, Phase.SENDING)

    async def _ask(
        self, settings: CallbackSettings, operator_id: str, question: _Question, phase: Phase
    ) -> Report:
        began = time.monotonic()
        report = await self._call(settings, operator_id, question, phase)
        took_s = time.monotonic() - began
        self._observe(operator_id, question.method, report.outcome.name, took_s)
        return report

    async def _call(
        self, settings: CallbackSettings, operator_id: str, question: _Question, phase: Phase
    ) -> Report:
        path = _SERVICE + question.method
        request = question.request.SerializeToString()
        metadata = signature_metadata(settings.signing_secret, path, int(self._clock()), request)
        try:
            call: Any = self._channel(operator_id, settings).unary_unary(path)
            raw = await call(request, metadata=metadata, timeout=settings.deadline_ms / 1_000)
            answer = question.answer(raw)
        except grpc.aio.AioRpcError as error:
            return Report(
                phase,
                CallbackOutcome.UNKNOWN,
                message=error.code().name,
                is_call_refused=error.code() in _CALL_REFUSED,
            )
        except Exception as error:
            # Bytes that are no answer, or settings that make no channel: nobody knows.
            _log.warning("no answer to %s: %r", question.method, error)
            return Report(phase, CallbackOutcome.UNKNOWN, message=type(error).__name__)
        return _report(question, answer, phase)

    def _channel(self, operator_id: str, settings: CallbackSettings) -> grpc.aio.Channel:
        target = settings.target, settings.tls
        found = self._channels.get(operator_id)
        if found is not None and found[0] == target:
            return found[1]
        if found is not None:
            # Calls that are under way end on the channel that they began on.
            closing = asyncio.ensure_future(found[1].close(settings.deadline_ms / 1_000))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        channel = _open(settings)
        self._channels[operator_id] = target, channel
        return channel


def _open(settings: CallbackSettings) -> grpc.aio.Channel:
    tls = settings.tls
    if tls is None:
        return grpc.aio.insecure_channel(settings.target, options=_CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        tls.ca_pem.encode() or None,
        tls.client_key_pem.encode() or None,
        tls.client_certificate_pem.encode() or None,
    )
    return grpc.aio.secure_channel(settings.target, credentials, options=_CHANNEL_OPTIONS)


def _request_id() -> str:
    return secrets.token_hex(16)


def _question_of(operator_id: str, pending: Pending) -> _Question:
    of = pending.transaction
    who: dict[str, Any] = {
        "request_id": _request_id(),
        "operator_id": operator_id,
        "player_id": of.player_id,
        "amount": Money(currency_code=of.currency_code, minor_units=of.amount),
        "game_id": of.game_id,
        "round_id": of.round_id,
    }
    if pending.phase is Phase.UNDOING:
        return _rollback(of, who, pending.undo_id, of.transaction_id)
    if of.type is TransactionType.ROLLBACK:
        return _rollback(of, who, of.transaction_id, of.related_transaction_id)
    if of.type is TransactionType.BET:
        bet = pb.BetRequest(transaction_id=of.transaction_id, **who)
        return _Question("Bet", bet, pb.BetResponse.FromString, of.currency_code)
    if of.type is TransactionType.PRIZE_CASHBACK:
        return _prize_cashback(of, who)
    # Cashback is a win without a bet.
    is_cashback = of.type is TransactionType.CASHBACK
    win = pb.WinRequest(
        transaction_id=of.transaction_id,
        bet_transaction_id="" if is_cashback else of.related_transaction_id,
        win_type=WIN_TYPE_PROMO if is_cashback else WinType.ValueType(of.win_type),
        close_round=of.closes_round,
        **who,
    )
    return _Question("Win", win, pb.WinResponse.FromString, of.currency_code)


def _prize_cashback(of: Transaction, who: dict[str, Any]) -> _Question:
    # A prize belongs to no game.
    about = {name: told for name, told in who.items() if name not in ("game_id", "round_id")}
    request = pb.PrizeCashbackRequest(
        transaction_id=of.transaction_id, prize_id=of.prize_id, **about
    )
    answer = pb.PrizeCashbackResponse.FromString
    return _Question("PrizeCashback", request, answer, of.currency_code)


def _rollback(
    of: Transaction, who: dict[str, Any], transaction_id: str, original_id: str
) -> _Question:
    request = pb.RollbackRequest(
        transaction_id=transaction_id,
        original_transaction_id=original_id,
        prize_id=of.prize_id,
        **who,
    )
    return _Question("Rollback", request, pb.RollbackResponse.FromString, of.currency_code)


def _report(question: _Question, answer: Any, phase: Phase) -> Report:
    outcome = _OUTCOMES.get(answer.outcome, CallbackOutcome.UNKNOWN)
    return Report(
        phase,
        outcome,
        _balance(question, answer),
        _id(getattr(answer, "casino_transaction_id", "")),
        _printable(answer.message, _MAX_MESSAGE),
    )


def _balance(question: _Question, answer: Any) -> int | None:
    """Return the balance that a casino tells, or None when it tells nonsense."""
    if not answer.HasField("balance"):
        return None
    told = answer.balance
    if told.currency_code == question.currency_code and told.minor_units >= 0:
        return int(told.minor_units)
    return None


def _id(text: str) -> str:
    """Return an id, or none: one that cannot be stored whole is worth nothing in part."""
    return text if len(text) <= _MAX_ID and text.isprintable() else ""


def _printable(text: str, most: int) -> str:
    if text.isprintable():
        return text[:most]
    return "".join(character for character in text if character.isprintable())[:most]


_CALL_REFUSED = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Statuses of a casino that would not listen at all: one side has a defect."""
