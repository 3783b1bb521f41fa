"""Bodies as bytes on a socket: in chunks, of a wrong length, waited for; each is answered right, in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvicorn

from starter.api import bodies
from starter.api.connections import Doorkeeper
from starter.api.server import Server
from starter.records_access import RecordsAccess
from tests.security.doors import SECRETS, Door, group

HEAD = (
    "POST /hooks/alertmanager HTTP/1.1\r\nHost: x\r\n"
    f"Authorization: Bearer {SECRETS['AM_KEY']}\r\nContent-Type: application/json\r\n"
).encode()
BODY = group()


def sized(length: int) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


def chunked(*parts: bytes) -> bytes:
    said = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + said + b"0\r\n\r\n"


@asynccontextmanager
async def serving(door: Door) -> AsyncIterator[int]:
    """The port of the door on a real socket."""
    keeper = Doorkeeper()
    config = uvicorn.Config(
        door.app, port=0, http=keeper.protocol(), log_config=None, access_log=False
    )
    server = Server(config, lambda: None, keeper)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task


async def said_to(port: int, *parts: bytes, pause: float = 0.0) -> list[int]:
    """The statuses of what is answered until the connection is closed, or for two seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(30):
                while more := await reader.read(65_536):
                    answer += more
                    if answer.count(b"HTTP/1.1 ") and b"\r\n\r\n" in answer and more[-1:] == b"}":
                        break
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
    return [int(line[:3]) for line in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def door(tmp_path: Path, records: RecordsAccess) -> Door:
    return Door(tmp_path / "door", records)


@pytest.mark.parametrize(
    ("parts", "statuses", "alerts"),
    [
        ((sized(len(BODY)), BODY), [202], 1),
        ((sized(len(BODY)), BODY[:5], BODY[5:]), [202], 1),
        ((chunked(BODY),), [202], 1),
        ((chunked(*(BODY[n : n + 1] for n in range(len(BODY)))),), [202], 1),
        ((chunked(b"x" * 600_000, b"x" * 600_000),), [413], 1),
        ((sized(len(BODY) - 9), BODY), [400], 0),
        ((sized(0), BODY), [400], 0),
        ((HEAD + b"\r\n",), [400], 0),
        ((HEAD + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n",), [400], 0),
        ((HEAD + b"Content-Length: -1\r\n\r\n",), [400], 0),
        ((HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",), [400], 0),
        ((HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",), [400], 0),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",), [400], 0),
        ((HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n",), [400], 0),
        ((HEAD.replace(b"Host", b"Ho st") + b"\r\n",), [400], 0),
        ((HEAD.replace(b"POST", b"PO\x00ST") + b"\r\n",), [400], 0),
        ((b"\x16\x03\x01\x02\x00\x01\x00",), [400], 0),
        ((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), None, 0),
        ((HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",), None, 0),
        ((HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY),
         [100, 202], 1),
        ((HEAD + b"Expect: a-miracle\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY), [202], 1),
    ],
)  # fmt: skip
async def test_bodies(
    door: Door, parts: tuple[bytes, ...], statuses: list[int] | None, alerts: int
) -> None:
    """A body that came whole is taken; one that did not is refused, and never half of it is an alert."""
    async with serving(door) as port:
        got = await said_to(port, *parts, pause=0.02 if len(parts) > 1 else 0)
    if statuses is not None:
        assert set(got) == set(statuses)  # the end of a connection may cut the second refusal
    assert all(status < 500 for status in got)
    assert len(door.alerts()) == alerts


async def test_a_stranger_is_not_asked_for_the_body(door: Door) -> None:
    """`Expect: 100-continue` without a key: 401 at once, and the body is never sent."""
    head = HEAD.replace(SECRETS["AM_KEY"].encode(), b"wrong")
    async with serving(door) as port:
        asked = head + b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
        assert await said_to(port, asked) == [401]


async def test_a_body_that_never_ends(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 after its time, for a length that does not come and for chunks without end."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)
    async with serving(door) as port:
        assert await said_to(port, sized(1_000), b"{") == [408]
        endless = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
        assert await said_to(port, endless) == [408]
    assert door.alerts() == []


async def test_an_answer_is_quick_for_what_is_refused(door: Door) -> None:
    """Ten megabytes, deep nesting, bad JSON: the answer begins within a moment of the last byte."""
    loop = asyncio.get_running_loop()
    async with serving(door) as port:
        await said_to(port, sized(2), b"{}")
        for body in (b"x" * 10_000_000, b"[" * 500_000, b'{"a":' * 100_000, b"{" * 1_000_000):
            took: list[float] = []
            while len(took) < 3 and min(took, default=9.0) > 1.5:  # the machine may stand still
                began = loop.time()
                (status,) = await said_to(port, sized(len(body)), body)
                took.append(loop.time() - began)
                assert status in (202, 400, 413)
            assert min(took) < 1.5
    assert json.dumps(door.alerts())
