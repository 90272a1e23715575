"""What a case has in hand: requests with fresh ids, and a book of what the balance must be."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import wallet_pb2
from purser_server.conformance.caller import Answer, Caller, Request, Signing, Target, rpc_of
from purser_server.conformance.outcomes import (
    ACCEPTED,
    CURRENCY_NOT_SUPPORTED,
    IN_PROGRESS,
    PLAYER_NOT_FOUND,
    STATUS,
    TOMBSTONED,
)

_ASK_AGAIN_S = 0.1
_ASK_AGAIN_TIMES = 6
_MAX_ID = 128
_MAX_MESSAGE = 1_000
# These speak of a balance that is not there.
_WITHOUT_BALANCE = (PLAYER_NOT_FOUND, CURRENCY_NOT_SUPPORTED)


Moving: TypeAlias = pb.BetRequest | pb.WinRequest | pb.RollbackRequest | pb.PrizeCashbackRequest
"""A request that moves money, and so has a transaction id."""


class BrokenRule(Exception):  # noqa: N818 - what a case finds, no error of ours
    """The casino did not answer as the contract has it; the last step tells."""


class SkippedCase(Exception):  # noqa: N818 - as above
    """The case cannot tell anything here; the text is the reason."""


class UnreachableCasinoError(Exception):
    """The casino does not tell the balance, so that nothing can be played."""


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange: what was sent, what was expected, what came.

    `which` names the transaction, `how` what was special about the call.
    """

    sent: str
    expected: str
    came: str
    which: str = ""
    how: str = ""

    @property
    def shown(self) -> str:
        """What was sent, for people: "Bet 500 (bet-1), 40 s ago"."""
        sent = f"{self.sent} ({self.which})" if self.which else self.sent
        return f"{sent}, {self.how}" if self.how else sent


