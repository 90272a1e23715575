"""A casino's events in any order: the server answers as the rules, read once more, say.

Every example has an operator of its own. The model is in `model`, what is compared in `told`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from purser.admin.v1 import ledger_service_pb2 as ledger
from purser.admin.v1 import operator_service_pb2 as operators
from purser.admin.v1.ledger_service_pb2_grpc import LedgerServiceStub
from purser.admin.v1.operator_service_pb2_grpc import OperatorServiceStub
from purser.wallet.v1 import player_service_pb2 as player_service
from purser.wallet.v1 import wallet_service_pb2 as wallet
from purser.wallet.v1.player_service_pb2_grpc import PlayerServiceStub
from purser.wallet.v1.wallet_pb2 import PlayerStatus
from purser.wallet.v1.wallet_service_pb2 import Operation
from purser.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub
from tests.property.model import ACTIVE, CLOSED, Model, malformed
from tests.property.operations import (
    GAMES,
    PLAYERS,
    ROUNDS,
    Draft,
    altered,
    drafts,
    finished,
    moves,
    picks,
    request_of,
)
from tests.property.told import (
    Told,
    sums_of,
    told_by_error,
    told_by_response,
    told_by_result,
    told_by_transaction,
)
from tests.support.client import BACKEND, new_id
from tests.support.process import ADMIN_KEY, PurserProcess

EXAMPLES = int(os.environ.get("PURSER_PROPERTY_EXAMPLES", "80"))
STEPS = 30
VERIFY_EVERY = 12
METHODS = {
    "deposit": "Deposit",
    "withdraw": "Withdraw",
    "bet": "Bet",
    "win": "Win",
    "rollback": "Rollback",
    "close_round": "CloseRound",
}


class Server:
    """The stubs of one channel; `key` is sent with every call."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.wallet: Any = WalletServiceStub(self.channel)
        self.players: Any = PlayerServiceStub(self.channel)
        self.operators: Any = OperatorServiceStub(self.channel)
        self.ledger: Any = LedgerServiceStub(self.channel)

    def ask(self, method: Any, request: Any, key: str = ADMIN_KEY) -> Any:
        """Make a call."""
        return method(request, timeout=60, metadata=[("authorization", f"Bearer {key}")])


