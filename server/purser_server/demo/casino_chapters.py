"""The chapters of seamless mode: a second casino, whose players' money stays with it.

Three answers are lost on purpose. In the end the casino's money and Purser's account of it agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from purser.admin.v1.operator_pb2 import (
    API_KEY_ROLE_BACKEND,
    API_KEY_ROLE_LOYALTY,
    CallbackSettings,
)
from purser.admin.v1.operator_service_pb2 import (
    CreateOperatorRequest,
    UpdateOperatorRequest,
)
from purser.wallet.v1.player_service_pb2 import CreatePlayerRequest
from purser.wallet.v1.wallet_pb2 import (
    TRANSACTION_STATE_COMPLETED,
    TRANSACTION_STATE_PENDING,
    TRANSACTION_STATE_ROLLED_BACK,
    TRANSACTION_TYPE_BET,
    Transaction,
)
from purser.wallet.v1.wallet_service_pb2 import BetRequest, GetTransactionRequest
from purser_server.demo.chapters import make_key, newest_first
from purser_server.demo.client import Client
from purser_server.demo.money import CURRENCY, eur, shown, shown_change, shown_minor
from purser_server.demo.printing import Narrator
from purser_server.demo.prize_chapters import lose_and_return_prize
from purser_server.demo.requests import bet, win
from purser_server.demo.stage import Moved, Stage, expect, wait_while
from purser_server.subprocesses.casino import CasinoProcess, running_casino

if TYPE_CHECKING:
    from purser_server.demo.client import Rpc

OPERATOR = "casino-two"
PLAYER = "bob"
BROUGHT = "100.00"
FAULTS = "bet:drop-after@2,rollback:drop-before@1,prize:drop-after@1"
"""The answer to the second bet is lost, and so is the first attempt to roll that bet back; and the
answer to the first prize."""

Request = TypeVar("Request")
Answer = TypeVar("Answer", bound=Moved)


def play(narrator: Narrator, admin: Client, address: str) -> Sequence[Transaction]:
    """Play all of it with a casino of its own; return its transactions, oldest first."""
    narrator.chapter(
        "The casino keeps the money",
        "Purser asks this casino for each bet, and keeps no money itself.",
    )
    options = ("--player", f"{PLAYER}={BROUGHT}{CURRENCY}", "--faults", FAULTS)
    with running_casino(OPERATOR, *options) as casino:
        narrator.step("purser-casino", "", f"listens on {casino.address}")
        api_key = _set_up(narrator, admin, casino)
        with Client(address, api_key) as client:
            stage = Stage(narrator, client, PLAYER)
            _link_player(stage)
            _play_round(stage)
            _lose_an_answer(stage)
            lose_and_return_prize(stage, PLAYER, had="115.00", leaves="140.00")
            history = _compare_accounts(stage)
        expect(f"the casino's exit code ({casino.last_words})", casino.stop(), 0)
        narrator.step("purser-casino", "", "ended with exit code 0")
    return history


def _set_up(narrator: Narrator, admin: Client, casino: CasinoProcess) -> str:
    """Create the operator and tell where its casino is; return the API key of its backend."""
    operators = admin.operators
    admin.call(operators.CreateOperator, CreateOperatorRequest(operator_id=OPERATOR))
    narrator.step("CreateOperator", OPERATOR, "created")
    callback = CallbackSettings(target=casino.address, signing_secret=casino.signing_secret)
    request = UpdateOperatorRequest(operator_id=OPERATOR, callback=callback)
    admin.call(operators.UpdateOperator, request)
    narrator.step("UpdateOperator", OPERATOR, "is asked from now on, by signed calls")
    return make_key(narrator, admin, OPERATOR, API_KEY_ROLE_BACKEND, API_KEY_ROLE_LOYALTY)


def _link_player(stage: Stage) -> None:
    request = CreatePlayerRequest(player_id=PLAYER, currency_codes=[CURRENCY])
    stage.casino.call(stage.casino.players.CreatePlayer, request)
    stage.holds(BROUGHT)
    stage.narrator.step("CreatePlayer", PLAYER, "linked, with no money at Purser")
    stage.narrator.step("GetBalance", PLAYER, f"the casino has {shown(eur(BROUGHT))}")


def _play_round(stage: Stage) -> None:
    stage.narrator.chapter(
        "A round at that casino", "The same calls; the casino decides, and tells its balance."
    )
    wallet = stage.casino.wallet
    _moves(stage, wallet.Bet, bet("bet-1", "10.00", "round-1", player=PLAYER), leaves="90.00")
    won = win("win-1", "25.00", "round-1", closes=True, player=PLAYER)
    _moves(stage, wallet.Win, won, leaves="115.00")


def _moves(
    stage: Stage, rpc: Rpc[Request, Answer], request: Request, *, leaves: str
) -> Transaction:
    """Move the casino's money, which then says that the player has `leaves`."""
    moved = stage.casino.call(rpc, request).transaction
    name = moved.transaction_id
    expect(f"the state of {name}", moved.state, TRANSACTION_STATE_COMPLETED)
    expect(f"the casino's balance after {name}", moved.balance_after, eur(leaves))
    stage.holds(leaves)
    rpc_name = type(request).__name__.removesuffix("Request")
    stage.narrator.change(rpc_name, moved, _change_minor(moved), "the casino has")
    return moved


