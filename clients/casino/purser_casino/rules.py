"""The rules of a casino: what each call answers, by what is known of its transaction id.

This is the table "Answers" of casino_callback_service.proto. All of it runs inside one SQLite
transaction per call, so that money, memory and answer are stored together or not at all.
"""

from __future__ import annotations

from purser.wallet.v1 import wallet_pb2
from purser_casino.movements import Answer, Kind, Movement, Outcome, Verdict
from purser_casino.store import Known, Status, Store, Wallet

MAX_BALANCE_MINOR = 2**63 - 1

_ACCEPTED = Verdict(Outcome.ACCEPTED)
_DUPLICATE = Verdict(Outcome.DUPLICATE)
_REUSED = Verdict(Outcome.TRANSACTION_ID_REUSED, "the id was used with other content")
_ROLLED_BACK = Verdict(Outcome.TRANSACTION_ROLLED_BACK)
_TOMBSTONED = Verdict(Outcome.TOMBSTONED)
_UNDONE = (Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.TOMBSTONED)

_INACTIVE = {
    Status.SUSPENDED: Verdict(Outcome.PLAYER_SUSPENDED),
    Status.SELF_EXCLUDED: Verdict(Outcome.PLAYER_SELF_EXCLUDED),
}


class Rules:
    """Decides and applies, over the statements of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def answer(self, asked: Movement) -> Answer:
        """Answer a movement: from memory if its id is known, else apply or refuse it."""
        known = self.store.find(asked.transaction_id)
        if known is not None:
            return self._answer(asked, self.remembered(asked, known), known.number)
        verdict = self.judged(asked)
        return self._answer(asked, verdict, self.store.add(asked, verdict))

    def refuse(self, asked: Movement, verdict: Verdict) -> Answer:
        """Refuse a movement of a new id, whatever the rules say; a known id is answered as ever."""
        if self.store.find(asked.transaction_id) is not None:
            return self.answer(asked)
        return self._answer(asked, verdict, self.store.add(asked, verdict))

    def balance(self, player_id: str, currency_code: str) -> Answer:
        """Tell a balance. Nothing moves, and nothing is remembered."""
        wallet = self.store.wallet(player_id, currency_code)
        if wallet is None:
            return Answer(Verdict(Outcome.PLAYER_NOT_FOUND), None)
        if wallet.balance_minor is None:
            return Answer(Verdict(Outcome.CURRENCY_NOT_SUPPORTED), None)
        return Answer(_ACCEPTED, wallet.balance_minor)

    def remembered(self, asked: Movement, known: Known) -> Verdict:
        """Answer a known id. Nothing moves."""
        if known.movement.kind is Kind.TOMBSTONE:
            # Only what moves money can have been meant by the rollback that came first.
            return _REUSED if asked.kind is Kind.ROLLBACK else _ROLLED_BACK
        if not self.is_same(asked, known.movement):
            return _REUSED
        if asked.kind is Kind.ROLLBACK:
            # What could not be undone is not a success the second time.
            return _DUPLICATE if known.verdict.outcome in _UNDONE else known.verdict
        if known.rolled_back:
            return _ROLLED_BACK
        return _DUPLICATE if known.verdict.outcome is Outcome.ACCEPTED else known.verdict

    def is_same(self, asked: Movement, known: Movement) -> bool:
        """Tell whether two movements of one id have the same content."""
        return asked == known

    def judged(self, asked: Movement) -> Verdict:
        """Apply or refuse what was never seen before."""
        match asked.kind:
            case Kind.BET:
                return self.bet(asked)
            case Kind.WIN:
                return self.win(asked)
            case Kind.ROLLBACK:
                return self.rollback(asked)
            case _:
                return self.prize_cashback(asked)

    def bet(self, bet: Movement) -> Verdict:
        """Take a stake from an active player who has it."""
        wallet = self.store.wallet(bet.player_id, bet.currency_code)
        refusal = _no_wallet(wallet) or _not_active(wallet)
        if refusal:
            return refusal
        if _held(wallet) < bet.amount_minor:
            return Verdict(Outcome.INSUFFICIENT_FUNDS)
        self.store.pay(bet, -bet.amount_minor)
        return _ACCEPTED

    def win(self, win: Movement) -> Verdict:
        """Pay a player, whatever the player's status."""
        wallet = self.store.wallet(win.player_id, win.currency_code)
        refusal = _no_wallet(wallet) or self.without_bet(win) or _too_much(wallet, win)
        if refusal:
            return refusal
        self.store.pay(win, win.amount_minor)
        return _ACCEPTED

    def without_bet(self, win: Movement) -> Verdict | None:
        """Refuse a win that should have a bet and has none that stands."""
        if win.reference:
            bet = self.store.find(win.reference)
            found = bet is not None and _stands_for(bet, win)
            return None if found else Verdict(Outcome.REFUSED, "the bet is not known, or not here")
        if win.win_type != wallet_pb2.WIN_TYPE_REGULAR or self.store.has_standing_bet(win):
            return None
        return Verdict(Outcome.REFUSED, "no bet stands in this round")

    def prize_cashback(self, prize: Movement) -> Verdict:
        """Pay an active player for a prize."""
        wallet = self.store.wallet(prize.player_id, prize.currency_code)
        refusal = _no_wallet(wallet) or _not_active(wallet) or _too_much(wallet, prize)
        if refusal:
            return refusal
        self.store.pay(prize, prize.amount_minor)
        return _ACCEPTED

    def rollback(self, rollback: Movement) -> Verdict:
        """Undo a movement, or remember that it must not be applied should it still arrive."""
        original = self.store.find(rollback.reference)
        if original is None:
            return self.tombstone(rollback)
        if original.movement.kind is Kind.ROLLBACK:
            return Verdict(Outcome.REFUSED, "a rollback cannot be rolled back")
        if original.movement.player_id != rollback.player_id:
            return Verdict(Outcome.REFUSED, "the original is another player's")
        if original.rolled_back or original.movement.kind is Kind.TOMBSTONE:
            return _DUPLICATE
        if original.verdict.outcome is not Outcome.ACCEPTED:
            return Verdict(Outcome.NOTHING_TO_ROLL_BACK)
        return self.undo(original)

    def tombstone(self, rollback: Movement) -> Verdict:
        """Remember an id that has not arrived."""
        player_id, currency_code = rollback.player_id, rollback.currency_code
        stone = Movement(Kind.TOMBSTONE, rollback.reference, player_id, currency_code, 0)
        self.store.add(stone, _TOMBSTONED)
        return _TOMBSTONED

    def undo(self, original: Known) -> Verdict:
        """Give a bet back if nothing settled it, or take a payment back if it is still there.

        The amount is the one that moved, not the one that the rollback tells.
        """
        movement = original.movement
        if movement.kind is Kind.BET:
            if self.store.is_settled(original):
                return Verdict(Outcome.STANDS)
            self.store.pay(movement, movement.amount_minor)
        else:
            wallet = self.store.wallet(movement.player_id, movement.currency_code)
            if _held(wallet) < movement.amount_minor:
                return _cannot_take_back(movement)
            self.store.pay(movement, -movement.amount_minor)
        self.store.mark_rolled_back(original)
        return _ACCEPTED

    def _answer(self, asked: Movement, verdict: Verdict, number: int) -> Answer:
        wallet = self.store.wallet(asked.player_id, asked.currency_code)
        balance_minor = wallet.balance_minor if wallet else None
        return Answer(verdict, balance_minor, f"casino-{number}")


