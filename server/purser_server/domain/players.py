"""Players: their statuses, and what each status allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.values import Number, value


class PlayerStatus(Number):
    """A player's status; the numbers are those of the contract and of the store."""

    ACTIVE = 1
    SUSPENDED = 2
    SELF_EXCLUDED = 3
    CLOSED = 4


@value
class Player:
    """A person who plays at an operator, with the currencies of the wallets."""

    player_id: str
    status: PlayerStatus
    currency_codes: tuple[str, ...]
    create_time: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@value
class WalletBalance:
    """What a wallet holds, in minor units, and the sequence number of its last posting."""

    currency_code: str
    balance: int
    sequence: int


class Activity(Number):
    """What a player's status may forbid. Wins, rollbacks and CloseRound are always allowed."""

    BET = 1
    OPEN_SESSION = 2
    DEPOSIT = 3
    WITHDRAW = 4
    HOLD_POINTS = 5
    REDEEM_POINTS = 6
    RETURN_PRIZE = 7


_ALLOWED: Mapping[PlayerStatus, frozenset[Activity]] = {
    PlayerStatus.ACTIVE: frozenset(Activity),
    PlayerStatus.SUSPENDED: frozenset(),
    PlayerStatus.SELF_EXCLUDED: frozenset({Activity.WITHDRAW}),
    PlayerStatus.CLOSED: frozenset({Activity.WITHDRAW}),
}

_REASON: Mapping[PlayerStatus, Reason] = {
    PlayerStatus.SUSPENDED: Reason.PLAYER_SUSPENDED,
    PlayerStatus.SELF_EXCLUDED: Reason.PLAYER_SELF_EXCLUDED,
    PlayerStatus.CLOSED: Reason.PLAYER_CLOSED,
}


def refuse_activity(player_id: str, status: PlayerStatus, activity: Activity) -> Refusal | None:
    """Refuse what the status forbids, or return None."""
    if activity in _ALLOWED[status]:
        return None
    verb = activity.name.lower().replace("_", " ")
    return Refusal(
        _REASON[status],
        f"player {quoted(player_id)} is {status.name}: {verb} is not allowed",
        {"player_id": player_id},
    )


def refuse_status_change(
    player_id: str, current: PlayerStatus, wanted: PlayerStatus
) -> Refusal | None:
    """Refuse to leave CLOSED, which is final; every other change is allowed."""
    if current is not PlayerStatus.CLOSED or wanted is PlayerStatus.CLOSED:
        return None
    return Refusal(
        Reason.PLAYER_CLOSED,
        f"player {quoted(player_id)} is CLOSED, which is final",
        {"player_id": player_id},
    )


def player_not_found(player_id: str) -> Refusal:
    """Refuse because the operator has no such player."""
    return Refusal(
        Reason.PLAYER_NOT_FOUND, f"there is no player {quoted(player_id)}", {"player_id": player_id}
    )


def wallet_not_found(player_id: str, currency_code: str) -> Refusal:
    """Refuse because the player has no wallet in this currency."""
    return Refusal(
        Reason.WALLET_NOT_FOUND,
        f"player {quoted(player_id)} has no {currency_code} wallet",
        {"player_id": player_id, "currency_code": currency_code},
    )


def player_exists(player_id: str, path: str) -> Refusal:
    """Refuse because the player was created before with another content."""
    return Refusal(
        Reason.PLAYER_EXISTS,
        f"player {quoted(player_id)} was created with another {path}",
        {"player_id": player_id, "field": path},
    )
