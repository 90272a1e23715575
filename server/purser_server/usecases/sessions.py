"""Game sessions: a player enters a game and leaves it."""

from __future__ import annotations

import uuid

from purser_server.domain.decisions import Session
from purser_server.domain.errors import RefusedError
from purser_server.domain.players import Activity, WalletBalance
from purser_server.domain.wallet import refuse_entry, session_invalid
from purser_server.usecases.balances import Balances
from purser_server.usecases.ports import SessionStore


class Sessions:
    """Opens and closes game sessions; several may be open at a time."""

    def __init__(self, store: SessionStore, balances: Balances) -> None:
        self._store = store
        self._balances = balances

    async def open(
        self, operator: int, player_id: str, game_id: str, currency_code: str
    ) -> tuple[str, WalletBalance]:
        """Open a session; return its id and the balance to play with.

        Raises RefusedError: PLAYER_NOT_FOUND, WALLET_NOT_FOUND, the player's status,
        INSUFFICIENT_FUNDS when the wallet is empty; in seamless mode CASINO_UNREACHABLE.
        """
        _, (balance,) = await self._balances.of(
            operator, player_id, currency_code, Activity.OPEN_SESSION
        )
        refusal = refuse_entry(balance)
        if refusal:
            raise RefusedError(refusal)
        session_id = str(uuid.uuid4())
        session = Session(session_id, player_id, game_id, currency_code, is_open=True)
        await self._store.open(operator, session)
        return session_id, balance

    async def close(self, operator: int, session_id: str) -> None:
        """Close a session; closing twice is fine. Raises RefusedError: SESSION_INVALID."""
        if not await self._store.close(operator, session_id):
            raise RefusedError(session_invalid(session_id))
