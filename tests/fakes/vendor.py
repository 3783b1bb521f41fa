"""What fakes of vendors over HTTP have in common: real sockets, moods, and no patience with mistakes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


class Refusal(NamedTuple):
    """What the vendor would refuse, and how."""

    status: int
    body: str
    why: str


class Taken(NamedTuple):
    """What the vendor says when it takes a message."""

    content: Any
    """The message, for the test."""
    body: str


@dataclass
class VendorFake:
    """What it answers, and what it has taken.

    Args:
        check: a request's `Refusal`, or what it is `Taken` as.
        success: the status of a success.
    """

    check: Callable[[Request], Refusal | Taken]
    success: int = 200
    status: int = 0
    """Other than 0: it answers this, whatever it is asked."""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "{}"
    """Of an answer by `status`."""
    mood: str = "answer"
    """`answer`; `hang`, `drop` (close without a word), `drip` (a byte at a time, for ever); also
    `accept_then_hang` and `accept_then_drop`: it is taken, and nobody hears."""
    accepted: list[Any] = field(default_factory=list)
    calls: int = 0
    connections: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    keep: Callable[[Any], None] = lambda content: None
    """Told of what is taken, and of nothing else."""
    aside: Callable[[Request], Refusal | str | None] = lambda request: None
    """Answers what is asked beside the messages, signing in and reading back: whatever the mood, and
    not counted."""
    refused: list[str] = field(default_factory=list)
    """What was wrong with requests that the real one would not take: empty in every good test."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.fake.connections += 1

    def do_POST(self) -> None:
        fake, request = self.server.fake, self._request()
        if len(request.body) < int(self.headers.get("Content-Length", "0")):
            return  # whoever sent it lost patience in the middle: it is no request to judge
        if self._answered_aside(request):
            return
        fake.calls += 1
        found = fake.check(request)
        if isinstance(found, Refusal):
            fake.refused += [found.why] if found.why else []
        if fake.mood in ("hang", "drop", "drip"):
            self._break_off(fake.mood)
        elif fake.status:
            self._answer(fake.status, fake.body)
        elif isinstance(found, Refusal):
            self._answer(found.status, found.body)
        else:
            fake.keep(found.content)
            fake.accepted.append(found.content)
            if fake.mood == "answer":
                self._answer(fake.success, found.body)
            else:
                self._break_off(fake.mood.removeprefix("accept_then_"))

    def _request(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return Request(self.path, dict(self.headers.items()), body, self.command)

    def _answered_aside(self, request: Request) -> bool:
        found = self.server.fake.aside(request)
        if isinstance(found, Refusal):
            self.server.fake.refused += [found.why] if found.why else []
            self._answer(found.status, found.body)
        elif found is not None:
            self._answer(200, found)
        return found is not None

    def do_GET(self) -> None:
        if not self._answered_aside(self._request()):
            self._unexpected()

    def _unexpected(self) -> None:
        self.server.fake.refused.append(f"unexpected {self.command} {self.path}")
        self._answer(405, "{}")

    do_PATCH = do_POST
    do_PUT = do_HEAD = do_DELETE = _unexpected

    def _break_off(self, how: str) -> None:
        self.close_connection = True
        over = self.server.fake.over
        if how == "hang":
            over.wait(10)
        elif how == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            with suppress(OSError):  # the caller has given up
                drip(self.wfile.write, over)

    def _answer(self, status: int, body: str) -> None:
        with suppress(OSError):
            self.send_response(status)
            for name, value in self.server.fake.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200
    fake: VendorFake


def drip(write: Callable[[bytes], Any], over: threading.Event, seconds: float = 10) -> None:
    """An answer that never ends and never pauses for long: only a limit on the whole call ends it."""
    write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    until = time.monotonic() + seconds
    while time.monotonic() < until and not over.wait(0.05):
        write(b"x")


@contextmanager
def running(fake: VendorFake) -> Iterator[VendorFake]:
    """The fake, listening."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.fake = fake
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
