"""Posts on Mastodon. Off until an account is set up; for external updates that somebody has approved.

A repeat within the hour is none: Mastodon answers `Idempotency-Key` with the post that is there. After
that the account's own posts are read back. Source: https://docs.joinmastodon.org/methods/statuses/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from activities.channels.base import BaseUrl, Capabilities, HttpSettings, Outgoing, Receipt, Seconds
from activities.channels.posts import post_of, published
from activities.channels.refusals import until
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason

_PAGE, _PAGES = 40, 5
"""Posts that are read at once, the most that Mastodon gives, and how often."""
_SKEW = timedelta(minutes=5)
"""By which the server's clock may be behind ours."""
_TAG = re.compile(r"<[^>]*>")
_BLANK = re.compile(r"[\s\u200b]+")


class MastodonSettings(HttpSettings):
    """Settings of the channel."""

    mastodon_base_url: BaseUrl | None = None
    """The account's server."""
    mastodon_token: SecretStr | None = None
    """Of an application with `write:statuses`, `read:statuses` and `read:accounts`."""
    mastodon_visibility: Literal["public", "unlisted", "private"] = "public"
    mastodon_language: str | None = Field(None, pattern=r"^[a-z]{2,3}$")
    """None: the account's own."""
    mastodon_timeout: Seconds = 8.0


class MastodonChannel:
    """Posts by one account."""

    name: ClassVar[str] = "mastodon"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=False, form="short", max_chars=500)

    def __init__(self, settings: MastodonSettings) -> None:
        self._settings = settings
        self._client: VendorClient | None = None
        token = settings.mastodon_token
        if settings.mastodon_base_url is not None and token is not None:
            self._client = VendorClient(
                "Mastodon",
                settings.mastodon_base_url,
                settings.mastodon_timeout,
                headers={"Authorization": f"Bearer {token.get_secret_value()}"},
                proxy=settings.proxy,
                explain=lambda answer: str(answer.get("error") or ""),
                asked_wait=_asked_wait,
            )

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Post it."""
        client = self._ready()
        post = post_of(message, self.name)
        status = {"status": post.whole, "visibility": self._settings.mastodon_visibility}
        if self._settings.mastodon_language:
            status["language"] = self._settings.mastodon_language
        key = hashlib.sha256(message.key.encode()).hexdigest()
        answer = await client.post(
            "/api/v1/statuses", json=status, headers={"Idempotency-Key": key}
        )
        made = answer.get("id")
        if not isinstance(made, str) or not made:
            raise client.without_id()
        return Receipt(vendor_id=made, detail=post.note)

    async def find(self, message: Outgoing) -> Receipt | None:
        """The account's post with this text, since the update was published."""
        client = self._ready()
        wanted = _essence(post_of(message, self.name).whole)
        since = published(message, "Mastodon").at - _SKEW
        me = await client.get("/api/v1/accounts/verify_credentials")
        account = me.get("id") if isinstance(me, dict) else None
        if not isinstance(account, str):
            raise _unreadable("does not say whose token this is")
        query: dict[str, Any] = {"limit": _PAGE, "exclude_reblogs": "true"}
        for _ in range(_PAGES):
            posts = await client.get(f"/api/v1/accounts/{account}/statuses", params=query)
            if not isinstance(posts, list):
                raise _unreadable("does not list the account's posts")
            for post in posts:
                made_at, made, text = _read(post)
                if made_at < since:
                    return None
                if _essence(text) == wanted:
                    return Receipt(vendor_id=made, detail="found on Mastodon")
            if not posts:
                return None
            query["max_id"] = posts[-1]["id"]
        raise _unreadable(f"has more than {_PAGE * _PAGES} posts since the update")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _ready(self) -> VendorClient:
        if self._client is None:
            detail = "MASTODON_BASE_URL or MASTODON_TOKEN is not set"
            raise DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
        return self._client


def _asked_wait(headers: Mapping[str, str]) -> str | None:
    return headers.get("retry-after") or until(headers.get("x-ratelimit-reset"))


def _read(post: Any) -> tuple[datetime, str, str]:
    """When it was made, its id, its text."""
    try:
        at = datetime.fromisoformat(post["created_at"])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return at, str(post["id"]), unescape(_TAG.sub(" ", post["content"]))
    except (KeyError, TypeError, ValueError):
        raise _unreadable("lists posts that cannot be read") from None


def _essence(text: str) -> str:
    """A text without its blanks: Mastodon makes paragraphs of lines, and spans of links."""
    return _BLANK.sub("", text)


def _unreadable(what: str) -> DeliveryError:
    return DeliveryError(DeliveryReason.SERVER_ERROR, f"Mastodon {what}", retryable=True)