def _lose_an_answer(stage: Stage) -> None:
    """The casino takes a stake, but its answer is lost: nobody may keep what nobody knows of."""
    narrator, wallet = stage.narrator, stage.casino.wallet
    narrator.chapter(
        "An answer is lost", "The casino takes the stake, and the network drops its answer."
    )
    lost = bet("bet-2", "10.00", "round-2", player=PLAYER)
    pending = {"transaction_id": "bet-2", "state": "PENDING"}
    stage.fails(wallet.Bet, lost, "CASINO_UNREACHABLE", "bet-2", **pending)
    narrator.remark("Purser asks the casino to roll it back, until there is an answer…")
    waited_s = _wait_for_rollback(stage.casino, lost)
    stage.still_holds()
    undone = f"ROLLED_BACK after {waited_s:.1f} s: the stake is back"
    narrator.step("GetTransaction", "bet-2", undone)
    again = {"transaction_id": "bet-2"}
    stage.is_refused(wallet.Bet, lost, "TRANSACTION_ROLLED_BACK", "bet-2", **again)


def _wait_for_rollback(casino: Client, lost: BetRequest) -> float:
    """Wait until a pending bet is rolled back; return the seconds that took."""
    request = GetTransactionRequest(transaction_id=lost.transaction_id)

    def state() -> int:
        return casino.call(casino.wallet.GetTransaction, request).transaction.state

    pending = f"{lost.transaction_id} is still pending"
    found, waited_s = wait_while(pending, state, TRANSACTION_STATE_PENDING)
    expect(f"the state of {lost.transaction_id} in the end", found, TRANSACTION_STATE_ROLLED_BACK)
    return waited_s


def _compare_accounts(stage: Stage) -> Sequence[Transaction]:
    """Hold the casino's balance against what Purser's history makes of it."""
    narrator = stage.narrator
    narrator.chapter(
        "Two accounts, one truth", "What Purser recorded must explain the casino's own balance."
    )
    history = list(newest_first(stage.casino, PLAYER))[::-1]
    narrator.history(history)
    change = sum(map(_change_minor, history))
    accounted = eur(BROUGHT).minor_units + change
    account = f"{shown(eur(BROUGHT))} {shown_change(change)} = {shown_minor(accounted)}"
    narrator.step("Purser recorded", PLAYER, account)
    held = stage.balance()
    expect("the casino's balance, by Purser's account", held.minor_units, accounted)
    narrator.step("GetBalance", PLAYER, f"the casino has {shown(held)}")
    return history


def _change_minor(transaction: Transaction) -> int:
    """Return what a transaction added to the player's money, in cents."""
    if transaction.state != TRANSACTION_STATE_COMPLETED:
        return 0
    amount = transaction.amount.minor_units
    return -amount if transaction.type == TRANSACTION_TYPE_BET else amount
