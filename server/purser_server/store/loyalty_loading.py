"""What a flush must know of loyalty, read once its players are locked."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import asyncpg

from purser_server.domain.accounts import POINTS
from purser_server.domain.decisions import Wallet
from purser_server.domain.intents import Settle
from purser_server.domain.points import Lot, points_of
from purser_server.domain.points_commands import PointsCommand
from purser_server.ledger.ports import LoyaltyLoaded, Request
from purser_server.store import points_rows as sql
from purser_server.store import reward_rows as rewards_sql
from purser_server.store.arrays import columns
from purser_server.store.programs import campaign_from_row, program_from_row
from purser_server.store.rows import microseconds
from purser_server.store.statements import IDS, NUMBERS
from purser_server.store.wanted import (
    holds_named,
    order_times,
    redemptions_named,
    redemptions_refunded,
    rewards_named,
)

Players = Mapping[tuple[int, str], int]
Wallets = dict[tuple[int, str, str], Wallet]
PlayerKeys = Mapping[tuple[int, int], tuple[int, str]]
"""Players' ids by their numbers, both with their operators."""


async def load_loyalty(
    connection: asyncpg.Connection,
    requests: Sequence[Request],
    players: Players,
    wallets: Wallets,
    known: Container[tuple[int, str]],
) -> LoyaltyLoaded | None:
    """Return what is known of points, if anybody asks; add their accounts to the wallets."""
    asked = [request for request in requests if isinstance(request.command, PointsCommand)]
    rewarded = [*asked, *filter(_gives_up, requests)]
    if not rewarded:
        return None
    numbers = _numbers(asked, players)
    loaded = LoyaltyLoaded()
    await _add_accounts(connection, numbers, wallets)
    await _add_points(connection, loaded, asked, numbers, wallets)
    named = set(rewards_named(rewarded, known))
    await _add_rewards(connection, loaded, named, _numbers(rewarded, players))
    await _add_redemptions(connection, loaded, asked)
    await _add_programs(connection, loaded, asked)
    return loaded


def _gives_up(request: Request) -> bool:
    return isinstance(request.command, Settle) and request.command.gives_up_cashback


def _numbers(requests: Sequence[Request], players: Players) -> PlayerKeys:
    keys = {(request.operator, request.command.player_id) for request in requests}
    return {(key[0], players[key]): key for key in keys if key in players}


async def _add_points(
    connection: asyncpg.Connection,
    loaded: LoyaltyLoaded,
    asked: Sequence[Request],
    numbers: PlayerKeys,
    wallets: Wallets,
) -> None:
    own, holds = columns(numbers, NUMBERS), columns(set(holds_named(asked)), IDS)
    for row in await connection.fetch(sql.HOLDS_OF, *own, *holds):
        loaded.holds[row["operator_no"], row["hold_id"]] = sql.hold_from_row(row)
    lots: dict[tuple[int, str], list[Lot]] = {key: [] for key in numbers.values()}
    for row in await connection.fetch(sql.LOTS_OF, *own):
        lots[numbers[row["operator_no"], row["player_no"]]].append(sql.lot_from_row(row))
    loaded.points = {
        key: points_of(of, loaded.active_holds(*key), wallets[(*key, POINTS)].balance)
        for key, of in lots.items()
    }


async def _add_redemptions(
    connection: asyncpg.Connection, loaded: LoyaltyLoaded, asked: Sequence[Request]
) -> None:
    redemptions = {*redemptions_named(asked), *redemptions_refunded(asked, loaded.rewards)}
    if redemptions:
        for row in await connection.fetch(sql.REDEMPTIONS, *columns(redemptions, IDS)):
            redemption = sql.redemption_from_row(row)
            loaded.redemptions[row["operator_no"], redemption.transaction_id] = redemption


async def _add_rewards(
    connection: asyncpg.Connection,
    loaded: LoyaltyLoaded,
    named: set[tuple[int, str]],
    numbers: PlayerKeys,
) -> None:
    own = columns(numbers, NUMBERS)
    for row in await connection.fetch(rewards_sql.REWARDS_OF, *columns(named, IDS), *own):
        rewarded = rewards_sql.reward_from_row(row)
        loaded.rewards[row["operator_no"], rewarded.transaction_id] = rewarded
    for operator, player, currency, owed in await connection.fetch(rewards_sql.OWED_BY, *own):
        loaded.owed[(*numbers[operator, player], currency)] = owed


async def _add_programs(
    connection: asyncpg.Connection, loaded: LoyaltyLoaded, asked: Sequence[Request]
) -> None:
    operators = {(request.operator,) for request in asked}
    for row in await connection.fetch(sql.PROGRAMS, *columns(operators, "integer")):
        loaded.programs.setdefault(row["operator_no"], []).append(program_from_row(row))
    times = [
        (operator, microseconds(first), microseconds(last))
        for operator, first, last in order_times(asked)
    ]
    if times:
        on = columns(times, rewards_sql.TIMES)
        for row in await connection.fetch(rewards_sql.CAMPAIGNS_ON, *on):
            campaign = campaign_from_row(row)
            loaded.campaigns.setdefault(row["operator_no"], []).append(campaign)


async def _add_accounts(
    connection: asyncpg.Connection,
    numbers: PlayerKeys,
    wallets: Wallets,
) -> None:
    """Add the players' accounts of points, made where missing, with the players' status."""
    statuses = {key[:2]: wallet.player_status for key, wallet in wallets.items()}
    own = columns(numbers, NUMBERS)
    found = await connection.fetch(sql.POINTS_ACCOUNTS, *own)
    if len(found) < len(numbers):
        await connection.execute(sql.MAKE_POINTS_ACCOUNTS, *own)
        found = await connection.fetch(sql.POINTS_ACCOUNTS, *own)
    for operator, player, account, balance, sequence in found:
        key = numbers[operator, player]
        wallets[(*key, POINTS)] = Wallet(account, key[1], statuses[key], POINTS, balance, sequence)
