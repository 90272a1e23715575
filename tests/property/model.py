"""A casino's wallets as the text of the rules has them: dictionaries, and questions put to them.

Written from the rules alone, for one client who never has two calls under way. Nothing is summed
up or remembered twice: a bet is settled when a win that stands settles it, and a round is closed
when something that stands closed it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from purser.wallet.v1.wallet_service_pb2 import Operation
from tests.property.told import Sums, Told

FINAL = {
    "INSUFFICIENT_FUNDS",
    "PLAYER_SUSPENDED",
    "PLAYER_SELF_EXCLUDED",
    "PLAYER_CLOSED",
    "ROUND_CLOSED",
    "BET_ALREADY_SETTLED",
    "TRANSACTION_ROLLED_BACK",
    "BET_NOT_FOUND",
    "TRANSACTION_NOT_REVERSIBLE",
}
ACTIVE, SUSPENDED, SELF_EXCLUDED, CLOSED = "ACTIVE", "SUSPENDED", "SELF_EXCLUDED", "CLOSED"
REFUSES_WITHDRAWALS = {SUSPENDED}
REFUSES_DEPOSITS_AND_BETS = {SUSPENDED, SELF_EXCLUDED, CLOSED}
REGULAR = (0, 1)

RoundKey = tuple[str, str, str]


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """Ends an operation with a reason."""

    def __init__(self, reason: str, about: str = "") -> None:
        super().__init__(reason)
        self.told = Told(reason, about)


@dataclass
class Event:
    """What is stored under an id. `kind` is empty for a tombstone."""

    place: int
    kind: str
    player: str
    request: Any
    told: Told
    round: RoundKey | None = None
    currency: str = ""
    amount: int = 0
    stands: bool = True
    """False once it was rolled back, and for whatever was refused."""
    closes: bool = False


@dataclass
class Model:
    """One operator."""

    statuses: dict[str, str] = field(default_factory=dict)
    wallets: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """player, currency -> balance, sequence"""
    events: dict[str, Event] = field(default_factory=dict)

    # -- what a client does ----------------------------------------------------------------------

    def do(self, operation: Operation) -> Told:
        """Carry out one operation; return what the client is to be told."""
        kind = str(operation.WhichOneof("operation"))
        request = getattr(operation, kind)
        if malformed(kind, request):
            return Told("INVALID_FIELD", "amount.minor_units")
        known = self.events.get(request.transaction_id)
        exists = request.player_id in self.statuses
        try:
            if known is not None and (known.kind or exists):
                return self._again(kind, request, known)
            if not exists:
                raise Refused("PLAYER_NOT_FOUND")
            told = getattr(self, f"_{kind}")(request)
        except Refused as refused:
            told = refused.told
            if told.reason in FINAL and known is None:
                self._store(kind, request, told, stands=False)
        return told

    def do_all(self, operations: list[Operation], *, atomic: bool) -> list[Told]:
        """Carry out many operations: each for itself, or all or none."""
        if not atomic:
            return [self.do(operation) for operation in operations]
        before = copy.deepcopy((self.wallets, self.events))
        told: list[Told] = []
        for index, operation in enumerate(operations):
            told.append(self.do(operation))
            if told[-1].reason and len(operations) > 1:
                self.wallets, self.events = before
                self._keep_refusal(operation, told[-1])
                others = Told("ATOMIC_GROUP_FAILED", str(index))
                return [told[-1] if at == index else others for at in range(len(operations))]
        return told

    def _keep_refusal(self, operation: Operation, told: Told) -> None:
        kind = str(operation.WhichOneof("operation"))
        request = getattr(operation, kind)
        if told.reason in FINAL and request.transaction_id not in self.events:
            self._store(kind, request, told, stands=False)

    # -- the same id again -----------------------------------------------------------------------

    def _again(self, kind: str, request: Any, known: Event) -> Told:
        if not known.kind:
            if kind not in ("bet", "win"):
                raise Refused("TRANSACTION_ID_REUSED", "type")
            raise Refused("TRANSACTION_ROLLED_BACK")
        differs = "type" if kind != known.kind else first_difference(request, known.request)
        if differs:
            raise Refused("TRANSACTION_ID_REUSED", differs)
        told = replace(known.told, replayed=True)
        if not told.reason and not known.stands:
            told = replace(told, state="ROLLED_BACK")
        return told

    # -- money in and out ------------------------------------------------------------------------

    def _deposit(self, request: Any) -> Told:
        amount = request.amount
        self._wallet(request.player_id, amount.currency_code)
        self._refuse_status(request.player_id, REFUSES_DEPOSITS_AND_BETS)
        told = self._move(request.player_id, amount.currency_code, amount.minor_units)
        self._store("deposit", request, told)
        return told

    def _withdraw(self, request: Any) -> Told:
        everything = request.WhichOneof("what") == "all_of_currency_code"
        currency = request.all_of_currency_code or request.amount.currency_code
        balance, _ = self._wallet(request.player_id, currency)
        self._refuse_status(request.player_id, REFUSES_WITHDRAWALS)
        amount = balance if everything else request.amount.minor_units
        if amount > balance or amount == 0:
            raise Refused("INSUFFICIENT_FUNDS")
        told = self._move(request.player_id, currency, -amount)
        self._store("withdraw", request, told)
        return told

    # -- rounds ----------------------------------------------------------------------------------

    def _bet(self, request: Any) -> Told:
        currency, amount = request.amount.currency_code, request.amount.minor_units
        balance, _ = self._wallet(request.player_id, currency)
        self._refuse_status(request.player_id, REFUSES_DEPOSITS_AND_BETS)
        key = _key(request)
        self._refuse_other_currency(key, currency)
        if self._is_closed(key):
            raise Refused("ROUND_CLOSED")
        if amount > balance:
            raise Refused("INSUFFICIENT_FUNDS")
        told = self._move(request.player_id, currency, -amount)
        self._store("bet", request, told, round=key, currency=currency, amount=amount)
        return told

    def _win(self, request: Any) -> Told:
        currency, amount = request.amount.currency_code, request.amount.minor_units
        self._wallet(request.player_id, currency)
        key = _key(request) if request.round_id else None
        if request.bet_transaction_id:
            self._refuse_bet(request)
        known = key is not None and self._currency_of(key) is not None
        regular = request.win_type in REGULAR
        if known:
            assert key is not None
            self._refuse_other_currency(key, currency)
            if regular and self._is_closed(key):
                raise Refused("ROUND_CLOSED")
        if regular and not (key and self._standing("bet", key)):
            raise Refused("BET_NOT_FOUND")
        if request.close_round and not known:
            raise Refused("INVALID_FIELD", "close_round")
        told = self._move(request.player_id, currency, amount)
        self._store(
            "win",
            request,
            told,
            round=key if known else None,
            currency=currency,
            amount=amount,
            closes=request.close_round,
        )
        return told

    def _refuse_bet(self, win: Any) -> None:
        bet = self.events.get(win.bet_transaction_id)
        if bet is None or bet.player != win.player_id:
            raise Refused("BET_NOT_FOUND")
        if not bet.kind:
            raise Refused("TRANSACTION_ROLLED_BACK")
        if bet.kind != "bet" or bet.told.reason or bet.round != _key(win):
            raise Refused("BET_NOT_FOUND")
        if not bet.stands:
            raise Refused("TRANSACTION_ROLLED_BACK")

    def _close_round(self, request: Any) -> Told:
        key = _key(request)
        if self._currency_of(key) is None:
            raise Refused("ROUND_NOT_FOUND")
        self._store("close_round", request, Told(), round=key, closes=True)
        told = Told(state="COMPLETED", round=self.sums(key))
        self.events[request.transaction_id].told = told
        return told

    # -- rollbacks -------------------------------------------------------------------------------

    def _rollback(self, request: Any) -> Told:
        original = self.events.get(request.original_transaction_id)
        if original is None:
            told = Told(state="COMPLETED", outcome="TOMBSTONED")
            self._store("rollback", request, told)
            self.events[request.original_transaction_id] = Event(
                len(self.events), "", request.player_id, None, Told(state="TOMBSTONE"), stands=False
            )
            return told
        if original.player != request.player_id:
            raise Refused("TRANSACTION_NOT_FOUND")
        told = self._undo(original)
        self._store("rollback", request, told)
        return told

    def _undo(self, original: Event) -> Told:
        if not original.kind:
            return Told(state="COMPLETED", outcome="TOMBSTONED")
        if original.kind not in ("bet", "win"):
            raise Refused("TRANSACTION_NOT_REVERSIBLE")
        currency = original.request.amount.currency_code
        if original.told.reason:
            told = self._move(original.player, currency, 0)
            return replace(told, outcome="NOTHING_TO_ROLL_BACK")
        change = 0
        if original.stands:
            change = original.amount if original.kind == "bet" else -original.amount
            if original.kind == "bet" and self._is_settled(original):
                raise Refused("BET_ALREADY_SETTLED")
            if self.wallets[original.player, currency][0] + change < 0:
                raise Refused("INSUFFICIENT_FUNDS")
        original.stands = False
        return replace(self._move(original.player, currency, change), outcome="ROLLED_BACK")

    # -- questions -------------------------------------------------------------------------------

    def sums(self, key: RoundKey) -> Sums | None:
        """Return what stands in a round, None for one that no bet has opened."""
        currency = self._currency_of(key)
        if currency is None:
            return None
        bets, wins = self._standing("bet", key), self._standing("win", key)
        return (
            "CLOSED" if self._is_closed(key) else "OPEN",
            len(bets),
            len(wins),
            sum(bet.amount for bet in bets),
            sum(win.amount for win in wins),
            currency,
        )

    def _in_round(self, key: RoundKey) -> list[Event]:
        return [event for event in self.events.values() if event.round == key]

    def _standing(self, kind: str, key: RoundKey) -> list[Event]:
        return [event for event in self._in_round(key) if event.kind == kind and event.stands]

    def _currency_of(self, key: RoundKey) -> str | None:
        return next((event.currency for event in self._in_round(key) if event.kind == "bet"), None)

    def _is_closed(self, key: RoundKey) -> bool:
        return any(event.closes and event.stands for event in self._in_round(key))

    def _is_settled(self, bet: Event) -> bool:
        assert bet.round is not None
        return self._is_closed(bet.round) or any(
            win.request.bet_transaction_id == bet.request.transaction_id
            or (
                not win.request.bet_transaction_id
                and win.request.win_type in REGULAR
                and win.place > bet.place
            )
            for win in self._standing("win", bet.round)
        )

    # -- small things ----------------------------------------------------------------------------

    def _wallet(self, player: str, currency: str) -> tuple[int, int]:
        if (player, currency) not in self.wallets:
            raise Refused("WALLET_NOT_FOUND")
        balance, sequence = self.wallets[player, currency]
        return balance, sequence

    def _refuse_status(self, player: str, refusing: set[str]) -> None:
        if self.statuses[player] in refusing:
            raise Refused(f"PLAYER_{self.statuses[player]}")

    def _refuse_other_currency(self, key: RoundKey, currency: str) -> None:
        if self._currency_of(key) not in (None, currency):
            raise Refused("INVALID_FIELD", "amount.currency_code")

    def _move(self, player: str, currency: str, change: int) -> Told:
        wallet = self.wallets[player, currency]
        before = wallet[0]
        wallet[0] += change
        wallet[1] += change != 0
        return Told(
            state="COMPLETED",
            currency=currency,
            amount=abs(change),
            before=before,
            after=wallet[0],
            sequence=wallet[1] if change else 0,
        )

    def _store(self, kind: str, request: Any, told: Told, **more: Any) -> None:
        self.events[request.transaction_id] = Event(
            len(self.events), kind, request.player_id, request, told, **more
        )


def malformed(kind: str, request: Any) -> bool:
    """Tell whether an amount is out of what its kind allows."""
    if kind not in ("deposit", "withdraw", "bet", "win"):
        return False
    if kind == "withdraw" and request.WhichOneof("what") == "all_of_currency_code":
        return False
    return bool(request.amount.minor_units < (kind in ("deposit", "withdraw")))


def first_difference(request: Any, stored: Any) -> str:
    """Return the path of the first field, in the order of the contract, that differs."""
    if "what" in request.DESCRIPTOR.oneofs_by_name:
        what = request.WhichOneof("what")
        if what != stored.WhichOneof("what") and request.player_id == stored.player_id:
            return str(what)
    for descriptor in request.DESCRIPTOR.fields:
        name = descriptor.name
        one, other = getattr(request, name), getattr(stored, name)
        if name in ("transaction_id", "metadata", "session_id") or one == other:
            continue
        if name == "amount":
            same_currency = one.currency_code == other.currency_code
            return "amount.minor_units" if same_currency else "amount.currency_code"
        if name != "win_type" or not {one, other} <= set(REGULAR):
            return name
    return ""


def _key(request: Any) -> RoundKey:
    return request.player_id, request.game_id, request.round_id
