"""A network between a server and its PostgreSQL that breaks exactly where it is told to.

It reads just enough of PostgreSQL's protocol to know a writer's COMMIT and its write statement.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import Enum, auto

_INSERT = b"INSERT INTO transactions"
_WRITER = b"purser writer"
_CHUNK = 65_536
_FAULTS = (OSError, asyncio.IncompleteReadError)


class Cut(Enum):
    """Where a writer's connection breaks."""

    BEFORE_COMMIT = auto()
    """COMMIT never reaches PostgreSQL."""
    WITH_COMMIT = auto()
    """COMMIT is the last that reaches PostgreSQL; nobody waits for its answer."""
    AFTER_COMMIT = auto()
    """COMMIT is carried out, its answer is lost."""
    LATE_COMMIT = auto()
    """The server's side breaks; PostgreSQL's stays, and COMMIT reaches it at `deliver_late`."""
    IN_WRITE = auto()
    """The answer to the write statement breaks off in its middle."""


class Proxy:
    """Listens on a port of its own and passes everything on to the PostgreSQL on another."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._late: list[Link] = []
        self._armed: list[Cut] = []
        self.odds: Callable[[], Cut | None] = lambda: None
        """Asked at every COMMIT of a writer for a cut; None for none."""
        self.cuts = 0
        self.flowing = asyncio.Event()
        self.flowing.set()

    @property
    def url(self) -> str:
        """The URL of the database by this way."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://purser@127.0.0.1:{port}/purser?sslmode=disable"

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.flowing.set()
        for link in list(self._links):
            link.break_off()
        await self._server.wait_closed()

    def cut_next(self, cut: Cut) -> None:
        """Break the next writer that comes to this point."""
        self._armed.append(cut)

    @property
    def is_armed(self) -> bool:
        """Whether a cut is still to come."""
        return bool(self._armed)

    def stop_flow(self) -> None:
        """Swallow nothing and pass nothing: connections stay, and nothing arrives."""
        self.flowing.clear()

    def resume_flow(self) -> None:
        """Deliver all that waited."""
        self.flowing.set()

    async def deliver_late(self) -> None:
        """Let every COMMIT that was held back reach PostgreSQL now."""
        for link in self._late:
            await link.deliver_late()
        self._late.clear()

    def fault_at_commit(self) -> Cut | None:
        """Tell which cut befalls this COMMIT."""
        if self._armed and self._armed[0] is not Cut.IN_WRITE:
            return self._count(self._armed.pop(0))
        return self._count(self.odds())

    def fault_at_write(self) -> bool:
        """Tell whether this write statement's answer is to break off."""
        if self._armed and self._armed[0] is Cut.IN_WRITE:
            return self._count(self._armed.pop(0)) is not None
        return False

    def hold_late(self, link: Link) -> None:
        """Keep a link whose COMMIT is to arrive later."""
        self._late.append(link)

    def _count(self, cut: Cut | None) -> Cut | None:
        self.cuts += cut is not None
        return cut

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run(self._target_port)
        finally:
            self._links.discard(link)


class Link:
    """One connection through the proxy: two pipes, and what has been seen in them."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._from_client = reader
        self._to_client = writer
        self._to_server: asyncio.StreamWriter | None = None
        self._is_writer = False
        self._writes: set[bytes] = set()
        self._held = b""
        self._break_in_answer = False
        self._break_at_answer = False
        self._is_late = False

    async def run(self, target_port: int) -> None:
        """Pass on, both ways, until either side ends or a cut comes."""
        try:
            from_server, self._to_server = await asyncio.open_connection("127.0.0.1", target_port)
        except OSError:
            self._to_client.close()
            return
        answers = asyncio.create_task(self._pass_answers(from_server))
        with contextlib.suppress(*_FAULTS):
            await self._pass_requests()
        if not self._is_late:
            if not (self._break_at_answer or self._break_in_answer):
                self._to_server.close()
            with contextlib.suppress(*_FAULTS):
                await answers
            self.break_off()

    def break_off(self) -> None:
        """End both connections at once."""
        for side in (self._to_client, self._to_server):
            if side is not None:
                side.transport.abort()

    async def deliver_late(self) -> None:
        """Send the COMMIT that was held back, and go."""
        assert self._to_server is not None
        with contextlib.suppress(*_FAULTS):
            self._to_server.write(self._held)
            await self._to_server.drain()
        self._to_server.close()

    # -- from the server to PostgreSQL -----------------------------------------------------------

    async def _pass_requests(self) -> None:
        assert self._to_server is not None
        size = await self._from_client.readexactly(4)
        startup = await self._from_client.readexactly(int.from_bytes(size) - 4)
        self._is_writer = _WRITER in startup
        await self._pass(self._to_server, size + startup)
        while True:
            head = await self._from_client.readexactly(5)
            body = await self._from_client.readexactly(int.from_bytes(head[1:]) - 4)
            if self._is_writer and self._must_end(head[:1], body, head + body):
                return
            await self._pass(self._to_server, head + body)

    def _must_end(self, kind: bytes, body: bytes, message: bytes) -> bool:
        """Note what a writer sends; carry a cut out if one befalls it here."""
        if kind == b"P" and _INSERT in body:
            self._writes.add(body.split(b"\0", 1)[0])
        elif kind == b"B" and body.split(b"\0", 2)[1] in self._writes:
            self._break_in_answer = self._proxy.fault_at_write()
        elif kind == b"Q" and body.startswith(b"COMMIT"):
            return self._cut_commit(self._proxy.fault_at_commit(), message)
        return False

    def _cut_commit(self, cut: Cut | None, message: bytes) -> bool:
        assert self._to_server is not None
        if cut is None:
            return False
        if cut is Cut.AFTER_COMMIT:
            self._break_at_answer = True
            return False
        if cut is Cut.LATE_COMMIT:
            self._is_late, self._held = True, message
            self._to_client.transport.abort()
            self._proxy.hold_late(self)
            return True
        if cut is Cut.WITH_COMMIT:
            self._to_server.write(message)
            self._to_server.close()
            self._to_client.transport.abort()
        else:
            self.break_off()
        return True

    # -- and back --------------------------------------------------------------------------------

    async def _pass_answers(self, from_server: asyncio.StreamReader) -> None:
        with contextlib.suppress(*_FAULTS):
            while chunk := await from_server.read(_CHUNK):
                if self._break_at_answer:
                    break
                if self._break_in_answer:
                    self._to_client.write(chunk[: len(chunk) // 2])
                    await self._to_client.drain()
                    break
                await self._pass(self._to_client, chunk)
        if not self._is_late:
            self._to_client.close()

    async def _pass(self, to: asyncio.StreamWriter, data: bytes) -> None:
        await self._proxy.flowing.wait()
        to.write(data)
        await to.drain()
