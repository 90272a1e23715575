"""Purser's client for Python: an asyncio one that combines concurrent calls, and a plain one.

from purser_client import AsyncPurserClient, Money

async with AsyncPurserClient("127.0.0.1:50051", api_key) as purser:
    await purser.create_player("anna", ["EUR"])
    await purser.deposit("anna", Money("100.00", "EUR"))
    bet = await purser.bet("anna", Money("2.50", "EUR"), game_id="slots", round_id="r1")
"""

from purser_client._aio import AsyncPurserClient
from purser_client._channel import Tls
from purser_client._errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    InsufficientFunds,
    InternalError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PurserError,
    Refused,
    TransactionIdReused,
    Unauthenticated,
    Unavailable,
)
from purser_client._nouns import (
    Money,
    Movement,
    Player,
    PlayerStatus,
    RollbackOutcome,
    Round,
    Session,
    Transaction,
    TransactionState,
    TransactionType,
    WalletBalance,
    Watched,
    WinType,
)
from purser_client._sync import PurserClient

__all__ = [
    "AlreadyExists",
    "AsyncPurserClient",
    "Conflict",
    "DeadlineExceeded",
    "InsufficientFunds",
    "InternalError",
    "InvalidRequest",
    "Money",
    "Movement",
    "NotFound",
    "PermissionDenied",
    "Player",
    "PlayerStatus",
    "PurserClient",
    "PurserError",
    "Refused",
    "RollbackOutcome",
    "Round",
    "Session",
    "Tls",
    "Transaction",
    "TransactionIdReused",
    "TransactionState",
    "TransactionType",
    "Unauthenticated",
    "Unavailable",
    "WalletBalance",
    "Watched",
    "WinType",
]
