"""What a client is told, in few words: the form in which the model and the server are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from purser.error.v1.error_reason_pb2 import ErrorReason
from purser.wallet.v1.wallet_pb2 import RollbackOutcome, Round, RoundState, TransactionState
from purser.wallet.v1.wallet_service_pb2 import OperationResult
from tests.support.client import failure_of

Sums = tuple[str, int, int, int, int, str]
"""A round: state, bets, wins, total bet, total win, currency."""


@dataclass(frozen=True)
class Told:
    """An answer or a refusal. Money is in minor units, None where it is absent."""

    reason: str = ""
    field: str = ""
    replayed: bool = False
    state: str = ""
    currency: str = ""
    amount: int | None = None
    before: int | None = None
    after: int | None = None
    sequence: int = 0
    outcome: str = ""
    round: Sums | None = None


def told_by_transaction(transaction: Any, **more: Any) -> Told:
    """Return what a transaction tells."""
    money = {
        name: getattr(transaction, field).minor_units if transaction.HasField(field) else None
        for name, field in (
            ("amount", "amount"),
            ("before", "balance_before"),
            ("after", "balance_after"),
        )
    }
    return Told(
        state=TransactionState.Name(transaction.state).removeprefix("TRANSACTION_STATE_"),
        currency=transaction.amount.currency_code,
        sequence=transaction.wallet_sequence,
        **money,
        **more,
    )


def told_by_response(response: Any) -> Told:
    """Return what the answer of one operation's own rpc tells."""
    if hasattr(response, "round"):
        return Told(replayed=response.replayed, state="COMPLETED", round=sums_of(response.round))
    outcome = _outcome(response.outcome) if hasattr(response, "outcome") else ""
    return told_by_transaction(response.transaction, replayed=response.replayed, outcome=outcome)


def told_by_error(error: grpc.RpcError) -> Told:
    """Return what a refused call tells."""
    failure = failure_of(error)
    assert failure.reason, str(failure)
    return _refused(failure.reason, dict(failure.metadata))


def told_by_result(result: OperationResult) -> Told:
    """Return what the result of one operation of an Execute tells."""
    if result.HasField("error"):
        reason = ErrorReason.Name(result.error.reason).removeprefix("ERROR_REASON_")
        told = _refused(reason, dict(result.error.metadata))
        assert told.replayed == result.replayed, result
        return told
    return told_by_transaction(
        result.transaction, replayed=result.replayed, outcome=_outcome(result.rollback_outcome)
    )


def sums_of(found: Round) -> Sums:
    """Return a round in few words."""
    assert found.total_bet.currency_code == found.total_win.currency_code
    return (
        RoundState.Name(found.state).removeprefix("ROUND_STATE_"),
        found.bets,
        found.wins,
        found.total_bet.minor_units,
        found.total_win.minor_units,
        found.total_bet.currency_code,
    )


def _refused(reason: str, metadata: dict[str, str]) -> Told:
    field = metadata.get("field") or metadata.get("index", "")
    return Told(reason, field, replayed=metadata.get("replayed") == "true")


def _outcome(number: int) -> str:
    name = RollbackOutcome.Name(number).removeprefix("ROLLBACK_OUTCOME_")  # type: ignore[arg-type]
    return "" if name == "UNSPECIFIED" else name
