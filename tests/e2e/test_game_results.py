"""The game result: the same figures in transfer and in seamless mode, and those of the ledger."""

from __future__ import annotations

from typing import Any

from purser.admin.v1 import ledger_service_pb2 as pb
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import wallet_pb2
from purser_casino import ReferenceCasino
from purser_server.domain.accounts import AccountKind
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.seamless.scene import SECRET, Seamless
from tests.support.calls import outcome
from tests.support.client import Client, Installation, eur, money, refused
from tests.support.databases import connected


async def results(installation: Installation, operator_id: str, **period: Any) -> Any:
    request = pb.GetGameResultRequest(operator_id=operator_id, **period)
    return list((await installation.admin.ledger.GetGameResult(request)).game_results)


async def play(casino: Client, player: str) -> None:
    """Bet 5 and win 20; bet 3 and lose; bet 7 and take it back; a free round of 2 taken back."""
    await casino.bet(player, eur("5.00"), "r1", "b1")
    await casino.win(player, eur("20.00"), "r1", "b1", "w1", close_round=True)
    await casino.bet(player, eur("3.00"), "r2", "b2")
    await casino.bet(player, eur("0.00"), "r2", "b0")
    await casino.close_round(player, "r2")
    await casino.bet(player, eur("7.00"), "r3", "b3")
    await casino.rollback(player, "b3", "u3")
    await casino.win(
        player, eur("2.00"), "", "", "w2", win_type=wallet_pb2.WIN_TYPE_FREE_ROUND, game_id=""
    )
    await casino.rollback(player, "w2", "u2")
    # What is refused, and what never was, is no play.
    await outcome(casino.bet(player, eur("100000.00"), "r4", "b4"))
    await casino.rollback(player, "never-was", "u9")


EXPECTED = pb.GameResult(
    currency_code="EUR",
    bets=eur("15.00"),
    wins=eur("22.00"),
    rollbacks=eur("5.00"),
    result=eur("-12.00"),
    bet_count=4,
    win_count=2,
    rollback_count=2,
)


async def test_in_transfer_mode(
    casino: Client, installation: Installation, postgres: EmbeddedPostgres
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    await play(casino, player)
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]

    assert await results(installation, operator_id) == [EXPECTED]

    assert await booked(postgres, operator_id) == EXPECTED.result.minor_units
    assert await casino.balance(player) == 11_200


async def test_in_seamless_mode(
    casino: Client, installation: Installation, postgres: EmbeddedPostgres
) -> None:
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    async with ReferenceCasino(operator_id, SECRET) as keeper:
        seamless = Seamless(casino, keeper, installation, operator_id)
        await seamless.call_the_casino_at(keeper.address)
        player = await seamless.new_player(100)
        await play(casino, player)
        # A bet that nobody knows of, and that ends rolled back, was never played.
        keeper.faults.set("bet:drop-after")
        with refused("CASINO_UNREACHABLE"):
            await casino.bet(player, eur("9.00"), "r5", "b5")
        await seamless.settled("b5")

        assert await results(installation, operator_id) == [EXPECTED]
        assert await booked(postgres, operator_id) == EXPECTED.result.minor_units
        assert seamless.money(player) == 11_200


async def test_each_currency_has_its_own_and_only_the_time_asked_for_counts(
    casino: Client, installation: Installation
) -> None:
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    dollars = await casino.new_player(money=money("50.00", "USD", 2))
    euros = await casino.new_player(money=eur("50.00"))
    await casino.bet(euros, eur("5.00"), "r", "b1")
    bet = await casino.bet(dollars, money("4.00", "USD", 2), "r", "b2")
    border = bet.transaction.create_time

    found = await results(installation, operator_id)
    assert [(of.currency_code, of.result.minor_units) for of in found] == [
        ("EUR", 500),
        ("USD", 400),
    ]
    before = await results(installation, operator_id, end_time=border)
    assert [of.currency_code for of in before] == ["EUR"]
    since = await results(installation, operator_id, start_time=border)
    assert [of.currency_code for of in since] == ["USD"]
    assert not await results(installation, operator_id, start_time=border, end_time=border)


async def test_an_unknown_operator_has_none(installation: Installation) -> None:
    with refused("OPERATOR_NOT_FOUND"):
        await results(installation, "nobody")
    with refused("INVALID_FIELD"):
        await results(installation, "")


async def booked(postgres: EmbeddedPostgres, operator_id: str) -> int:
    """Return the balance of an operator's game result accounts."""
    async with connected(postgres.url) as connection:
        found: int = await connection.fetchval(
            "SELECT sum(a.balance)::bigint FROM accounts a JOIN operators o USING (operator_no) "
            "WHERE o.operator_id = $1 AND a.kind = $2",
            operator_id,
            int(AccountKind.GAME_RESULT),
        )
    return found


async def test_more_than_64_bits_can_tell_is_refused_and_a_shorter_time_is_told(
    casino: Client, installation: Installation
) -> None:
    player = await casino.new_player()
    operator_id: str = casino.operator_id  # type: ignore[attr-defined]
    most = Money(currency_code="EUR", minor_units=5 * 10**18)
    await casino.deposit(player, most)
    for number in range(2):
        bet = await casino.bet(player, most, f"r{number}", f"b{number}")
        await casino.win(player, most, f"r{number}", f"b{number}", f"w{number}")

    with refused("AMOUNT_RANGE") as failure:
        await results(installation, operator_id)
    assert failure.metadata["currency_code"] == "EUR"
    (result,) = await results(installation, operator_id, start_time=bet.transaction.create_time)
    assert (result.bets, result.wins) == (most, most)
