"""The story of a casino's first day, told over the wire."""

from __future__ import annotations

from tests.support.client import Client, Installation, eur, refused


async def test_a_player_deposits_plays_and_withdraws(
    casino: Client, installation: Installation
) -> None:
    player = await casino.new_player(money=eur("100.00"))
    bet = await casino.bet(player, eur("2.50"), "round-1")
    assert bet.transaction.balance_before == eur("100.00")
    assert bet.transaction.balance_after == eur("97.50")
    win = await casino.win(player, eur("10.00"), "round-1", bet.transaction.transaction_id)
    assert win.transaction.balance_after == eur("107.50")
    with refused("INSUFFICIENT_FUNDS") as failure:
        await casino.bet(player, eur("107.51"), "round-2")
    assert failure.metadata == {"balance": "10750", "required": "10751", "currency_code": "EUR"}
    gone = await casino.withdraw_all(player, "EUR")
    assert gone.transaction.amount == eur("107.50")
    assert await casino.balance(player) == 0
    await installation.assert_consistent()
