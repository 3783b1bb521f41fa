"""Posts on Bluesky. Off until an account is set up; for external updates that somebody has approved.

The record's key is made from ours, so a repeat writes the same record once more and the public sees one
post. Source: the lexicons `com.atproto.repo.putRecord` and `app.bsky.feed.post`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from activities.channels.base import (
    AnswerLostError,
    BaseUrl,
    Capabilities,
    HttpSettings,
    Outgoing,
    Receipt,
    Seconds,
)
from activities.channels.posts import Post, post_of, published
from activities.channels.refusals import until
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason
from domain.text_limits import BLUESKY_LINK

_COLLECTION = "app.bsky.feed.post"
_TID = "234567abcdefghijklmnopqrstuvwxyz"
"""Digits of a record's key, in the order of their values. Source: https://atproto.com/specs/tid"""
_LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]'*]")


class BlueskySettings(HttpSettings):
    """Settings of the channel."""

    bluesky_base_url: BaseUrl = "https://bsky.social"
    """The account's own server."""
    bluesky_handle: str | None = Field(None, pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:_-]+$")
    """`status.example.com`, or the account's DID."""
    bluesky_app_password: SecretStr | None = None
    bluesky_language: str | None = Field(None, pattern=r"^[a-z]{2,3}$")
    bluesky_timeout: Seconds = 8.0


class BlueskyChannel:
    """Posts by one account."""

    name: ClassVar[str] = "bluesky"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=False, form="short", max_chars=300)

    def __init__(self, settings: BlueskySettings) -> None:
        self._settings = settings
        self._session: tuple[str, str] | None = None
        self._signing_in = asyncio.Lock()
        self._client: VendorClient | None = None
        if settings.bluesky_handle and settings.bluesky_app_password is not None:
            self._client = VendorClient(
                "Bluesky",
                settings.bluesky_base_url,
                settings.bluesky_timeout,
                proxy=settings.proxy,
                explain=lambda answer: f"{answer.get('error') or ''} {answer.get('message') or ''}",
                asked_wait=_asked_wait,
            )

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Post it."""
        client = self._ready()
        post, update = post_of(message, self.name), published(message, "Bluesky")
        text, facets = with_links(post)
        record = {
            "$type": _COLLECTION,
            "text": text,
            "facets": facets,
            "createdAt": _instant(update.at),
        }
        if self._settings.bluesky_language:
            record["langs"] = [self._settings.bluesky_language]
        answer = await self._signed_in(
            client,
            "POST",
            "/xrpc/com.atproto.repo.putRecord",
            {"collection": _COLLECTION, "rkey": record_key(message.key, update.at)},
            record=record,
        )
        uri = answer.get("uri") if isinstance(answer, dict) else None
        if not isinstance(uri, str) or not uri.startswith("at://"):
            raise client.without_id()
        return Receipt(vendor_id=uri, detail=post.note)

    async def find(self, message: Outgoing) -> Receipt | None:
        """The record under this message's key."""
        client, at = self._ready(), published(message, "Bluesky").at
        where = {"collection": _COLLECTION, "rkey": record_key(message.key, at)}
        try:
            answer = await self._signed_in(client, "GET", "/xrpc/com.atproto.repo.getRecord", where)
        except DeliveryError as error:
            if "RecordNotFound" in error.detail or "Could not locate record" in error.detail:
                return None
            raise
        uri = answer.get("uri") if isinstance(answer, dict) else None
        if not isinstance(uri, str):
            detail = "Bluesky does not say whether the post is there"
            raise DeliveryError(DeliveryReason.SERVER_ERROR, detail, retryable=True)
        return Receipt(vendor_id=uri, detail="found on Bluesky")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _ready(self) -> VendorClient:
        if self._client is None:
            detail = "BLUESKY_HANDLE or BLUESKY_APP_PASSWORD is not set"
            raise DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
        return self._client

    async def _signed_in(
        self, client: VendorClient, method: str, path: str, where: Mapping[str, str], **body: Any
    ) -> Any:
        """One call with a session, with a new one where the old has ended: they last some hours."""
        for attempt in (1, 2):
            did, token = await self._current_session(client)
            own = {"Authorization": f"Bearer {token}"}
            try:
                if method == "GET":
                    return await client.get(path, params={"repo": did, **where}, headers=own)
                return await client.post(path, json={"repo": did, **where, **body}, headers=own)
            except DeliveryError as error:
                is_over = "ExpiredToken" in error.detail
                if is_over or error.reason is DeliveryReason.UNAUTHORISED:
                    self._session = None
                if not is_over or attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def _current_session(self, client: VendorClient) -> tuple[str, str]:
        async with self._signing_in:  # however many messages wait for it, one session is begun
            if self._session is None:
                self._session = await self._sign_in(client)
            return self._session

    async def _sign_in(self, client: VendorClient) -> tuple[str, str]:
        """Begin a session. Kept, for an account may begin a few hundred a day. Nothing is posted by it."""
        password = self._settings.bluesky_app_password
        assert password is not None
        credentials = {
            "identifier": self._settings.bluesky_handle,
            "password": password.get_secret_value(),
        }
        try:
            answer = await client.post("/xrpc/com.atproto.server.createSession", json=credentials)
        except AnswerLostError as error:
            raise DeliveryError(error.reason, error.detail, retryable=True) from error
        did, token = answer.get("did"), answer.get("accessJwt")
        if not isinstance(did, str) or not isinstance(token, str):
            detail = "Bluesky began no session"
            raise DeliveryError(DeliveryReason.SERVER_ERROR, detail, retryable=True)
        return did, token


def record_key(key: str, at: datetime) -> str:
    """The record's key: the update's instant, and of ours what tells two of the same instant apart."""
    mark = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    # Microseconds of the epoch; below a millisecond, and for the clock's 10 bits, our mark stands.
    millis = round(at.timestamp() * 1_000)
    number = (millis * 1_000 + mark % 1_000) << 10 | (mark >> 20) & 0x3FF
    digits = []
    for _ in range(13):
        digits.append(_TID[number & 31])
        number >>= 5
    return "".join(reversed(digits))


def with_links(post: Post) -> tuple[str, list[dict[str, Any]]]:
    """The text, and where in its bytes which links are: without a facet, an address is mere text."""
    text, facets = post.text, []
    places = [(found.start(), found.end(), found.group()) for found in _LINK.finditer(text)]
    if post.link and post.link not in text:
        shown = post.link.partition("://")[2]
        shown = shown if len(shown) <= BLUESKY_LINK else f"{shown[: BLUESKY_LINK - 1]}…"
        start = len(text) + 1
        text = f"{text}\n{shown}"
        places.append((start, len(text), post.link))
    for start, end, address in places:
        first = len(text[:start].encode())
        index = {"byteStart": first, "byteEnd": first + len(text[start:end].encode())}
        feature = {"$type": "app.bsky.richtext.facet#link", "uri": address}
        facets.append({"index": index, "features": [feature]})
    return text, facets


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _asked_wait(headers: Mapping[str, str]) -> str | None:
    return headers.get("retry-after") or until(headers.get("ratelimit-reset"))
