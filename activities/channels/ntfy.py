"""Push messages by ntfy: your own server, or a hosted one.

Source: ntfy's "publish as JSON": one POST to the server's root.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import SecretStr

from activities.channels.base import BaseUrl, Capabilities, HttpSettings, Outgoing, Receipt, Seconds
from activities.channels.shortening import body_of, head_of, shorten
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from templates.filters import line

MAX_CHARS = 1000
"""ntfy takes 4,096 bytes and turns more into a file to download; no character has more than four."""
_TITLE_CHARS = 200
_LOUDEST, _LOUD, _NORMAL = 5, 4, 3
_MAJOR = ("SEV1", "SEV2")
"""These ring through "do not disturb" where the phone was told to let ntfy do so."""


class NtfySettings(HttpSettings):
    """Settings of the channel."""

    ntfy_base_url: BaseUrl | None = None
    """No default: on a public server everybody who guesses a topic reads the pages."""
    ntfy_token: SecretStr | None = None
    ntfy_timeout: Seconds = 10.0


class NtfyChannel:
    """Pushes to a topic."""

    name: ClassVar[str] = "ntfy"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=True, max_chars=MAX_CHARS)

    def __init__(self, settings: NtfySettings) -> None:
        self._client: VendorClient | None = None
        if settings.ntfy_base_url is not None:
            token = settings.ntfy_token
            self._client = VendorClient(
                "ntfy",
                settings.ntfy_base_url,
                settings.ntfy_timeout,
                headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {},
                proxy=settings.proxy,
                explain=lambda answer: str(answer.get("error") or ""),
            )

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Publish it under the contact's topic."""
        if self._client is None:
            raise DeliveryError(
                DeliveryReason.NOT_CONFIGURED, "NTFY_BASE_URL is not set", retryable=False
            )
        answer = await self._client.post("/", json=as_push(message))
        taken = answer.get("id")
        if not isinstance(taken, str) or not taken:
            raise self._client.without_id()
        return Receipt(vendor_id=taken)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def as_push(message: Outgoing) -> Mapping[str, Any]:
    """The request: title, text, how loud, and a button that opens the page for acknowledging."""
    head = head_of(message)
    push: dict[str, Any] = {
        "topic": message.to.strip(),
        "title": shorten(head, _TITLE_CHARS),
        "message": shorten(body_of(message) or head, MAX_CHARS),
        "priority": _priority(message),
        "tags": [tag for tag in (_SIGNS.get(message.purpose), _severity(message)) if tag],
    }
    if message.answer is not None:
        url = line(message.answer.url)
        label = f"Acknowledge {line(message.answer.code)}"
        push |= {"click": url, "actions": [{"action": "view", "label": label, "url": url}]}
    return push


def _severity(message: Outgoing) -> str:
    """As a tag; how bad it is inside is not for the outside."""
    return "" if message.purpose is Purpose.EXTERNAL_UPDATE else message.severity.lower()


_SIGNS = {Purpose.PAGE: "rotating_light"}


def _priority(message: Outgoing) -> int:
    if message.purpose is not Purpose.PAGE:
        return _NORMAL
    return _LOUDEST if message.severity in _MAJOR else _LOUD
