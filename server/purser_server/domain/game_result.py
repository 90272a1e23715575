"""The game result: what an operator's games kept of the money that was bet, in either mode."""

from __future__ import annotations

from collections.abc import Iterable

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.money import fits
from purser_server.domain.transactions import TransactionType
from purser_server.domain.values import value


@value
class Played:
    """The completed transactions of one type and currency: how many, and what wallets gained."""

    type: TransactionType
    currency_code: str
    count: int
    change: int


@value
class GameResult:
    """What was played in one currency, in minor units.

    `rollbacks` is what rollbacks gave back to players, less what they took back of wins.
    """

    currency_code: str
    bets: int = 0
    wins: int = 0
    rollbacks: int = 0
    bet_count: int = 0
    win_count: int = 0
    rollback_count: int = 0

    @property
    def result(self) -> int:
        """What the games kept; negative when players won more than they bet."""
        return self.bets - self.wins - self.rollbacks


def game_results(played: Iterable[Played]) -> list[GameResult]:
    """Return the game result of each currency in which was played, by currency code."""
    sums: dict[str, dict[TransactionType, Played]] = {}
    for of in played:
        sums.setdefault(of.currency_code, {})[of.type] = of
    return [_game_result(code, sums[code]) for code in sorted(sums)]


def refuse_results(results: Iterable[GameResult]) -> Refusal | None:
    """Refuse figures that no message can tell: so much was played in that time."""
    for of in results:
        if not all(map(fits, (of.bets, of.wins, of.rollbacks, of.result))):
            return Refusal(
                Reason.AMOUNT_RANGE,
                "more was played in that time than 64 bits can tell: ask for a shorter time",
                {"currency_code": of.currency_code},
            )
    return None


def _game_result(currency_code: str, played: dict[TransactionType, Played]) -> GameResult:
    def of(kind: TransactionType) -> Played:
        return played.get(kind) or Played(kind, currency_code, 0, 0)

    bets, wins = of(TransactionType.BET), of(TransactionType.WIN)
    rollbacks = of(TransactionType.ROLLBACK)
    return GameResult(
        currency_code,
        -bets.change,
        wins.change,
        rollbacks.change,
        bets.count,
        wins.count,
        rollbacks.count,
    )
