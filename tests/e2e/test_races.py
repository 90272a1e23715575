"""Many callers at once, through two servers on one database, and through 2 and 4 workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from purser.admin.v1 import operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_pb2, wallet_service_pb2
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import answers, beside, outcome, reasons, together
from tests.support.client import Client, Failure, Installation, eur, new_id
from tests.support.process import PurserProcess

CALLERS = 50
CONNECTIONS_TO_WORKERS = 8


@pytest.fixture(scope="module", params=["two servers", "2 workers", "4 workers"])
async def servers(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres
) -> AsyncIterator[list[PurserProcess]]:
    """What the callers' connections go to, in turn; workers share theirs among them."""
    database = ("--database-url", postgres.url)
    async with AsyncExitStack() as stack:
        if request.param == "two servers":
            yield [await stack.enter_async_context(PurserProcess(*database)) for _ in range(2)]
        else:
            workers = request.param.split()[0]
            server = await stack.enter_async_context(PurserProcess(*database, "--workers", workers))
            yield [server] * CONNECTIONS_TO_WORKERS


@pytest.fixture
async def installation(servers: list[PurserProcess]) -> AsyncIterator[Installation]:
    """The admin's view of the first server."""
    made = Installation(servers[0].address)
    yield made
    await made.close()


@pytest.fixture
async def casinos(casino: Client, servers: list[PurserProcess]) -> AsyncIterator[list[Client]]:
    """The same casino, on a connection to each of the servers."""
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(beside(casino, server)) for server in servers[1:]]
        yield [casino, *others]


# -- one id ---------------------------------------------------------------------------------


async def a_deposit(casino: Client, player: str) -> Callable[[Client], Awaitable[Any]]:
    return lambda client: client.deposit(player, eur("12.50"), "same")


async def a_bet(casino: Client, player: str) -> Callable[[Client], Awaitable[Any]]:
    return lambda client: client.bet(player, eur("12.50"), "round", "same")


async def a_withdrawal_of_all(casino: Client, player: str) -> Callable[[Client], Awaitable[Any]]:
    return lambda client: client.withdraw_all(player, "EUR", "same")


async def a_win(casino: Client, player: str) -> Callable[[Client], Awaitable[Any]]:
    await casino.bet(player, eur("1.00"), "round", "the-bet")
    return lambda client: client.win(
        player, eur("12.50"), "round", "the-bet", "same", close_round=True
    )


async def a_rollback(casino: Client, player: str) -> Callable[[Client], Awaitable[Any]]:
    await casino.bet(player, eur("12.50"), "round", "the-bet")
    return lambda client: client.rollback(player, "the-bet", "same")


async def a_rollback_of_the_unknown(
    casino: Client, player: str
) -> Callable[[Client], Awaitable[Any]]:
    return lambda client: client.rollback(player, "never-seen", "same")


