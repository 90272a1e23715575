"""Operators (the casinos), their API keys, and what a key may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from purser_server.domain.callbacks import CallbackSettings
from purser_server.domain.errors import Reason, Refusal
from purser_server.domain.ids import quoted
from purser_server.domain.money import Currencies
from purser_server.domain.values import Number, value


class Role(Number):
    """What an API key may be used for; the numbers are those of the contract and of the store."""

    GAME = 1
    BACKEND = 2
    LOYALTY = 3
    ADMIN = 4


class WalletMode(Number):
    """Who keeps the players' money; the numbers are those of the contract."""

    TRANSFER = 1
    SEAMLESS = 2


@value
class Operator:
    """A casino, with the currencies it declared in addition to ISO 4217 (code -> exponent)."""

    number: int
    operator_id: str
    display_name: str
    create_time: datetime
    currencies: Mapping[str, int] = field(default_factory=dict)
    player_messages: Mapping[str, str] = field(default_factory=dict)
    callback: CallbackSettings | None = None

    @property
    def wallet_mode(self) -> WalletMode:
        """Who keeps the players' money: it follows from the callback's target."""
        return mode_of(self.callback is not None and self.callback.is_seamless)


def mode_of(is_seamless: bool) -> WalletMode:
    """Return the mode by its name."""
    return WalletMode.SEAMLESS if is_seamless else WalletMode.TRANSFER


@value
class ApiKey:
    """An API key, without its secret; `operator_id` is empty for the installation's own."""

    key_id: str
    operator_id: str
    roles: frozenset[Role]
    create_time: datetime
    revoke_time: datetime | None = None


@value
class Caller:
    """Who makes a call, as told by the key. `operator` is the operator's number, 0 for admin."""

    key_id: str
    operator: int
    operator_id: str
    roles: frozenset[Role]
    currencies: Currencies


def refuse_role(caller: Caller, needed: tuple[Role, ...]) -> Refusal | None:
    """Refuse a caller who has none of the roles that may do this."""
    if not caller.roles.isdisjoint(needed):
        return None
    names = ",".join(role.name.lower() for role in needed)
    return Refusal(
        Reason.ROLE_MISSING, f"this needs an API key with the role {names}", {"role": names}
    )


def operator_not_found(operator_id: str) -> Refusal:
    """Refuse because there is no such operator."""
    return Refusal(
        Reason.OPERATOR_NOT_FOUND,
        f"there is no operator {quoted(operator_id)}",
        {"operator_id": operator_id},
    )


def operator_exists(operator_id: str, path: str) -> Refusal:
    """Refuse because the operator was created before with another content."""
    return Refusal(
        Reason.OPERATOR_EXISTS,
        f"operator {quoted(operator_id)} was created with another {path}",
        {"operator_id": operator_id, "field": path},
    )


def mode_change_blocked(mode: WalletMode, blocked_by: str, such: Sequence[str]) -> Refusal:
    """Refuse a change of mode in the midst of play; `such` names one thing that is in the way."""
    return Refusal(
        Reason.MODE_CHANGE_BLOCKED,
        f"the operator cannot leave {mode.name.lower()} mode now: {blocked_by}, "
        f"such as {' / '.join(map(quoted, such))}",
        {"wallet_mode": mode.name, "blocked_by": blocked_by},
    )


def api_key_not_found(key_id: str) -> Refusal:
    """Refuse because there is no such API key."""
    return Refusal(
        Reason.API_KEY_NOT_FOUND, f"there is no API key {quoted(key_id)}", {"key_id": key_id}
    )
