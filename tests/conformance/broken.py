"""Casinos that break one rule each, and the case that must tell."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import struct
from dataclasses import dataclass, replace
from typing import Any

from purser_casino.movements import Answer, Kind, Movement, Outcome, Verdict
from purser_casino.rules import Rules
from purser_casino.service import RPCS, CallbackService
from purser_casino.signatures import SignatureCheck
from purser_casino.store import Known

ACCEPTED = Verdict(Outcome.ACCEPTED)
DUPLICATE = Verdict(Outcome.DUPLICATE)


@dataclass(frozen=True)
class Breakage:
    """A casino with one defect. `cases` are among those that must fail."""

    name: str
    cases: tuple[str, ...]
    rules: type[Rules] = Rules
    check: type[SignatureCheck] = SignatureCheck
    service: type[CallbackService] = CallbackService


class ForgetsTombstones(Rules):
    def tombstone(self, rollback: Movement) -> Verdict:
        return Verdict(Outcome.TOMBSTONED)


class RefusesUnknownRollbacks(Rules):
    def tombstone(self, rollback: Movement) -> Verdict:
        return Verdict(Outcome.REFUSED, "no such bet")


class NeedsPlayerForTombstone(Rules):
    def tombstone(self, rollback: Movement) -> Verdict:
        if self.store.wallet(rollback.player_id, rollback.currency_code) is None:
            return Verdict(Outcome.PLAYER_NOT_FOUND)
        return super().tombstone(rollback)


class IgnoresContent(Rules):
    def is_same(self, asked: Movement, known: Movement) -> bool:
        return True


def ignores(field: str) -> type[Rules]:
    class Ignores(Rules):
        def is_same(self, asked: Movement, known: Movement) -> bool:
            return replace(asked, **{field: getattr(known, field)}) == known

    return Ignores


def pays_again(kind: Kind, sign: int) -> type[Rules]:
    """A casino that moves the money of every repetition, and says DUPLICATE."""

    class PaysAgain(Rules):
        def remembered(self, asked: Movement, known: Known) -> Verdict:
            verdict = super().remembered(asked, known)
            if verdict == DUPLICATE and asked.kind is kind:
                self.store.pay(asked, sign * asked.amount_minor)
            return verdict

    return PaysAgain


class ForgetsRefusals(Rules):
    def remembered(self, asked: Movement, known: Known) -> Verdict:
        verdict = super().remembered(asked, known)
        is_refusal = verdict.outcome is Outcome.INSUFFICIENT_FUNDS
        return self.judged(asked) if is_refusal and asked.kind is Kind.BET else verdict


class ForgetsRollbacks(Rules):
    def remembered(self, asked: Movement, known: Known) -> Verdict:
        return super().remembered(asked, replace(known, rolled_back=False))


class SaysDuplicateForWhatStands(Rules):
    def remembered(self, asked: Movement, known: Known) -> Verdict:
        verdict = super().remembered(asked, known)
        return DUPLICATE if verdict.outcome is Outcome.STANDS else verdict


class TellsOneMore(Rules):
    def answer(self, asked: Movement) -> Answer:
        told = super().answer(asked)
        more = None if told.balance_minor is None else told.balance_minor + 1
        return replace(told, balance_minor=more)


class TellsNoBalance(Rules):
    def answer(self, asked: Movement) -> Answer:
        return replace(super().answer(asked), balance_minor=None)


class RewritesBalance(Rules):
    """Keeps a balance as something that is no whole number."""

    def stored(self, minor: int) -> int:
        raise NotImplementedError

    def answer(self, asked: Movement) -> Answer:
        told = super().answer(asked)
        if told.balance_minor is None:
            return told
        stored = self.stored(told.balance_minor)
        self.store.pay(asked, stored - told.balance_minor)
        return replace(told, balance_minor=stored)


class FloatAmounts(Rules):
    def answer(self, asked: Movement) -> Answer:
        return super().answer(replace(asked, amount_minor=int(asked.amount_minor / 100 * 100)))


class SingleFloatBalances(RewritesBalance):
    def stored(self, minor: int) -> int:
        (single,) = struct.unpack("f", struct.pack("f", minor / 100))
        return round(single * 100)


class ShortBalances(RewritesBalance):
    def stored(self, minor: int) -> int:
        return min(minor, 2**31 - 1)


class LimitsRounds(Rules):
    def bet(self, bet: Movement) -> Verdict:
        (count,) = self.store._db.execute(
            "SELECT count(*) FROM movements WHERE kind = 'bet' AND round_id = ?", (bet.round_id,)
        ).fetchone()
        return Verdict(Outcome.LIMIT_REACHED) if count >= 100 else super().bet(bet)


class MixesGamesUp(Rules):
    def answer(self, asked: Movement) -> Answer:
        return super().answer(replace(asked, game_id="game" if asked.game_id else ""))

    def is_same(self, asked: Movement, known: Movement) -> bool:
        return asked == known


class MixesRoundsUp(Rules):
    def answer(self, asked: Movement) -> Answer:
        return super().answer(replace(asked, round_id="round" if asked.round_id else ""))


class PaysWinsOfUndoneBets(Rules):
    def without_bet(self, win: Movement) -> Verdict | None:
        refusal = super().without_bet(win)
        return None if self.store.find(win.reference) else refusal


class PaysAnyWin(Rules):
    def without_bet(self, win: Movement) -> Verdict | None:
        return None


class AlwaysWantsBets(Rules):
    def without_bet(self, win: Movement) -> Verdict | None:
        if not win.reference and not self.store.has_standing_bet(win) and win.game_id:
            return Verdict(Outcome.REFUSED)
        return super().without_bet(win)


class OneWinPerBet(Rules):
    def without_bet(self, win: Movement) -> Verdict | None:
        bet = self.store.find(win.reference)
        if bet is not None and self.store.is_settled(bet):
            return Verdict(Outcome.REFUSED, "already won")
        return super().without_bet(win)


class UndoesSettledBets(Rules):
    def undo(self, original: Known) -> Verdict:
        movement = original.movement
        if movement.kind is not Kind.BET:
            return super().undo(original)
        self.store.pay(movement, movement.amount_minor)
        self.store.mark_rolled_back(original)
        return ACCEPTED


class ForgetsClosedRounds(Rules):
    def answer(self, asked: Movement) -> Answer:
        return super().answer(replace(asked, close_round=False))


class UndoesRefusedBets(Rules):
    def rollback(self, rollback: Movement) -> Verdict:
        verdict = super().rollback(rollback)
        return ACCEPTED if verdict.outcome is Outcome.NOTHING_TO_ROLL_BACK else verdict


class UndoesTwice(Rules):
    def rollback(self, rollback: Movement) -> Verdict:
        original = self.store.find(rollback.reference)
        if original is not None and original.rolled_back:
            self.store.pay(rollback, rollback.amount_minor)
        return super().rollback(rollback)


class TakesBackWhatIsSpent(Rules):
    def undo(self, original: Known) -> Verdict:
        verdict = super().undo(original)
        return ACCEPTED if verdict.outcome is Outcome.INSUFFICIENT_FUNDS else verdict


class RefusesZero(Rules):
    def bet(self, bet: Movement) -> Verdict:
        if bet.amount_minor == 0 and bet.transaction_id.startswith("conformance-"):
            return Verdict(Outcome.REFUSED, "no stake")
        return super().bet(bet)


class KeepsTheLastCoin(Rules):
    def bet(self, bet: Movement) -> Verdict:
        wallet = self.store.wallet(bet.player_id, bet.currency_code)
        if wallet is not None and wallet.balance_minor == bet.amount_minor > 0:
            return Verdict(Outcome.INSUFFICIENT_FUNDS)
        return super().bet(bet)


class PlaysForAnyone(Rules):
    def bet(self, bet: Movement) -> Verdict:
        verdict = super().bet(bet)
        return ACCEPTED if verdict.outcome is Outcome.PLAYER_NOT_FOUND else verdict


class MistakesIdsOfOtherKinds(Rules):
    def remembered(self, asked: Movement, known: Known) -> Verdict:
        return DUPLICATE if asked.kind != known.movement.kind else super().remembered(asked, known)


class AcceptsAnySignature(SignatureCheck):
    def problem(self, path: str, metadata: Any, request: bytes) -> str:
        return ""


class AcceptsMissingSignature(SignatureCheck):
    def problem(self, path: str, metadata: Any, request: bytes) -> str:
        is_signed = "purser-signature" in metadata
        return super().problem(path, metadata, request) if is_signed else ""


class IgnoresClock(SignatureCheck):
    def is_stale(self, timestamp: int) -> bool:
        return False


class AllowsTheFuture(SignatureCheck):
    def is_stale(self, timestamp: int) -> bool:
        return self._clock() - timestamp > 30


class HasNoPatience(SignatureCheck):
    def is_stale(self, timestamp: int) -> bool:
        return abs(self._clock() - timestamp) > 5


class SignsTheMessage(SignatureCheck):
    """Parses and serializes before it hashes."""

    def problem(self, path: str, metadata: Any, request: bytes) -> str:
        (rpc,) = (rpc for rpc in RPCS if rpc.path == path)
        return super().problem(path, metadata, rpc.request.FromString(request).SerializeToString())


class SignsNoPath(SignatureCheck):
    def problem(self, path: str, metadata: Any, request: bytes) -> str:
        check = super().problem
        return min(check(rpc.path, metadata, request) for rpc in RPCS)


class SignsNoRequest(SignatureCheck):
    def problem(self, path: str, metadata: Any, request: bytes) -> str:
        problem = super().problem(path, metadata, request)
        return "" if "wrong" in problem and self.seems_right(metadata) else problem

    def seems_right(self, metadata: Any) -> bool:
        return len(metadata.get("purser-signature", "")) == 64


class ServesAnyOperator(CallbackService):
    def serves(self, operator_id: str) -> bool:
        return True


class Races(CallbackService):
    """Looks an id up, waits for its database, and applies what it found to be new."""

    async def answer(self, asked: Movement) -> Answer:
        if self.store.find(asked.transaction_id) is not None:
            return await super().answer(asked)
        is_known = self.store.find(asked.reference) is not None
        await asyncio.sleep(0.05)
        if asked.kind is Kind.ROLLBACK and not is_known:
            verdict = Verdict(Outcome.TOMBSTONED)
        else:
            verdict = self.rules.judged(asked)
        with contextlib.suppress(sqlite3.IntegrityError):  # the money has moved
            self.store.add(asked, verdict)
        wallet = self.store.wallet(asked.player_id, asked.currency_code)
        return Answer(verdict, wallet.balance_minor if wallet else None)


class Overspends(CallbackService):
    """Looks at the balance, waits, and takes the stake."""

    async def answer(self, asked: Movement) -> Answer:
        found = self.rules.balance(asked.player_id, asked.currency_code).balance_minor or 0
        await asyncio.sleep(0.05)
        is_new = self.store.find(asked.transaction_id) is None
        if asked.kind is not Kind.BET or not is_new or found < asked.amount_minor:
            return await super().answer(asked)
        left = max(found - asked.amount_minor, 0)
        now = self.rules.balance(asked.player_id, asked.currency_code).balance_minor or 0
        self.store.pay(asked, left - now)
        self.store.add(asked, ACCEPTED)
        return Answer(ACCEPTED, left)


BREAKAGES = [
    Breakage("forgets tombstones", ("late-bet-after-tombstone",), ForgetsTombstones),
    Breakage(
        "refuses a rollback of what is unknown",
        ("late-bet-after-tombstone", "tombstone-again"),
        RefusesUnknownRollbacks,
    ),
    Breakage(
        "tombstones for its players only",
        ("tombstone-for-unknown-player",),
        NeedsPlayerForTombstone,
    ),
    Breakage(
        "does not compare content",
        ("bet-id-reused-with-other-amount", "win-id-reused-with-other-close-round"),
        IgnoresContent,
    ),
    *(
        Breakage(f"does not compare {field}", (case,), ignores(field))
        for field, case in (
            ("player_id", "bet-id-reused-with-other-player-id"),
            ("amount_minor", "rollback-id-reused-with-other-amount"),
            ("currency_code", "prize-id-reused-with-other-currency"),
            ("game_id", "bet-id-reused-with-other-game-id"),
            ("round_id", "win-id-reused-with-other-round-id"),
            ("reference", "win-id-reused-with-other-bet-transaction-id"),
            ("reference", "rollback-id-reused-with-other-original-transaction-id"),
            ("win_type", "win-id-reused-with-other-win-type"),
            ("close_round", "win-id-reused-with-other-close-round"),
            ("prize_id", "prize-id-reused-with-other-prize-id"),
        )
    ),
    Breakage("confuses kinds", ("id-reused-by-another-rpc",), MistakesIdsOfOtherKinds),
    Breakage("takes a bet twice", ("bet-replayed",), pays_again(Kind.BET, -1)),
    Breakage("pays a win twice", ("win-replayed",), pays_again(Kind.WIN, 1)),
    Breakage("undoes twice under one id", ("rollback-replayed",), pays_again(Kind.ROLLBACK, 1)),
    Breakage("undoes twice under two ids", ("bet-rolled-back-by-two-ids",), UndoesTwice),
    Breakage("forgets refusals", ("refusal-is-final",), ForgetsRefusals),
    Breakage("forgets rollbacks", ("bet-replayed-after-rollback",), ForgetsRollbacks),
    Breakage("says DUPLICATE for STANDS", ("settled-bet-stands",), SaysDuplicateForWhatStands),
    Breakage("tells a balance of one more", ("bet-replayed", "zero-amounts"), TellsOneMore),
    Breakage("tells no balance", ("bet-replayed",), TellsNoBalance),
    Breakage("counts in floats", ("awkward-amounts",), FloatAmounts),
    Breakage("keeps single floats", ("large-payout",), SingleFloatBalances),
    Breakage("keeps 32 bits", ("large-payout",), ShortBalances),
    Breakage("limits rounds to 100 bets", ("101-bets-in-one-round",), LimitsRounds),
    Breakage("mixes rounds up", ("two-rounds-interleaved",), MixesRoundsUp),
    Breakage("mixes games up", ("same-round-of-two-games",), MixesGamesUp),
    Breakage("pays wins of undone bets", ("win-after-rollback",), PaysWinsOfUndoneBets),
    Breakage(
        "pays any win",
        ("win-of-unknown-bet", "regular-win-without-bet", "win-of-tombstoned-bet"),
        PaysAnyWin,
    ),
    Breakage("always wants a bet", ("promo-win-without-bet",), AlwaysWantsBets),
    Breakage("allows one win per bet", ("several-wins-of-one-bet",), OneWinPerBet),
    Breakage("undoes settled bets", ("settled-bet-stands", "lost-bet-stands"), UndoesSettledBets),
    Breakage("forgets closed rounds", ("bet-of-closed-round-stands",), ForgetsClosedRounds),
    Breakage("undoes refused bets", ("refused-bet-rolled-back",), UndoesRefusedBets),
    Breakage("takes back what is spent", ("spent-win-not-rolled-back",), TakesBackWhatIsSpent),
    Breakage("refuses a stake of zero", ("zero-amounts",), RefusesZero),
    Breakage("keeps the last coin", ("whole-balance",), KeepsTheLastCoin),
    Breakage("plays for anyone", ("unknown-player",), PlaysForAnyone),
    Breakage(
        "accepts any signature",
        ("bad-signature", "missing-signature", "signature-over-other-bytes", "clock-behind"),
        check=AcceptsAnySignature,
    ),
    Breakage("accepts no signature", ("missing-signature",), check=AcceptsMissingSignature),
    Breakage("ignores the clock", ("clock-behind", "clock-ahead"), check=IgnoresClock),
    Breakage("allows the future", ("clock-ahead",), check=AllowsTheFuture),
    Breakage("has no patience", ("clock-behind", "clock-ahead"), check=HasNoPatience),
    Breakage("signs the message", ("received-bytes",), check=SignsTheMessage),
    Breakage("signs no path", ("signature-of-another-method",), check=SignsNoPath),
    Breakage("signs no request", ("signature-over-other-bytes",), check=SignsNoRequest),
    Breakage("serves any operator", ("unknown-operator",), service=ServesAnyOperator),
    Breakage("races on duplicates", ("same-bet-ten-times-at-once",), service=Races),
    Breakage("overspends in a race", ("whole-balance-ten-times-at-once",), service=Overspends),
]
