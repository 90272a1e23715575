"""Wallets as the answers tell them: every posting once, in a chain without a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from purser.wallet.v1 import wallet_pb2
from tests.support.client import Client

if TYPE_CHECKING:
    from tests.faults.book import Call

_SIGNS = {
    wallet_pb2.TRANSACTION_TYPE_DEPOSIT: 1,
    wallet_pb2.TRANSACTION_TYPE_WITHDRAWAL: -1,
    wallet_pb2.TRANSACTION_TYPE_BET: -1,
    wallet_pb2.TRANSACTION_TYPE_WIN: 1,
}


async def assert_wallets_add_up(client: Client, calls: Sequence[Call]) -> None:
    """Assert that the postings that were told make exactly the balances that the wallets hold."""
    told = {
        result.transaction.transaction_id: result.transaction
        for call in calls
        for result in call.results or ()
        if result.HasField("transaction")
    }
    postings: dict[str, list[Any]] = defaultdict(list)
    for transaction in told.values():
        if transaction.wallet_sequence:
            postings[transaction.player_id].append(transaction)
    for player, chain in postings.items():
        chain.sort(key=lambda posting: posting.wallet_sequence)
        assert await client.balance(player) == _end_of(chain, told), player


def _end_of(chain: Sequence[Any], told: dict[str, Any]) -> int:
    """Walk along a wallet's postings; return what they come to."""
    balance = 0
    for sequence, posting in enumerate(chain, start=1):
        assert posting.wallet_sequence == sequence, f"a gap, or one twice: {posting}"
        assert posting.balance_before.minor_units == balance, posting
        balance += _sign(posting, told) * posting.amount.minor_units
        assert posting.balance_after.minor_units == balance, posting
        assert balance >= 0, posting
    return balance


def _sign(posting: Any, told: dict[str, Any]) -> int:
    if posting.type == wallet_pb2.TRANSACTION_TYPE_ROLLBACK:
        return -_SIGNS[told[posting.related_transaction_id].type]
    return _SIGNS[posting.type]
