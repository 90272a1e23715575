"""The chapters of the story, each a few calls and what must come of them.

It is the workflow of balance transfer: the casino links a player, moves money in, the game plays
with it, and the casino moves it out again.
"""

from __future__ import annotations

from collections.abc import Iterator

from purser.admin.v1.ledger_service_pb2 import VerifyLedgerRequest
from purser.admin.v1.operator_pb2 import (
    API_KEY_ROLE_BACKEND,
    API_KEY_ROLE_LOYALTY,
    ApiKeyRole,
)
from purser.admin.v1.operator_service_pb2 import CreateApiKeyRequest, CreateOperatorRequest
from purser.error.v1.error_reason_pb2 import ErrorReason
from purser.wallet.v1.player_service_pb2 import CreatePlayerRequest
from purser.wallet.v1.wallet_pb2 import (
    ROLLBACK_OUTCOME_TOMBSTONED,
    TRANSACTION_STATE_ROLLED_BACK,
    Transaction,
)
from purser.wallet.v1.wallet_service_pb2 import (
    CloseGameSessionRequest,
    ExecuteRequest,
    ExecuteResponse,
    GetTransactionRequest,
    ListTransactionsRequest,
    OpenGameSessionRequest,
    Operation,
    OperationResult,
)
from purser_server.demo.client import Client, Refused
from purser_server.demo.money import CURRENCY, eur, shown
from purser_server.demo.printing import Narrator
from purser_server.demo.requests import (
    GAME,
    OPERATOR,
    PLAYER,
    bet,
    deposit,
    rollback,
    win,
    withdraw_all,
)
from purser_server.demo.stage import Stage, expect

_ENTER = OpenGameSessionRequest(player_id=PLAYER, game_id=GAME, currency_code=CURRENCY)


def set_up_casino(narrator: Narrator, admin: Client) -> str:
    """Create the operator with the installation's key; return the API key of its backend."""
    narrator.chapter(
        "A casino is set up",
        "The admin key makes an operator, and an API key that belongs to it.",
    )
    admin.call(admin.operators.CreateOperator, CreateOperatorRequest(operator_id=OPERATOR))
    narrator.step("CreateOperator", OPERATOR, "created")
    return make_key(narrator, admin, OPERATOR, API_KEY_ROLE_BACKEND, API_KEY_ROLE_LOYALTY)


def make_key(narrator: Narrator, admin: Client, operator: str, *roles: ApiKeyRole.ValueType) -> str:
    """Make an API key of an operator, with these roles; return it."""
    request = CreateApiKeyRequest(operator_id=operator, roles=roles)
    made = admin.call(admin.operators.CreateApiKey, request)
    names = [ApiKeyRole.Name(role).removeprefix("API_KEY_ROLE_").lower() for role in roles]
    word = "role" if len(names) == 1 else "roles"
    narrator.step("CreateApiKey", operator, f"a key with the {word} {' and '.join(names)}")
    return made.api_key


def link_player(stage: Stage) -> None:
    """Create the player; the wallet makes itself."""
    stage.narrator.chapter(
        "A player is linked", "The casino's own id is enough; the wallet makes itself."
    )
    request = CreatePlayerRequest(player_id=PLAYER, currency_codes=[CURRENCY])
    answer = stage.casino.call(stage.casino.players.CreatePlayer, request)
    expect("the number of wallets", len(answer.balances), 1)
    wallet = answer.balances[0]
    expect("the balance of the new wallet", wallet.balance, eur("0.00"))
    stage.narrator.step("CreatePlayer", PLAYER, f"one {CURRENCY} wallet, {shown(wallet.balance)}")


def enter_without_money(stage: Stage) -> None:
    """A player with nothing to play with may not enter."""
    stage.narrator.chapter(
        "No money, no game", "A player with a zero balance does not get into a game."
    )
    stage.is_refused(
        stage.casino.wallet.OpenGameSession,
        _ENTER,
        "INSUFFICIENT_FUNDS",
        PLAYER,
        balance="0",
        required="1",
        currency_code=CURRENCY,
    )


def bring_money(stage: Stage) -> None:
    """The first deposit."""
    stage.narrator.chapter("A deposit", "The casino moves money into the wallet, under its own id.")
    stage.moves(stage.casino.wallet.Deposit, deposit("deposit-1", "100.00"), leaves="100.00")


