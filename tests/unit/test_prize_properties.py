"""Whatever is asked, lost, repeated or late: a player has the money or the prize, never both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from purser_server.domain.accounts import AccountKind
from purser_server.domain.decisions import Answer, PrizeAnswer
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.intents import Settle
from purser_server.domain.outcomes import CallbackOutcome, Phase, Report
from purser_server.domain.pending import Pending
from purser_server.domain.players import PlayerStatus
from purser_server.domain.points import NEVER
from purser_server.domain.prize_cashbacks import PrizeCashbackState, cashback_of
from purser_server.domain.prizes import GrantPrize, PrizeCommand, PrizeState, ReturnPrize, ShipPrize
from purser_server.domain.transactions import TransactionState
from purser_server.ledger.batch import Batch, Group
from purser_server.ledger.ports import Request
from tests.unit.prize_store import PrizeStore

TRANSFER, SEAMLESS = 1, 2
ANNA, EUR, VALUE = "anna", "EUR", 2_500
PRIZES = ("mug", "cup", "hat", "pen", "cap", "new")
IDS = tuple(f"c{number}" for number in range(16))

FATES = ("heard", "lost", "deaf", "deaf")
"""Of a call: answered, never arrived, or applied while nobody hears the answer."""


@dataclass
class Keeper:
    """A casino by the contract, which never forgets an id."""

    known: dict[str, CallbackOutcome] = field(default_factory=dict)
    prize_of: dict[str, str] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)

    def pay(self, transaction_id: str, prize_id: str, *, refuses: bool) -> CallbackOutcome:
        known = self.known.get(transaction_id)
        if known is CallbackOutcome.ACCEPTED:
            return CallbackOutcome.DUPLICATE
        if known is None:
            known = CallbackOutcome.REFUSED if refuses else CallbackOutcome.ACCEPTED
            self.known[transaction_id] = known
            self.prize_of[transaction_id] = prize_id
        return known

    def undo(self, transaction_id: str, *, refuses: bool) -> CallbackOutcome:
        """Take a payment back; what has been spent (`refuses`) stays so."""
        known = self.known.get(transaction_id)
        if known is CallbackOutcome.REFUSED:
            return CallbackOutcome.NOTHING_TO_ROLL_BACK
        if known is CallbackOutcome.ACCEPTED and (refuses or transaction_id in self.spent):
            self.spent.add(transaction_id)
            return CallbackOutcome.STANDS
        self.known[transaction_id] = CallbackOutcome.TRANSACTION_ROLLED_BACK
        if known is CallbackOutcome.TRANSACTION_ROLLED_BACK:
            return CallbackOutcome.DUPLICATE
        return CallbackOutcome.ACCEPTED if known else CallbackOutcome.TOMBSTONED

    def paid(self) -> Counter[str]:
        """Return how often each prize is paid for by what stands."""
        stands = [of for of, known in self.known.items() if known is CallbackOutcome.ACCEPTED]
        return Counter(self.prize_of[of] for of in stands)


class World:
    """Two operators, one in each mode, and a network that loses, repeats and delays."""

    def __init__(self) -> None:
        self.store = PrizeStore((SEAMLESS,))
        for operator in (TRANSFER, SEAMLESS):
            self.store.add_player(operator, ANNA, PlayerStatus.ACTIVE, [EUR])
        self.keeper = Keeper()
        self.sent: list[Pending] = []
        """Calls that were sent, and may arrive at the casino at any time."""
        self.heard: list[tuple[Pending, Report]] = []
        """Answers that may reach Purser a second time, or at last."""
        self.told: dict[tuple[int, str], PrizeCashbackState] = {}
        self.shipped: set[tuple[int, str]] = set()
        for operator in (TRANSFER, SEAMLESS):
            for number, prize in enumerate(PRIZES[:-1]):
                self.grant(operator, prize, 20 if number % 2 else None)

    # -- what is asked -------------------------------------------------------------------------

    def flush(self, operator: int, *commands: PrizeCommand | Settle) -> list[Any]:
        requests = [Request(operator, command) for command in commands]
        batch = Batch(self.store.load(requests))
        results = batch.decide([Group((request,)) for request in requests])
        self.store.save(batch.changes())
        for command, (result,) in zip(commands, results, strict=True):
            self.note(operator, command, result)
        return [result for (result,) in results]

    def note(self, operator: int, command: Any, result: Any) -> None:
        if isinstance(command, ShipPrize) and isinstance(result, PrizeAnswer):
            self.shipped.add((operator, command.prize_id))
        if isinstance(command, ReturnPrize):
            self.note_return(operator, command, result)

    def note_return(self, operator: int, asked: ReturnPrize, result: Any) -> None:
        key = (operator, asked.transaction_id)
        if isinstance(result, Refusal):
            not_stored = {
                Reason.PRIZE_NOT_FOUND,
                Reason.PRIZE_NOT_RETURNABLE,
                Reason.TRANSACTION_ID_REUSED,
            }
            assert result.reason in not_stored
            return
        self.hear(key, cashback_of(result.transaction, result.pending).state)
        if result.pending is not None and not result.replayed:
            self.sent.append(result.pending)

    def hear(self, key: tuple[int, str], state: PrizeCashbackState) -> None:
        """Note what a caller hears: what is final stays, but for what the casino lets stand."""
        before = self.told.get(key, PrizeCashbackState.PENDING)
        may_be_now = {before}
        if before is PrizeCashbackState.FAILED:
            may_be_now.add(PrizeCashbackState.CONFIRMED)
        assert before is PrizeCashbackState.PENDING or state in may_be_now, (before, state)
        self.told[key] = state

    def grant(self, operator: int, prize: str, lives: int | None) -> None:
        expires = NEVER if lives is None else self.store.now + timedelta(seconds=lives)
        self.flush(operator, GrantPrize(prize, ANNA, "", EUR, VALUE, expires))

    def at_once(self, operator: int, prize: str, first: str, second: str) -> None:
        self.flush(
            operator,
            ReturnPrize(first, ANNA, prize),
            ShipPrize(prize, ANNA),
            ReturnPrize(second, ANNA, prize),
        )

    def time_passes(self, operator: int, status: PlayerStatus, seconds: int) -> None:
        self.store.now += timedelta(seconds=seconds)
        self.store.set_status(operator, ANNA, status)

    # -- what comes of it ----------------------------------------------------------------------

    def attempt(self, pending: Pending, *, refuses: bool) -> Report:
        """Let a call arrive at the casino; return its answer."""
        of = pending.transaction
        if pending.phase is Phase.UNDOING:
            return Report(Phase.UNDOING, self.keeper.undo(of.transaction_id, refuses=refuses))
        paid = self.keeper.pay(of.transaction_id, of.prize_id, refuses=refuses)
        return Report(Phase.SENDING, paid)

    def settle(self, pending: Pending, report: Report) -> None:
        of = pending.transaction
        (answer,) = self.flush(SEAMLESS, Settle(of.transaction_id, ANNA, of, report))
        assert isinstance(answer, Answer)
        self.hear(
            (SEAMLESS, of.transaction_id), cashback_of(answer.transaction, answer.pending).state
        )
        if answer.pending is not None:
            self.sent.append(answer.pending)

    def ask_the_casino(self, pending: Pending, *, refuses: bool, fate: str) -> None:
        report = Report(pending.phase, CallbackOutcome.UNKNOWN)
        if fate != "lost":
            answer = self.attempt(pending, refuses=refuses)
            self.heard.append((pending, answer))
            report = answer if fate == "heard" else report
        self.settle(pending, report)

    def a_call_arrives_late(self, pending: Pending, *, refuses: bool) -> None:
        if pending.phase is Phase.SENDING:
            self.heard.append((pending, self.attempt(pending, refuses=refuses)))

    # -- one step of many ----------------------------------------------------------------------

    def step(self, kind: str, one: int, two: int) -> None:
        """Do something; the numbers choose what of it."""
        operator = SEAMLESS if one % 4 else TRANSFER
        prize, id_ = PRIZES[two % len(PRIZES)], IDS[(one + 7 * two) % len(IDS)]
        refuses = two % 8 == 0
        waiting = [self.store.pending[key] for key in sorted(self.store.pending)]
        if kind == "grant":
            self.grant(operator, prize, (None, 0, 3, 30)[one % 4])
        elif kind == "ship":
            self.flush(operator, ShipPrize(prize, ANNA))
        elif kind == "return":
            self.flush(operator, ReturnPrize(id_, ANNA, prize, is_unheard=one % 16 == 1))
        elif kind == "at once":
            self.at_once(operator, prize, id_, IDS[one % len(IDS)])
        elif kind == "time":
            self.time_passes(operator, PlayerStatus(1 + one % 4), two % 8)
        elif kind == "ask" and waiting:
            fate = FATES[one // 4 % 4]
            self.ask_the_casino(waiting[one % len(waiting)], refuses=refuses, fate=fate)
        elif kind == "late call" and self.sent:
            self.a_call_arrives_late(self.sent[one % len(self.sent)], refuses=refuses)
        elif kind == "late answer" and self.heard:
            self.settle(*self.heard[one % len(self.heard)])

    # -- what must hold ------------------------------------------------------------------------

    def check(self) -> None:
        self.money_and_prize_never_both_and_never_neither()
        self.the_books_agree_with_the_prizes()

    def paid(self, operator: int) -> Counter[str]:
        """Return how often each prize was paid for, where the money is."""
        if operator == SEAMLESS:
            return self.keeper.paid()
        completed = [
            entry.transaction.prize_id
            for entry in self.store.history
            if entry.operator == operator and entry.transaction.state is TransactionState.COMPLETED
        ]
        return Counter(completed)

    def money_and_prize_never_both_and_never_neither(self) -> None:
        for (operator, prize_id), prize in self.store.prizes.items():
            paid = self.paid(operator)[prize_id]
            state = prize.state_at(self.store.now)
            if state is PrizeState.RETURN_PENDING:
                assert (operator, prize.return_id) in self.store.pending
                assert paid <= 1
            else:
                assert paid == (state is PrizeState.CASHED_BACK), (prize, paid)
            was_shipped = (operator, prize_id) in self.shipped
            assert was_shipped == (state is PrizeState.SHIPMENT_ORDERED)

    def the_books_agree_with_the_prizes(self) -> None:
        for operator, holder in (
            (TRANSFER, AccountKind.PLAYER_CASH),
            (SEAMLESS, AccountKind.CASINO_SETTLEMENT),
        ):
            back = sum(
                prize.cash_value
                for key, prize in self.store.prizes.items()
                if key[0] == operator and prize.stored_state is PrizeState.CASHED_BACK
            )
            house = {
                account.kind: account.balance
                for account in self.store.house.values()
                if account.operator == operator
            }
            wallet = self.store.wallets[operator, ANNA, EUR].balance
            held = wallet if holder is AccountKind.PLAYER_CASH else house.get(holder, 0)
            assert held == back == -house.get(AccountKind.PROMOTION, 0)
            assert wallet == (back if operator == TRANSFER else 0)

    def end(self) -> None:
        """Let the casino be heard at last: then nothing waits any more."""
        for key in sorted(self.store.pending):
            pending = self.store.pending[key]
            self.settle(pending, self.attempt(pending, refuses=False))
        assert not self.store.pending, "a definitive answer ends it"
        self.check()
        states = {prize.stored_state for prize in self.store.prizes.values()}
        assert PrizeState.RETURN_PENDING not in states
        for operator, id_ in list(self.told):
            found = self.store.find(operator, id_)
            assert found is not None
            self.hear((operator, id_), cashback_of(found, None).state)
        assert PrizeCashbackState.PENDING not in self.told.values()


KINDS = (
    *("return",) * 4,
    *("ask",) * 6,
    *("late answer",) * 4,
    *("late call", "at once", "ship", "grant", "time"),
)
numbers = st.integers(0, 63)
steps = st.lists(st.tuples(st.sampled_from(KINDS), numbers, numbers), min_size=10, max_size=60)


@settings(max_examples=200, deadline=None)
@given(steps=steps)
def test_whatever_happens_there_is_the_money_or_the_prize(
    steps: list[tuple[str, int, int]],
) -> None:
    world = World()
    for step in steps:
        world.step(*step)
        world.check()
    world.end()
