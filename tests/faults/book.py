"""A casino's own book: what it sent, what it was told, and whether both agree with the ledger.

It knows nothing of the rules. It holds Purser to its word: what was told happened once and stays,
what was not told happened once or not at all, and sending the same again settles it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from purser.error.v1 import error_reason_pb2
from purser.wallet.v1 import wallet_pb2, wallet_service_pb2
from purser.wallet.v1.wallet_service_pb2 import ExecuteRequest, Operation, OperationResult
from tests.faults.wallets import assert_wallets_add_up
from tests.support.client import Client, Failure, Installation, failure_of

T = TypeVar("T")
History = dict[str, Any]

SETTLED_WITHIN_S = 60.0
_AT_ONCE = 64
_PER_EXECUTE = 500

# Refusals that are stored under their id, by the catalogue of errors.
FINAL = frozenset(
    {
        "INSUFFICIENT_FUNDS",
        "PLAYER_SUSPENDED",
        "PLAYER_SELF_EXCLUDED",
        "PLAYER_CLOSED",
        "ROUND_CLOSED",
        "BET_ALREADY_SETTLED",
        "TRANSACTION_ROLLED_BACK",
        "TRANSACTION_NOT_REVERSIBLE",
        "BET_NOT_FOUND",
        "SESSION_INVALID",
    }
)
_METHODS = {
    "deposit": "Deposit",
    "withdraw": "Withdraw",
    "bet": "Bet",
    "win": "Win",
    "rollback": "Rollback",
}
_TYPES = {
    "deposit": wallet_pb2.TRANSACTION_TYPE_DEPOSIT,
    "withdraw": wallet_pb2.TRANSACTION_TYPE_WITHDRAWAL,
    "bet": wallet_pb2.TRANSACTION_TYPE_BET,
    "win": wallet_pb2.TRANSACTION_TYPE_WIN,
    "rollback": wallet_pb2.TRANSACTION_TYPE_ROLLBACK,
}


@dataclass
class Call:
    """A call, written down before it is sent: one operation, or many in an Execute."""

    operations: tuple[Operation, ...]
    execute: bool = False
    atomic: bool = False
    results: tuple[OperationResult, ...] | None = None
    """What was told, operation by operation; None while nobody was told anything."""

    @property
    def ids(self) -> list[str]:
        """The transaction ids, in order."""
        return [request_of(operation).transaction_id for operation in self.operations]


class Book:
    """The calls of one casino. `wrong` collects answers that no fault excuses."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.calls: list[Call] = []
        self.unanswered = 0
        self.wrong: list[str] = []

    # -- sending ---------------------------------------------------------------------------------

    async def send(self, call: Call) -> bool:
        """Write a new call down, send it, note the answer; False when no answer came."""
        self.calls.append(call)
        told = await self._try(call)
        for result in call.results or ():
            if result.replayed:
                self.wrong.append(f"told at the first attempt that it is a replay: {result}")
        self.unanswered += not told
        return told

    async def settle(self) -> None:
        """Send whatever was not answered again, with the same ids, until it is."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while unsettled := [call for call in self.calls if call.results is None]:
            assert time.monotonic() < deadline, f"{len(unsettled)} calls do not settle"
            if not all(await _many(self._try(call) for call in unsettled)):
                await asyncio.sleep(0.1)
        assert not self.wrong, self.wrong[:5]

    async def _try(self, call: Call) -> bool:
        try:
            results = await self._answer(call)
        except grpc.RpcError as error:
            failure = failure_of(error)
            if failure.code is not grpc.StatusCode.UNAVAILABLE:
                self.wrong.append(str(failure))
            return False
        reasons = [reason_of(result) for result in results]
        if "LEDGER_UNAVAILABLE" in reasons:
            return False
        if "INTERNAL_ERROR" in reasons:
            self.wrong.append(f"an internal error: {reasons}")
            return False
        call.results = tuple(results)
        return True

    async def _answer(self, call: Call) -> Sequence[OperationResult]:
        if call.execute:
            request = ExecuteRequest(operations=call.operations, atomic=call.atomic)
            return (await self.client.wallet.Execute(request)).results
        (operation,) = call.operations
        method = getattr(self.client.wallet, _METHODS[kind_of(operation)])
        try:
            response = await method(request_of(operation))
        except grpc.RpcError as error:
            failure = failure_of(error)
            if not failure.reason or failure.code is grpc.StatusCode.UNAVAILABLE:
                raise
            return [_refusal(failure)]
        return [
            OperationResult(
                transaction=response.transaction,
                replayed=response.replayed,
                rollback_outcome=getattr(response, "outcome", 0),
            )
        ]

    async def close(self) -> None:
        """End what the book keeps open."""

    # -- checking --------------------------------------------------------------------------------

    async def assert_kept(self) -> None:
        """Assert that the ledger knows all that was told, and no half of what was not."""
        history = await self._history()
        for call in self.calls:
            if call.results is None:
                _assert_whole_or_nothing(call, history)
            else:
                _assert_told(call, history)
        await _many(self._assert_found_by_id(call.ids[0], history) for call in self.calls[-50:])

    async def assert_settled(self, installation: Installation) -> None:
        """Assert that all stays as it was told, that nothing else is there, and that it adds up."""
        await self.assert_kept()
        await self._assert_replays()
        await assert_wallets_add_up(self.client, self.calls)
        verified = await installation.verify(self.client.operator_id)  # type: ignore[attr-defined]
        assert verified.consistent, verified
        assert verified.counts.transactions == len(stored_ids(self.calls))

    async def _history(self) -> History:
        """Return all that the ledger knows of this casino, by id."""
        history: History = {}
        token = ""
        while True:
            page = await self.client.wallet.ListTransactions(
                wallet_service_pb2.ListTransactionsRequest(page_size=1000, page_token=token),
                # The channel may not have found the new server yet.
                wait_for_ready=True,
            )
            for transaction in page.transactions:
                assert transaction.transaction_id not in history, f"twice: {transaction}"
                history[transaction.transaction_id] = transaction
            token = page.next_page_token
            if not token:
                return history

    async def _assert_found_by_id(self, transaction_id: str, history: History) -> None:
        request = wallet_service_pb2.GetTransactionRequest(transaction_id=transaction_id)
        try:
            found = (await self.client.wallet.GetTransaction(request)).transaction
        except grpc.RpcError as error:
            assert failure_of(error).reason == "TRANSACTION_NOT_FOUND", str(failure_of(error))
            assert transaction_id not in history
        else:
            assert found == history[transaction_id]

    async def _assert_replays(self) -> None:
        """Send everything again: the same answers, and nothing moves."""
        told = [
            (operation, result)
            for call in self.calls
            for operation, result in zip(call.operations, call.results or (), strict=True)
            if _is_final(result) or not result.HasField("error")
        ]
        for start in range(0, len(told), _PER_EXECUTE):
            chunk = told[start : start + _PER_EXECUTE]
            request = ExecuteRequest(operations=[operation for operation, _ in chunk])
            again = (await self.client.wallet.Execute(request)).results
            for (_, before), now in zip(chunk, again, strict=True):
                assert reason_of(now) == reason_of(before), (before, now)
                assert now.replayed or is_late(before), now
                assert _same(now.transaction, before.transaction), (before, now)
                assert now.rollback_outcome == before.rollback_outcome


def kind_of(operation: Operation) -> str:
    """Return which of its fields an operation has set."""
    return str(operation.WhichOneof("operation"))


def request_of(operation: Operation) -> Any:
    """Return the request that an operation holds."""
    return getattr(operation, kind_of(operation))


def reason_of(result: OperationResult) -> str:
    """Return the reason of a refused operation, or nothing."""
    if not result.HasField("error"):
        return ""
    name = error_reason_pb2.ErrorReason.Name(result.error.reason)
    return name.removeprefix("ERROR_REASON_")


def is_late(result: OperationResult) -> bool:
    """Tell whether it was refused because its rollback came first: a tombstone is stored."""
    return reason_of(result) == "TRANSACTION_ROLLED_BACK"


def settled(calls: Iterable[Call]) -> Iterator[tuple[Operation, OperationResult]]:
    """Yield each operation with what was told about it."""
    for call in calls:
        assert call.results is not None
        yield from zip(call.operations, call.results, strict=True)


def stored_ids(calls: Iterable[Call]) -> set[str]:
    """Return the ids that the ledger must know: movements, final refusals and tombstones."""
    ids: set[str] = set()
    for operation, result in settled(calls):
        request = request_of(operation)
        if _is_final(result) or not result.HasField("error"):
            ids.add(request.transaction_id)
        if result.rollback_outcome == wallet_pb2.ROLLBACK_OUTCOME_TOMBSTONED:
            ids.add(request.original_transaction_id)
    return ids


def assert_carries(operation: Operation, found: Any) -> None:
    """Assert that a transaction is the one that was asked for."""
    kind, request = kind_of(operation), request_of(operation)
    assert found.type == _TYPES[kind], (request, found)
    assert found.player_id == request.player_id, (request, found)
    if kind == "rollback":
        assert found.related_transaction_id == request.original_transaction_id
    else:
        assert found.amount == request.amount, (request, found)
    if kind in {"bet", "win"}:
        assert (found.game_id, found.round_id) == (request.game_id, request.round_id)
    if kind == "win":
        assert found.related_transaction_id == request.bet_transaction_id


def _assert_told(call: Call, history: History) -> None:
    assert call.results is not None
    for operation, result in zip(call.operations, call.results, strict=True):
        found = history.get(request_of(operation).transaction_id)
        if result.HasField("error"):
            assert not _is_final(result) or _is_refused(found, result), (result, found)
            continue
        assert found is not None, f"acknowledged, and lost: {result}"
        assert _same(found, result.transaction), (found, result)
        assert_carries(operation, found)


def _assert_whole_or_nothing(call: Call, history: History) -> None:
    found = [history.get(each) for each in call.ids]
    for operation, transaction in zip(call.operations, found, strict=True):
        if transaction is not None and transaction.type:
            assert_carries(operation, transaction)
    if call.atomic:
        took_place = [each is not None and not each.HasField("refusal") for each in found]
        assert all(took_place) or not any(took_place), f"half a group: {found}"


def _is_final(result: OperationResult) -> bool:
    return reason_of(result) in FINAL


def _is_refused(found: Any, result: OperationResult) -> bool:
    if found is None:
        return False
    if found.state == wallet_pb2.TRANSACTION_STATE_TOMBSTONE:
        return is_late(result)
    return bool(found.refusal.reason == result.error.reason)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two views of a transaction agree; it may be rolled back meanwhile."""
    return _without_state(one) == _without_state(other)


def _without_state(transaction: Any) -> Any:
    copy = wallet_pb2.Transaction()
    copy.CopyFrom(transaction)
    if copy.state == wallet_pb2.TRANSACTION_STATE_ROLLED_BACK:
        copy.state = wallet_pb2.TRANSACTION_STATE_COMPLETED
    return copy


def _refusal(failure: Failure) -> OperationResult:
    return OperationResult(
        error=error_reason_pb2.Error(
            reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{failure.reason}"),
            message=failure.message,
            metadata=failure.metadata,
        ),
        replayed=failure.metadata.get("replayed") == "true",
    )


async def _many(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do it all, only so much at once."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Awaitable[T]) -> T:
        async with slots:
            return await each

    return await asyncio.gather(*(one(each) for each in work))
