"""The chapters of prizes: Purser pays for one in transfer mode, the casino in seamless mode."""

from __future__ import annotations

from purser.loyalty.v1.loyalty_pb2 import (
    PRIZE_CASHBACK_STATE_CONFIRMED,
    PRIZE_CASHBACK_STATE_FAILED,
    PRIZE_STATE_CASHED_BACK,
    PRIZE_STATE_GRANTED,
    PRIZE_STATE_RETURN_PENDING,
    PrizeCashback,
)
from purser.loyalty.v1.prize_cashback_service_pb2 import (
    GetPrizeRequest,
    GrantPrizeRequest,
    OrderPrizeShipmentRequest,
    RequestPrizeCashbackRequest,
)
from purser.wallet.v1.wallet_pb2 import Transaction
from purser_server.demo.money import eur, shown
from purser_server.demo.stage import Stage, expect, wait_while

PRIZE = "prize-1"
VALUE = "25.00"


def return_prize(stage: Stage, player: str) -> Transaction:
    """In transfer mode: the wallet has the money at once, and the prize is gone."""
    stage.narrator.chapter(
        "A prize is returned", "The player takes its cash value; Purser pays, once."
    )
    _grant(stage, player)
    paid = _ask(stage, player, "return-1")
    expect("the state of return-1", paid.state, PRIZE_CASHBACK_STATE_CONFIRMED)
    stage.holds(VALUE)
    balance = f"CONFIRMED: balance {shown(paid.transaction.balance_after)}"
    stage.narrator.step("PrizeCashback", "return-1", balance)
    again = _ask(stage, player, "return-1")
    expect("the answer to the same request", again, paid)
    stage.still_holds()
    stage.narrator.step("PrizeCashback", "return-1", "the same answer again, nothing moved")
    shipment = OrderPrizeShipmentRequest(prize_id=PRIZE, player_id=player)
    prizes = stage.casino.prizes
    stage.is_refused(prizes.OrderPrizeShipment, shipment, "PRIZE_NOT_SHIPPABLE", PRIZE)
    return paid.transaction


def lose_and_return_prize(stage: Stage, player: str, *, had: str, leaves: str) -> None:
    """In seamless mode: an answer is lost, the prize comes back, and is returned again."""
    narrator = stage.narrator
    narrator.chapter(
        "A prize at that casino", "The casino pays, and the network drops its answer once more."
    )
    _grant(stage, player)
    lost = _ask(stage, player, "return-1")
    expect("the state of return-1", lost.state, PRIZE_CASHBACK_STATE_FAILED)
    narrator.step("PrizeCashback", "return-1", "FAILED")
    narrator.remark(f'The player reads: "{lost.player_message}"')
    waited_s = _wait_until_granted(stage)
    stage.holds(had)
    narrator.step("GetPrize", PRIZE, f"GRANTED again after {waited_s:.1f} s; no money moved")
    paid = _ask(stage, player, "return-2")
    expect("the state of return-2", paid.state, PRIZE_CASHBACK_STATE_CONFIRMED)
    stage.holds(leaves)
    outcome = f"CONFIRMED: the casino has {shown(paid.transaction.balance_after)}"
    narrator.step("PrizeCashback", "return-2", outcome)
    expect(f"the state of {PRIZE}", _state(stage), PRIZE_STATE_CASHED_BACK)


def _grant(stage: Stage, player: str) -> None:
    request = GrantPrizeRequest(
        prize_id=PRIZE, player_id=player, name="A coffee machine", cash_value=eur(VALUE)
    )
    prize = stage.casino.call(stage.casino.prizes.GrantPrize, request).prize
    expect(f"the state of {PRIZE}", prize.state, PRIZE_STATE_GRANTED)
    worth = f"{prize.name}, or {shown(prize.cash_value)}"
    stage.narrator.step("GrantPrize", PRIZE, worth)


def _ask(stage: Stage, player: str, transaction_id: str) -> PrizeCashback:
    request = RequestPrizeCashbackRequest(
        transaction_id=transaction_id, player_id=player, prize_id=PRIZE
    )
    return stage.casino.call(stage.casino.prizes.RequestPrizeCashback, request).prize_cashback


def _state(stage: Stage) -> int:
    request = GetPrizeRequest(prize_id=PRIZE)
    return stage.casino.call(stage.casino.prizes.GetPrize, request).prize.state


def _wait_until_granted(stage: Stage) -> float:
    """Wait until the casino has undone what nobody heard of; return the seconds that took."""
    returning = f"{PRIZE} is still being returned"
    found, waited_s = wait_while(returning, lambda: _state(stage), PRIZE_STATE_RETURN_PENDING)
    expect(f"the state of {PRIZE} in the end", found, PRIZE_STATE_GRANTED)
    return waited_s
