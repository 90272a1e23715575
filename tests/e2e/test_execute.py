"""Execute: many operations in one call, each for itself or all or none."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from purser.error.v1 import error_reason_pb2
from purser.wallet.v1 import wallet_pb2, wallet_service_pb2
from tests.support.client import GAME, Client, Installation, eur, new_id, refused

Operation = wallet_service_pb2.Operation


def op(kind: str, transaction_id: str, player: str, **fields: Any) -> Operation:
    """Return an operation; `amount` is euros as people write them."""
    if "amount" in fields:
        fields["amount"] = eur(fields["amount"])
    if kind in {"bet", "win", "close_round"}:
        fields = {"game_id": "slots", "round_id": "r", **fields}
    made = Operation()
    target = getattr(made, kind)
    target.MergeFrom(type(target)(transaction_id=transaction_id, player_id=player, **fields))
    return made


async def execute(casino: Client, *operations: Operation, atomic: bool = False) -> list[Any]:
    response = await casino.wallet.Execute(
        wallet_service_pb2.ExecuteRequest(operations=operations, atomic=atomic), timeout=120
    )
    return list(response.results)


def told(result: Any) -> str:
    """Return the reason of a refused operation, "ok" or "replayed" of another."""
    if result.WhichOneof("result") == "transaction":
        return "replayed" if result.replayed else "ok"
    name = error_reason_pb2.ErrorReason.Name(result.error.reason)
    return name.removeprefix("ERROR_REASON_")


@pytest.fixture
async def player(casino: Client) -> str:
    return await casino.new_player(money=eur("10.00"))


# -- each for itself --------------------------------------------------------------------------


async def test_operations_see_those_before_them_and_do_not_disturb_each_other(
    casino: Client, player: str
) -> None:
    results = await execute(
        casino,
        op("deposit", "d", player, amount="5.00"),
        op("bet", "b1", player, amount="15.00"),
        op("bet", "b2", player, amount="0.01"),
        Operation(),
        op("win", "w", player, amount="20.00", bet_transaction_id="b1"),
        op("deposit", "", player, amount="1.00"),
        op("deposit", "d0", "nobody", amount="1.00"),
        op("rollback", "u", player, original_transaction_id="never-seen"),
        op("withdraw", "out", player, all_of_currency_code="EUR"),
        op("close_round", "c", player),
    )
    assert [told(result) for result in results] == [
        "ok",
        "ok",
        "INSUFFICIENT_FUNDS",
        "INVALID_FIELD",
        "ok",
        "INVALID_FIELD",
        "PLAYER_NOT_FOUND",
        "ok",
        "ok",
        "ok",
    ]
    assert dict(results[2].error.metadata) == {
        "balance": "0",
        "required": "1",
        "currency_code": "EUR",
    }
    assert dict(results[3].error.metadata) == {"field": "operation"}
    assert dict(results[5].error.metadata) == {"field": "transaction_id"}
    assert results[7].rollback_outcome == wallet_pb2.ROLLBACK_OUTCOME_TOMBSTONED
    assert results[8].transaction.amount == eur("20.00")
    assert results[9].transaction.type == wallet_pb2.TRANSACTION_TYPE_CLOSE_ROUND
    again = await execute(
        casino, op("bet", "b2", player, amount="0.01"), op("deposit", "d", player, amount="5.00")
    )
    assert [told(result) for result in again] == ["INSUFFICIENT_FUNDS", "replayed"]
    assert again[0].replayed
    assert again[0].error.metadata["replayed"] == "true"


async def test_the_same_id_twice_in_one_call_has_one_effect(casino: Client, player: str) -> None:
    results = await execute(
        casino,
        op("bet", "b", player, amount="4.00"),
        op("bet", "b", player, amount="4.00"),
        op("bet", "b", player, amount="4.01"),
        op("deposit", "b", player, amount="4.00"),
    )
    assert [told(result) for result in results] == [
        "ok",
        "replayed",
        "TRANSACTION_ID_REUSED",
        "TRANSACTION_ID_REUSED",
    ]
    assert results[0].transaction == results[1].transaction
    assert [result.error.metadata["field"] for result in results[2:]] == [
        "amount.minor_units",
        "type",
    ]
    assert await casino.balance(player) == 600


async def test_of_one_id_for_two_players_in_one_call_the_first_in_order_has_it(
    casino: Client,
) -> None:
    players = [await casino.new_player() for _ in range(12)]
    for _ in range(10):
        same = new_id()
        results = await execute(
            casino, *(op("deposit", same, player, amount="1.00") for player in players)
        )
        assert [told(result) for result in results] == [
            "ok",
            *["TRANSACTION_ID_REUSED"] * (len(players) - 1),
        ]


async def test_the_role_is_judged_for_each_operation(
    casino: Client, installation: Installation, player: str
) -> None:
    game = await installation.new_client(casino.operator_id, GAME)  # type: ignore[attr-defined]
    results = await execute(
        game,
        op("deposit", "d", player, amount="1.00"),
        op("bet", "b", player, amount="1.00"),
        op("withdraw", "w", player, amount="1.00"),
    )
    assert [told(result) for result in results] == ["ROLE_MISSING", "ok", "ROLE_MISSING"]
    assert dict(results[0].error.metadata) == {"role": "backend"}
    results = await execute(
        game,
        op("bet", "b2", player, amount="1.00"),
        op("deposit", "d", player, amount="1.00"),
        atomic=True,
    )
    assert [told(result) for result in results] == ["ATOMIC_GROUP_FAILED", "ROLE_MISSING"]
    assert await casino.balance(player) == 900


@pytest.mark.parametrize("atomic", [False, True])
async def test_no_operation_and_more_than_ten_thousand_refuse_the_call(
    casino: Client, player: str, atomic: bool
) -> None:
    for count in (0, 10_001):
        operations = [op("deposit", f"d{i}", player, amount="0.01") for i in range(count)]
        with refused("INVALID_FIELD") as failure:
            await execute(casino, *operations, atomic=atomic)
        assert failure.metadata == {"field": "operations"}
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert await casino.balance(player) == 1_000


@pytest.mark.parametrize("atomic", [False, True])
async def test_ten_thousand_operations_in_one_call(
    casino: Client, installation: Installation, atomic: bool
) -> None:
    players = [await casino.new_player() for _ in range(10)]
    operations = [op("deposit", f"d{i}", players[i % 10], amount="0.01") for i in range(10_000)]
    results = await execute(casino, *operations, atomic=atomic)
    assert {told(result) for result in results} == {"ok"}
    assert [result.transaction.transaction_id for result in results] == [
        f"d{i}" for i in range(10_000)
    ]
    assert [await casino.balance(player) for player in players] == [1_000] * 10
    again = await execute(casino, *operations, atomic=atomic)
    assert {told(result) for result in again} == {"replayed"}
    assert [await casino.balance(player) for player in players] == [1_000] * 10
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


# -- all or none ------------------------------------------------------------------------------


async def test_an_atomic_group_over_several_players_succeeds_as_a_whole(
    casino: Client, player: str
) -> None:
    friend = await casino.new_player()
    group = [
        op("withdraw", "give", player, amount="4.00"),
        op("deposit", "take", friend, amount="4.00"),
        op("bet", "bet", friend, amount="4.00"),
    ]
    results = await execute(casino, *group, atomic=True)
    assert [told(result) for result in results] == ["ok"] * 3
    assert (await casino.balance(player), await casino.balance(friend)) == (600, 0)
    assert {told(result) for result in await execute(casino, *group, atomic=True)} == {"replayed"}


async def test_a_failed_group_stores_the_refusal_that_failed_it_and_nothing_else(
    casino: Client, player: str, installation: Installation
) -> None:
    friend = await casino.new_player()
    group = [
        op("deposit", "take", friend, amount="4.00"),
        op("rollback", "undo", player, original_transaction_id="buried"),
        op("bet", "too-much", player, amount="10.01"),
        op("deposit", "never", player, amount="1.00"),
    ]
    results = await execute(casino, *group, atomic=True)
    assert [told(result) for result in results] == [
        "ATOMIC_GROUP_FAILED",
        "ATOMIC_GROUP_FAILED",
        "INSUFFICIENT_FUNDS",
        "ATOMIC_GROUP_FAILED",
    ]
    assert dict(results[0].error.metadata) == {"index": "2"}
    assert dict(results[3].error.metadata) == {"index": "2"}
    assert not any(result.replayed for result in results)
    for gone in ("take", "undo", "buried", "never"):
        with refused("TRANSACTION_NOT_FOUND"):
            await casino.transaction(gone)
    stored = await casino.transaction("too-much")
    assert stored.state == wallet_pb2.TRANSACTION_STATE_REFUSED
    assert (await casino.balance(player), await casino.balance(friend)) == (1_000, 0)
    # It is final for its id: money that arrives later does not help this group.
    await casino.deposit(player, eur("100.00"))
    again = await execute(casino, *group, atomic=True)
    assert told(again[2]) == "INSUFFICIENT_FUNDS"
    assert [result.replayed for result in again] == [False, False, True, False]
    assert again[2].error.metadata["replayed"] == "true"
    # The other ids are free.
    assert not (await casino.deposit(friend, eur("4.00"), "take")).replayed
    await installation.assert_consistent(casino.operator_id)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("malformed", "reason"),
    [
        (Operation(), "INVALID_FIELD"),
        (op("deposit", "x", "p", amount="0.00"), "INVALID_FIELD"),
        (op("bet", "x", "p", amount="1.00", round_id=""), "INVALID_FIELD"),
        (op("deposit", "x", "nobody", amount="1.00"), "PLAYER_NOT_FOUND"),
    ],
)
async def test_what_is_not_final_fails_a_group_and_is_not_stored(
    casino: Client, player: str, malformed: Operation, reason: str
) -> None:
    results = await execute(
        casino,
        op("deposit", "before", player, amount="1.00"),
        malformed,
        op("deposit", "after", player, amount="1.00"),
        atomic=True,
    )
    assert [told(result) for result in results] == [
        "ATOMIC_GROUP_FAILED",
        reason,
        "ATOMIC_GROUP_FAILED",
    ]
    assert results[0].error.metadata["index"] == "1"
    for transaction_id in ("before", "x", "after"):
        with refused("TRANSACTION_NOT_FOUND"):
            await casino.transaction(transaction_id)
    assert await casino.balance(player) == 1_000


async def test_a_group_of_one_fails_with_its_own_reason(casino: Client, player: str) -> None:
    (result,) = await execute(casino, op("bet", "b", player, amount="99.00"), atomic=True)
    assert told(result) == "INSUFFICIENT_FUNDS"
    (again,) = await execute(casino, op("bet", "b", player, amount="99.00"), atomic=True)
    assert again.replayed


async def test_a_group_undoes_the_closing_of_a_round_that_it_could_not_finish(
    casino: Client, player: str
) -> None:
    await casino.bet(player, eur("1.00"), "r", "bet")
    results = await execute(
        casino,
        op("win", "w", player, amount="2.00", bet_transaction_id="bet", close_round=True),
        op("bet", "late", player, amount="1.00"),
        atomic=True,
    )
    assert [told(result) for result in results] == ["ATOMIC_GROUP_FAILED", "ROUND_CLOSED"]
    await casino.bet(player, eur("1.00"), "r", "next")
    await casino.rollback(player, "bet")


async def test_a_rollback_and_its_bet_in_one_group(casino: Client, player: str) -> None:
    results = await execute(
        casino,
        op("bet", "b", player, amount="3.00"),
        op("rollback", "u", player, original_transaction_id="b"),
        atomic=True,
    )
    assert [told(result) for result in results] == ["ok", "ok"]
    assert results[1].rollback_outcome == wallet_pb2.ROLLBACK_OUTCOME_ROLLED_BACK
    assert await casino.balance(player) == 1_000
    assert (await casino.transaction("b")).state == wallet_pb2.TRANSACTION_STATE_ROLLED_BACK
