"""What goes in and comes out: plain values with human types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Any

from iso4217 import Currency

from purser.type.v1 import money_pb2
from purser.wallet.v1 import wallet_pb2
from purser_client._errors import InvalidRequest, PurserError, of_item

_EXPONENTS = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}


class PlayerStatus(IntEnum):
    """A player's status."""

    ACTIVE = 1
    SUSPENDED = 2
    SELF_EXCLUDED = 3
    CLOSED = 4


class TransactionType(IntEnum):
    """The kinds of transaction; UNSPECIFIED is a tombstone's."""

    UNSPECIFIED = 0
    DEPOSIT = 1
    WITHDRAWAL = 2
    BET = 3
    WIN = 4
    ROLLBACK = 5
    CLOSE_ROUND = 6
    CASHBACK = 7
    CASHBACK_REVERSAL = 8
    PRIZE_CASHBACK = 9
    ADJUSTMENT = 10


class TransactionState(IntEnum):
    """The states of a transaction."""

    COMPLETED = 1
    REFUSED = 2
    PENDING = 3
    ROLLED_BACK = 4
    TOMBSTONE = 5


class WinType(IntEnum):
    """Why a win is paid."""

    REGULAR = 1
    FREE_ROUND = 2
    JACKPOT = 3
    PROMO = 4
    TOURNAMENT = 5


class RollbackOutcome(IntEnum):
    """What a rollback found."""

    ROLLED_BACK = 1
    TOMBSTONED = 2
    NOTHING_TO_ROLL_BACK = 3
    PENDING = 4


_MAX_MINOR_UNITS = 2**63 - 1


def _bad_amount(message: str) -> InvalidRequest:
    return InvalidRequest("INVALID_FIELD", message, {"field": "amount"})


def _range(currency_code: str, exponent: int, amount: str) -> InvalidRequest:
    return InvalidRequest(
        "AMOUNT_RANGE",
        f"{amount} {currency_code} is more than {_MAX_MINOR_UNITS} minor units",
        {"currency_code": currency_code, "exponent": str(exponent)},
    )


def _precision(currency_code: str, exponent: int, amount: str) -> InvalidRequest:
    return InvalidRequest(
        "AMOUNT_PRECISION",
        f"{amount} has more decimal places than {currency_code} has ({exponent})",
        {"currency_code": currency_code, "exponent": str(exponent)},
    )


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: Money("12.50", "EUR").

    The exponent comes from ISO 4217; give it for currencies that the operator declared itself.
    Raises InvalidRequest for more decimal places than the currency has, for more minor units than
    the protos can carry (64 bits), and for floats.
    """

    amount: Decimal
    currency_code: str
    exponent: int

    def __init__(
        self, amount: str | int | Decimal, currency_code: str, exponent: int | None = None
    ) -> None:
        if not isinstance(amount, str | int | Decimal):
            raise _bad_amount(f"money is never a {type(amount).__name__}: give a str or a Decimal")
        places = exponent if exponent is not None else _EXPONENTS.get(currency_code)
        if places is None:
            raise InvalidRequest(
                "CURRENCY_UNKNOWN",
                f"{currency_code} is not in ISO 4217: give its exponent",
                {"currency_code": currency_code},
            )
        try:
            exact = Decimal(amount)
        except InvalidOperation:
            raise _bad_amount(f"{amount!r} is not a decimal number") from None
        if not exact.is_finite():
            raise _precision(currency_code, places, str(amount))
        # First of all, since no amount within the range needs more digits than a Decimal keeps.
        if exact.copy_abs() > Decimal(_MAX_MINOR_UNITS).scaleb(-places):
            raise _range(currency_code, places, str(amount))
        if exact != exact.quantize(Decimal(1).scaleb(-places)):
            raise _precision(currency_code, places, str(amount))
        object.__setattr__(self, "amount", exact.quantize(Decimal(1).scaleb(-places)))
        object.__setattr__(self, "currency_code", currency_code)
        object.__setattr__(self, "exponent", places)

    @classmethod
    def of_minor(cls, minor_units: int, currency_code: str, exponent: int | None = None) -> Money:
        """Return the amount of so many minor units: of_minor(1250, "EUR") is 12.50 EUR."""
        places = exponent if exponent is not None else _EXPONENTS.get(currency_code, 0)
        if abs(minor_units) > _MAX_MINOR_UNITS:
            raise _range(currency_code, places, f"{minor_units} minor units of")
        return cls(Decimal(minor_units).scaleb(-places), currency_code, places)

    @property
    def minor_units(self) -> int:
        """The amount in the currency's smallest unit."""
        return int(self.amount.scaleb(self.exponent))

    def __str__(self) -> str:
        """Return the amount as people write it: "12.50 EUR"."""
        return f"{self.amount} {self.currency_code}"


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """What a wallet holds, and the number of its last posting."""

    balance: Money
    sequence: int


@dataclass(frozen=True, slots=True)
class Player:
    """A player."""

    player_id: str
    status: PlayerStatus
    currency_codes: tuple[str, ...]
    create_time: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """What stands in a round."""

    player_id: str
    game_id: str
    round_id: str
    is_open: bool
    bets: int
    wins: int
    total_bet: Money
    total_win: Money


