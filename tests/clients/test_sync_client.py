"""The plain client against scripted answers of a channel that has no server behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc_testing
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from purser.type.v1.money_pb2 import Money as MoneyMessage
from purser.wallet.v1 import player_service_pb2, wallet_pb2
from purser.wallet.v1 import wallet_service_pb2 as pb
from purser_client import InsufficientFunds, Money, PurserClient, Unavailable

WALLET = pb.DESCRIPTOR.services_by_name["WalletService"]
PLAYERS = player_service_pb2.DESCRIPTOR.services_by_name["PlayerService"]
EUR = Money("2.50", "EUR")


class Scene:
    """A client that works in a thread, and the far end of its channel."""

    def __init__(self) -> None:
        self.channel = grpc_testing.channel([WALLET, PLAYERS], grpc_testing.strict_real_time())
        self.client = PurserClient("nowhere", "key", timeout_s=5.0, _channel=self.channel)
        self._pool = ThreadPoolExecutor(1)

    def start(self, work: Callable[[PurserClient], Any]) -> Any:
        """Let the client work; return what will come of it."""
        return self._pool.submit(work, self.client)

    def take(self, method: str, service: Any = WALLET) -> tuple[Any, Any]:
        """Return the next request of a method, and the call to answer it by."""
        metadata, request, call = self.channel.take_unary_unary(service.methods_by_name[method])
        assert ("authorization", "Bearer key") in tuple(metadata)
        return request, call


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made._pool.shutdown()


def completed(request: Any, after: int) -> wallet_pb2.Transaction:
    return wallet_pb2.Transaction(
        transaction_id=request.transaction_id,
        type=wallet_pb2.TRANSACTION_TYPE_BET,
        state=wallet_pb2.TRANSACTION_STATE_COMPLETED,
        player_id=request.player_id,
        amount=request.amount,
        balance_after=MoneyMessage(currency_code="EUR", minor_units=after),
    )


def refuse(call: Any, code: grpc.StatusCode, reason: str, **metadata: str) -> None:
    info = AnyMessage()
    info.Pack(ErrorInfo(reason=reason, domain="purser", metadata=metadata))
    status = Status(code=code.value[0], message="no", details=[info])
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    call.terminate(None, trailing, code, "no")


def a_bet(client: PurserClient) -> Any:
    return client.bet("anna", EUR, game_id="slots", round_id="r")


def test_a_bet_makes_an_id_and_returns_it_with_human_amounts(scene: Scene) -> None:
    asked = scene.start(a_bet)
    request, call = scene.take("Bet")
    assert request.amount == MoneyMessage(currency_code="EUR", minor_units=250)
    assert len(request.transaction_id) >= 16
    call.terminate(pb.BetResponse(transaction=completed(request, 750)), (), grpc.StatusCode.OK, "")

    movement = asked.result(5)

    assert movement.transaction.transaction_id == request.transaction_id
    assert movement.transaction.balance_after == Money("7.50", "EUR")
    assert not movement.replayed


def test_what_is_unavailable_is_repeated_with_the_same_id(scene: Scene) -> None:
    asked = scene.start(a_bet)
    first, call = scene.take("Bet")
    refuse(call, grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE")
    second, call = scene.take("Bet")
    call.terminate(
        pb.BetResponse(transaction=completed(second, 750), replayed=True),
        (),
        grpc.StatusCode.OK,
        "",
    )

    assert asked.result(5).replayed
    assert first == second


def test_a_pending_outcome_at_the_casino_is_not_repeated(scene: Scene) -> None:
    asked = scene.start(a_bet)
    _, call = scene.take("Bet")
    refuse(call, grpc.StatusCode.UNAVAILABLE, "CASINO_UNREACHABLE", state="PENDING")

    with pytest.raises(Unavailable) as told:
        asked.result(5)
    assert told.value.reason == "CASINO_UNREACHABLE"


def test_a_refusal_is_raised_with_its_figures(scene: Scene) -> None:
    asked = scene.start(a_bet)
    _, call = scene.take("Bet")
    refuse(
        call,
        grpc.StatusCode.FAILED_PRECONDITION,
        "INSUFFICIENT_FUNDS",
        balance="100",
        required="250",
        currency_code="EUR",
    )

    with pytest.raises(InsufficientFunds) as told:
        asked.result(5)
    assert (told.value.balance, told.value.required) == (100, 250)


def test_a_call_gives_up_when_its_time_is_over(scene: Scene) -> None:
    scene.client._timeout_s = 0.5
    asked = scene.start(a_bet)
    stop = threading.Event()

    def keep_refusing() -> None:
        while not stop.is_set():
            _, call = scene.take("Bet")
            refuse(call, grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE")

    threading.Thread(target=keep_refusing, daemon=True).start()
    with pytest.raises(Unavailable):
        asked.result(10)
    stop.set()


def test_players_and_batches(scene: Scene) -> None:
    asked = scene.start(lambda client: client.create_player("anna", ["EUR"]))
    request, call = scene.take("CreatePlayer", PLAYERS)
    player = wallet_pb2.Player(
        player_id=request.player_id,
        status=wallet_pb2.PLAYER_STATUS_ACTIVE,
        currency_codes=["EUR"],
    )
    call.terminate(
        player_service_pb2.CreatePlayerResponse(player=player), (), grpc.StatusCode.OK, ""
    )
    assert asked.result(5).currency_codes == ("EUR",)
