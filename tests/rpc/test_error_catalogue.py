"""The catalogue of errors: complete, told alike everywhere, and true on the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from purser.admin.v1 import ledger_service_pb2, operator_pb2, operator_service_pb2
from purser.error.v1 import error_reason_pb2
from purser.loyalty.v1 import (
    loyalty_pb2,
    points_service_pb2,
    points_service_pb2_grpc,
    program_service_pb2,
)
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_casino import ReferenceCasino
from purser_server.domain.errors import FINAL_REASONS, Reason
from purser_server.rpc.status import CODES
from tests.support.calls import outcome
from tests.support.catalogue import Documented, read_catalogue
from tests.support.client import LOYALTY, Client, Failure, Installation, eur, money, new_id
from tests.support.loyalty import Loyalty, back, item
from tests.support.prizes import PrizeDesk

CATALOGUE = read_catalogue()

# The code and the keys that clients were promised.
CONTRACT = {
    "INVALID_ARGUMENT": ["INVALID_FIELD", "AMOUNT_PRECISION", "AMOUNT_RANGE", "CURRENCY_UNKNOWN"],
    "UNAUTHENTICATED": ["UNAUTHENTICATED_KEY"],
    "PERMISSION_DENIED": ["ROLE_MISSING"],
    "NOT_FOUND": [
        *("PLAYER_NOT_FOUND", "WALLET_NOT_FOUND", "TRANSACTION_NOT_FOUND", "ROUND_NOT_FOUND"),
        *("BET_NOT_FOUND", "API_KEY_NOT_FOUND", "CASE_NOT_FOUND", "ORDER_NOT_FOUND"),
        *("PRIZE_NOT_FOUND", "HOLD_NOT_FOUND", "OPERATOR_NOT_FOUND", "CAMPAIGN_NOT_FOUND"),
    ],
    "ALREADY_EXISTS": [
        *("PLAYER_EXISTS", "OPERATOR_EXISTS", "TRANSACTION_ID_REUSED"),
        *("CAMPAIGN_EXISTS", "PRIZE_EXISTS"),
    ],
    "FAILED_PRECONDITION": [
        *("INSUFFICIENT_FUNDS", "INSUFFICIENT_POINTS", "PLAYER_SUSPENDED", "PLAYER_CLOSED"),
        *("PLAYER_SELF_EXCLUDED", "ROUND_CLOSED", "BET_ALREADY_SETTLED", "SESSION_INVALID"),
        *("TRANSACTION_ROLLED_BACK", "TRANSACTION_NOT_REVERSIBLE", "WRONG_MODE"),
        *("MODE_CHANGE_BLOCKED", "CASINO_REFUSED", "REFUND_EXCEEDS_ORDER"),
        *("REFUND_LINE_UNKNOWN", "REFUND_LINES_REQUIRED", "PRIZE_NOT_RETURNABLE"),
        *("PRIZE_NOT_SHIPPABLE", "HOLD_NOT_ACTIVE", "CASE_ALREADY_RESOLVED"),
    ],
    "ABORTED": ["ATOMIC_GROUP_FAILED"],
    "UNAVAILABLE": ["CASINO_UNREACHABLE"],
    "RESOURCE_EXHAUSTED": ["OVERLOADED"],
}


# -- the catalogue itself ---------------------------------------------------------------------


def test_every_value_of_the_enum_is_documented() -> None:
    values = error_reason_pb2.ErrorReason.DESCRIPTOR.values
    names = {value.name.removeprefix("ERROR_REASON_") for value in values} - {"UNSPECIFIED"}
    assert set(CATALOGUE) == names


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_has_its_four_lines_and_an_example_that_fits_them(entry: Documented) -> None:
    assert set(entry.lines) == {"Code", "Metadata", "Final", "Example"}
    assert entry.code in grpc.StatusCode.__members__
    assert isinstance(entry.is_final, bool)
    example = entry.example
    assert set(example) == {"reason", "domain", "metadata"}
    assert (example["reason"], example["domain"]) == (entry.reason, "purser")
    assert set(example["metadata"]) == entry.metadata
    assert all(isinstance(value, str) for value in example["metadata"].values())


def test_the_codes_are_those_that_clients_were_promised() -> None:
    for code, names in CONTRACT.items():
        for name in names:
            assert CATALOGUE[name].code == code, name


@pytest.mark.parametrize("reason", Reason)
def test_the_server_and_the_catalogue_agree(reason: Reason) -> None:
    entry = CATALOGUE[reason]
    assert CODES[reason].name == entry.code
    assert (reason in FINAL_REASONS) == entry.is_final


# -- each reason, over the wire ---------------------------------------------------------------


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


async def campaigns_of(scene: Scene) -> Any:
    return (await scene.installation.new_client(scene.operator, LOYALTY)).programs


@provokes(Reason.CAMPAIGN_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await (await campaigns_of(scene)).GetCampaign(
        program_service_pb2.GetCampaignRequest(campaign_id="unknown")
    )


@provokes(Reason.CAMPAIGN_EXISTS)
async def _(scene: Scene) -> Any:
    campaigns = await campaigns_of(scene)
    for multiplier in ("2", "3"):
        campaign = loyalty_pb2.Campaign(campaign_id="points", multiplier=multiplier)
        found = await campaigns.CreateCampaign(
            program_service_pb2.CreateCampaignRequest(campaign=campaign)
        )
    return found


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


# -- points --------------------------------------------------------------------------------------


async def points_of(scene: Scene) -> Any:
    client = await scene.installation.new_client(scene.operator, LOYALTY)
    return points_service_pb2_grpc.PointsServiceStub(client.channel)


@provokes(Reason.INSUFFICIENT_POINTS)
async def _(scene: Scene) -> Any:
    points = await points_of(scene)
    return await points.RedeemPoints(
        points_service_pb2.RedeemPointsRequest(
            transaction_id="redeem", player_id=scene.player, points=1
        )
    )


@provokes(Reason.HOLD_NOT_FOUND)
async def _(scene: Scene) -> Any:
    points = await points_of(scene)
    return await points.GetHold(points_service_pb2.GetHoldRequest(hold_id="none"))


@provokes(Reason.HOLD_NOT_ACTIVE)
async def _(scene: Scene) -> Any:
    points = await points_of(scene)
    await points.AdjustPoints(
        points_service_pb2.AdjustPointsRequest(
            transaction_id="gift", player_id=scene.player, points=10, reason="a gift"
        )
    )
    await points.HoldPoints(
        points_service_pb2.HoldPointsRequest(hold_id="hold", player_id=scene.player, points=10)
    )
    await points.ReleaseHold(points_service_pb2.ReleaseHoldRequest(hold_id="hold"))
    return await points.RedeemPoints(
        points_service_pb2.RedeemPointsRequest(
            transaction_id="redeem", player_id=scene.player, hold_id="hold"
        )
    )


# -- refunds -------------------------------------------------------------------------------------


async def shop_of(scene: Scene) -> Loyalty:
    """Return a shop where the player has bought mats at two prices, and bottles."""
    client = await scene.installation.new_client(scene.operator, LOYALTY)
    shop = Loyalty(client, scene.player, scene.operator)
    await shop.program(lines_missing_policy=loyalty_pb2.LINES_MISSING_POLICY_REJECT)
    mats = item("mat", "1", "10.00"), item("mat", "1", "8.00")
    await shop.order(*mats, item("bottle", "2", "5.00"), transaction_id="order")
    return shop


@provokes(Reason.ORDER_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("bet")


@provokes(Reason.REFUND_EXCEEDS_ORDER)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", back("bottle", "3"))


@provokes(Reason.REFUND_LINE_UNKNOWN)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", back("bread"))


@provokes(Reason.REFUND_LINE_AMBIGUOUS)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", back("mat"))


@provokes(Reason.REFUND_LINES_REQUIRED)
async def _(scene: Scene) -> Any:
    return await (await shop_of(scene)).give_back("order", amount="5.00")


# -- prizes --------------------------------------------------------------------------------------


async def prizes_of(scene: Scene) -> PrizeDesk:
    desk = await PrizeDesk.of(scene.installation, scene.operator)
    await desk.grant(scene.player)
    return desk


@provokes(Reason.PRIZE_NOT_FOUND)
async def _(scene: Scene) -> Any:
    return await (await prizes_of(scene)).prize("unknown")


@provokes(Reason.PRIZE_EXISTS)
async def _(scene: Scene) -> Any:
    return await (await prizes_of(scene)).grant(scene.player, value=eur("26.00"))


@provokes(Reason.PRIZE_NOT_RETURNABLE)
async def _(scene: Scene) -> Any:
    prizes = await prizes_of(scene)
    await prizes.ship(scene.player)
    return await prizes.give_back(scene.player)


@provokes(Reason.PRIZE_NOT_SHIPPABLE)
async def _(scene: Scene) -> Any:
    prizes = await prizes_of(scene)
    await prizes.give_back(scene.player)
    return await prizes.ship(scene.player)


NEED_A_FAULT = {Reason.OVERLOADED, Reason.LEDGER_UNAVAILABLE, Reason.INTERNAL_ERROR}
"""Provoked in test_technical_failures, each on a server of its own."""


def test_every_reason_of_this_release_can_be_provoked() -> None:
    assert set(PROVOKE) | NEED_A_FAULT == set(Reason)


@pytest.mark.parametrize("reason", PROVOKE)
async def test_a_reason_carries_on_the_wire_what_the_catalogue_says(
    casino: Client, installation: Installation, reason: Reason
) -> None:
    player = await casino.new_player(money=eur("10.00"))
    found = await outcome(PROVOKE[reason](Scene(casino, installation, player)))
    assert isinstance(found, Failure), "the call succeeded"
    assert found.reason == reason, str(found)
    assert found.code.name == CATALOGUE[reason].code
    assert set(found.metadata) == CATALOGUE[reason].metadata
    assert found.domain == "purser"
    assert found.message
    assert bool(found.bad_fields) == (reason is Reason.INVALID_FIELD)
    assert not found.has_retry_info
