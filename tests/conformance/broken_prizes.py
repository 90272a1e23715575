"""Casinos that break one rule of prizes each, and the case that must tell."""

from __future__ import annotations

from dataclasses import replace

from purser_casino.movements import Kind, Movement, Outcome, Verdict
from purser_casino.rules import Rules
from purser_casino.store import Known
from tests.conformance.broken import ACCEPTED, Breakage, Races, pays_again


class KeepsPrizes(Rules):
    def undo(self, original: Known) -> Verdict:
        if original.movement.kind is Kind.PRIZE_CASHBACK:
            return Verdict(Outcome.STANDS)
        return super().undo(original)


class PaysForEachPrizeOnce(Rules):
    def prize_cashback(self, prize: Movement) -> Verdict:
        (count,) = self.store._db.execute(
            "SELECT count(*) FROM movements WHERE kind = ? AND prize_id = ?",
            (Kind.PRIZE_CASHBACK, prize.prize_id),
        ).fetchone()
        return super().prize_cashback(prize) if not count else Verdict(Outcome.REFUSED, "returned")


class ForbidsPrizesOfTombstones(Rules):
    def prize_cashback(self, prize: Movement) -> Verdict:
        (count,) = self.store._db.execute(
            "SELECT count(*) FROM movements WHERE kind = ? AND prize_id = ?",
            (Kind.ROLLBACK, prize.prize_id),
        ).fetchone()
        return Verdict(Outcome.TRANSACTION_ROLLED_BACK) if count else super().prize_cashback(prize)


class ComplainsOfSpentPrizes(Rules):
    def undo(self, original: Known) -> Verdict:
        verdict = super().undo(original)
        is_prize = original.movement.kind is Kind.PRIZE_CASHBACK
        spent = is_prize and verdict.outcome is Outcome.STANDS
        return Verdict(Outcome.INSUFFICIENT_FUNDS) if spent else verdict


class LetsSpentPrizesGo(Rules):
    def undo(self, original: Known) -> Verdict:
        verdict = super().undo(original)
        is_prize = original.movement.kind is Kind.PRIZE_CASHBACK
        return ACCEPTED if is_prize and verdict.outcome is Outcome.STANDS else verdict


class PaysLatePrizes(Rules):
    def remembered(self, asked: Movement, known: Known) -> Verdict:
        verdict = super().remembered(asked, known)
        late = verdict.outcome is Outcome.TRANSACTION_ROLLED_BACK
        if asked.kind is Kind.PRIZE_CASHBACK and known.movement.kind is Kind.TOMBSTONE and late:
            self.store.pay(asked, asked.amount_minor)
            return ACCEPTED
        return verdict


class ForgetsThatPrizesWereTakenBack(Rules):
    def remembered(self, asked: Movement, known: Known) -> Verdict:
        is_prize = asked.kind is Kind.PRIZE_CASHBACK
        return super().remembered(asked, replace(known, rolled_back=False) if is_prize else known)


class TakesPrizesBackTwice(Rules):
    def rollback(self, rollback: Movement) -> Verdict:
        original = self.store.find(rollback.reference)
        if original is not None and original.rolled_back and rollback.prize_id:
            self.store.pay(rollback, -rollback.amount_minor)
        return super().rollback(rollback)


class GivesPrizesToAnyone(Rules):
    def prize_cashback(self, prize: Movement) -> Verdict:
        verdict = super().prize_cashback(prize)
        return ACCEPTED if verdict.outcome is Outcome.PLAYER_NOT_FOUND else verdict


PRIZE_BREAKAGES = [
    Breakage("pays a prize twice", ("prize-replayed",), pays_again(Kind.PRIZE_CASHBACK, 1)),
    Breakage("keeps prizes", ("prize-rolled-back",), KeepsPrizes),
    Breakage("pays for each prize once", ("prize-again-after-rollback",), PaysForEachPrizeOnce),
    Breakage(
        "forbids prizes of tombstones", ("prize-again-after-tombstone",), ForbidsPrizesOfTombstones
    ),
    Breakage("complains of spent prizes", ("spent-prize-stands",), ComplainsOfSpentPrizes),
    Breakage("lets spent prizes go", ("spent-prize-stands",), LetsSpentPrizesGo),
    Breakage("pays late prizes", ("late-prize-after-tombstone",), PaysLatePrizes),
    Breakage(
        "forgets that prizes were taken back",
        ("prize-rolled-back", "prize-again-after-rollback"),
        ForgetsThatPrizesWereTakenBack,
    ),
    Breakage("takes prizes back twice", ("prize-rolled-back",), TakesPrizesBackTwice),
    Breakage("gives prizes to anyone", ("unknown-player",), GivesPrizesToAnyone),
    Breakage(
        "races on prizes",
        ("same-prize-ten-times-at-once", "prize-and-rollback-at-once"),
        service=Races,
    ),
]
