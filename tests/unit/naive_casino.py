"""The rules once more, in the plainest way: every question is put to the whole history.

Nothing is counted, cached or locked here, so that it can be read beside the text of the rules.
The properties hold the real rules against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

from purser_server.domain.commands import (
    TYPE_OF,
    Bet,
    CloseRound,
    Command,
    Deposit,
    Rollback,
    Win,
    Withdraw,
)
from purser_server.domain.decisions import Session
from purser_server.domain.errors import FINAL_REASONS
from purser_server.domain.money import MAX_MINOR
from purser_server.domain.players import PlayerStatus
from purser_server.domain.transactions import RollbackOutcome, WinType
from tests.unit.told import Told

ROLLED_BACK, TOMBSTONED = RollbackOutcome.ROLLED_BACK, RollbackOutcome.TOMBSTONED


@dataclass(frozen=True)
class Event:
    """A command that is stored, with what was told."""

    command: Command
    told: Told
    currency: str = ""
    change: int = 0


@dataclass
class NaiveCasino:
    """One operator. `wallets` are the opening balances by player and currency."""

    statuses: dict[str, PlayerStatus]
    wallets: dict[tuple[str, str], int]
    sessions: dict[str, Session] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def decide(self, commands: Sequence[Command]) -> list[Told]:
        """Decide a command alone, or a group of which all succeed or none."""
        begun = len(self.events)
        answers: list[Told] = []
        for index, command in enumerate(commands):
            answer, event = self._decide_one(command)
            answers.append(answer)
            self.events += [event] if event else []
            if answer.reason and len(commands) > 1:
                del self.events[begun:]
                self._keep(Event(command, answer))
                failed = Told("ATOMIC_GROUP_FAILED", str(index))
                return [answer if i == index else failed for i in range(len(commands))]
        return answers

    def _keep(self, failing: Event) -> None:
        """Store a failed group's refusal, if it is final and new."""
        is_known = self._of_id(_id(failing)) or self._burial_of(_id(failing))
        if failing.told.reason in FINAL_REASONS and not is_known:
            self.events.append(failing)

    def _decide_one(self, command: Command) -> tuple[Told, Event | None]:
        known = self._of_id(command.transaction_id)
        if known is not None:
            return self._again(command, known), None
        if command.player_id not in self.statuses:
            return Told("PLAYER_NOT_FOUND"), None
        if self._burial_of(command.transaction_id) is not None:
            return _late(command), None
        event = self._judge(command)
        is_stored = not event.told.reason or event.told.reason in FINAL_REASONS
        return event.told, event if is_stored else None

    def _judge(self, command: Command) -> Event:
        match command:
            case Deposit():
                return self._move(command, command.amount, self._refuse_status(command, "deposit"))
            case Withdraw():
                return self._withdraw(command)
            case Bet():
                return self._move(command, -command.amount, self._refuse_bet(command))
            case Win():
                return self._move(command, command.amount, self._refuse_win(command))
            case CloseRound():
                return self._close(command)
            case Rollback():
                return self._roll_back(command)

    # -- the same id again -----------------------------------------------------------------------

    def _again(self, command: Command, known: Event) -> Told:
        differs = first_difference(command, known.command)
        if differs:
            return Told("TRANSACTION_ID_REUSED", differs)
        undone = not known.told.reason and self._undone(known)
        return replace(known.told, replayed=True, rolled_back=undone)

    # -- movements -------------------------------------------------------------------------------

    def _withdraw(self, withdraw: Withdraw) -> Event:
        key = (withdraw.player_id, withdraw.currency_code)
        balance = self.balance(*key) if key in self.wallets else 0
        refusal = self._refuse_status(withdraw, "withdraw")
        if not refusal.reason and withdraw.amount is None and balance == 0:
            refusal = Told("INSUFFICIENT_FUNDS")
        return self._move(
            withdraw, -(balance if withdraw.amount is None else withdraw.amount), refusal
        )

    def _move(self, command: Deposit | Withdraw | Bet | Win, change: int, refusal: Told) -> Event:
        key = (command.player_id, command.currency_code)
        if key not in self.wallets:
            return Event(command, Told("WALLET_NOT_FOUND"))
        if refusal.reason:
            return Event(command, refusal)
        balance = self.balance(*key)
        if balance + change < 0:
            return Event(command, Told("INSUFFICIENT_FUNDS"))
        if balance + change > MAX_MINOR or self._overflows_round(command):
            return Event(command, Told("AMOUNT_RANGE"))
        return self._post(command, command.currency_code, abs(change), change)

    def _post(
        self,
        command: Command,
        currency: str,
        amount: int,
        change: int,
        outcome: RollbackOutcome = RollbackOutcome.NONE,
    ) -> Event:
        key = (command.player_id, currency)
        balance = self.balance(*key)
        sequence = self._postings(*key) + 1 if change else 0
        figures = Told(
            amount=amount,
            before=balance,
            after=balance + change,
            sequence=sequence,
            outcome=outcome,
        )
        return Event(command, figures, currency, change)

    def _refuse_status(self, command: Command, activity: str) -> Told:
        status = self.statuses[command.player_id]
        may_leave = status is not PlayerStatus.SUSPENDED and activity == "withdraw"
        if status is PlayerStatus.ACTIVE or may_leave:
            return Told()
        return Told(f"PLAYER_{status.name}")

    def _refuse_bet(self, bet: Bet) -> Told:
        refusal = self._refuse_status(bet, "bet")
        if refusal.reason:
            return refusal
        if bet.session_id:
            session = self.sessions.get(bet.session_id)
            wanted = Session(
                bet.session_id, bet.player_id, bet.game_id, bet.currency_code, is_open=True
            )
            if session != wanted:
                return Told("SESSION_INVALID")
        if self._currency_of(bet) not in ("", bet.currency_code):
            return Told("INVALID_FIELD", "amount.currency_code")
        if self._is_closed(bet):
            return Told("ROUND_CLOSED")
        return Told()

    def _refuse_win(self, win: Win) -> Told:
        exists = bool(self._bets(win))
        if win.bet_transaction_id:
            refusal = self._refuse_reference(win)
            if refusal.reason:
                return refusal
        regular = win.win_type is WinType.REGULAR
        if win.close_round and not exists and not regular:
            return Told("INVALID_FIELD", "close_round")
        if self._currency_of(win) not in ("", win.currency_code):
            return Told("INVALID_FIELD", "amount.currency_code")
        if regular and self._is_closed(win):
            return Told("ROUND_CLOSED")
        if regular and not any(self._stands(bet) for bet in self._bets(win)):
            return Told("BET_NOT_FOUND")
        return Told()

    def _refuse_reference(self, win: Win) -> Told:
        if self._burial_of(win.bet_transaction_id) == win.player_id:
            return Told("TRANSACTION_ROLLED_BACK")
        bets = [bet for bet in self._bets(win) if _id(bet) == win.bet_transaction_id]
        if not bets:
            return Told("BET_NOT_FOUND")
        return Told() if self._stands(bets[0]) else Told("TRANSACTION_ROLLED_BACK")

    # -- rounds ------------------------------------------------------------------------------------

    def _close(self, close: CloseRound) -> Event:
        if not self._bets(close):
            return Event(close, Told("ROUND_NOT_FOUND"))
        closed = self._post(close, self._currency_of(close), 0, 0)
        bets = [bet.told.amount for bet in self._bets(close) if self._stands(bet)]
        wins = [win.told.amount for win in self._wins_that_count(close)]
        shown = (len(bets), sum(bets), len(wins), sum(wins))
        return replace(closed, told=replace(closed.told, round=shown))

    def _bets(self, of: Bet | Win | CloseRound) -> list[Event]:
        return [event for event in self._in_round(of) if isinstance(event.command, Bet)]

    def _wins_that_count(self, of: Bet | Win | CloseRound) -> Iterator[Event]:
        seen_bet = False
        for event in self._in_round(of):
            seen_bet = seen_bet or isinstance(event.command, Bet)
            if seen_bet and isinstance(event.command, Win) and self._stands(event):
                yield event

    def _in_round(self, of: Bet | Win | CloseRound) -> Iterator[Event]:
        """Yield what was accepted in the round, whether or not it stands."""
        for event in self.events:
            command = event.command
            if not isinstance(command, Bet | Win | CloseRound) or event.told.reason:
                continue
            if (command.player_id, command.game_id, command.round_id) == (
                of.player_id,
                of.game_id,
                of.round_id,
            ):
                yield event

    def _overflows_round(self, command: Command) -> bool:
        if isinstance(command, Bet):
            total = sum(bet.told.amount for bet in self._bets(command) if self._stands(bet))
        elif isinstance(command, Win) and self._bets(command):
            total = sum(win.told.amount for win in self._wins_that_count(command))
        else:
            return False
        return total + command.amount > MAX_MINOR

    def _currency_of(self, of: Bet | Win | CloseRound) -> str:
        bets = self._bets(of)
        return bets[0].currency if bets else ""

    def _is_closed(self, of: Bet | Win | CloseRound) -> bool:
        return any(
            self._stands(event)
            and (isinstance(event.command, CloseRound) or getattr(event.command, "close_round", 0))
            for event in self._in_round(of)
        )

    # -- rollbacks ---------------------------------------------------------------------------------

    def _roll_back(self, rollback: Rollback) -> Event:
        original = self._of_id(rollback.original_transaction_id)
        if original is None:
            return self._bury(rollback)
        if original.command.player_id != rollback.player_id:
            return Event(rollback, Told("TRANSACTION_NOT_FOUND"))
        if not isinstance(original.command, Bet | Win):
            return Event(rollback, Told("TRANSACTION_NOT_REVERSIBLE"))
        currency = original.command.currency_code
        if original.told.reason:
            outcome = RollbackOutcome.NOTHING_TO_ROLL_BACK
            if (rollback.player_id, currency) not in self.wallets:
                return Event(rollback, Told(outcome=outcome))
            return self._post(rollback, currency, 0, 0, outcome)
        if self._undone(original):
            return self._post(rollback, currency, 0, 0, ROLLED_BACK)
        balance = self.balance(rollback.player_id, currency)
        if isinstance(original.command, Bet) and self._is_settled(original):
            return Event(rollback, Told("BET_ALREADY_SETTLED"))
        if balance - original.change < 0:
            return Event(rollback, Told("INSUFFICIENT_FUNDS"))
        if balance - original.change > MAX_MINOR:
            return Event(rollback, Told("AMOUNT_RANGE"))
        return self._post(rollback, currency, original.told.amount, -original.change, ROLLED_BACK)

    def _bury(self, rollback: Rollback) -> Event:
        buried = self._burial_of(rollback.original_transaction_id)
        if buried not in (None, rollback.player_id):
            return Event(rollback, Told("TRANSACTION_NOT_FOUND"))
        return Event(rollback, Told(outcome=TOMBSTONED))

    def _is_settled(self, bet: Event) -> bool:
        assert isinstance(bet.command, Bet)
        if self._is_closed(bet.command):
            return True
        later = self.events[self.events.index(bet) :]
        for win in self._in_round(bet.command):
            if not isinstance(win.command, Win) or not self._stands(win):
                continue
            if win.command.bet_transaction_id == _id(bet):
                return True
            covers = win.command.win_type is WinType.REGULAR and win in later
            if covers and not win.command.bet_transaction_id:
                return True
        return False

    # -- questions to the history ------------------------------------------------------------------

    def balance(self, player_id: str, currency: str) -> int:
        return self.wallets[player_id, currency] + sum(self._changes(player_id, currency))

    def _postings(self, player_id: str, currency: str) -> int:
        opened = self.wallets[player_id, currency] != 0
        return opened + sum(1 for change in self._changes(player_id, currency) if change)

    def _changes(self, player_id: str, currency: str) -> Iterator[int]:
        for event in self.events:
            if (event.command.player_id, event.currency) == (player_id, currency):
                yield event.change

    def _of_id(self, transaction_id: str) -> Event | None:
        return next((event for event in self.events if _id(event) == transaction_id), None)

    def _burial_of(self, transaction_id: str) -> str | None:
        """Return the player who rolled this id back before it came."""
        for event in self.events:
            of = getattr(event.command, "original_transaction_id", None)
            if of == transaction_id and event.told.outcome is TOMBSTONED:
                return event.command.player_id
        return None

    def _stands(self, event: Event) -> bool:
        return not event.told.reason and not self._undone(event)

    def _undone(self, event: Event) -> bool:
        return any(
            undoing.told.outcome is ROLLED_BACK
            and getattr(undoing.command, "original_transaction_id", None) == _id(event)
            for undoing in self.events
        )


def _id(event: Event) -> str:
    return event.command.transaction_id


_PATHS = {"currency_code": "amount.currency_code", "amount": "amount.minor_units"}


def first_difference(command: Command, before: Command) -> str:
    """Return the path of the first field that differs; empty when the content is the same."""
    if TYPE_OF[type(command)] is not TYPE_OF[type(before)]:
        return "type"
    for each in fields(command):
        if each.name in ("transaction_id", "metadata", "session_id"):
            continue
        if getattr(command, each.name) != getattr(before, each.name):
            return _path(each.name, command, before)
    return ""


def _path(name: str, command: Command, before: Command) -> str:
    if isinstance(command, Withdraw) and name != "player_id":
        if command.amount is None:
            return "all_of_currency_code"
        if isinstance(before, Withdraw) and before.amount is None:
            return "amount"
    return _PATHS.get(name, name)


def _late(command: Command) -> Told:
    if isinstance(command, Bet | Win):
        return Told("TRANSACTION_ROLLED_BACK")
    return Told("TRANSACTION_ID_REUSED", "type")
