"""A rich history of sound movements, made by a real server, verifies clean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from purser.admin.v1 import operator_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_server.app import prepare
from purser_server.domain.verification import Verification
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from purser_server.store.api_keys import PostgresKeys
from purser_server.store.engine import make_engine
from purser_server.store.operators import PostgresOperators
from purser_server.store.verification import PostgresVerification
from purser_server.usecases.operators import Operators
from purser_server.usecases.verification import LedgerVerification
from tests.support.client import Client, Installation, eur, money, refused
from tests.support.databases import connected, database_of_its_own
from tests.support.process import PurserProcess

PROMO = wallet_pb2.WIN_TYPE_PROMO
JACKPOT = wallet_pb2.WIN_TYPE_JACKPOT
FREE_ROUND = wallet_pb2.WIN_TYPE_FREE_ROUND
ROLLED_BACK = wallet_pb2.ROLLBACK_OUTCOME_ROLLED_BACK
TOMBSTONED = wallet_pb2.ROLLBACK_OUTCOME_TOMBSTONED
NOTHING = wallet_pb2.ROLLBACK_OUTCOME_NOTHING_TO_ROLL_BACK


async def tell_everything(server: PurserProcess) -> None:
    """Make a history that has everything which a wallet in transfer mode can do."""
    installation = Installation(server.address)
    for operator in ("casino", "neighbour"):
        await installation.admin.operators.CreateOperator(
            operator_service_pb2.CreateOperatorRequest(
                operator_id=operator,
                display_name=operator,
                currencies=[operator_pb2.Currency(code="GOLD", exponent=0)],
            )
        )
        casino = await installation.new_client(operator)
        for player in ("ann", "bob", "cid", "dan"):
            await casino.players.CreatePlayer(
                player_service_pb2.CreatePlayerRequest(
                    player_id=player, currency_codes=["EUR", "GOLD", "KWD"]
                )
            )
            await casino.deposit(player, eur("100.00"), f"{player}-deposit")
            await casino.deposit(player, money("50", "GOLD", 0), f"{player}-gold")
        await casino.deposit("ann", money("1.234", "KWD", 3), "ann-dinar")
        await tell_of_rounds(casino)
        await tell_of_rollbacks(casino)
        await tell_of_groups(casino)
        await tell_of_money_and_statuses(casino)
    await installation.close()


async def tell_of_rounds(casino: Client) -> None:
    # Named and unnamed wins, of the amount zero too, under a round that a win closes.
    await casino.bet("ann", eur("1.00"), "r", "bet-1")
    await casino.bet("ann", eur("2.00"), "r", "bet-2")
    await casino.win("ann", eur("3.00"), "r", "bet-1", "win-named")
    await casino.win("ann", eur("4.00"), "r", "", "win-covering")
    await casino.bet("ann", eur("0.00"), "r", "bet-free")
    await casino.win("ann", eur("0.00"), "r", "bet-free", "win-nothing", close_round=True)
    await casino.win("ann", eur("5.00"), "r", "", "win-late", win_type=JACKPOT)
    with refused("ROUND_CLOSED"):
        await casino.bet("ann", eur("1.00"), "r", "bet-late")
    # Closed twice.
    await casino.bet("ann", eur("1.00"), "closed", "bet-closed")
    await casino.close_round("ann", "closed", "close-1")
    await casino.close_round("ann", "closed", "close-2")
    # Promotions without a round, and under names that no bet has opened, or opens only later.
    await casino.win("bob", eur("1.00"), "", "", "promo", game_id="", win_type=PROMO)
    await casino.win("bob", eur("1.00"), "", "", "promo-game", win_type=PROMO)
    await casino.win("bob", eur("0.00"), "only-a-name", "", "promo-named", win_type=PROMO)
    gold = money("7", "GOLD", 0)
    await casino.win("bob", gold, "opens-later", "", "promo-early", win_type=FREE_ROUND)
    await casino.bet("bob", eur("2.00"), "opens-later", "bet-later")
    await casino.win("bob", eur("1.00"), "opens-later", "", "promo-later", win_type=PROMO)
    await casino.win("bob", eur("1.00"), "opens-later", "bet-later", "promo-bet", win_type=PROMO)
    # The same names with another player or game are other rounds; each has its own currency.
    await casino.bet("bob", gold, "r", "bet-gold")
    await casino.win("bob", money("9", "GOLD", 0), "r", "", "win-gold")
    await casino.bet("ann", money("0.001", "KWD", 3), "r", "bet-dinar", game_id="poker")
    with refused("INVALID_FIELD"):
        await casino.bet("ann", eur("1.00"), "r", "bet-currency", game_id="poker")
    # A round that first a refused bet has named.
    with refused("INSUFFICIENT_FUNDS"):
        await casino.bet("ann", eur("9999.00"), "refused", "bet-refused")
    with refused("BET_NOT_FOUND"):
        await casino.win("ann", eur("1.00"), "refused", "", "win-refused")
    with refused("ROUND_NOT_FOUND"):
        await casino.close_round("ann", "refused", "close-refused")
    with refused("BET_NOT_FOUND"):
        await casino.win("ann", eur("1.00"), "refused", "bet-refused", "win-of-refused")
    await casino.bet("ann", eur("1.00"), "refused", "bet-accepted")


async def tell_of_rollbacks(casino: Client) -> None:
    # A bet, once with money and once with none, twice; the only bet of its round.
    for amount, name in (("6.00", "undone"), ("0.00", "undone-free")):
        await casino.bet("cid", eur(amount), name, name)
        for undo in ("first", "second", "third"):
            told = await casino.rollback("cid", name, f"{name}-{undo}")
            assert told.outcome == ROLLED_BACK
    with refused("TRANSACTION_ROLLED_BACK"):
        await casino.win("cid", eur("1.00"), "undone", "undone", "win-of-undone")
    with refused("BET_NOT_FOUND"):
        await casino.win("cid", eur("1.00"), "undone", "", "win-without-bet")
    # Wins: what covers falls back to the covering win before; what closed opens again.
    await casino.bet("cid", eur("1.00"), "reopened", "again-1")
    await casino.win("cid", eur("2.00"), "reopened", "", "covers-1")
    await casino.bet("cid", eur("1.00"), "reopened", "again-2")
    await casino.win("cid", eur("3.00"), "reopened", "", "covers-2")
    with refused("BET_ALREADY_SETTLED"):
        await casino.rollback("cid", "again-2", "too-early")
    await casino.rollback("cid", "covers-2", "undo-covers-2")
    await casino.rollback("cid", "covers-2", "undo-covers-2-again")
    await casino.win("cid", eur("0.00"), "reopened", "again-2", "closes", close_round=True)
    await casino.rollback("cid", "closes", "undo-closes")
    await casino.rollback("cid", "again-2", "undo-again-2")
    await casino.bet("cid", eur("1.00"), "reopened", "again-3")
    await casino.win("cid", eur("1.00"), "reopened", "", "covers-all")
    for win in ("covers-all", "covers-1"):
        await casino.rollback("cid", win, f"undo-{win}")
    # Promotions: what counts in a round, what only names one, and what has none.
    await casino.win("cid", eur("1.00"), "reopened", "", "bonus", win_type=PROMO)
    await casino.win("cid", eur("1.00"), "unknown", "", "bonus-named", win_type=PROMO)
    await casino.win("cid", eur("1.00"), "", "", "bonus-free", game_id="", win_type=PROMO)
    for win in ("bonus", "bonus-named", "bonus-free"):
        await casino.rollback("cid", win, f"undo-{win}")
    # What never arrived, asked for twice, and what arrives late.
    assert (await casino.rollback("cid", "lost", "bury-1")).outcome == TOMBSTONED
    assert (await casino.rollback("cid", "lost", "bury-2")).outcome == TOMBSTONED
    with refused("TRANSACTION_ROLLED_BACK"):
        await casino.bet("cid", eur("1.00"), "reopened", "lost")
    # What was refused, what cannot be undone, what the money is gone for.
    with refused("INSUFFICIENT_FUNDS"):
        await casino.bet("cid", eur("9999.00"), "poor", "poor")
    assert (await casino.rollback("cid", "poor", "undo-poor")).outcome == NOTHING
    with refused("TRANSACTION_NOT_REVERSIBLE"):
        await casino.rollback("cid", "cid-deposit", "undo-deposit")
    with refused("TRANSACTION_NOT_FOUND"):
        await casino.rollback("cid", "bet-1", "undo-anns")


async def tell_of_groups(casino: Client) -> None:
    def operation(kind: str, **fields: Any) -> wallet_service_pb2.Operation:
        made = wallet_service_pb2.Operation()
        target = getattr(made, kind)
        target.MergeFrom(type(target)(**fields))
        return made

    def bet(name: str, player: str, amount: str, round_id: str) -> wallet_service_pb2.Operation:
        return operation(
            "bet",
            transaction_id=name,
            player_id=player,
            amount=eur(amount),
            game_id="slots",
            round_id=round_id,
        )

    def undo(name: str, player: str, original: str) -> wallet_service_pb2.Operation:
        return operation(
            "rollback", transaction_id=name, player_id=player, original_transaction_id=original
        )

    sound = [
        bet("g-1", "ann", "1.00", "g"),
        bet("g-2", "bob", "1.00", "g"),
        undo("g-3", "ann", "x"),
    ]
    failing = [
        bet("f-1", "ann", "1.00", "gone"),
        undo("f-2", "ann", "f-1"),
        undo("f-3", "ann", "never"),
        bet("f-4", "bob", "9999.00", "named-by-a-failure"),
    ]
    mixed = [
        bet("m-1", "dan", "1.00", "m"),
        undo("m-2", "dan", "m-1"),
        bet("m-3", "dan", "9999.00", "m"),
        undo("m-4", "dan", "m-1"),
        undo("m-5", "dan", "m-6"),
        bet("m-6", "dan", "1.00", "m"),
    ]
    for operations, atomic in ((sound, True), (failing, True), (mixed, False)):
        await casino.wallet.Execute(
            wallet_service_pb2.ExecuteRequest(operations=operations, atomic=atomic)
        )


async def tell_of_money_and_statuses(casino: Client) -> None:
    await casino.withdraw("dan", eur("10.00"), "withdraw")
    await casino.withdraw_all("dan", "EUR", "withdraw-all")
    with refused("INSUFFICIENT_FUNDS"):
        await casino.withdraw_all("dan", "EUR", "withdraw-nothing")
    await casino.bet("dan", eur("0.00"), "empty", "bet-empty")
    for status in (
        wallet_pb2.PLAYER_STATUS_SUSPENDED,
        wallet_pb2.PLAYER_STATUS_SELF_EXCLUDED,
        wallet_pb2.PLAYER_STATUS_CLOSED,
    ):
        await casino.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(
                player_id="dan", status=status, add_currency_codes=["USD"]
            )
        )
        with refused(wallet_pb2.PlayerStatus.Name(status).replace("_STATUS", "")):
            await casino.bet("dan", eur("0.00"), "empty", f"bet-as-{status}")
    await casino.win("dan", eur("1.00"), "empty", "bet-empty", "win-while-closed")


async def verify(url: str, operator_id: str = "") -> Verification:
    """Verify without a server."""
    engine = make_engine(url)
    try:
        operators = Operators(PostgresOperators(engine), PostgresKeys(engine))
        verification = LedgerVerification(PostgresVerification(engine), operators)
        return await verification.verify(operator_id)
    finally:
        await engine.dispose()


@pytest.fixture(scope="module")
async def rich_books(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of its own with the whole story, that nobody is connected to."""
    async with database_of_its_own(postgres.url) as url:
        await prepare(url)
        # One writer, and so one house account of a kind: what it holds does not depend on luck.
        lanes = {"PURSER_LANES": "1", "PURSER_WORKERS": "1"}
        async with PurserProcess("--database-url", url, env=lanes) as server:
            await tell_everything(server)
        yield url


async def test_a_rich_history_verifies_clean(rich_books: str) -> None:
    for operator_id in ("", "casino", "neighbour"):
        result = await verify(rich_books, operator_id)
        assert result.findings == ()
        assert result.counts["transactions"] > (80 if operator_id else 160)


async def test_the_history_has_every_type_state_and_outcome(rich_books: str) -> None:
    """What is not in it would not be verified by the test above."""
    async with connected(rich_books) as connection:
        rows = await connection.fetch("SELECT DISTINCT type, state, outcome FROM transactions")
    completed = {(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0), (6, 1, 0)}
    rollbacks = {(5, 1, 1), (5, 1, 2), (5, 1, 3), (5, 2, 0)}
    refusals = {(2, 2, 0), (3, 2, 0), (4, 2, 0)}
    assert {tuple(row) for row in rows} == completed | rollbacks | refusals | {(0, 5, 0)}