class Play:
    """One case at a casino. `balance` is what the player must have, in minor units."""

    def __init__(self, caller: Caller, target: Target, balance: int) -> None:
        self.player_id = target.player_id
        self.operator_id = target.operator_id
        self.currency_code = target.currency_code
        self.start_balance = balance
        self.balance = balance
        self.steps: list[Step] = []
        self.game_id = "conformance"
        self._caller = caller
        self._token = secrets.token_hex(8)
        self._made: Counter[str] = Counter()
        self._told: dict[str, int] = {}

    # What can be sent

    def new_id(self, kind: str) -> str:
        """Return an id that was never used, in this run or in another one."""
        self._made[kind] += 1
        return f"conformance-{self._token}-{kind}-{self._made[kind]}"

    def bet(self, minor: int, round_id: str = "") -> pb.BetRequest:
        """Return a bet, in a round of its own unless one is named."""
        return pb.BetRequest(
            operator_id=self.operator_id,
            player_id=self.player_id,
            transaction_id=self.new_id("bet"),
            amount=self.money(minor),
            game_id=self.game_id,
            round_id=round_id or self.new_id("round"),
        )

    def win(self, bet: pb.BetRequest, minor: int, *, close_round: bool = False) -> pb.WinRequest:
        """Return a regular win of a bet."""
        return pb.WinRequest(
            operator_id=self.operator_id,
            player_id=self.player_id,
            transaction_id=self.new_id("win"),
            amount=self.money(minor),
            game_id=bet.game_id,
            round_id=bet.round_id,
            bet_transaction_id=bet.transaction_id,
            win_type=wallet_pb2.WIN_TYPE_REGULAR,
            close_round=close_round,
        )

    def payment(
        self, minor: int, win_type: wallet_pb2.WinType.ValueType = wallet_pb2.WIN_TYPE_PROMO
    ) -> pb.WinRequest:
        """Return a win that belongs to no bet, game or round: a promotion, by default."""
        return pb.WinRequest(
            operator_id=self.operator_id,
            player_id=self.player_id,
            transaction_id=self.new_id("win"),
            amount=self.money(minor),
            win_type=win_type,
        )

    def prize(self, minor: int) -> pb.PrizeCashbackRequest:
        """Return the cashback of a prize."""
        return pb.PrizeCashbackRequest(
            operator_id=self.operator_id,
            player_id=self.player_id,
            transaction_id=self.new_id("prize"),
            amount=self.money(minor),
            prize_id=self.new_id("prize"),
        )

    def rollback(
        self, original: pb.BetRequest | pb.WinRequest | pb.PrizeCashbackRequest
    ) -> pb.RollbackRequest:
        """Return a rollback of a movement, with an id of its own."""
        rollback = pb.RollbackRequest(
            operator_id=self.operator_id,
            player_id=original.player_id,
            transaction_id=self.new_id("rollback"),
            original_transaction_id=original.transaction_id,
            amount=original.amount,
        )
        if isinstance(original, pb.PrizeCashbackRequest):
            rollback.prize_id = original.prize_id
        else:
            rollback.game_id, rollback.round_id = original.game_id, original.round_id
        return rollback

    def balance_request(self, player_id: str = "", currency_code: str = "") -> pb.GetBalanceRequest:
        """Return the question for a balance: the player's, unless another one is named."""
        return pb.GetBalanceRequest(
            operator_id=self.operator_id,
            player_id=player_id or self.player_id,
            currency_code=currency_code or self.currency_code,
        )

    def money(self, minor: int) -> Money:
        """Return minor units of the player's currency."""
        return Money(currency_code=self.currency_code, minor_units=minor)

    # How it is sent

    async def sends(
        self,
        request: Request,
        *expected: str,
        moves: int = 0,
        signing: Signing | None = None,
        sent: bytes | None = None,
        skips_on: Sequence[str] = (),
        how: str = "",
    ) -> Answer:
        """Send a request; raise BrokenRule unless one of the outcomes came, and money moved so.

        The balance in the answer, and the one that GetBalance tells then, must be exact. Raises
        SkippedCase for an outcome with which a casino may have it that the case tells nothing.
        """
        answer = await self._exchange(request, signing, sent)
        how = how or (signing.shown if signing else "")
        self._note(request, " or ".join(expected), answer, how)
        if answer.came in skips_on:
            raise SkippedCase(f"this casino answers {answer.shown} to {described(request)}")
        done = answer.was_done_meanwhile and not {ACCEPTED, TOMBSTONED}.isdisjoint(expected)
        if answer.came not in expected and not done:
            raise BrokenRule
        self.balance += moves
        self._check_form(request, answer)
        await self._check_balance_told(request, answer)
        await self.expects_balance()
        return answer

    async def at_once(self, *requests: Moving) -> list[Answer]:
        """Send requests at the same time; who is sent twice arrives twice. Nothing is checked."""
        answers = await asyncio.gather(*(self._exchange(each) for each in requests))
        for request, answer in zip(requests, answers, strict=True):
            self._note(request, "any, at once", answer)
            if answer.came == ACCEPTED and answer.balance is not None:
                self._told[request.transaction_id] = answer.balance[1]
        return list(answers)

    async def expects_balance(self) -> None:
        """Raise BrokenRule unless GetBalance tells what the book says."""
        balance = await self.told_balance()
        if balance != self.balance:
            self.breaks("GetBalance", str(self.balance), str(balance))

    async def told_balance(self) -> int:
        """Return what GetBalance tells, in minor units. Raises UnreachableCasinoError."""
        answer = await self._exchange(self.balance_request())
        told = answer.balance
        if answer.came != ACCEPTED or told is None or told[0] != self.currency_code:
            came = f"{answer.shown}, balance {_shown_balance(told)}"
            raise UnreachableCasinoError(f"GetBalance answers {came}")
        return told[1]

    def breaks(self, sent: str, expected: str, came: str) -> None:
        """Note a step that broke the rule. Raises BrokenRule."""
        self.steps.append(Step(sent, expected, came))
        raise BrokenRule

    async def restore(self) -> None:
        """Bring the balance back to where the case found it, by movements with new ids."""
        surplus = await self.told_balance() - self.start_balance
        if surplus > 0:
            bet = self.bet(surplus)
            await self._exchange(bet)
            await self._exchange(self.win(bet, 0, close_round=True))
        elif surplus < 0:
            await self._exchange(self.payment(-surplus))

    async def _exchange(
        self, request: Request, signing: Signing | None = None, sent: bytes | None = None
    ) -> Answer:
        """Make a call, and ask again while the casino is at it."""
        pause_s = _ASK_AGAIN_S
        answer = await self._caller.call(fresh(request), signing, sent)
        for _ in range(_ASK_AGAIN_TIMES):
            if answer.came != IN_PROGRESS:
                break
            await asyncio.sleep(pause_s)
            pause_s *= 2
            again = await self._caller.call(fresh(request), signing, sent)
            answer = replace(again, asked_again=True)
        return answer

    def _note(self, request: Request, expected: str, answer: Answer, how: str = "") -> None:
        sent, which = described(request), _which(request)
        self.steps.append(Step(sent, expected, answer.shown, which, how))

    def _check_form(self, request: Request, answer: Answer) -> None:
        sent = f"{rpc_of(request)}: the form of the answer"
        if len(answer.casino_transaction_id) > _MAX_ID:
            self.breaks(sent, f"casino_transaction_id of at most {_MAX_ID}", "a longer one")
        if len(answer.message) > _MAX_MESSAGE:
            self.breaks(sent, f"message of at most {_MAX_MESSAGE} characters", "a longer one")

    async def _check_balance_told(self, request: Request, answer: Answer) -> None:
        """Check the balance in the answer; a replay may tell that of then or that of now."""
        if answer.came.startswith(STATUS) or answer.came in _WITHOUT_BALANCE:
            return
        if isinstance(request, pb.GetBalanceRequest):
            return
        asked = (request.player_id, request.amount.currency_code)
        if asked != (self.player_id, self.currency_code):
            return
        first = self._told.setdefault(request.transaction_id, self.balance)
        allowed = {(self.currency_code, minor) for minor in (self.balance, first)}
        if answer.balance not in allowed:
            expected = _shown_balance((self.currency_code, self.balance))
            sent = f"{described(request)}: the balance in the answer"
            self.breaks(sent, expected, _shown_balance(answer.balance))


