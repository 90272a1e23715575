"""Databases of a test's own, in the PostgreSQL that all tests share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection for direct SQL."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def database_of_its_own(shared_url: str, template: str = "") -> AsyncIterator[str]:
    """Make a database beside the shared one, empty or a copy of `template`; drop it at the end.

    Nobody may be connected to the template, which is given by its URL.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    copied = f' TEMPLATE "{urlsplit(template).path[1:]}"' if template else ""
    async with connected(shared_url) as connection:
        await connection.execute(f'CREATE DATABASE "{name}"{copied}')
    try:
        yield urlunsplit(urlsplit(shared_url)._replace(path=f"/{name}"))
    finally:
        async with connected(shared_url) as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
