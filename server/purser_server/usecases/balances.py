"""Balances: what a player's wallets hold, as Purser knows it or as the casino says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from purser_server.domain.errors import RefusedError
from purser_server.domain.players import Activity, Player, WalletBalance, refuse_activity
from purser_server.usecases.modes import Modes
from purser_server.usecases.players import Players, balance_in
from purser_server.usecases.seamless import SeamlessMovements


class Balances:
    """Reads balances in both modes."""

    def __init__(self, players: Players, modes: Modes, seamless: SeamlessMovements) -> None:
        self._players = players
        self._modes = modes
        self._seamless = seamless

    async def of(
        self, operator: int, player_id: str, currency_code: str, activity: Activity | None = None
    ) -> tuple[Player, Sequence[WalletBalance]]:
        """Return a player and the balance in one currency, or (empty code) in all.

        With an activity, a status that forbids it is told before any casino is asked. Raises
        RefusedError: PLAYER_NOT_FOUND, WALLET_NOT_FOUND, the player's status; CASINO_UNREACHABLE,
        OVERLOADED.
        """
        player, balances = await self._players.with_wallets(operator, player_id)
        if currency_code:
            balances = [balance_in(currency_code, player_id, balances)]
        refusal = refuse_activity(player_id, player.status, activity) if activity else None
        if refusal is not None:
            raise RefusedError(refusal)
        mode = await self._modes.of(operator)
        if mode is None:
            return player, balances
        asked = (
            self._seamless.balance(operator, mode, player_id, balance.currency_code)
            for balance in balances
        )
        return player, await asyncio.gather(*asked)