def fresh(request: Request) -> Request:
    """Return the request as a new attempt of it."""
    attempt = type(request)()
    attempt.CopyFrom(request)  # type: ignore[arg-type]
    attempt.request_id = secrets.token_hex(16)
    return attempt


def described(request: Request) -> str:
    """Return a request for people: "Bet 500"."""
    if isinstance(request, pb.GetBalanceRequest):
        return "GetBalance"
    return f"{rpc_of(request)} {request.amount.minor_units}"


def shown_steps(steps: Sequence[Step]) -> list[tuple[int, Step]]:
    """Return the steps, and how often each was made where the same came one after the other."""
    shown: list[tuple[int, Step]] = []
    for step in steps:
        if shown and replace(shown[-1][1], which="") == replace(step, which=""):
            shown[-1] = (shown[-1][0] + 1, shown[-1][1])
        else:
            shown.append((1, step))
    return shown


def _which(request: Request) -> str:
    if isinstance(request, pb.GetBalanceRequest):
        return ""
    if isinstance(request, pb.RollbackRequest):
        return f"{_label(request.transaction_id)} of {_label(request.original_transaction_id)}"
    return _label(request.transaction_id)


def _label(transaction_id: str) -> str:
    return "-".join(transaction_id.split("-")[2:]) or transaction_id


def _shown_balance(balance: tuple[str, int] | None) -> str:
    return "none" if balance is None else f"{balance[0]} {balance[1]}"
