"""The reference casino: store, rules, faults and a gRPC server, together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

from purser_casino.faults import Faults
from purser_casino.rules import Rules
from purser_casino.service import CallbackService, Seen
from purser_casino.signatures import SignatureCheck
from purser_casino.store import MEMORY, Known, Status, Store

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts. With `client_ca` only clients with a certificate of it get in (mutual TLS)."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


class ReferenceCasino:
    """A casino that Purser can call; use it as an asynchronous context manager.

    Amounts are in minor units. `rules`, `check` and `service` are there for casinos that differ.
    Raises FaultSpecError for bad faults, and OSError when the address cannot be had.
    """

    def __init__(
        self,
        operator_id: str,
        signing_secret: str,
        *,
        listen: str = "127.0.0.1:0",
        database: str = MEMORY,
        tls: Tls | None = None,
        faults: str = "",
        faults_seed: int | None = None,
        rules: type[Rules] = Rules,
        check: type[SignatureCheck] = SignatureCheck,
        service: type[CallbackService] = CallbackService,
    ) -> None:
        self.address = ""
        self.faults = Faults(faults, faults_seed)
        self._listen = listen
        self._tls = tls
        self._store = Store(database)
        self._service = service(
            operator_id, check(signing_secret), self._store, rules(self._store), self.faults
        )
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop(0)

    async def start(self) -> Self:
        """Listen; `address` is HOST:PORT from then on."""
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._service.handler(),))
        self.address = f"{self._listen.rpartition(':')[0]}:{self._bind(self._server)}"
        await self._server.start()
        return self

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, let the others finish for so many seconds, close the database."""
        if self._server is not None:
            await self._server.stop(grace_s)
        await self.faults.end()
        await self._store.close()

    def add_player(self, player_id: str, **balances_minor: int) -> None:
        """Add an active player: `add_player("anna", EUR=100_000)`. What exists stays."""
        self.add_players((player_id, code, minor) for code, minor in balances_minor.items())

    def add_players(self, players: Iterable[tuple[str, str, int]]) -> None:
        """Add many: (player, currency, minor units). What exists stays."""
        self._store.add_players(players)

    def set_status(self, player_id: str, status: Status) -> None:
        """Suspend a player, exclude or admit again. Raises KeyError for an unknown one."""
        if not self._store.set_status(player_id, status):
            raise KeyError(player_id)

    def balance(self, player_id: str, currency_code: str) -> int:
        """Return a balance. Raises KeyError where there is none."""
        (wallet,) = self._store.transact([lambda: self._store.wallet(player_id, currency_code)])
        if wallet is None or wallet.balance_minor is None:
            raise KeyError((player_id, currency_code))
        return wallet.balance_minor

    def total(self, currency_code: str) -> int:
        """Return the sum of all players' balances."""
        return self._store.total(currency_code)

    def movement(self, transaction_id: str) -> Known | None:
        """Return what is remembered of a transaction id, or None."""
        return self._store.transact([lambda: self._store.find(transaction_id)])[0]

    def calls(self, rpc: str) -> int:
        """Return how many signed calls of an rpc, such as "Bet", have arrived."""
        return self._service.calls[rpc]

    def seen(self) -> list[Seen]:
        """Return the latest 10,000 signed calls in the order in which they arrived."""
        return list(self._service.seen)

    def _bind(self, server: grpc.aio.Server) -> int:
        try:
            if self._tls is None:
                return server.add_insecure_port(self._listen)
            tls = self._tls
            credentials = grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)],
                root_certificates=tls.client_ca,
                require_client_auth=tls.client_ca is not None,
            )
            return server.add_secure_port(self._listen, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._listen}: is the port taken?") from error