def _no_wallet(wallet: Wallet | None) -> Verdict | None:
    if wallet is None:
        return Verdict(Outcome.PLAYER_NOT_FOUND)
    if wallet.balance_minor is None:
        return Verdict(Outcome.CURRENCY_NOT_SUPPORTED)
    return None


def _not_active(wallet: Wallet | None) -> Verdict | None:
    return _INACTIVE.get(wallet.status) if wallet else None


def _too_much(wallet: Wallet | None, payment: Movement) -> Verdict | None:
    if _held(wallet) + payment.amount_minor > MAX_BALANCE_MINOR:
        return Verdict(Outcome.LIMIT_REACHED, "the balance would be beyond what can be written")
    return None


def _held(wallet: Wallet | None) -> int:
    return (wallet.balance_minor or 0) if wallet else 0


def _stands_for(bet: Known, win: Movement) -> bool:
    of = bet.movement
    same_round = (of.player_id, of.game_id, of.round_id) == (
        win.player_id,
        win.game_id,
        win.round_id,
    )
    accepted = bet.verdict.outcome is Outcome.ACCEPTED and not bet.rolled_back
    return of.kind is Kind.BET and same_round and accepted


def _cannot_take_back(payment: Movement) -> Verdict:
    """Refuse to take back money that was spent: a prize that is paid for stays paid for."""
    if payment.kind is Kind.PRIZE_CASHBACK:
        return Verdict(Outcome.STANDS, "the money has been spent")
    return Verdict(Outcome.INSUFFICIENT_FUNDS)
