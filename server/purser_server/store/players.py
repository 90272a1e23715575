"""Players and their wallets: implements `usecases.ports.PlayerStore`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from purser_server.domain.accounts import AccountKind
from purser_server.domain.errors import RefusedError
from purser_server.domain.players import (
    Player,
    PlayerStatus,
    WalletBalance,
    player_not_found,
    refuse_status_change,
)
from purser_server.store.engine import again_when_cut, reading, writing
from purser_server.store.tables import accounts, players
from purser_server.usecases.ports import CreatedAs, PlayerChange


class PostgresPlayers:
    """Players by operator and id."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @again_when_cut
    async def create(
        self, operator: int, player_id: str, created_as: CreatedAs, metadata: Mapping[str, str]
    ) -> CreatedAs | None:
        """Create the player with a wallet per currency; None, or as what it exists already."""
        statement = (
            insert(players)
            .values(
                operator_no=operator,
                player_id=player_id,
                status=PlayerStatus.ACTIVE,
                metadata=dict(metadata),
                created_as={"currency_codes": created_as.currency_codes},
            )
            .on_conflict_do_nothing(constraint="players_player_id_key")
            .returning(players.c.player_no)
        )
        async with writing(self._engine) as connection:
            number = await connection.scalar(statement)
            if number is not None:
                status = PlayerStatus.ACTIVE
                await _add_wallets(connection, operator, number, status, created_as.currency_codes)
                return None
            existing = await connection.scalar(
                select(players.c.created_as).where(*_is(operator, player_id))
            )
            assert existing is not None
            return CreatedAs(tuple(existing["currency_codes"]))

    @again_when_cut
    async def get(
        self, operator: int, player_id: str
    ) -> tuple[Player, Sequence[WalletBalance]] | None:
        """Return the player and its balances by currency code."""
        query = (
            select(players, accounts.c.unit, accounts.c.balance, accounts.c.sequence)
            .join(
                accounts,
                and_(*_wallets_of(players.c.operator_no, players.c.player_no)),
            )
            .where(*_is(operator, player_id))
            .order_by(accounts.c.unit.collate("C"))
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        if not rows:
            return None
        balances = [WalletBalance(row.unit, row.balance, row.sequence) for row in rows]
        return _player(rows[0], [balance.currency_code for balance in balances]), balances

    @again_when_cut
    async def update(self, operator: int, player_id: str, change: PlayerChange) -> None:
        """Change the player under the locks that movements take.

        Raises RefusedError: PLAYER_NOT_FOUND, PLAYER_CLOSED.
        """
        async with writing(self._engine) as connection:
            found = (
                await connection.execute(
                    select(players.c.player_no, players.c.status)
                    .where(*_is(operator, player_id))
                    .with_for_update()
                )
            ).first()
            if found is None:
                raise RefusedError(player_not_found(player_id))
            number, status = found.player_no, PlayerStatus(found.status)
            if change.status is not None:
                refusal = refuse_status_change(player_id, status, change.status)
                if refusal:
                    raise RefusedError(refusal)
                status = change.status
                await _set_status(connection, operator, number, status)
            if change.metadata is not None:
                await connection.execute(
                    update(players)
                    .where(players.c.operator_no == operator, players.c.player_no == number)
                    .values(metadata=dict(change.metadata))
                )
            await _add_wallets(connection, operator, number, status, change.add_currency_codes)

    @again_when_cut
    async def list(
        self, operator: int, statuses: Sequence[PlayerStatus], after: int, limit: int
    ) -> Sequence[tuple[int, Player]]:
        """Return players with their numbers, oldest first, from behind number `after`."""
        by_code = aggregate_order_by(accounts.c.unit, accounts.c.unit.collate("C"))
        units = (
            select(func.array_agg(by_code))
            .where(*_wallets_of(operator, players.c.player_no))
            .scalar_subquery()
        )
        query = (
            select(players, func.coalesce(units, []).label("units"))
            .where(players.c.operator_no == operator, players.c.player_no > after)
            .order_by(players.c.player_no)
            .limit(limit)
        )
        if statuses:
            query = query.where(players.c.status.in_(statuses))
        async with reading(self._engine) as connection:
            rows = await connection.execute(query)
            return [(row.player_no, _player(row, row.units)) for row in rows]


async def _set_status(
    connection: AsyncConnection, operator: int, number: int, status: PlayerStatus
) -> None:
    """Set the status in the player and in its wallets, where movements read it under lock."""
    # Lowest account first, as the write path locks them.
    await connection.execute(
        select(accounts.c.account_no)
        .where(*_wallets_of(operator, number))
        .order_by(accounts.c.account_no)
        .with_for_update(key_share=True)
    )
    await connection.execute(
        update(accounts).where(*_wallets_of(operator, number)).values(player_status=status)
    )
    await connection.execute(
        update(players)
        .where(players.c.operator_no == operator, players.c.player_no == number)
        .values(status=status)
    )


async def _add_wallets(
    connection: AsyncConnection,
    operator: int,
    number: int,
    status: PlayerStatus,
    currency_codes: Iterable[str],
) -> None:
    wallets = [
        {
            "operator_no": operator,
            "player_no": number,
            "kind": AccountKind.PLAYER_CASH,
            "unit": code,
            "player_status": status,
        }
        for code in sorted(set(currency_codes))
    ]
    if wallets:
        await connection.execute(
            insert(accounts).values(wallets).on_conflict_do_nothing(constraint="accounts_owner_key")
        )


def _is(operator: int, player_id: str) -> tuple[Any, ...]:
    return players.c.operator_no == operator, players.c.player_id == player_id


def _wallets_of(operator: Any, number: Any) -> tuple[Any, ...]:
    return (
        accounts.c.operator_no == operator,
        accounts.c.player_no == number,
        accounts.c.kind == AccountKind.PLAYER_CASH,
    )


def _player(row: Any, currency_codes: Sequence[str]) -> Player:
    return Player(
        player_id=row.player_id,
        status=PlayerStatus(row.status),
        currency_codes=tuple(currency_codes),
        create_time=row.create_time,
        metadata=row.metadata,
    )
