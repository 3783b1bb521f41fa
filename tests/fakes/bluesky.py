"""A Bluesky server that is as strict as the real one about sessions and records, on a real socket."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

HANDLE, PASSWORD = "status.example.com", "fake-app-pass-word"
DID = "did:plc:fake2345"
_TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
_POST = "app.bsky.feed.post"


@dataclass
class Server:
    """Sessions and records."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By their keys: what the public sees."""
    sessions: int = 0
    """Begun so far; only the newest is valid, and none where it `has_expired`."""
    has_expired: bool = False
    writes: int = 0

    @property
    def token(self) -> str:
        return f"jwt-{self.sessions}"

    def check(self, request: Request) -> Refusal | Taken:
        """`putRecord`."""
        if request.path != "/xrpc/com.atproto.repo.putRecord":
            return _no(501, "MethodNotImplemented", request.path)
        refusal = self._unauthorised(request)
        if refusal is not None:
            return refusal
        wanted = json.loads(request.body)
        why = wrong(wanted)
        if why:
            return _no(400, "InvalidRequest", why)
        answer = json.dumps({"uri": _uri(wanted["rkey"]), "cid": "bafyfake"})
        return Taken(wanted["record"] | {"rkey": wanted["rkey"]}, answer)

    def keep(self, content: dict[str, Any]) -> None:
        """The record is public from now on, in place of an earlier one of its key."""
        self.writes += 1
        self.records[content["rkey"]] = content

    def aside(self, request: Request) -> Refusal | str | None:
        """Sessions, and reading a record."""
        parts = urlsplit(request.path)
        if parts.path == "/xrpc/com.atproto.server.createSession":
            given = json.loads(request.body)
            if given != {"identifier": HANDLE, "password": PASSWORD}:
                return _no(401, "AuthenticationRequired", "Invalid identifier or password")
            self.sessions, self.has_expired = self.sessions + 1, False
            return json.dumps({"did": DID, "accessJwt": self.token, "handle": HANDLE})
        if parts.path == "/xrpc/com.atproto.repo.getRecord":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if query.get("repo") != DID or query.get("collection") != _POST:
                return _no(400, "InvalidRequest", "repo and collection must be given")
            refusal = self._unauthorised(request)
            if refusal is not None:
                return refusal
            if query.get("rkey") not in self.records:
                message = f"Could not locate record: {_uri(str(query.get('rkey')))}"
                body = json.dumps({"error": "RecordNotFound", "message": message})
                return Refusal(400, body, "")
            rkey = query["rkey"]
            return json.dumps({"uri": _uri(rkey), "value": self.records[rkey]})
        return None

    def _unauthorised(self, request: Request) -> Refusal | None:
        if self.has_expired:
            return Refusal(
                400, json.dumps({"error": "ExpiredToken", "message": "Token has expired"}), ""
            )
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _no(401, "AuthMissing", "no session")
        return None


def wrong(wanted: dict[str, Any]) -> str:
    """What the lexicon forbids."""
    record = wanted.get("record", {})
    if wanted.get("repo") != DID or wanted.get("collection") != _POST:
        return "repo or collection is wrong"
    if not _TID.fullmatch(str(wanted.get("rkey"))):
        return "posts must have a TID as their key"
    if record.get("$type") != _POST or set(record) - {
        "$type",
        "text",
        "facets",
        "createdAt",
        "langs",
    }:
        return f"fields are wrong: {sorted(record)}"
    datetime.fromisoformat(record["createdAt"])
    text = record["text"]
    if len(text.encode()) > 3_000 or graphemes(text) > 300:
        return "text must not be longer than 300 graphemes"
    for facet in record["facets"]:
        start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        if not 0 <= start < end <= len(text.encode()):
            return "a facet lies outside of its text"
        text.encode()[start:end].decode()
        (feature,) = facet["features"]
        if feature["$type"] != "app.bsky.richtext.facet#link":
            return "only links were expected"
    return ""


def graphemes(text: str) -> int:
    """As many as a reader sees, or fewer: letters with their marks, pairs joined into one sign."""
    joined = re.sub(".\u200d", "", text)
    return sum(unicodedata.category(char) not in ("Mn", "Me", "Mc", "Cf") for char in joined)


@contextmanager
def bluesky_fake(server: Server | None = None) -> Iterator[VendorFake]:
    """A running server; `accepted` holds the records as they were written."""
    server = server or Server()
    with running(VendorFake(server.check, aside=server.aside, keep=server.keep)) as fake:
        yield fake


def _uri(rkey: str) -> str:
    return f"at://{DID}/{_POST}/{rkey}"


def _no(status: int, error: str, message: str) -> Refusal:
    return Refusal(status, json.dumps({"error": error, "message": message}), f"{error}: {message}")
