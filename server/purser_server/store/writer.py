"""A lane's connection: what the ledger's Protocol asks for, in the statements of `statements`.

Below SQLAlchemy, on the driver itself: here every microsecond is paid for each bet.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg

from purser_server.domain.accounts import AccountKind, house_kinds
from purser_server.domain.callbacks import lease_of
from purser_server.domain.commands import Bet
from purser_server.domain.decisions import Session, Wallet
from purser_server.domain.intents import Settle
from purser_server.domain.pending import Pending
from purser_server.domain.players import PlayerStatus
from purser_server.domain.rounds import Round, Settler
from purser_server.domain.transactions import Transaction
from purser_server.ledger.ports import (
    Changes,
    CommitUnknownError,
    ContentionError,
    Loaded,
    LoyaltyChanges,
    Request,
    RoundKey,
    StoreUnavailableError,
)
from purser_server.store import statements as sql
from purser_server.store.arrays import columns
from purser_server.store.changes import case_columns, pending_columns, save_columns
from purser_server.store.faults import CONNECTION_FAULTS, translate
from purser_server.store.loyalty_loading import load_loyalty
from purser_server.store.points_rows import SAVE_POINTS, points_columns
from purser_server.store.prize_rows import SAVE_PRIZES, load_prizes, prize_columns
from purser_server.store.reward_rows import (
    COUNT_EXPIRED,
    EXPIRED,
    SAVE_REWARDS,
    reward_columns,
)
from purser_server.store.rows import pending_from_row, round_from_row, transaction_from_row
from purser_server.store.wanted import references, rounds_named, rounds_of_rollbacks

WRITER_SETTINGS = {
    "application_name": "purser writer",
    # An answer means that it is on disk, whatever the database's own default says.
    "synchronous_commit": "on",
    # What is read after the locks must be newer than the locks.
    "default_transaction_isolation": "read committed",
    "lock_timeout": "5s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "15s",
    # Every statement begins with the arrays that it is given and finds its rows by key, in the
    # order in which it is written. A plan made while the tables were empty must not read them
    # whole when they have grown.
    "plan_cache_mode": "force_generic_plan",
    "join_collapse_limit": "1",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    # In a small table every index costs much the same. What decides is how many rows each reads,
    # or the rows of a whole casino might be read for one of them.
    "cpu_tuple_cost": "1",
    "cpu_index_tuple_cost": "1",
    "jit": "off",
}

_COMMAND_TIMEOUT_S = 20.0
_CONNECT_TIMEOUT_S = 5.0
_RECONNECT_PAUSE_S = 0.05

House = dict[tuple[int, AccountKind, str], int]


class PostgresWriter:
    """Implements `ledger.ports.Writer` on one asyncpg connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._lost: tuple[int, Any] | None = None
        self._stripe = 0
        self._flushes = 0
        self._house: House = {}
        self._new_house: House = {}

    # -- the connection ----------------------------------------------------------------------

    async def connect(self, patience_s: float) -> None:
        """Connect if not connected, trying for at most so many seconds."""
        if self._connection is not None and not self._connection.is_closed():
            return
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                self._connection = await self._open()
                return
            except (*CONNECTION_FAULTS, asyncpg.PostgresError) as error:
                if asyncio.get_running_loop().time() >= deadline:
                    raise StoreUnavailableError(repr(error)) from error
                await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _open(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self._url,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_COMMAND_TIMEOUT_S,
            server_settings=WRITER_SETTINGS,
        )
        try:
            await connection.set_type_codec(
                "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
            )
            if self._lost is not None:
                await connection.execute(sql.END_LOST_BACKEND, *self._lost)
            self._stripe = await connection.fetchval(sql.CLAIM_STRIPE)
            self._lost = tuple(await connection.fetchrow(sql.OWN_BACKEND))
            self._house.clear()
        except BaseException:
            connection.terminate()
            raise
        return connection

    @property
    def _live(self) -> asyncpg.Connection:
        if self._connection is None:
            raise StoreUnavailableError("not connected")
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def begin(self) -> None:
        """Open the SQL transaction.

        With twice as many flushes as before the tables may be twice as large: plans are made anew.
        """
        self._flushes += 1
        is_power_of_two = self._flushes & (self._flushes - 1) == 0
        with self._translated():
            await self._live.execute(sql.BEGIN_WITH_NEW_PLANS if is_power_of_two else "BEGIN")

    async def commit(self) -> None:
        """Commit; when the answer is lost, nobody knows, and the connection is given up."""
        connection = self._live
        try:
            done = await connection.execute("COMMIT")
        except CONNECTION_FAULTS as error:
            self._drop()
            raise CommitUnknownError(repr(error)) from error
        except asyncpg.PostgresError as error:
            raise translate(error) from error
        if done != "COMMIT":
            # PostgreSQL ends a transaction that has failed with ROLLBACK, and calls it a success.
            self._drop()
            raise StoreUnavailableError(f"COMMIT was answered with {done}")
        self._house.update(self._new_house)

    async def rollback(self) -> None:
        """Give the SQL transaction up; never raises."""
        if self._connection is None:
            return
        try:
            await self._connection.execute("ROLLBACK")
        except (*CONNECTION_FAULTS, asyncpg.PostgresError):
            self._drop()

    async def close(self) -> None:
        """Close the connection; never raises."""
        if self._connection is not None:
            with contextlib.suppress(*CONNECTION_FAULTS, asyncpg.PostgresError):
                await self._connection.close(timeout=_CONNECT_TIMEOUT_S)
            self._connection = None

    @contextlib.contextmanager
    def _translated(self) -> Any:
        """Turn the driver's errors into those of the ledger's Protocol."""
        try:
            yield
        except (*CONNECTION_FAULTS, asyncpg.PostgresError, asyncpg.DataError) as error:
            fault = translate(error)
            if isinstance(fault, StoreUnavailableError):
                self._drop()
            raise fault from error

    # -- reading -------------------------------------------------------------------------------

    async def load(self, requests: Sequence[Request]) -> Loaded:
        """Lock the wallets of these requests in sorted order, then read what is known of them."""
        with self._translated():
            players, wallets = await self._lock_wallets(requests)
            known = await self._known(requests)
            flush, rounds = await self._flush_and_rounds(requests, players, known)
            mode_changes, seamless = _modes(flush["modes"])
            loyalty = await load_loyalty(self._live, requests, players, wallets, known)
            prizes = await load_prizes(self._live, requests)
            return Loaded(
                numbers_from=flush["numbers_from"],
                now=flush["now"],
                players=players,
                wallets=wallets,
                house=await self._house_accounts(wallets),
                known=known,
                rounds=rounds,
                sessions=await self._sessions(requests),
                seamless=seamless,
                pending=await self._pending(requests, players, seamless),
                mode_changes=mode_changes,
                loyalty=loyalty,
                prizes=prizes,
            )

    async def _lock_wallets(
        self, requests: Sequence[Request]
    ) -> tuple[dict[tuple[int, str], int], dict[tuple[int, str, str], Wallet]]:
        wanted = {(request.operator, request.command.player_id) for request in requests}
        players: dict[tuple[int, str], int] = {}
        wallets: dict[tuple[int, str, str], Wallet] = {}
        for row in await self._live.fetch(sql.LOCK_WALLETS, *columns(wanted, sql.IDS)):
            operator, player_id, player, account, unit, balance, sequence, status = row
            players[operator, player_id] = player
            wallets[operator, player_id, unit] = Wallet(
                account, player_id, _STATUSES[status], unit, balance, sequence
            )
        # A player without a wallet does not exist: both are made in one transaction.
        return players, wallets

    async def _known(self, requests: Sequence[Request]) -> dict[tuple[int, str], Transaction]:
        wanted = {(request.operator, request.command.transaction_id) for request in requests}
        wanted.update(references(requests))
        rows = await self._live.fetch(sql.KNOWN_TRANSACTIONS, *columns(wanted, sql.IDS))
        return {
            (row["operator_no"], row["transaction_id"]): transaction_from_row(row) for row in rows
        }

    async def _flush_and_rounds(
        self,
        requests: Sequence[Request],
        players: Mapping[tuple[int, str], int],
        known: Mapping[tuple[int, str], Transaction],
    ) -> tuple[Mapping[str, Any], dict[RoundKey, Round]]:
        """Return what the flush as a whole is given, and the rounds that it is about."""
        undone = rounds_of_rollbacks(requests, known)
        keys = [
            key for key in dict.fromkeys([*rounds_named(requests), *undone]) if key[:2] in players
        ]
        wanted = [(key[0], players[key[:2]], key[2], key[3]) for key in keys]
        operators = {(request.operator,) for request in requests}
        rows = await self._live.fetch(
            sql.FLUSH_AND_ROUNDS, *columns(wanted, sql.ROUND_KEYS), *columns(operators, "integer")
        )
        rounds = {
            keys[row["place"] - 1]: round_from_row(row, keys[row["place"] - 1][1])
            for row in rows
            if row["place"] is not None
        }
        if undone:
            await self._add_settlers(rounds, undone)
        return rows[0], rounds

    async def _add_settlers(self, rounds: dict[RoundKey, Round], undone: set[RoundKey]) -> None:
        """Tell the rounds of rollbacks which of their wins settle bets."""
        found = {(key[0], rounds[key].number): key for key in undone if key in rounds}
        settlers: dict[RoundKey, list[Settler]] = {key: [] for key in found.values()}
        for row in await self._live.fetch(sql.SETTLERS, *columns(found, sql.NUMBERS)):
            operator, round_number, number, transaction_id, bet_transaction_id = row
            settlers[found[operator, round_number]].append(
                Settler(number, transaction_id, bet_transaction_id)
            )
        for key, wins in settlers.items():
            rounds[key] = dataclasses.replace(rounds[key], settlers=tuple(wins))

    async def _pending(
        self,
        requests: Sequence[Request],
        players: Mapping[tuple[int, str], int],
        seamless: Mapping[int, timedelta],
    ) -> dict[tuple[int, str], Pending]:
        """Return the intents of these players and ids, of operators in seamless mode."""
        ids = {
            (request.operator, request.command.transaction_id)
            for request in requests
            if request.operator in seamless or isinstance(request.command, Settle)
        }
        if not ids:
            return {}
        ids |= {named for named in references(requests) if named[0] in seamless}
        own = {(key[0], number) for key, number in players.items() if key[0] in seamless}
        rows = await self._live.fetch(
            sql.PENDING_OF, *columns(ids, sql.IDS), *columns(own, sql.NUMBERS)
        )
        return {(row["operator_no"], row["transaction_id"]): pending_from_row(row) for row in rows}

    async def _sessions(self, requests: Sequence[Request]) -> dict[tuple[int, str], Session]:
        wanted = {
            (request.operator, request.command.session_id)
            for request in requests
            if isinstance(request.command, Bet) and request.command.session_id
        }
        if not wanted:
            return {}
        return {
            (row[0], row[1]): Session(*row[1:])
            for row in await self._live.fetch(sql.SESSIONS, *columns(wanted, sql.IDS))
        }

    async def _house_accounts(self, wallets: Mapping[tuple[int, str, str], Wallet]) -> House:
        """Return this writer's house accounts for every unit in hand, making what is missing."""
        units = {(operator, unit) for operator, _, unit in wallets}
        missing = [
            (operator, int(kind), unit)
            for operator, unit in units
            for kind in house_kinds(unit)
            if (operator, kind, unit) not in self._house
        ]
        self._new_house = {}
        if missing:
            accounts = columns(sorted(missing), sql.HOUSE_KEYS)
            await self._live.execute(sql.MAKE_HOUSE_ACCOUNTS, *accounts, self._stripe)
            for row in await self._live.fetch(sql.HOUSE_ACCOUNTS, *accounts, self._stripe):
                operator, kind, unit, account = row
                self._new_house[operator, AccountKind(kind), unit] = account
        return {**self._house, **self._new_house} if missing else self._house

    # -- writing -------------------------------------------------------------------------------

    async def save(self, changes: Changes) -> None:
        """Write everything: movements by one statement, what else there is by others of its kind.

        Raises ContentionError when an operator's mode has changed since it was read, or two
        movements of different players were given one id.
        """
        with self._translated():
            # All that a flush writes has one time.
            time, saved = changes.time, save_columns(changes)
            if not await self._live.fetchval(sql.SAVE, time, *saved):
                raise ContentionError("the mode of an operator has changed")
            if changes.mode_changes:
                intents = pending_columns(changes)
                if await self._live.fetchval(sql.SAVE_PENDING, *intents):
                    raise ContentionError("another writer was given the same id")
            if changes.loyalty:
                await self._save_loyalty(changes.loyalty)
            if changes.prizes:
                await self._live.execute(SAVE_PRIZES, *prize_columns(changes.prizes))
            if changes.ended_cases:
                await self._live.execute(sql.END_CASES, time, *case_columns(changes))

    async def _save_loyalty(self, changes: LoyaltyChanges) -> None:
        await self._live.execute(SAVE_POINTS, *points_columns(changes))
        if changes.expired:
            expired = columns(changes.expired, EXPIRED)
            await self._live.execute(COUNT_EXPIRED, *expired)
        if changes.has_rewards:
            await self._live.execute(SAVE_REWARDS, *reward_columns(changes))


_STATUSES = {int(status): status for status in PlayerStatus}


def _modes(
    found: Mapping[str, tuple[int, int | None]] | None,
) -> tuple[dict[int, int], dict[int, timedelta]]:
    """Return how often operators' modes were changed, and in seamless mode their leases."""
    modes = {int(operator): mode for operator, mode in (found or {}).items()}
    leases = {
        operator: lease_of(deadline_ms)
        for operator, (_, deadline_ms) in modes.items()
        if deadline_ms is not None
    }
    return {operator: changes for operator, (changes, _) in modes.items()}, leases
