"""Players: link one to Purser (its wallets are made with it), look at it, change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from purser_server.domain.errors import RefusedError
from purser_server.domain.players import (
    Player,
    PlayerStatus,
    WalletBalance,
    player_exists,
    player_not_found,
    wallet_not_found,
)
from purser_server.usecases.modes import Modes
from purser_server.usecases.pages import AskedPage
from purser_server.usecases.ports import CreatedAs, PlayerChange, PlayerStore

PlayerWithBalances = tuple[Player, Sequence[WalletBalance]]


class Players:
    """The verbs of a player's life. In seamless mode Purser knows of no balances."""

    def __init__(self, store: PlayerStore, modes: Modes) -> None:
        self._store = store
        self._modes = modes

    async def create(
        self,
        operator: int,
        player_id: str,
        currency_codes: Sequence[str],
        metadata: Mapping[str, str],
    ) -> tuple[PlayerWithBalances, bool]:
        """Create a player with a wallet per currency; True when it existed with this content.

        Raises RefusedError: PLAYER_EXISTS.
        """
        wanted = CreatedAs(tuple(sorted(set(currency_codes))))
        existing = await self._store.create(operator, player_id, wanted, metadata)
        if existing is not None and existing != wanted:
            raise RefusedError(player_exists(player_id, "currency_codes"))
        return await self.get(operator, player_id), existing is not None

    async def get(self, operator: int, player_id: str) -> PlayerWithBalances:
        """Return a player and its balances. Raises RefusedError: PLAYER_NOT_FOUND."""
        player, balances = await self.with_wallets(operator, player_id)
        is_seamless = await self._modes.of(operator) is not None
        return player, () if is_seamless else balances

    async def with_wallets(self, operator: int, player_id: str) -> PlayerWithBalances:
        """Return a player and what its wallets hold, which is nothing in seamless mode.

        Raises RefusedError: PLAYER_NOT_FOUND.
        """
        found = await self._store.get(operator, player_id)
        if found is None:
            raise RefusedError(player_not_found(player_id))
        return found

    async def update(
        self, operator: int, player_id: str, change: PlayerChange
    ) -> PlayerWithBalances:
        """Change status, wallets or metadata; a new status holds at once, in every process.

        Raises RefusedError: PLAYER_NOT_FOUND, PLAYER_CLOSED.
        """
        await self._store.update(operator, player_id, change)
        return await self.get(operator, player_id)

    async def list(
        self, operator: int, statuses: Sequence[PlayerStatus], page_size: int, token: str
    ) -> tuple[list[Player], str]:
        """Return a page of players, oldest first, and the next page's token."""
        filters = ("players", operator, sorted(set(statuses)))
        asked = AskedPage(filters, page_size, token, int)
        found = await self._store.list(operator, statuses, asked.position or 0, asked.limit + 1)
        page, following = asked.cut(found, lambda numbered: numbered[0])
        return [player for _, player in page], following


def balance_in(
    currency_code: str, player_id: str, balances: Sequence[WalletBalance]
) -> WalletBalance:
    """Return the balance in one currency. Raises RefusedError: WALLET_NOT_FOUND."""
    for balance in balances:
        if balance.currency_code == currency_code:
            return balance
    raise RefusedError(wallet_not_found(player_id, currency_code))
