"""Operations out of a few players, games, rounds and small amounts, so that they meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from purser.type.v1.money_pb2 import Money
from purser.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    CloseRoundRequest,
    DepositRequest,
    Operation,
    RollbackRequest,
    WinRequest,
    WithdrawRequest,
)

PLAYERS = {"ann": ("EUR", "JPY"), "ben": ("EUR",)}
NOBODY = "nobody"
GAMES = ("slots", "wheel")
ROUNDS = ("r1", "r2")
CURRENCIES = ("EUR", "JPY")

players = st.sampled_from(["ann"] * 7 + ["ben"] * 4 + [NOBODY])
currencies = st.sampled_from(["EUR"] * 7 + ["JPY"])
games = st.sampled_from(["slots"] * 5 + ["wheel"])
rounds = st.sampled_from(["r1"] * 3 + ["r2"])
stakes = st.sampled_from([10, 1, 50, 10, 400, 0, 20])
picks = st.integers(0, 1_000)


@dataclass(frozen=True)
class Draft:
    """An operation whose own id, and the id that it refers to, are still to be filled in."""

    kind: str
    player: str = ""
    currency: str = ""
    amount: int = 0
    game: str = ""
    round: str = ""
    win_type: int = 0
    close: bool = False
    pick: int = 0
    """Which of the ids used so far it refers to, counted from the latest."""


deposits = st.builds(
    Draft, st.just("deposit"), players, currencies, st.sampled_from([500, 100, 1, 300, 40, 0, -1])
)
withdrawals = st.builds(
    Draft, st.just("withdraw"), players, currencies, st.sampled_from([30, 1, 300, 800, 5, 0, -5])
)
withdrawals_of_all = st.builds(Draft, st.just("withdraw_all"), players, currencies)
bets = st.builds(
    Draft,
    st.just("bet"),
    players,
    currencies,
    stakes,
    games,
    rounds,
)
wins_of_a_round = st.builds(
    Draft,
    st.just("win"),
    players,
    currencies,
    stakes,
    games,
    rounds,
    st.sampled_from([0, 1, 1, 2, 3, 4, 5]),
    st.sampled_from([False, False, True]),
)
wins_of_a_bet = st.builds(
    Draft,
    st.just("win_of"),
    amount=stakes,
    win_type=st.sampled_from([0, 1, 1, 2, 4]),
    close=st.sampled_from([False, False, True]),
    pick=picks,
)
gifts = st.builds(
    Draft, st.just("win"), players, currencies, stakes, win_type=st.sampled_from([2, 3, 4, 5])
)
rollbacks = st.builds(Draft, st.just("rollback_of"), pick=picks)
rollbacks_by_others = st.builds(Draft, st.just("rollback"), players, pick=picks)
early_rollbacks = st.builds(Draft, st.just("rollback_unknown"), players)
closings = st.builds(
    Draft,
    st.just("close_round"),
    players,
    game=games,
    round=rounds,
)
drafts = st.one_of(
    bets,
    wins_of_a_bet,
    rollbacks,
    bets,
    wins_of_a_round,
    bets,
    rollbacks,
    wins_of_a_bet,
    closings,
    bets,
    early_rollbacks,
    deposits,
    rollbacks_by_others,
    gifts,
    withdrawals,
    withdrawals_of_all,
)


# What may come in one round, after its first bet: mostly what settles a bet, in one way or another.
_here = {"player": "ann", "currency": "EUR", "game": GAMES[0], "round": ROUNDS[0]}
_recent = st.integers(0, 3)
moves = st.lists(
    st.one_of(
        st.builds(lambda amount: Draft("win", amount=amount, win_type=1, **_here), stakes),
        st.builds(lambda amount: Draft("bet", amount=amount, **_here), stakes),
        st.builds(
            lambda amount, kind, close: Draft(
                "win", amount=amount, win_type=kind, close=close, **_here
            ),
            st.sampled_from([0, 5, 30]),
            st.sampled_from([1, 1, 1, 4]),
            st.sampled_from([False, False, False, True]),
        ),
        st.builds(
            lambda amount, pick: Draft("win_of", amount=amount, pick=pick),
            st.sampled_from([0, 5, 30]),
            _recent,
        ),
        st.builds(lambda pick: Draft("rollback_of", pick=pick), _recent),
        st.builds(lambda pick: Draft("rollback_of", pick=pick), _recent),
        st.builds(lambda _: Draft("close_round", **_here), st.none()),
    ),
    min_size=1,
    max_size=7,
)


def finished(draft: Draft, new_id: str, sent: list[Operation], unknown_id: str) -> Operation:
    """Fill a draft in: its own id, and what it refers to among the operations sent before."""
    common: dict[str, Any] = {"transaction_id": new_id, "player_id": draft.player}
    money = Money(currency_code=draft.currency, minor_units=draft.amount)
    place = {"game_id": draft.game, "round_id": draft.round}
    match draft.kind:
        case "deposit":
            return Operation(deposit=DepositRequest(amount=money, **common))
        case "withdraw":
            return Operation(withdraw=WithdrawRequest(amount=money, **common))
        case "withdraw_all":
            return Operation(
                withdraw=WithdrawRequest(all_of_currency_code=draft.currency, **common)
            )
        case "bet":
            return Operation(bet=BetRequest(amount=money, **place, **common))
        case "close_round":
            return Operation(close_round=CloseRoundRequest(**place, **common))
        case "win":
            kind: Any = {"win_type": draft.win_type, "close_round": draft.close}
            if draft.win_type in (0, 1) and not draft.round:
                place = {"game_id": GAMES[0], "round_id": ROUNDS[0]}
            return Operation(win=WinRequest(amount=money, **place, **kind, **common))
        case "rollback_unknown":
            return _rollback(new_id, draft.player, unknown_id)
    return _about_another(draft, new_id, sent, unknown_id)


def _about_another(draft: Draft, new_id: str, sent: list[Operation], unknown: str) -> Operation:
    """Fill in a win of a bet, or a rollback, of what was sent before."""
    if draft.kind == "win_of":
        bets_sent = [one.bet for one in sent if one.HasField("bet")]
        if not bets_sent:
            return _rollback(new_id, "ann", unknown)
        bet = bets_sent[-1 - draft.pick % len(bets_sent)]
        return Operation(
            win=WinRequest(
                transaction_id=new_id,
                player_id=bet.player_id,
                amount=Money(currency_code=bet.amount.currency_code, minor_units=draft.amount),
                game_id=bet.game_id,
                round_id=bet.round_id,
                bet_transaction_id=bet.transaction_id,
                win_type=draft.win_type,  # type: ignore[arg-type]
                close_round=draft.close,
            )
        )
    if not sent:
        return _rollback(new_id, draft.player or "ann", unknown)
    played = [one for one in sent if one.HasField("bet") or one.HasField("win")]
    originals = sent if draft.pick % 5 == 4 or not played else played
    original = request_of(originals[-1 - draft.pick % len(originals)])
    player = draft.player or original.player_id
    return _rollback(new_id, player, original.transaction_id)


def request_of(operation: Operation) -> Any:
    """Return the request that an operation holds."""
    return getattr(operation, str(operation.WhichOneof("operation")))


def _rollback(new_id: str, player: str, original: str) -> Operation:
    return Operation(
        rollback=RollbackRequest(
            transaction_id=new_id, player_id=player, original_transaction_id=original
        )
    )


def altered(operation: Operation, how: int) -> Operation:
    """Return the same operation with one field changed; its id stays."""
    copy = Operation()
    copy.CopyFrom(operation)
    request = request_of(copy)
    fields = [one.name for one in request.DESCRIPTOR.fields]
    changes: list[tuple[str, Any]] = [("player_id", "ben" if request.player_id == "ann" else "ann")]
    if "amount" in fields and request.HasField("amount"):
        changes.append(("minor_units", request.amount.minor_units + 1))
        changes.append(("currency_code", "USD"))
    if "round_id" in fields and request.round_id:
        changes.append(("round_id", "r3"))
        changes.append(("game_id", "dice"))
    if "win_type" in fields:
        changes.append(("win_type", 4 if request.win_type != 4 else 5))
    if "original_transaction_id" in fields:
        changes.append(("original_transaction_id", "other"))
    name, value = changes[how % len(changes)]
    owner = request.amount if name in ("minor_units", "currency_code") else request
    setattr(owner, name, value)
    return copy