@dataclass(frozen=True, slots=True)
class Session:
    """A game session, and the balance to play with."""

    session_id: str
    balance: WalletBalance


class Transaction:
    """One entry of the history, read from its message when asked.

    (Thousands come back each second, and most callers look at two fields of each.)
    """

    __slots__ = ("_message", "_reader")

    def __init__(self, message: wallet_pb2.Transaction, reader: Reader) -> None:
        self._message = message
        self._reader = reader

    def __repr__(self) -> str:
        """Return the essentials."""
        return (
            f"<Transaction {self.transaction_id} {self.type.name} {self.state.name} "
            f"{self.amount} of {self.player_id}>"
        )

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same."""
        return isinstance(other, Transaction) and self._message == other._message

    __hash__ = None  # type: ignore[assignment]

    @property
    def transaction_id(self) -> str:
        """The client's own id."""
        return self._message.transaction_id

    @property
    def type(self) -> TransactionType:
        """What kind of transaction it is."""
        return TransactionType(self._message.type)

    @property
    def state(self) -> TransactionState:
        """What became of it."""
        return TransactionState(self._message.state)

    @property
    def player_id(self) -> str:
        """The player."""
        return self._message.player_id

    @property
    def create_time(self) -> datetime:
        """When it was stored, in UTC."""
        return self._message.create_time.ToDatetime(tzinfo=UTC)

    @property
    def amount(self) -> Money | None:
        """How much it moved, or was to move; None where no amount is known."""
        return self._money("amount")

    @property
    def balance_before(self) -> Money | None:
        """The wallet's balance before; None when nothing took place."""
        return self._money("balance_before")

    @property
    def balance_after(self) -> Money | None:
        """The wallet's balance after; None when nothing took place."""
        return self._money("balance_after")

    @property
    def wallet_sequence(self) -> int:
        """The number of the wallet's posting; 0 when nothing was posted."""
        return self._message.wallet_sequence

    @property
    def game_id(self) -> str:
        """The game, or empty."""
        return self._message.game_id

    @property
    def round_id(self) -> str:
        """The round, or empty."""
        return self._message.round_id

    @property
    def related_transaction_id(self) -> str:
        """The bet that a win names, or the original of a rollback; else empty."""
        return self._message.related_transaction_id

    @property
    def win_type(self) -> WinType | None:
        """The kind of win; None for other types."""
        return WinType(self._message.win_type) if self._message.win_type else None

    @property
    def refusal(self) -> PurserError | None:
        """Why it was refused; None unless the state is REFUSED."""
        if not self._message.HasField("refusal"):
            return None
        return of_item(self._message.refusal, self.transaction_id)

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of a deposit or withdrawal."""
        return dict(self._message.metadata)

    def _money(self, name: Any) -> Money | None:
        if not self._message.HasField(name):
            return None
        return self._reader.money(getattr(self._message, name))


@dataclass(frozen=True, slots=True)
class Movement:
    """The answer to a movement: its transaction, and whether it had happened before.

    `outcome` is a rollback's.
    """

    transaction: Transaction
    replayed: bool
    outcome: RollbackOutcome | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A transaction of the feed, with its position."""

    position: int
    transaction: Transaction


# -- from messages ----------------------------------------------------------------------------


class Reader:
    """Turns messages into values; `exponents` are those of currencies beside ISO 4217."""

    def __init__(self, exponents: Mapping[str, int]) -> None:
        self._exponents = exponents

    def money(self, message: money_pb2.Money) -> Money:
        """Return an amount."""
        code = message.currency_code
        return Money.of_minor(message.minor_units, code, self._exponents.get(code))

    def balance(self, message: wallet_pb2.WalletBalance) -> WalletBalance:
        """Return a wallet's balance."""
        return WalletBalance(self.money(message.balance), message.sequence)

    def player(self, message: wallet_pb2.Player) -> Player:
        """Return a player."""
        return Player(
            message.player_id,
            PlayerStatus(message.status),
            tuple(message.currency_codes),
            message.create_time.ToDatetime(tzinfo=UTC),
            dict(message.metadata),
        )

    def round(self, message: wallet_pb2.Round) -> Round:
        """Return a round."""
        return Round(
            message.player_id,
            message.game_id,
            message.round_id,
            message.state == wallet_pb2.ROUND_STATE_OPEN,
            message.bets,
            message.wins,
            self.money(message.total_bet),
            self.money(message.total_win),
        )

    def transaction(self, message: wallet_pb2.Transaction) -> Transaction:
        """Return a transaction."""
        return Transaction(message, self)

    def movement(self, answer: Any, outcome: int = 0) -> Movement:
        """Return the answer to a movement, from its response or from its result in a batch."""
        return Movement(
            Transaction(answer.transaction, self),
            answer.replayed,
            RollbackOutcome(outcome) if outcome else None,
        )


def to_message(money: Money) -> money_pb2.Money:
    """Return an amount as a message. Raises InvalidRequest for what is no Money."""
    if not isinstance(money, Money):
        raise _bad_amount(f'{money!r} is no Money: give one, such as Money("5.00", "EUR")')
    return money_pb2.Money(currency_code=money.currency_code, minor_units=money.minor_units)
