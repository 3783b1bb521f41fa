"""HTTP/1.1 with as little of it as a measurement needs: a keep-alive client, a load generator, a server.

A full client library costs more CPU per request than the server that is measured, on the same cores.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

MAX_HEAD = 64 * 1024


def request_bytes(path: str, body: bytes, token: str = "", method: str = "POST") -> bytes:
    """A whole request, ready to be written."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def content_length(head: bytes) -> int:
    """What a head announces; 0 where it announces nothing."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


class Connection:
    """One keep-alive connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=MAX_HEAD))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and answer status and body."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        body = await self._reader.readexactly(content_length(head))
        return int(head[9:12]), body

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True)
class Load:
    """What a load came to."""

    acknowledged: int
    refused: int
    seconds: float
    cpu_share: float
    """Of one core, used by the generator itself."""

    @property
    def rate(self) -> float:
        return self.acknowledged / self.seconds


async def generate(port: int, request: bytes, count: int, connections: int, status: int) -> Load:
    """Send one request `count` times; otherwise as `generate_each`."""
    return await generate_each(port, itertools.repeat(request, count), connections, status)


async def generate_each(
    port: int, requests: Iterable[bytes], connections: int, status: int
) -> Load:
    """Send requests over so many connections, each waiting for its answers.

    Args:
        status: the answer that acknowledges.
    """
    links = [await Connection.open(port) for _ in range(connections)]
    waiting = iter(requests)
    acknowledged = count = 0

    async def work(link: Connection) -> None:
        nonlocal acknowledged, count
        for request in waiting:
            count += 1
            answered, _ = await link.send(request)
            acknowledged += answered == status

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work(link) for link in links))
    seconds = time.perf_counter() - began
    share = (time.process_time() - cpu) / seconds
    for link in links:
        link.close()
    return Load(acknowledged, count - acknowledged, seconds, share)


async def serve(take: Callable[[bytes], None], port: int = 0) -> asyncio.Server:
    """A server that hands over each body and answers 202, as a mail provider does."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                take(await reader.readexactly(content_length(head)))
                writer.write(
                    b"HTTP/1.1 202 Accepted\r\nX-Message-Id: bench\r\nContent-Length: 0\r\n\r\n"
                )
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the other side, or the benchmark, is done
        finally:
            writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", port, limit=MAX_HEAD, backlog=512)
