"""Who is calling: an API key names its operator and its roles."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping

from cachetools import TTLCache

from purser_server.domain.errors import Reason, Refusal, RefusedError
from purser_server.domain.money import Currencies
from purser_server.domain.operators import Caller, Role
from purser_server.usecases.operators import hash_of
from purser_server.usecases.ports import KeyStore

CACHE_S = 2.0
"""How long a key's owner is remembered: a revocation holds everywhere after this time."""

_CACHE_SIZE = 10_000
_MAX_KEY_LENGTH = 512


class Authenticator:
    """Finds the caller of a call. `admin_key`, when given, is the only admin key."""

    def __init__(
        self, keys: KeyStore, standard_currencies: Mapping[str, int], admin_key: str | None
    ) -> None:
        self._keys = keys
        self._standard = standard_currencies
        self._admin_hash = hash_of(admin_key) if admin_key else None
        self._admin = Caller(
            "admin", 0, "", frozenset({Role.ADMIN}), Currencies(standard_currencies)
        )
        # By hash, so that no key stays in memory; as tasks, so that one look-up serves all the
        # calls that wait for it.
        self._known: TTLCache[bytes, asyncio.Task[Caller | None]] = TTLCache(_CACHE_SIZE, CACHE_S)

    def forget(self) -> None:
        """Drop what is remembered, so that the next calls see the store as it is."""
        self._known.clear()

    async def caller_of(self, api_key: str) -> Caller:
        """Return the caller whose key this is. Raises RefusedError: UNAUTHENTICATED_KEY."""
        if not api_key or len(api_key) > _MAX_KEY_LENGTH:
            raise RefusedError(unauthenticated())
        key_hash = hash_of(api_key)
        look_up = self._known.get(key_hash)
        if look_up is None or (look_up.done() and look_up.exception() is not None):
            look_up = asyncio.create_task(self._look_up(key_hash))
            self._known[key_hash] = look_up
        caller = look_up.result() if look_up.done() else await asyncio.shield(look_up)
        if caller is None:
            raise RefusedError(unauthenticated())
        return caller

    async def _look_up(self, key_hash: bytes) -> Caller | None:
        if self._admin_hash and hmac.compare_digest(key_hash, self._admin_hash):
            return self._admin
        owner = await self._keys.owner(key_hash)
        if owner is None:
            return None
        if owner.operator is None:
            return None if self._admin_hash else self._admin
        return Caller(
            owner.key.key_id,
            owner.operator.number,
            owner.operator.operator_id,
            owner.key.roles,
            Currencies(self._standard, owner.operator.currencies),
        )


def unauthenticated() -> Refusal:
    """Refuse a key that is missing, malformed, unknown or revoked; the answer is the same."""
    return Refusal(
        Reason.UNAUTHENTICATED_KEY,
        "give a valid API key as metadata `authorization: Bearer <api key>`",
    )
