"""How each reason of the catalogue is provoked over the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from purser.admin.v1 import ledger_service_pb2, operator_pb2, operator_service_pb2
from purser.error.v1 import error_reason_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_casino import ReferenceCasino
from purser_server.domain.errors import Reason
from purser_server.rpc.status import CODES
from tests.support.client import Client, Failure, Installation, eur, money, new_id


class Scene:
    """What a provocation has at hand: a casino, and a player with 10.00."""

    def __init__(self, casino: Client, installation: Installation, player: str) -> None:
        self.casino = casino
        self.installation = installation
        self.player = player
        self.operator = casino.operator_id  # type: ignore[attr-defined]

    async def status(self, status: Any) -> Any:
        return await self.casino.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(player_id=self.player, status=status)
        )

    async def bet_in(self, status: Any) -> Any:
        await self.status(status)
        return await self.casino.bet(self.player, eur("1.00"), "r")

    async def bet(self, amount: str = "1.00", transaction_id: str = "bet", **fields: Any) -> Any:
        return await self.casino.bet(self.player, eur(amount), "r", transaction_id, **fields)


Provocation = Callable[[Scene], Awaitable[Any]]
PROVOKE: dict[Reason, Provocation] = {}


def provokes(reason: Reason) -> Callable[[Provocation], Provocation]:
    def remember(provocation: Provocation) -> Provocation:
        PROVOKE[reason] = provocation
        return provocation

    return remember


@provokes(Reason.INVALID_FIELD)
async def _(scene: Scene) -> Any:
    return await scene.bet("-1.00")


@provokes(Reason.AMOUNT_RANGE)
async def _(scene: Scene) -> Any:
    return await scene.casino.deposit(scene.player, money(str(2**63 - 1), "EUR", 0))


@provokes(Reason.CURRENCY_UNKNOWN)
async def _(scene: Scene) -> Any:
    return await scene.casino.deposit(scene.player, money("1", "eur", 2))


@provokes(Reason.UNAUTHENTICATED_KEY)
async def _(scene: Scene) -> Any:
    return await scene.installation.client("no-key").balance(scene.player)


@provokes(Reason.ROLE_MISSING)
async def _(scene: Scene) -> Any:
    return await scene.installation.admin.balance(scene.player)


@provokes(Reason.PLAYER_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.casino.balance("nobody")


@provokes(Reason.WALLET_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.casino.balance(scene.player, "USD")


@provokes(Reason.TRANSACTION_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.casino.transaction("unknown")


@provokes(Reason.ROUND_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.casino.close_round(scene.player, "unknown")


@provokes(Reason.BET_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.casino.win(scene.player, eur("1.00"), "r", "unknown")


@provokes(Reason.API_KEY_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.installation.admin.operators.RevokeApiKey(
        operator_service_pb2.RevokeApiKeyRequest(key_id="unknown")
    )


@provokes(Reason.OPERATOR_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.installation.verify("unknown")


@provokes(Reason.PLAYER_EXISTS)
async def _(scene: Scene) -> Any:
    return await scene.casino.new_player(player_id=scene.player, money=money("0", "USD", 2))


@provokes(Reason.OPERATOR_EXISTS)
async def _(scene: Scene) -> Any:
    return await scene.installation.admin.operators.CreateOperator(
        operator_service_pb2.CreateOperatorRequest(operator_id=scene.operator, display_name="X")
    )


@provokes(Reason.TRANSACTION_ID_REUSED)
async def _(scene: Scene) -> Any:
    await scene.bet("1.00")
    return await scene.bet("2.00")


@provokes(Reason.INSUFFICIENT_FUNDS)
async def _(scene: Scene) -> Any:
    return await scene.bet("10.01")


@provokes(Reason.PLAYER_SUSPENDED)
async def _(scene: Scene) -> Any:
    return await scene.bet_in(wallet_pb2.PLAYER_STATUS_SUSPENDED)


@provokes(Reason.PLAYER_SELF_EXCLUDED)
async def _(scene: Scene) -> Any:
    return await scene.bet_in(wallet_pb2.PLAYER_STATUS_SELF_EXCLUDED)


@provokes(Reason.PLAYER_CLOSED)
async def _(scene: Scene) -> Any:
    return await scene.bet_in(wallet_pb2.PLAYER_STATUS_CLOSED)


@provokes(Reason.ROUND_CLOSED)
async def _(scene: Scene) -> Any:
    await scene.bet()
    await scene.casino.close_round(scene.player, "r")
    return await scene.bet(transaction_id="late")


@provokes(Reason.BET_ALREADY_SETTLED)
async def _(scene: Scene) -> Any:
    await scene.bet()
    await scene.casino.close_round(scene.player, "r")
    return await scene.casino.rollback(scene.player, "bet")


@provokes(Reason.TRANSACTION_ROLLED_BACK)
async def _(scene: Scene) -> Any:
    await scene.casino.rollback(scene.player, "bet")
    return await scene.bet()


@provokes(Reason.TRANSACTION_NOT_REVERSIBLE)
async def _(scene: Scene) -> Any:
    await scene.casino.deposit(scene.player, eur("1.00"), "deposit")
    return await scene.casino.rollback(scene.player, "deposit")


@provokes(Reason.SESSION_INVALID)
async def _(scene: Scene) -> Any:
    return await scene.bet(session_id="unknown")


@provokes(Reason.ATOMIC_GROUP_FAILED)
async def _(scene: Scene) -> Any:
    deposit = wallet_service_pb2.DepositRequest(
        transaction_id=new_id(), player_id=scene.player, amount=eur("1.00")
    )
    response = await scene.casino.wallet.Execute(
        wallet_service_pb2.ExecuteRequest(
            operations=[
                wallet_service_pb2.Operation(deposit=deposit),
                wallet_service_pb2.Operation(),
            ],
            atomic=True,
        )
    )
    error = response.results[0].error
    reason = error_reason_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    # Inside a batch there is no status; the code follows from the reason.
    code = CODES[Reason(reason)]
    return Failure(code, reason, dict(error.metadata), error.message, (), False, "purser")


SECRET = "x" * 32


async def to_seamless_mode(scene: Scene, target: str = "127.0.0.1:1") -> Any:
    return await scene.installation.admin.operators.UpdateOperator(
        operator_service_pb2.UpdateOperatorRequest(
            operator_id=scene.operator,
            callback=operator_pb2.CallbackSettings(target=target, signing_secret=SECRET),
        )
    )


@provokes(Reason.MODE_CHANGE_BLOCKED)
async def _(scene: Scene) -> Any:
    return await to_seamless_mode(scene)


@provokes(Reason.WRONG_MODE)
async def _(scene: Scene) -> Any:
    await scene.casino.withdraw_all(scene.player, "EUR")
    await to_seamless_mode(scene)
    return await scene.casino.deposit(scene.player, eur("1.00"))


@provokes(Reason.CASINO_UNREACHABLE)
async def _(scene: Scene) -> Any:
    await scene.casino.withdraw_all(scene.player, "EUR")
    await to_seamless_mode(scene)
    return await scene.bet()


@provokes(Reason.CASINO_REFUSED)
async def _(scene: Scene) -> Any:
    await scene.casino.withdraw_all(scene.player, "EUR")
    async with ReferenceCasino(scene.operator, SECRET, faults="bet:limit") as keeper:
        keeper.add_player(scene.player, EUR=1_000)
        await to_seamless_mode(scene, keeper.address)
        return await scene.bet()


@provokes(Reason.CASE_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await scene.installation.admin.ledger.GetCase(
        ledger_service_pb2.GetCaseRequest(case_id="case-1-1")
    )


@provokes(Reason.CASE_ALREADY_RESOLVED)
async def _(scene: Scene) -> Any:
    await scene.casino.withdraw_all(scene.player, "EUR")
    ledger = scene.installation.admin.ledger
    async with ReferenceCasino(scene.operator, SECRET, faults="win:refused") as keeper:
        keeper.add_player(scene.player, EUR=1_000)
        await to_seamless_mode(scene, keeper.address)
        await scene.bet()
        await scene.casino.win(scene.player, eur("1.00"), "r", "bet")
        listed = await ledger.ListOpenCases(
            ledger_service_pb2.ListOpenCasesRequest(operator_id=scene.operator)
        )
    for decision in (1, 2):
        request = ledger_service_pb2.ResolveCaseRequest(
            case_id=listed.open_cases[0].case_id,
            decision=decision,  # type: ignore[arg-type]
        )
        found = await ledger.ResolveCase(request)
    return found
