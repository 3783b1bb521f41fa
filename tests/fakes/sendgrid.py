"""A SendGrid that is as strict as the real one about what it checks, on a real socket."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.vendor import drip

KEY = "SG.fake-key"
_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
_ALLOWED = {
    "personalizations", "from", "subject", "content", "headers", "tracking_settings", "mail_settings",
}  # fmt: skip
_OF_A_PERSON = {"to", "headers", "substitutions", "custom_args"}
_RESERVED = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
    "to", "from", "subject", "reply-to", "cc", "bcc",
}  # fmt: skip
"""Headers that nobody may set. Source: SendGrid's v3 Mail Send, `headers`."""
MOST_RECIPIENTS = 1_000


@dataclass
class Manner:
    """How one address fares; the others fare as the fake says."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    mood: str = "answer"
    """As of the fake; also `accept_then_hang` and `accept_then_drop`: it is taken, and nobody hears."""
    delay_seconds: float = 0.0
    times: int = 1_000_000
    """For so many calls."""


@dataclass(frozen=True)
class Call:
    """One mail that somebody tried to hand over."""

    at: float
    """`time.monotonic()` when it came in."""
    to: str
    key: str
    incident: str
    is_accepted: bool
    subject: str = ""


@dataclass
class SendGridFake:
    """What it answers, and what it has taken."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    mood: str = "answer"
    """`answer`, `hang`, `drop` (close the connection without a word) or `drip` (a byte at a time)."""
    accepted: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    manners: dict[str, Manner] = field(default_factory=dict)
    """By address, where an address fares otherwise than the rest."""
    log: list[Call] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What was wrong with requests that the real one would not take: empty in every good test."""
    bad: set[str] = field(default_factory=set)
    """Addresses for which it refuses a whole call, and says for whom."""
    speechless: bool = False
    """It refuses for bad addresses without saying for whom."""
    seconds: float = 0.0
    """How long it takes over each call."""
    hang_seconds: float = 10.0
    fails_after: int | None = None
    """After so many calls it answers 503."""
    holds_after: int | None = None
    """Once so many mails were taken it answers nobody."""
    goes_on: threading.Event = field(default_factory=threading.Event)
    """Whoever is held is answered."""

    def manner_of(self, address: str) -> Manner:
        if self.fails_after is not None and self.calls > self.fails_after:
            return Manner(503)
        manner = self.manners.get(address)
        if manner is None or manner.times <= 0:
            return Manner(self.status, self.headers, self.mood)
        manner.times -= 1
        return manner

    def calls_for(self, incident: str, to: str = "", *, accepted: bool = False) -> list[Call]:
        """Mails of one incident, perhaps to one address, perhaps only those that were taken."""
        return [
            call
            for call in list(self.log)
            if call.incident == incident
            and to in ("", call.to)
            and (call.is_accepted or not accepted)
        ]

    def taken(self) -> int:
        """How many mails were taken."""
        return sum(call.is_accepted for call in list(self.log))

    def sent_to(self, address: str) -> list[Call]:
        """Mails for one address that were taken."""
        return [call for call in list(self.log) if call.to == address and call.is_accepted]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.fake.refused.append(f"unexpected GET {self.path}")
        self._answer(200, {}, "a page that is no API")

    def do_POST(self) -> None:
        fake = self.server.fake
        fake.calls += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        manner = fake.manner_of(_address(body))
        is_taken = manner.mood.startswith("accept_") or (
            manner.mood == "answer" and manner.status == 202
        )
        bad = [place for place, to in enumerate(_addresses(body)) if to in fake.bad]
        is_taken = is_taken and not bad
        self._note(body, is_taken)
        time.sleep(manner.delay_seconds or fake.seconds)
        if fake.holds_after is not None and fake.taken() >= fake.holds_after:
            fake.goes_on.wait(60)
        if manner.mood in ("hang", "drop", "drip"):
            self._break_off(manner.mood)
            return
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            fake.refused.append("wrong key")
            self._answer(401, {}, _errors("The provided authorization grant is invalid"))
            return
        problem = _problem(self.path, self.headers.get("Content-Type", ""), body)
        if problem:
            fake.refused.append(problem)
            self._answer(400, {}, _errors(problem))
            return
        if bad:
            places = (
                [None] if fake.speechless else [f"personalizations.{n}.to.0.email" for n in bad]
            )
            self._answer(400, {}, _errors("Does not contain a valid address.", *places))
            return
        if is_taken:
            fake.accepted.append(json.loads(body))
        if manner.mood != "answer":
            self._break_off(manner.mood.removeprefix("accept_then_"))
            return
        self._answer(manner.status, {"X-Message-Id": "m-1", **manner.headers}, fake.body)

    def _note(self, body: bytes, is_taken: bool) -> None:
        try:
            mail = json.loads(body)
            for person in mail["personalizations"]:
                arguments = person["custom_args"]
                key, incident = arguments["idempotency_key"], arguments["incident"]
                to = person["to"][0]["email"]
                call = Call(time.monotonic(), to, key, incident, is_taken, str(mail.get("subject")))
                self.server.fake.log.append(call)
        except (ValueError, LookupError, TypeError):
            return

    def _break_off(self, how: str) -> None:
        self.close_connection = True
        if how == "hang":
            self.server.fake.over.wait(self.server.fake.hang_seconds)
        elif how == "drip":
            with suppress(OSError):  # the caller has given up
                drip(self.wfile.write, self.server.fake.over)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, headers: dict[str, str], body: str) -> None:
        with suppress(OSError):  # the caller has given up, or was killed
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
    request_queue_size = 200
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
        fake.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _address(raw: bytes) -> str:
    """Whom a mail is for first, as far as that can be told."""
    return next(iter(_addresses(raw)), "")


def _addresses(raw: bytes) -> list[str]:
    """Whom a call is for."""
    try:
        return [str(one["to"][0]["email"]) for one in json.loads(raw)["personalizations"]]
    except (ValueError, LookupError, TypeError):
        return []


def _errors(message: str, *fields: str | None) -> str:
    return json.dumps(
        {"errors": [{"message": message, "field": one, "help": None} for one in fields or (None,)]}
    )


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
    if not people or len(people) > MOST_RECIPIENTS:
        return "The personalizations field is required and must have between 1 and 1000 objects"
    seen: set[str] = set()
    for one in people:
        problem = _problem_of(one, {**body.get("headers", {}), **one.get("headers", {})}, seen)
        if problem:
            return problem
    return ""


def _problem_of(person: dict[str, Any], headers: dict[str, Any], seen: set[str]) -> str:
    """What the real one would refuse of one recipient."""
    if set(person) - _OF_A_PERSON:
        return f"Additional property {sorted(set(person) - _OF_A_PERSON)} is not allowed"
    if len(person.get("to", [])) != 1:
        return "exactly one recipient was expected"
    to = person["to"][0].get("email", "")
    if not _ADDRESS.fullmatch(to):
        return "Does not contain a valid address"
    if to.lower() in seen:
        return "Each email address in the personalization block should be unique between to, cc, and bcc"
    seen.add(to.lower())
    reserved = [name for name in headers if name.lower() in _RESERVED]
    if reserved:
        return f"headers {reserved} are reserved"
    if not all(isinstance(value, str) and value.isascii() for value in headers.values()):
        return "headers must be strings in ASCII"
    if any(char in value for value in headers.values() for char in "\r\n"):
        return "a header holds a line end"
    if len(json.dumps(person.get("substitutions", {}))) > 10_000:
        return "substitutions may hold 10,000 bytes"
    arguments = person.get("custom_args", {})
    if not all(isinstance(value, str) for value in arguments.values()):
        return "custom_args must be strings"
    if set(arguments) != {"idempotency_key", "incident"}:
        return "custom_args must hold our key and our incident"
    if len(json.dumps(arguments)) > 10_000:
        return "custom_args may hold 10,000 bytes"
    return ""