@pytest.mark.parametrize(
    ("movement", "left"),
    [
        (a_deposit, "112.50"),
        (a_bet, "87.50"),
        (a_withdrawal_of_all, "0.00"),
        (a_win, "111.50"),
        (a_rollback, "100.00"),
        (a_rollback_of_the_unknown, "100.00"),
    ],
)
async def test_one_id_from_fifty_callers_has_one_effect_and_fifty_equal_answers(
    casino: Client, casinos: list[Client], movement: Any, left: str
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    call = await movement(casino, player)
    outcomes = await together(call(casinos[i % len(casinos)]) for i in range(CALLERS))
    assert reasons(outcomes) == []
    assert [found.replayed for found in outcomes].count(False) == 1
    first = outcomes[0].transaction
    assert all(found.transaction == first for found in outcomes)
    assert await casino.balance(player) == eur(left).minor_units


async def test_a_refusal_raced_by_fifty_callers_is_decided_once(
    casino: Client, casinos: list[Client]
) -> None:
    player = await casino.new_player(money=eur("1.00"))
    bet_id = new_id("bet")
    outcomes = await together(
        casinos[i % len(casinos)].bet(player, eur("2.00"), "round", bet_id) for i in range(CALLERS)
    )
    assert reasons(outcomes) == ["INSUFFICIENT_FUNDS"] * CALLERS
    assert ["replayed" in found.metadata for found in outcomes].count(False) == 1


async def test_one_id_from_fifty_callers_with_different_content_takes_the_first_alone(
    casino: Client, casinos: list[Client]
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    bet_id = new_id("bet")
    outcomes = await together(
        casinos[i % len(casinos)].bet(player, eur(f"0.{i + 10}"), "round", bet_id)
        for i in range(CALLERS)
    )
    (winner,) = answers(outcomes)
    assert not winner.replayed
    refusals = [found for found in outcomes if isinstance(found, Failure)]
    assert {found.reason for found in refusals} == {"TRANSACTION_ID_REUSED"}
    assert all(
        found.metadata == {"transaction_id": bet_id, "field": "amount.minor_units"}
        for found in refusals
    )
    assert await casino.balance(player) == 10_000 - winner.transaction.amount.minor_units


async def test_one_id_raced_by_two_players_belongs_to_one_of_them(
    casino: Client, casinos: list[Client]
) -> None:
    players = [await casino.new_player() for _ in range(10)]
    outcomes = await together(
        casinos[i % len(casinos)].deposit(player, eur("5.00"), "contested")
        for i, player in enumerate(players)
    )
    assert len(answers(outcomes)) == 1
    assert reasons(outcomes) == ["TRANSACTION_ID_REUSED"] * 9
    assert sum([await casino.balance(player) for player in players]) == 500


# -- one wallet -----------------------------------------------------------------------------


async def test_two_hundred_bets_on_a_balance_of_one_hundred_leave_exactly_nothing(
    casino: Client, casinos: list[Client], installation: Installation
) -> None:
    player = await casino.new_player(money=eur("1.00"))
    outcomes = await together(
        casinos[i % len(casinos)].bet(player, eur("0.01"), f"round-{i % 3}") for i in range(200)
    )
    accepted = answers(outcomes)
    assert len(accepted) == 100
    assert reasons(outcomes) == ["INSUFFICIENT_FUNDS"] * 100
    assert await casino.balance(player) == 0
    sequences = sorted(found.transaction.wallet_sequence for found in accepted)
    assert sequences == list(range(2, 102)), "one number per posting, without gaps"
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


async def test_of_a_rollback_and_a_win_of_one_bet_exactly_one_succeeds(
    casino: Client, casinos: list[Client], installation: Installation
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    pairs = 60
    bets = [f"bet-{i}" for i in range(pairs)]
    await together(casino.bet(player, eur("1.00"), f"round-{i}", bet) for i, bet in enumerate(bets))
    calls: list[Awaitable[Any]] = []
    for i, bet in enumerate(bets):
        one, other = casinos[i % len(casinos)], casinos[(i + 1) % len(casinos)]
        calls += [
            one.rollback(player, bet, f"undo-{i}"),
            other.win(player, eur("3.00"), f"round-{i}", bet, f"win-{i}"),
        ]
    outcomes = await together(calls)
    wins = 0
    for rollback, win in zip(outcomes[::2], outcomes[1::2], strict=True):
        assert isinstance(rollback, Failure) != isinstance(win, Failure), (rollback, win)
        if isinstance(rollback, Failure):
            assert rollback.reason == "BET_ALREADY_SETTLED"
            wins += 1
        else:
            assert win.reason == "TRANSACTION_ROLLED_BACK"
    assert await casino.balance(player) == 10_000 + 200 * wins
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


async def test_a_rollback_that_races_its_own_bet_leaves_the_player_his_money(
    casino: Client, casinos: list[Client]
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    calls: list[Awaitable[Any]] = []
    for i in range(40):
        one, other = casinos[i % len(casinos)], casinos[(i + 1) % len(casinos)]
        calls += [
            one.bet(player, eur("1.00"), "round", f"bet-{i}"),
            other.rollback(player, f"bet-{i}", f"undo-{i}"),
        ]
    outcomes = await together(calls)
    assert reasons(outcomes[1::2]) == []
    assert set(reasons(outcomes[::2])) <= {"TRANSACTION_ROLLED_BACK"}
    assert await casino.balance(player) == 10_000
    for i in range(40):
        state = (await casino.transaction(f"bet-{i}")).state
        assert state in (
            wallet_pb2.TRANSACTION_STATE_ROLLED_BACK,
            wallet_pb2.TRANSACTION_STATE_TOMBSTONE,
        )


# -- creating -------------------------------------------------------------------------------


async def test_equal_creations_of_a_player_at_once_make_one_player(
    casino: Client, casinos: list[Client]
) -> None:
    request = player_service_pb2.CreatePlayerRequest(
        player_id=new_id("player"), currency_codes=["EUR", "USD"]
    )
    outcomes = await together(
        casinos[i % len(casinos)].players.CreatePlayer(request) for i in range(30)
    )
    assert reasons(outcomes) == []
    assert [found.replayed for found in outcomes].count(False) == 1
    assert all(found.player == outcomes[0].player for found in outcomes)
    assert all(len(found.balances) == 2 for found in outcomes)


async def test_different_creations_of_a_player_at_once_take_the_first_alone(
    casino: Client, casinos: list[Client]
) -> None:
    player = new_id("player")
    outcomes = await together(
        casinos[i % len(casinos)].players.CreatePlayer(
            player_service_pb2.CreatePlayerRequest(
                player_id=player, currency_codes=[("EUR", "USD", "GBP")[i % 3]]
            )
        )
        for i in range(30)
    )
    made = answers(outcomes)
    assert [found.replayed for found in made].count(False) == 1
    (currencies,) = {tuple(found.player.currency_codes) for found in made}
    assert len(currencies) == 1
    assert reasons(outcomes) == ["PLAYER_EXISTS"] * 20


async def test_creations_of_an_operator_at_once_make_one_operator(
    installation: Installation,
) -> None:
    operator = new_id("casino")
    outcomes = await together(
        installation.admin.operators.CreateOperator(
            operator_service_pb2.CreateOperatorRequest(
                operator_id=operator, display_name=("One", "Two")[i % 2]
            )
        )
        for i in range(20)
    )
    made = answers(outcomes)
    assert [found.replayed for found in made].count(False) == 1
    assert reasons(outcomes) == ["OPERATOR_EXISTS"] * 10


# -- what holds at once ---------------------------------------------------------------------


class Stream:
    """Bets that come one after another until told to stop, from several callers at once."""

    def __init__(self, bet: Callable[[Client], Awaitable[Any]], clients: list[Client]) -> None:
        self.change_was_answered = False
        self.before: list[Any] = []
        self.after: list[Any] = []
        self._stopped = False
        self._tasks = [
            asyncio.create_task(self._play(bet, client)) for client in clients for _ in range(4)
        ]

    async def _play(self, bet: Callable[[Client], Awaitable[Any]], client: Client) -> None:
        while not self._stopped:
            sent_after = self.change_was_answered
            found = await outcome(bet(client))
            (self.after if sent_after else self.before).append(found)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():  # noqa: ASYNC110 - the players tell no event
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)


async def test_no_bet_sent_after_a_suspension_was_answered_succeeds_in_any_process(
    casino: Client, casinos: list[Client]
) -> None:
    for suspending in casinos[:2]:
        player = await casino.new_player(money=eur("1000.00"))
        stream = Stream(
            lambda client, player=player: client.bet(player, eur("0.01"), "round"),
            casinos,
        )
        await stream.until(lambda stream=stream: len(answers(stream.before)) >= 20)
        await suspending.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(
                player_id=player, status=wallet_pb2.PLAYER_STATUS_SUSPENDED
            )
        )
        stream.change_was_answered = True
        await stream.until(lambda stream=stream: len(stream.after) >= 20)
        await stream.stop()
        assert answers(stream.after) == []
        assert set(reasons(stream.after)) == {"PLAYER_SUSPENDED"}
        assert set(reasons(stream.before)) <= {"PLAYER_SUSPENDED"}
        assert await casino.balance(player) == 100_000 - len(answers(stream.before))


async def test_no_bet_sent_after_its_session_was_closed_succeeds_in_any_process(
    casino: Client, casinos: list[Client]
) -> None:
    player = await casino.new_player(money=eur("1000.00"))
    opened = await casino.wallet.OpenGameSession(
        wallet_service_pb2.OpenGameSessionRequest(
            player_id=player, game_id="slots", currency_code="EUR"
        )
    )
    session = opened.session_id
    stream = Stream(
        lambda client: client.bet(player, eur("0.01"), "round", session_id=session),
        casinos,
    )
    await stream.until(lambda: len(answers(stream.before)) >= 20)
    await casinos[-1].wallet.CloseGameSession(
        wallet_service_pb2.CloseGameSessionRequest(session_id=session)
    )
    stream.change_was_answered = True
    await stream.until(lambda: len(stream.after) >= 20)
    await stream.stop()
    assert answers(stream.after) == []
    assert set(reasons(stream.after)) == {"SESSION_INVALID"}
    assert await casino.balance(player) == 100_000 - len(answers(stream.before))