def enter(stage: Stage) -> str:
    """Open a session, now that there is money; return its id."""
    stage.narrator.chapter("Into the game", "With money in the wallet the session opens.")
    opened = stage.casino.call(stage.casino.wallet.OpenGameSession, _ENTER)
    expect("the balance to play with", opened.balance.balance, eur("100.00"))
    stage.narrator.step("OpenGameSession", PLAYER, f"{shown(opened.balance.balance)} to play with")
    return opened.session_id


def play_round(stage: Stage, session_id: str) -> None:
    """Two bets and a win, which ends the round."""
    stage.narrator.chapter(
        "A round is played", "Each answer carries the balance; no call goes back to the casino."
    )
    wallet = stage.casino.wallet
    stage.moves(wallet.Bet, bet("bet-1", "12.50", "round-1", session_id), leaves="87.50")
    stage.moves(wallet.Bet, bet("bet-2", "7.50", "round-1", session_id), leaves="80.00")
    stage.moves(wallet.Win, win("win-1", "50.00", "round-1", closes=True), leaves="130.00")


def undo_bet(stage: Stage, session_id: str) -> None:
    """The game breaks down after a bet, and the stake goes back."""
    stage.narrator.chapter("A bet is undone", "The game broke down: the stored stake goes back.")
    wallet = stage.casino.wallet
    stage.moves(wallet.Bet, bet("bet-3", "20.00", "round-2", session_id), leaves="110.00")
    stage.moves(wallet.Rollback, rollback("rollback-1", "bet-3"), leaves="130.00")
    undone = stage.casino.call(wallet.GetTransaction, GetTransactionRequest(transaction_id="bet-3"))
    expect("the state of bet-3", undone.transaction.state, TRANSACTION_STATE_ROLLED_BACK)


def undo_bet_before_it_comes(stage: Stage) -> None:
    """A rollback overtakes its bet, which then must not count."""
    stage.narrator.chapter(
        "A rollback comes first", "Its bet was lost on the way; should it still arrive, it is late."
    )
    wallet = stage.casino.wallet
    answer = stage.casino.call(wallet.Rollback, rollback("rollback-2", "bet-4"))
    expect("the outcome of rollback-2", answer.outcome, ROLLBACK_OUTCOME_TOMBSTONED)
    stage.narrator.step("Rollback", "rollback-2", "TOMBSTONED: bet-4 is remembered")
    late = bet("bet-4", "20.00", "round-2")
    stage.is_refused(wallet.Bet, late, "TRANSACTION_ROLLED_BACK", "bet-4", transaction_id="bet-4")


def send_deposit_again(stage: Stage) -> None:
    """The same deposit twice has one effect; another one under its id has none."""
    stage.narrator.chapter(
        "The same deposit again", "An id counts once, for ever: a lost answer is safe to ask for."
    )
    wallet = stage.casino.wallet
    again = stage.casino.call(wallet.Deposit, deposit("deposit-1", "100.00"))
    expect("replayed of deposit-1", again.replayed, True)
    expect("the stored balance", again.transaction.balance_after, eur("100.00"))
    stage.still_holds()
    stage.narrator.step("Deposit", "deposit-1", "replayed: the stored answer, nothing moved")
    stage.is_refused(
        wallet.Deposit,
        deposit("deposit-1", "150.00"),
        "TRANSACTION_ID_REUSED",
        "deposit-1",
        transaction_id="deposit-1",
        field="amount.minor_units",
    )


def bet_too_much(stage: Stage, session_id: str) -> None:
    """A bet that the wallet cannot pay is refused, and the refusal is final."""
    stage.narrator.chapter(
        "A bet above the balance", "It is refused, and stays refused under its id."
    )
    wallet, too_much = stage.casino.wallet, bet("bet-5", "500.00", "round-3", session_id)
    figures = {"balance": "13000", "required": "50000"}
    stage.is_refused(wallet.Bet, too_much, "INSUFFICIENT_FUNDS", "bet-5", **figures)
    figures["replayed"] = "true"
    stage.is_refused(wallet.Bet, too_much, "INSUFFICIENT_FUNDS", "bet-5", **figures)