class WalletMachine(RuleBasedStateMachine):
    """One client of one casino, that does whatever may be done, one thing after the other."""

    server: Server

    @initialize()
    def open_casino(self) -> None:
        server = self.server
        self.operator = new_id("casino")
        self.model = Model()
        self.sent: list[Operation] = []
        self.unknown: list[str] = []
        self.numbers = itertools.count(1)
        server.ask(
            server.operators.CreateOperator,
            operators.CreateOperatorRequest(operator_id=self.operator, display_name="A casino"),
        )
        self.key = server.ask(
            server.operators.CreateApiKey,
            operators.CreateApiKeyRequest(operator_id=self.operator, roles=[BACKEND]),
        ).api_key
        for player, currencies in PLAYERS.items():
            self.ask(
                server.players.CreatePlayer,
                player_service.CreatePlayerRequest(player_id=player, currency_codes=currencies),
            )
            self.model.statuses[player] = ACTIVE
            self.model.wallets.update({(player, currency): [0, 0] for currency in currencies})
        for player in PLAYERS:
            self.one(self.finish(Draft("deposit", player, "EUR", 1_000)))

    def ask(self, method: Any, request: Any) -> Any:
        return self.server.ask(method, request, self.key)

    def finish(self, draft: Draft) -> Operation:
        """Give a draft its ids, and remember it."""
        number = next(self.numbers)
        operation = finished(draft, f"t{number}", self.sent, f"never-sent-{number}")
        if draft.kind == "rollback_unknown":
            self.unknown.append(f"never-sent-{number}")
        self.sent.append(operation)
        return operation

    def one(self, operation: Operation) -> None:
        """Send an operation by its own rpc, and compare what is told."""
        expected = self.model.do(operation)
        method = METHODS[str(operation.WhichOneof("operation"))]
        try:
            told = told_by_response(
                self.ask(getattr(self.server.wallet, method), request_of(operation))
            )
        except grpc.RpcError as error:
            told = told_by_error(error)
        assert told == expected, (operation, told, expected)
        self.look_at([operation])

    def many(self, operations: Sequence[Operation], *, atomic: bool) -> None:
        """Send operations in an Execute, and compare what is told of each."""
        expected = self.model.do_all(list(operations), atomic=atomic)
        request = wallet.ExecuteRequest(operations=operations, atomic=atomic)
        results = self.ask(self.server.wallet.Execute, request).results
        # An Execute tells of a closed round no more than that it is closed.
        assert [told_by_result(result) for result in results] == [
            replace(told, round=None) for told in expected
        ]
        self.look_at(operations)

    # -- what a casino does ----------------------------------------------------------------------

    @rule(some=st.lists(drafts, min_size=1, max_size=4))
    def call(self, some: list[Draft]) -> None:
        for draft in some:
            self.one(self.finish(draft))

    @precondition(lambda self: self.model.statuses["ann"] == ACTIVE)
    @rule(moves=moves, fresh=st.booleans(), undone=st.sampled_from(["bet", "win", "win bet", ""]))
    def play_a_round(self, moves: list[Draft], fresh: bool, undone: str) -> None:
        """Play in one round, and perhaps try to undo all of it."""
        round_id = f"round-{next(self.numbers)}" if fresh else ROUNDS[0]
        if self.model.wallets["ann", "EUR"][0] < 100:
            self.one(self.finish(Draft("deposit", "ann", "EUR", 500)))
        began = len(self.sent)
        self.one(self.finish(Draft("bet", "ann", "EUR", 20, GAMES[0], round_id)))
        for move in moves:
            self.one(self.finish(replace(move, round=round_id) if move.round else move))
        played = self.sent[began:]
        for kind in undone.split():
            for operation in played:
                if operation.HasField(kind):  # type: ignore[arg-type]
                    self.roll_back(request_of(operation))

    def roll_back(self, request: Any) -> None:
        number = next(self.numbers)
        rollback = wallet.RollbackRequest(
            transaction_id=f"t{number}",
            player_id=request.player_id,
            original_transaction_id=request.transaction_id,
        )
        self.sent.append(Operation(rollback=rollback))
        self.one(self.sent[-1])

    @rule(group=st.lists(drafts, min_size=1, max_size=6), atomic=st.booleans(), twice=picks)
    def execute(self, group: list[Draft], atomic: bool, twice: int) -> None:
        operations = [self.finish(draft) for draft in group]
        if twice % 3 == 0:
            operations.append(operations[twice % len(operations)])
        if atomic:
            # Which of two causes a group fails by is not said when one of them is its form.
            operations = [one for one in operations if not _is_malformed(one)] or operations[:1]
        self.many(operations, atomic=atomic)

    @precondition(lambda self: len(self.sent) > 2)
    @rule(pick=picks, together=st.booleans())
    def send_again(self, pick: int, together: bool) -> None:
        operation = self.sent[pick % len(self.sent)]
        if together:
            self.many([operation, operation], atomic=False)
        else:
            self.one(operation)

    @rule(pick=picks, how=picks, atomic=st.booleans())
    def send_again_with_other_content(self, pick: int, how: int, atomic: bool) -> None:
        operation = altered(self.sent[pick % len(self.sent)], how)
        if atomic and not _is_malformed(operation):
            self.many([self.finish(Draft("deposit", "ann", "EUR", 7)), operation], atomic=True)
        else:
            self.one(operation)

    @precondition(lambda self: self.unknown)
    @rule(pick=picks, draft=drafts)
    def arrive_late(self, pick: int, draft: Draft) -> None:
        late = self.unknown[pick % len(self.unknown)]
        operation = finished(draft, late, [], f"never-sent-{next(self.numbers)}")
        self.sent.append(operation)
        self.one(operation)

    @rule(
        player=st.sampled_from(list(PLAYERS)),
        status=st.sampled_from(
            [ACTIVE] * 9 + ["SUSPENDED", "SELF_EXCLUDED", "SELF_EXCLUDED", CLOSED]
        ),
    )
    def change_status(self, player: str, status: str) -> None:
        request = player_service.UpdatePlayerRequest(
            player_id=player, status=PlayerStatus.Value(f"PLAYER_STATUS_{status}")
        )
        is_final = self.model.statuses[player] == CLOSED and status != CLOSED
        try:
            self.ask(self.server.players.UpdatePlayer, request)
        except grpc.RpcError as error:
            assert is_final
            assert told_by_error(error).reason == "PLAYER_CLOSED"
        else:
            assert not is_final
            self.model.statuses[player] = status

    # -- what must be so after each step ---------------------------------------------------------

    def look_at(self, operations: Sequence[Operation]) -> None:
        """Compare the wallets and rounds of whatever these operations concern."""
        concerned = {request_of(operation).player_id for operation in operations}
        for player in concerned & PLAYERS.keys():
            self.compare_wallets(player)
        keys = {
            (request.player_id, request.game_id, request.round_id)
            for request in map(self.round_named, operations)
            if request is not None and request.player_id in PLAYERS
        }
        for key in keys:
            self.compare_round(*key)
        if len(self.sent) % VERIFY_EVERY == 0:
            self.verify()

    def round_named(self, operation: Operation) -> Any | None:
        request = request_of(operation)
        if operation.HasField("rollback"):
            event = self.model.events.get(request.original_transaction_id)
            request = event.request if event is not None else None
        return request if getattr(request, "round_id", "") else None

    def compare_wallets(self, player: str) -> None:
        request = wallet.GetBalanceRequest(player_id=player)
        found = {
            (player, one.balance.currency_code): [one.balance.minor_units, one.sequence]
            for one in self.ask(self.server.wallet.GetBalance, request).balances
        }
        assert found == {key: is_ for key, is_ in self.model.wallets.items() if key[0] == player}

    def compare_round(self, player: str, game: str, round_id: str) -> None:
        request = wallet.GetRoundRequest(player_id=player, game_id=game, round_id=round_id)
        try:
            found = sums_of(self.ask(self.server.wallet.GetRound, request).round)
        except grpc.RpcError as error:
            assert told_by_error(error).reason == "ROUND_NOT_FOUND"
            assert self.model.sums((player, game, round_id)) is None
        else:
            assert found == self.model.sums((player, game, round_id))

    def verify(self) -> None:
        request = ledger.VerifyLedgerRequest(operator_id=self.operator)
        verified = self.server.ask(self.server.ledger.VerifyLedger, request)
        assert verified.consistent, verified
        assert verified.counts.transactions == len(self.model.events)

    def teardown(self) -> None:
        """Compare everything that is there."""
        if not hasattr(self, "key"):
            return
        for player in PLAYERS:
            self.compare_wallets(player)
            for game, round_id in itertools.product(GAMES, ROUNDS):
                self.compare_round(player, game, round_id)
        self.compare_history()
        self.verify()

    def compare_history(self) -> None:
        request = wallet.ListTransactionsRequest(page_size=1000)
        listed = self.ask(self.server.wallet.ListTransactions, request).transactions
        found = {one.transaction_id: one for one in listed}
        assert found.keys() == self.model.events.keys()
        for transaction_id, event in self.model.events.items():
            told = told_by_transaction(found[transaction_id])
            if event.told.reason:
                assert told.state == "REFUSED"
                assert found[transaction_id].balance_before.currency_code == ""
                continue
            state = event.told.state if event.stands or not event.kind else "ROLLED_BACK"
            assert told == _as_stored(replace(event.told, state=state))


def _as_stored(told: Told) -> Told:
    return replace(told, round=None, outcome="")


def _is_malformed(operation: Operation) -> bool:
    return malformed(str(operation.WhichOneof("operation")), request_of(operation))


@pytest.mark.slow
@pytest.mark.timeout(900)  # Far less when it passes; to find the smallest failure takes minutes.
async def test_any_order_of_events_comes_out_as_the_rules_say(server: PurserProcess) -> None:
    WalletMachine.server = Server(server.address)
    # In a thread, so that what the server prints is read meanwhile.
    await asyncio.to_thread(
        run_state_machine_as_test,
        WalletMachine,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None),
    )
    WalletMachine.server.channel.close()
