"""Connections: how many, for how long, and what becomes of those that only hold a place.

uvicorn waits for ever for the end of a request's head, and takes a head of any length. Here a head has a
deadline and a size, a reader that does not read is cut off, and where connections run out the one that has
waited longest without asking anything makes room: whoever acknowledges an incident still gets in.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the connection, or from the first byte of a later request, to the end of the request's head."""
IDLE_SECONDS = 30.0
"""Between two requests of one connection."""
STUCK_SECONDS = 30.0
"""A reader that takes nothing for so long is gone."""
HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_CONNECTIONS = 4_000
MAX_OF_ONE_ADDRESS = 2_000
"""A proxy in front is one address too."""
SPARE_FILES = 200
"""Of those that a process may have open: the records, Temporal, the log, the journal."""

WHY_HEAD, WHY_IDLE, WHY_STUCK, WHY_ROOM = "head", "idle", "stuck", "room"
WHY_LARGE = "large_head"

log = structlog.get_logger(__name__)


def room() -> int:
    """How many connections this process can hold; asks for as many open files as it may have."""
    try:
        import resource
    except ImportError:
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        is_free = hard == resource.RLIM_INFINITY or hard >= wanted
        soft = wanted if is_free else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(min(MAX_CONNECTIONS, soft - SPARE_FILES), 50)


class Doorkeeper:
    """Knows the open connections and closes those that it must.

    Args:
        on_close: told why, for each that was closed.
    """

    def __init__(
        self,
        on_close: Callable[[str], None] = lambda _: None,
        *,
        most: int = MAX_CONNECTIONS,
        most_of_one: int = MAX_OF_ONE_ADDRESS,
    ) -> None:
        self._on_close = on_close
        self._most, self._most_of_one = most, most_of_one
        self._open: dict[Connection, None] = {}
        """Oldest first."""
        self._by_address: Counter[str] = Counter()

    def protocol(self) -> type[Connection]:
        """For uvicorn's `http`: connections that this one keeps."""
        return cast("type[Connection]", type("Kept", (Connection,), {"keeper": self}))

    def opened(self, connection: Connection) -> None:
        """One more; another one that asks nothing may have to go for it."""
        self._open[connection] = None
        self._by_address[connection.address] += 1
        if self._by_address[connection.address] > self._most_of_one:
            self._make_room(one for one in self._open if one.address == connection.address)
        elif len(self._open) > self._most:
            self._make_room(self._open)

    def closed(self, connection: Connection) -> None:
        if connection not in self._open:
            return
        del self._open[connection]
        self._by_address[connection.address] -= 1
        if self._by_address[connection.address] <= 0:
            del self._by_address[connection.address]

    def look(self, now: float) -> None:
        """Close what has waited for too long; asked about once a second."""
        for connection in list(self._open):
            why = connection.overdue(now)
            if why:
                self.close(connection, why)

    def close(self, connection: Connection, why: str) -> None:
        self._on_close(why)
        connection.end(why)
        self.closed(connection)

    def _make_room(self, candidates: Iterable[Connection]) -> None:
        waiting = (one for one in candidates if one.is_waiting)
        # Nobody waits: then all are at work, and it is the newest that has to come again.
        self.close(next(waiting, next(reversed(self._open))), WHY_ROOM)


class Connection(HttpToolsProtocol):
    """uvicorn's own, with a clock and a scale."""

    keeper: Doorkeeper
    address = ""
    waiting_since: float | None = 0.0
    """Since when there is no request at work; None while there is one."""
    head_since: float | None = None
    """When the head began that is not complete yet."""
    stuck_since: float | None = None
    head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        # Nothing has come yet, and the first head's time runs from here.
        self.waiting_since = self.head_since = self.loop.time()
        self.keeper.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.keeper.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.waiting_since is not None and self.head_since is not None:
            # The parser holds nothing back but may be in the middle of one endless header.
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.keeper.close(self, WHY_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_bytes = 0
        if self.head_since is None:
            self.head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self.head_since = self.waiting_since = None
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        is_large = size > HEAD_BYTES or len(self.headers) > MAX_HEADERS
        if is_large:
            own, self.app = self.app, _head_too_large
            try:
                super().on_headers_complete()
            finally:
                self.app = own
            return
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and self.cycle.response_complete:
            self.waiting_since = self.loop.time()

    def pause_writing(self) -> None:
        self.stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stuck_since = None
        super().resume_writing()

    @property
    def is_waiting(self) -> bool:
        """Whether it holds a place and asks nothing."""
        return self.waiting_since is not None

    def overdue(self, now: float) -> str:
        """Why it has to go; empty when it may stay."""
        if self.stuck_since is not None and now - self.stuck_since > STUCK_SECONDS:
            return WHY_STUCK
        if self.waiting_since is None:
            return ""
        if self.head_since is not None and now - self.head_since > HEAD_SECONDS:
            return WHY_HEAD
        # Bytes that begin no request reset uvicorn's own clock for this, and not ours.
        return WHY_IDLE if now - self.waiting_since > IDLE_SECONDS + HEAD_SECONDS else ""

    def end(self, why: str) -> None:
        """Close it, with a word where somebody may still be listening."""
        if self.transport.is_closing() or why == WHY_STUCK:
            self.transport.abort()
            return
        said = {WHY_HEAD: b"408 Request Timeout", WHY_LARGE: b"431 Request Header Fields Too Large"}
        said[WHY_ROOM] = b"503 Service Unavailable\r\nRetry-After: 5"
        # Nobody who has not said a word expects an answer; browsers open connections in advance.
        is_listening = self.waiting_since is not None and (self.head_bytes or why == WHY_ROOM)
        if is_listening and why in said:
            rest = b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(b"HTTP/1.1 " + said[why] + rest)
        self.transport.close()


async def _head_too_large(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
