"""Operators and their API keys: the administration of an installation."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from purser_server.domain.errors import RefusedError
from purser_server.domain.operators import (
    ApiKey,
    Operator,
    Role,
    api_key_not_found,
    operator_exists,
    operator_not_found,
)
from purser_server.usecases.pages import AskedPage
from purser_server.usecases.ports import KeyStore, OperatorChange, OperatorStore

_log = logging.getLogger(__name__)


def hash_of(api_key: str) -> bytes:
    """Return what is stored of an API key. The keys are random, so a plain hash suffices."""
    return hashlib.sha256(api_key.encode()).digest()


class Operators:
    """The verbs of an operator's life. `forget` drops what is cached of callers."""

    def __init__(
        self,
        operators: OperatorStore,
        keys: KeyStore,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._operators = operators
        self._keys = keys
        self._forget = forget

    async def create(
        self, operator_id: str, display_name: str, currencies: Mapping[str, int]
    ) -> tuple[Operator, bool]:
        """Create an operator; True when it existed with this content.

        Raises RefusedError: OPERATOR_EXISTS.
        """
        first, created = await self._operators.create(operator_id, display_name, currencies)
        if first.display_name != display_name:
            raise RefusedError(operator_exists(operator_id, "display_name"))
        if first.currencies != currencies:
            raise RefusedError(operator_exists(operator_id, "currencies"))
        return await self.get(operator_id), not created

    async def get(self, operator_id: str) -> Operator:
        """Return an operator. Raises RefusedError: OPERATOR_NOT_FOUND."""
        found = await self._operators.get(operator_id)
        if found is None:
            raise RefusedError(operator_not_found(operator_id))
        return found

    async def list(self, page_size: int, token: str) -> tuple[Sequence[Operator], str]:
        """Return a page of operators, oldest first, and the next page's token."""
        asked = AskedPage("operators", page_size, token, int)
        found = await self._operators.list(asked.position or 0, asked.limit + 1)
        return asked.cut(found, lambda operator: operator.number)

    async def update(self, operator_id: str, change: OperatorChange) -> Operator:
        """Change what is given.

        Raises RefusedError: OPERATOR_NOT_FOUND, INVALID_FIELD, MODE_CHANGE_BLOCKED.
        """
        found = await self._operators.update(operator_id, change)
        if found is None:
            raise RefusedError(operator_not_found(operator_id))
        self._forget()
        return found

    async def create_key(self, operator_id: str, roles: Sequence[Role]) -> tuple[str, str]:
        """Make an API key; return its id and the key itself, which is not kept.

        Raises RefusedError: OPERATOR_NOT_FOUND.
        """
        operator = await self.get(operator_id)
        return await self._make_key(operator.number, roles)

    async def create_admin_key(self) -> str | None:
        """Make the installation's admin key at its first start; None when it was made before."""
        if await self._keys.has_installation_key():
            return None
        _, api_key = await self._make_key(0, [Role.ADMIN])
        return api_key

    async def _make_key(self, operator: int, roles: Sequence[Role]) -> tuple[str, str]:
        # Ids ascend with time, so that keys are listed oldest first.
        key_id = f"key_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"
        api_key = f"purser_{secrets.token_urlsafe(32)}"
        await self._keys.add(key_id, hash_of(api_key), operator, roles)
        whose = f"operator number {operator}" if operator else "the administrator"
        _log.info("API key %s made for %s", key_id, whose)
        return key_id, api_key

    async def list_keys(
        self, operator_id: str, page_size: int, token: str
    ) -> tuple[Sequence[ApiKey], str]:
        """Return a page of an operator's keys, and the next page's token.

        Raises RefusedError: OPERATOR_NOT_FOUND.
        """
        operator = await self.get(operator_id)
        asked = AskedPage(("api_keys", operator.number), page_size, token, str)
        found = await self._keys.list(operator.number, asked.position or "", asked.limit + 1)
        return asked.cut(found, lambda key: key.key_id)

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke a key: at once in this process, within seconds in others.

        Raises RefusedError: API_KEY_NOT_FOUND.
        """
        revoked = await self._keys.revoke(key_id)
        if revoked is None:
            raise RefusedError(api_key_not_found(key_id))
        self._forget()
        _log.info("API key %s revoked", key_id)
        return revoked