def send_batch(stage: Stage) -> None:
    """Three operations in one call, of which the second is refused."""
    stage.narrator.chapter(
        "Many operations in one call", "Each stands for itself: a refused one disturbs no other."
    )
    answer = _execute(
        stage,
        Operation(bet=bet("bet-6", "10.00", "round-3")),
        Operation(bet=bet("bet-7", "500.00", "round-3")),
        Operation(win=win("win-2", "25.00", "round-3", of_bet="bet-6")),
    )
    expect("the reasons in the batch", _reasons(answer), ["", "INSUFFICIENT_FUNDS", ""])
    stage.holds("145.00")
    first, second, third = answer.results
    expect("the balance after bet-6", first.transaction.balance_after, eur("120.00"))
    expect("the balance after win-2", third.transaction.balance_after, eur("145.00"))
    stage.narrator.movement("Execute: bet", first.transaction)
    stage.narrator.refusal("Execute: bet", "bet-7", _refused(second))
    stage.narrator.movement("Execute: win", third.transaction)


def send_atomic_group(stage: Stage) -> None:
    """A group in which one operation fails leaves nothing behind but that refusal."""
    stage.narrator.chapter(
        "All or nothing", "The bet sees the deposit before it, is refused, and neither happens."
    )
    answer = _execute(
        stage,
        Operation(deposit=deposit("deposit-2", "50.00")),
        Operation(bet=bet("bet-8", "500.00", "round-4")),
        atomic=True,
    )
    wanted = ["ATOMIC_GROUP_FAILED", "INSUFFICIENT_FUNDS"]
    expect("the reasons in the group", _reasons(answer), wanted)
    for name, result in zip(("deposit-2", "bet-8"), answer.results, strict=True):
        stage.narrator.refusal("Execute, atomic", name, _refused(result))
    stage.is_refused(
        stage.casino.wallet.GetTransaction,
        GetTransactionRequest(transaction_id="deposit-2"),
        "TRANSACTION_NOT_FOUND",
        "deposit-2",
    )


def leave(stage: Stage, session_id: str) -> None:
    """Close the session and take all the money out."""
    stage.narrator.chapter("All money goes back", "The session ends, and nothing is left over.")
    wallet = stage.casino.wallet
    stage.casino.call(wallet.CloseGameSession, CloseGameSessionRequest(session_id=session_id))
    stage.narrator.step("CloseGameSession", PLAYER, "closed")
    gone = stage.moves(wallet.Withdraw, withdraw_all("withdraw-1"), leaves="0.00")
    expect("the amount of withdraw-1", gone.amount, eur("145.00"))


def read_history(stage: Stage) -> list[Transaction]:
    """List every transaction, page by page; return them, oldest first."""
    stage.narrator.chapter("The history", "ListTransactions, oldest first. Nothing is ever erased.")
    history = list(newest_first(stage.casino, PLAYER))[::-1]
    stage.narrator.history(history)
    sequences = [each.wallet_sequence for each in history if each.wallet_sequence]
    expect("the sequence of the wallet's postings", sequences, list(range(1, 10)))
    expect("the last balance of the history", history[-1].balance_after, eur("0.00"))
    return history


def verify(narrator: Narrator, admin: Client, transactions: int) -> None:
    """Have the server recompute the whole ledger, which must hold so many transactions."""
    narrator.chapter("The books", "VerifyLedger recomputes every balance from the history.")
    result = admin.call(admin.ledger.VerifyLedger, VerifyLedgerRequest())
    narrator.counts({field.name: value for field, value in result.counts.ListFields()})
    expect("the findings of VerifyLedger", list(result.findings), [])
    expect("consistent of VerifyLedger", result.consistent, True)
    expect("the number of transactions", result.counts.transactions, transactions)
    narrator.step("VerifyLedger", "", "the ledger is consistent")


def newest_first(casino: Client, player: str) -> Iterator[Transaction]:
    """List a player's transactions, page by page."""
    token = ""
    while True:
        request = ListTransactionsRequest(player_id=player, page_size=10, page_token=token)
        page = casino.call(casino.wallet.ListTransactions, request)
        yield from page.transactions
        token = page.next_page_token
        if not token:
            return


def _execute(stage: Stage, *operations: Operation, atomic: bool = False) -> ExecuteResponse:
    request = ExecuteRequest(operations=operations, atomic=atomic)
    answer = stage.casino.call(stage.casino.wallet.Execute, request)
    expect("the number of results", len(answer.results), len(operations))
    return answer


def _reasons(answer: ExecuteResponse) -> list[str]:
    return [_refused(each).reason if each.HasField("error") else "" for each in answer.results]


def _refused(result: OperationResult) -> Refused:
    reason = ErrorReason.Name(result.error.reason).removeprefix("ERROR_REASON_")
    return Refused("", reason, result.error.metadata, result.error.message)
