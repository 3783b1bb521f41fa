"""A Mastodon server that is as strict as the real one about posts, on a real socket."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

TOKEN = "mastodon-fake-token"
ACCOUNT = "109"
MAX_CHARS = 500
_FIELDS = {"status", "visibility", "language"}
_LINK = re.compile(r"https?://[^\s<]+")
_MENTION = re.compile(r"(?<![=/\w])@(\w+)")


@dataclass
class Server:
    """What is posted, the oldest first."""

    posts: list[dict[str, Any]] = field(default_factory=list)
    by_key: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Forgotten after an hour: a test clears it."""
    mentioned: list[str] = field(default_factory=list)

    def check(self, request: Request) -> Refusal | Taken:
        """A new post; or, under a key that is known, the one that is there."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        key, wanted = request.headers["Idempotency-Key"], json.loads(request.body)
        made = self.by_key.get(key) or self._made(wanted["status"])
        return Taken(wanted | {"key": key, "made": made}, json.dumps(made))

    def keep(self, content: dict[str, Any]) -> None:
        """The post is public from now on."""
        if content["key"] not in self.by_key:
            self.by_key[content["key"]] = content["made"]
            self._publish(content["status"], content["made"])

    def post(self, text: str, at: datetime | None = None) -> None:
        """Publish a text, as the account's owner may do by hand."""
        self._publish(text, self._made(text, at))

    def _made(self, text: str, at: datetime | None = None) -> dict[str, Any]:
        return {
            "id": str(110_000 + len(self.posts)),
            "created_at": (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z"),
            "content": as_html(text),
        }

    def _publish(self, text: str, made: dict[str, Any]) -> None:
        self.mentioned += _MENTION.findall(text)
        self.posts.append(made)

    def aside(self, request: Request) -> Refusal | str | None:
        """Who the token's account is, and its posts, the newest first."""
        parts = urlsplit(request.path)
        if request.method != "GET":
            return None
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _no(401, "The access token is invalid")
        if parts.path == "/api/v1/accounts/verify_credentials":
            return json.dumps({"id": ACCOUNT, "acct": "status"})
        if parts.path == f"/api/v1/accounts/{ACCOUNT}/statuses":
            query = parse_qs(parts.query)
            limit = min(int(query.get("limit", ["20"])[0]), 40)
            before = int(query.get("max_id", ["999999"])[0])
            older = [post for post in reversed(self.posts) if int(post["id"]) < before]
            return json.dumps(older[:limit])
        return _no(404, "Record not found")

    @staticmethod
    def _refusal(request: Request) -> Refusal | None:
        if request.path != "/api/v1/statuses":
            return _no(404, "Record not found")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _no(401, "The access token is invalid")
        if not request.headers.get("Idempotency-Key"):
            return _no(400, "a post without Idempotency-Key may be made twice")
        status = json.loads(request.body)
        if set(status) - _FIELDS:
            return _no(422, f"fields nobody reads: {sorted(set(status) - _FIELDS)}")
        if not str(status.get("status") or "").strip():
            return _no(422, "Validation failed: Text can't be blank")
        if len(_LINK.sub("x" * 23, status["status"])) > MAX_CHARS:
            return _no(422, f"Validation failed: Text character limit of {MAX_CHARS} exceeded")
        if status.get("visibility") not in ("public", "unlisted", "private", "direct"):
            return _no(422, "visibility is not included in the list")
        return None


def as_html(text: str) -> str:
    """A post's content: paragraphs, line breaks, links in spans."""

    def linked(found: re.Match[str]) -> str:
        scheme, rest = found.group().split("//", 1)
        return (
            f'<a href="{found.group()}" rel="nofollow"><span class="invisible">{scheme}//</span>'
            f'<span class="ellipsis">{rest[:20]}</span><span class="invisible">{rest[20:]}</span></a>'
        )

    paragraphs = html.escape(text).strip().split("\n\n")
    return "".join(
        f"<p>{_LINK.sub(linked, one).replace(chr(10), '<br />')}</p>" for one in paragraphs
    )


@contextmanager
def mastodon_fake(server: Server | None = None) -> Iterator[VendorFake]:
    """A running server; `accepted` holds the posts as they were asked for."""
    server = server or Server()
    with running(VendorFake(server.check, aside=server.aside, keep=server.keep)) as fake:
        yield fake


def _no(status: int, message: str) -> Refusal:
    return Refusal(status, json.dumps({"error": message}), message)
