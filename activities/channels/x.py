"""Posts on X, by Apprise. Off until an account is set up; for external updates that somebody has approved.

X knows no key of ours and its posts cannot be read back at every plan: one whose answer was lost is held
for a person. Each post is paid for, one with a link many times over.
"""

from __future__ import annotations

import json
from typing import ClassVar

from pydantic import SecretStr

from activities.channels.base import (
    AnswerLostError,
    BaseUrl,
    Capabilities,
    HttpSettings,
    Outgoing,
    Receipt,
    Seconds,
)
from activities.channels.call_threads import CallThreads
from activities.channels.posts import post_of
from activities.channels.references import unset
from domain.errors import DeliveryReason


class XSettings(HttpSettings):
    """Settings of the channel: the four keys of an application that may write."""

    x_consumer_key: SecretStr | None = None
    x_consumer_secret: SecretStr | None = None
    x_access_token: SecretStr | None = None
    x_access_secret: SecretStr | None = None
    x_base_url: BaseUrl = "https://api.x.com"
    x_timeout: Seconds = 8.0

    @property
    def service(self) -> dict[str, str] | None:
        """The account as Apprise knows it; None where a key is missing."""
        keys = {
            "ckey": self.x_consumer_key,
            "csecret": self.x_consumer_secret,
            "akey": self.x_access_token,
            "asecret": self.x_access_secret,
        }
        given = {name: key.get_secret_value() for name, key in keys.items() if key is not None}
        return {"schema": "x", "mode": "tweet", **given} if len(given) == len(keys) else None


class XChannel:
    """Posts by one account."""

    name: ClassVar[str] = "x"
    capabilities: ClassVar[Capabilities] = Capabilities(
        pages=False, form="short", max_chars=280, is_paid=True
    )

    def __init__(self, settings: XSettings) -> None:
        self._settings = settings
        if settings.service is not None:
            from activities.channels.apprise_client import load

            load()
            self._threads = CallThreads("X")

    @property
    def is_configured(self) -> bool:
        return self._settings.service is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Post it."""
        service = self._settings.service
        if service is None:
            raise unset(
                "X_CONSUMER_KEY, X_CONSUMER_SECRET, X_ACCESS_TOKEN or X_ACCESS_SECRET is not set"
            )
        post = post_of(message, self.name)
        answer = await self._threads.run(
            lambda: self._send(service, post.whole), self._settings.x_timeout
        )
        return Receipt(vendor_id=_id_of(answer), detail=post.note)

    async def aclose(self) -> None:
        """Let its threads end; one that waits ends with the call."""
        if self._settings.service is not None:
            self._threads.close()

    def _send(self, service: dict[str, str], text: str) -> bytes:
        from activities.channels.apprise_client import notify

        settings = self._settings
        address = f"{settings.x_base_url}/2/tweets"
        return notify(service, "", text, settings.x_timeout, settings.proxy, twitter_tweet=address)


def _id_of(answer: bytes) -> str:
    """The post's id. Without one, whatever said that it was taken may not have been X."""
    try:
        found = json.loads(answer)["data"]["id"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str) or not found:
        detail = "X did not say under which id it took the post"
        raise AnswerLostError(DeliveryReason.SERVER_ERROR, detail)
    return found
