"""A client for tests: the generated stubs, a key, and money in human terms."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from purser.admin.v1 import (
    ledger_service_pb2,
    ledger_service_pb2_grpc,
    operator_service_pb2,
    operator_service_pb2_grpc,
)
from purser.loyalty.v1 import program_service_pb2_grpc
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import (
    player_service_pb2,
    player_service_pb2_grpc,
    wallet_pb2,
    wallet_service_pb2,
    wallet_service_pb2_grpc,
)
from tests.support.process import ADMIN_KEY

GAME = 1
BACKEND = 2
LOYALTY = 3
ADMIN = 4

MAX_BYTES = 16 * 1024 * 1024


def eur(amount: str) -> Money:
    """Return euros, given as people write them: eur("12.50")."""
    return money(amount, "EUR", 2)


def money(amount: str, currency_code: str, exponent: int) -> Money:
    """Return an amount of any currency, given as people write it."""
    minor = Decimal(amount).scaleb(exponent)
    assert minor == minor.to_integral_value(), amount
    return Money(currency_code=currency_code, minor_units=int(minor))


def new_id(prefix: str = "t") -> str:
    """Return an id that was never used before."""
    return f"{prefix}-{uuid.uuid4().hex[:16]}"


@dataclass(frozen=True)
class Failure:
    """What a refused call carries."""

    code: grpc.StatusCode
    reason: str
    metadata: Mapping[str, str]
    message: str
    bad_fields: tuple[str, ...]
    has_retry_info: bool
    domain: str = ""
    request_id: str = ""

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason} {json.dumps(dict(self.metadata))}: {self.message}"


def failure_of(error: grpc.aio.AioRpcError | grpc.RpcError) -> Failure:
    """Return what a refused call carries; reason is empty for errors of gRPC itself."""
    status = Status()
    request_id = ""
    trailing: Any = error.trailing_metadata() or ()  # type: ignore[union-attr]
    for key, value in trailing:
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
        elif key == "x-request-id":
            request_id = value
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    has_retry = False
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(BadRequest.DESCRIPTOR):
            detail.Unpack(bad)
        elif detail.Is(RetryInfo.DESCRIPTOR):
            detail.Unpack(retry)
            has_retry = True
    return Failure(
        code=error.code(),  # type: ignore[union-attr]
        reason=info.reason,
        metadata=dict(info.metadata),
        message=error.details() or "",  # type: ignore[union-attr]
        bad_fields=tuple(violation.field for violation in bad.field_violations),
        has_retry_info=has_retry,
        domain=info.domain,
        request_id=request_id,
    )


class refused:  # noqa: N801 - reads as a phrase: `with refused("ROUND_CLOSED") as failure:`
    """Expect a call inside to be refused for a reason; gives its Failure afterwards."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self.failure: Failure | None = None

    def __enter__(self) -> refused:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        assert error is not None, f"expected {self._reason}, but the call succeeded"
        if not isinstance(error, grpc.RpcError):
            return False
        self.failure = failure_of(error)
        assert self.failure.reason == self._reason, str(self.failure)
        return True

    @property
    def metadata(self) -> Mapping[str, str]:
        assert self.failure is not None
        return self.failure.metadata

    @property
    def code(self) -> grpc.StatusCode:
        assert self.failure is not None
        return self.failure.code


