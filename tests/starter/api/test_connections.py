"""Connections on a real socket: what is slow, endless or too much is closed, and nothing else is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from starter.api import connections
from starter.api.connections import HEAD_BYTES, Connection, Doorkeeper, room
from starter.api.server import Server
from tests.patience import until

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Reads a body where one is asked for, and says `ok`; `/much` says more than anybody buffers."""
    assert scope["type"] == "http"
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    body = b"x" * 20_000_000 if scope["path"] == "/much" else b"ok"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


class Heard:
    """What has reached the server, by the port of whoever said it."""

    def __init__(self) -> None:
        self.bytes: Counter[int] = Counter()
        self.ended: set[int] = set()

    def listening(self, protocol: type[Connection]) -> type[Connection]:
        """The protocol, watched."""
        heard = self

        class Watched(protocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                self.peer = transport.get_extra_info("peername")[1]
                heard.bytes[self.peer] += 0

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                heard.bytes[self.peer] += len(data)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                heard.ended.add(self.peer)

        return Watched


class Place:
    """A server with its keeper, whose clock the test moves."""

    def __init__(self, port: int, keeper: Doorkeeper, closed: Counter[str], heard: Heard) -> None:
        self.port, self.keeper, self.closed, self.heard = port, keeper, closed, heard
        self._writers: list[asyncio.StreamWriter] = []
        self._said: Counter[int] = Counter()

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def open(self, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        await self.say(writer, said)
        return reader, writer

    async def say(self, writer: asyncio.StreamWriter, said: bytes) -> None:
        """Return when the server has heard it, or has closed the connection."""
        port = writer.get_extra_info("sockname")[1]
        self._said[port] += len(said)
        writer.write(said)
        await until(
            lambda: (
                port in self.heard.ended
                or (port in self.heard.bytes and self.heard.bytes[port] >= self._said[port])
            )
        )

    def later(self, seconds: float) -> None:
        """What the server does that much after the last thing that any connection did."""
        at = [
            at
            for one in self.keeper._open
            for at in (one.waiting_since, one.head_since, one.stuck_since)
            if at is not None
        ]
        self.keeper.look(max(at, default=asyncio.get_running_loop().time()) + seconds)


@asynccontextmanager
async def a_place(**limits: int) -> AsyncIterator[Place]:
    closed: Counter[str] = Counter()
    keeper = Doorkeeper(lambda why: closed.update([why]), **limits)
    heard = Heard()
    protocol = heard.listening(keeper.protocol())
    config = uvicorn.Config(
        answering, port=0, http=protocol, lifespan="off", log_config=None, access_log=False
    )
    # Only the test's clock closes anything, however long the machine stands still.
    server = Server(config, lambda: None, Doorkeeper())
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    place = Place(server.servers[0].sockets[0].getsockname()[1], keeper, closed, heard)
    try:
        yield place
    finally:
        await place.close()
        server.should_exit = server.force_exit = True
        await serving


async def the_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed; fails where it stays open."""
    async with asyncio.timeout(30):
        return await reader.read()


async def test_a_head_that_never_ends_is_closed() -> None:
    """Ten seconds after the connection, whatever drips in; before that it may take its time."""
    async with a_place() as place:
        reader, writer = await place.open(b"GET / HTTP/1.1\r\nHost:")
        place.later(9)
        await place.say(writer, b" x\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"ok")
        slow, _ = await place.open(b"GET / HTTP/1.1\r\nX-Slow:")
        place.later(11)
        assert (await the_end(slow)).startswith(b"HTTP/1.1 408")
        assert place.closed == {"head": 1}


async def test_one_that_says_nothing_is_closed_without_a_word() -> None:
    """Browsers open connections in advance, and would take a 408 for an answer."""
    async with a_place() as place:
        reader, _ = await place.open()
        place.later(11)
        assert await the_end(reader) == b""


@pytest.mark.parametrize("junk", [b"", b"\r\n", b"\r\n\r\n\r\n"])
async def test_an_idle_connection_is_closed(junk: bytes) -> None:
    """Also where empty lines keep it awake."""
    async with a_place() as place:
        reader, writer = await place.open(ASK)
        await reader.readuntil(b"ok")
        await place.say(writer, junk)
        place.later(29)
        assert place.closed == {}
        place.later(41)
        assert await the_end(reader) == b""
        assert place.closed == {"idle": 1}


async def test_a_second_heads_time_runs_from_its_first_byte() -> None:
    """A connection that has been quiet for a while may still ask."""
    async with a_place() as place:
        reader, writer = await place.open(ASK)
        await reader.readuntil(b"ok")
        await place.say(writer, b"GET / HT")
        place.later(9)
        assert place.closed == {}
        place.later(11)
        assert (await the_end(reader)).startswith(b"HTTP/1.1 408")


async def test_a_request_at_work_is_left_alone() -> None:
    """How long a body may take is said by whoever reads it."""
    async with a_place() as place:
        reader, writer = await place.open(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
        )
        place.later(500)
        writer.write(b"cd")
        assert b"200 OK" in await reader.readuntil(b"ok")


async def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    """Half a minute after its last byte went out."""
    async with a_place() as place:
        _, writer = await place.open()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await place.say(writer, b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: any(one.stuck_since for one in place.keeper._open))
        place.later(29)
        assert place.closed == {}
        place.later(31)
        assert place.closed == {"stuck": 1}


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX-Much: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\nX-Endless: " + b"x" * HEAD_BYTES,
    ],
    ids=["header", "path", "many", "endless"],
)
async def test_a_head_has_a_size(head: bytes) -> None:
    """431, and the connection is closed."""
    async with a_place() as place:
        reader, _ = await place.open(head)
        assert (await the_end(reader)).startswith(b"HTTP/1.1 431")


async def test_whoever_waits_makes_room_for_whoever_asks() -> None:
    """Over the most that may be open, the one that has waited longest goes, and the new one is answered."""
    async with a_place(most=20) as place:
        slow = [await place.open(b"GET / HT") for _ in range(20)]
        reader, _ = await place.open(ASK)
        assert b"200 OK" in await reader.readuntil(b"ok")
        assert (await the_end(slow[0][0])).startswith(b"HTTP/1.1 503")
        assert place.closed == {"room": 1}


async def test_one_address_has_its_share() -> None:
    """Over it, it pushes out its own."""
    async with a_place(most=100, most_of_one=5) as place:
        for _ in range(12):
            await place.open(b"GET / HT")
        assert place.closed == {"room": 7}
        reader, _ = await place.open(ASK)
        assert b"200 OK" in await reader.readuntil(b"ok")


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Several heads in one piece, and a look at the clock in between."""
    async with a_place() as place:
        reader, _ = await place.open(ASK * 5)
        place.later(29)
        said = b"".join([await reader.readuntil(b"ok") for _ in range(5)])
        assert said.count(b"200 OK") == 5
        place.later(500)
        assert await the_end(reader) == b""


async def test_who_is_told_to_continue_sends_its_body() -> None:
    """`Expect: 100-continue` gets its word, and then its answer."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with a_place() as place:
        reader, writer = await place.open(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert b"200 OK" in await reader.readuntil(b"ok")


def test_room_is_what_the_machine_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer open files, fewer connections; as many files are asked for as are allowed."""
    resource = pytest.importorskip("resource")
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: asked.append(pair))
    found: Callable[[int, int], int] = lambda soft, hard: (  # noqa: E731 - two lines
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard)),
        room(),
    )[1]
    assert found(1_024, 1_024) == 824
    assert found(1_024, 1_000_000) == connections.MAX_CONNECTIONS
    assert asked == [(1_024, 1_024), (4_200, 1_000_000)]
    assert found(100_000, 100_000) == connections.MAX_CONNECTIONS
    assert len(asked) == 2
