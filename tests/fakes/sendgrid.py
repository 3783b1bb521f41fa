"""A SendGrid that is as strict as the real one about what it checks, on a real socket."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "SG.fake-key"
_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
_ALLOWED = {"personalizations", "from", "subject", "content"}


@dataclass
class SendGridFake:
    """What it answers, and what it has taken."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    mood: str = "answer"
    """`answer`, `hang` or `drop` (close the connection without a word)."""
    accepted: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {}, "a page that is no API")

    def do_POST(self) -> None:
        fake = self.server.fake
        fake.calls += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if fake.mood == "hang":
            fake.over.wait(10)
            self.close_connection = True
            return
        if fake.mood == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._answer(401, {}, _errors("The provided authorization grant is invalid"))
            return
        problem = _problem(self.path, self.headers.get("Content-Type", ""), body)
        if problem:
            self._answer(400, {}, _errors(problem))
            return
        if fake.status == 202:
            fake.accepted.append(json.loads(body))
        self._answer(fake.status, {"X-Message-Id": "m-1", **fake.headers}, fake.body)

    def _answer(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: SendGridFake


@contextmanager
def sendgrid_fake() -> Iterator[SendGridFake]:
    """A running fake."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.fake = fake = SendGridFake()
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


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _errors(message: str) -> str:
    return json.dumps({"errors": [{"message": message, "field": None, "help": None}]})


def _problem(path: str, content_type: str, raw: bytes) -> str:
    """What the real one would refuse."""
    if path != "/v3/mail/send":
        return f"no such resource: {path}"
    if content_type != "application/json":
        return "Content-Type should be application/json"
    body = json.loads(raw)
    if set(body) - _ALLOWED:
        return f"Additional property {sorted(set(body) - _ALLOWED)} is not allowed"
    if not isinstance(body.get("subject"), str) or not body["subject"]:
        return "The subject is required"
    if not _ADDRESS.fullmatch(body.get("from", {}).get("email", "")):
        return "The from email does not contain a valid address"
    kinds = [part.get("type") for part in body.get("content", [])]
    if not kinds or any(not part.get("value") for part in body["content"]):
        return "The content value must be a string at least one character in length"
    if kinds not in (["text/plain"], ["text/plain", "text/html"]):
        return "If present, text/plain and text/html may only be provided once, in this order"
    people = body.get("personalizations", [])
    if len(people) != 1 or len(people[0].get("to", [])) != 1:
        return "exactly one recipient was expected"
    if not _ADDRESS.fullmatch(people[0]["to"][0].get("email", "")):
        return "Does not contain a valid address"
    arguments = people[0].get("custom_args", {})
    if not all(isinstance(value, str) for value in arguments.values()):
        return "custom_args must be strings"
    if set(arguments) != {"idempotency_key", "incident"}:
        return "custom_args must hold our key and our incident"
    if len(json.dumps(arguments)) > 10_000:
        return "custom_args may hold 10,000 bytes"
    return ""