class Client:
    """Stubs on one channel that send one API key."""

    def __init__(self, address: str, api_key: str | None, timeout_s: float = 30.0) -> None:
        interceptors = [_KeyInterceptor(api_key, timeout_s)]
        self.channel = grpc.aio.insecure_channel(
            address,
            interceptors=interceptors,
            options=[
                ("grpc.max_receive_message_length", MAX_BYTES),
                ("grpc.max_send_message_length", MAX_BYTES),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 500),
            ],
        )
        channel: Any = self.channel
        self.wallet: Any = wallet_service_pb2_grpc.WalletServiceStub(channel)
        self.players: Any = player_service_pb2_grpc.PlayerServiceStub(channel)
        self.programs: Any = program_service_pb2_grpc.ProgramServiceStub(channel)
        self.operators: Any = operator_service_pb2_grpc.OperatorServiceStub(channel)
        self.ledger: Any = ledger_service_pb2_grpc.LedgerServiceStub(channel)

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- money, in human terms ---------------------------------------------------------------

    async def deposit(self, player: str, amount: Money, transaction_id: str = "") -> Any:
        return await self.wallet.Deposit(
            wallet_service_pb2.DepositRequest(
                transaction_id=transaction_id or new_id("deposit"), player_id=player, amount=amount
            )
        )

    async def withdraw(self, player: str, amount: Money, transaction_id: str = "") -> Any:
        return await self.wallet.Withdraw(
            wallet_service_pb2.WithdrawRequest(
                transaction_id=transaction_id or new_id("withdraw"),
                player_id=player,
                amount=amount,
            )
        )

    async def withdraw_all(self, player: str, currency: str, transaction_id: str = "") -> Any:
        return await self.wallet.Withdraw(
            wallet_service_pb2.WithdrawRequest(
                transaction_id=transaction_id or new_id("withdraw"),
                player_id=player,
                all_of_currency_code=currency,
            )
        )

    async def bet(
        self,
        player: str,
        amount: Money,
        round_id: str,
        transaction_id: str = "",
        game_id: str = "slots",
        session_id: str = "",
    ) -> Any:
        return await self.wallet.Bet(
            wallet_service_pb2.BetRequest(
                transaction_id=transaction_id or new_id("bet"),
                player_id=player,
                amount=amount,
                game_id=game_id,
                round_id=round_id,
                session_id=session_id,
            )
        )

    async def win(
        self,
        player: str,
        amount: Money,
        round_id: str,
        bet: str = "",
        transaction_id: str = "",
        game_id: str = "slots",
        win_type: int = wallet_pb2.WIN_TYPE_UNSPECIFIED,
        close_round: bool = False,
    ) -> Any:
        return await self.wallet.Win(
            wallet_service_pb2.WinRequest(
                transaction_id=transaction_id or new_id("win"),
                player_id=player,
                amount=amount,
                game_id=game_id,
                round_id=round_id,
                bet_transaction_id=bet,
                win_type=win_type,  # type: ignore[arg-type]
                close_round=close_round,
            )
        )

    async def rollback(self, player: str, original: str, transaction_id: str = "") -> Any:
        return await self.wallet.Rollback(
            wallet_service_pb2.RollbackRequest(
                transaction_id=transaction_id or new_id("rollback"),
                player_id=player,
                original_transaction_id=original,
            )
        )

    async def close_round(
        self, player: str, round_id: str, transaction_id: str = "", game_id: str = "slots"
    ) -> Any:
        return await self.wallet.CloseRound(
            wallet_service_pb2.CloseRoundRequest(
                transaction_id=transaction_id or new_id("close"),
                player_id=player,
                game_id=game_id,
                round_id=round_id,
            )
        )

    async def balance(self, player: str, currency: str = "EUR") -> int:
        """Return the balance in minor units."""
        response = await self.wallet.GetBalance(
            wallet_service_pb2.GetBalanceRequest(player_id=player, currency_code=currency)
        )
        return int(response.balances[0].balance.minor_units)

    async def new_player(self, *, money: Money | None = None, player_id: str = "") -> str:
        """Create a player, perhaps with money; return the id."""
        player = player_id or new_id("player")
        await self.players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(
                player_id=player,
                currency_codes=[money.currency_code if money is not None else "EUR"],
            )
        )
        if money is not None and money.minor_units:
            await self.deposit(player, money)
        return player

    async def transaction(self, transaction_id: str) -> Any:
        """Return a transaction by its id."""
        response = await self.wallet.GetTransaction(
            wallet_service_pb2.GetTransactionRequest(transaction_id=transaction_id)
        )
        return response.transaction


class Installation:
    """The admin's view of a server: makes casinos and checks the ledger."""

    def __init__(self, address: str, admin_key: str = ADMIN_KEY) -> None:
        self.address = address
        self.admin = Client(address, admin_key)
        self._clients: list[Client] = [self.admin]

    async def new_casino(self, *roles: int, operator_id: str = "") -> Client:
        """Create an operator and return a client with a key of these roles (default BACKEND)."""
        operator = operator_id or new_id("casino")
        await self.admin.operators.CreateOperator(
            operator_service_pb2.CreateOperatorRequest(operator_id=operator, display_name=operator)
        )
        return await self.new_client(operator, *roles)

    async def new_client(self, operator_id: str, *roles: int) -> Client:
        """Return a client with a new key of an operator."""
        key = await self.admin.operators.CreateApiKey(
            operator_service_pb2.CreateApiKeyRequest(
                operator_id=operator_id, roles=roles or (BACKEND,)
            )
        )
        return self.client(key.api_key, operator_id, key.key_id)

    def client(self, api_key: str | None, operator_id: str = "", key_id: str = "") -> Client:
        """Return a client with any key."""
        client = Client(self.address, api_key)
        client.operator_id = operator_id  # type: ignore[attr-defined]
        client.key_id = key_id  # type: ignore[attr-defined]
        client.api_key = api_key  # type: ignore[attr-defined]
        self._clients.append(client)
        return client

    async def verify(self, operator_id: str = "") -> Any:
        """Return the verification of an operator's ledger, or of all."""
        return await self.admin.ledger.VerifyLedger(
            ledger_service_pb2.VerifyLedgerRequest(operator_id=operator_id), timeout=120
        )

    async def assert_consistent(self, operator_id: str = "") -> None:
        """Assert that the ledger verifies."""
        result = await self.verify(operator_id)
        assert result.consistent, result

    async def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            await client.close()


class _KeyInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends the API key, and bounds every call in time."""

    def __init__(self, api_key: str | None, timeout_s: float) -> None:
        self._api_key = api_key
        self._timeout_s = timeout_s

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if self._api_key is not None:
            metadata.add("authorization", f"Bearer {self._api_key}")
        return await continuation(
            grpc.aio.ClientCallDetails(
                details.method,
                details.timeout or self._timeout_s,
                metadata,
                details.credentials,
                details.wait_for_ready,
            ),
            request,
        )
