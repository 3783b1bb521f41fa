"""The long tail by Apprise: Discord, Telegram, Matrix, Teams and some 170 more, one URL per contact.

No receipts and no buttons: what has to be tracked has a channel of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import PrivateAttr, field_validator

from activities.channels.base import (
    Capabilities,
    HttpSettings,
    Outgoing,
    Receipt,
    Seconds,
)
from activities.channels.call_threads import CallThreads
from activities.channels.shortening import body_of, fitted, head_of, shorten
from domain.errors import DeliveryError, DeliveryReason
from templates.filters import line

MAX_CHARS = 1500
_TITLE_CHARS = 150
_SCHEMA = re.compile(r"[a-z][a-z0-9]*")


class AppriseSettings(HttpSettings):
    """Settings of the channel."""

    apprise_schemas: str = ""
    """The services that may be used, by the first word of their URLs: `discord, tgram`. Apprise has
    some that talk to the machine it runs on; none works that nobody has asked for."""
    apprise_timeout: Seconds = 10.0

    _environment: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("apprise_schemas")
    @classmethod
    def _are_schemas(cls, value: str) -> str:
        wrong = [name for name in _names(value) if not _SCHEMA.fullmatch(name)]
        if wrong:
            raise ValueError("must be names such as discord or tgram, with commas between them")
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        made = super().from_environment(environment)
        made._environment = dict(environment)  # contacts refer to it: `env:ALICE_DISCORD`
        return made

    @property
    def schemas(self) -> frozenset[str]:
        return frozenset(_names(self.apprise_schemas))

    def resolve(self, to: str) -> str:
        """The URL behind a contact: itself, or what `env:NAME` or `file:PATH` holds. Blocking.

        Raises:
            DeliveryError: the reference leads nowhere; what was found there is not told.
        """
        kind, _, name = to.partition(":")
        if kind == "env":
            found = self._environment.get(name, "").strip()
            if not found:
                raise _unset(f"the contact's variable {name} is not set for the worker")
            return found
        if kind == "file":
            try:
                found = Path(name).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise _unset(
                    f"the contact's file {name} cannot be read: {type(error).__name__}"
                ) from None
            if not found:
                raise _unset(f"the contact's file {name} is empty")
            return found
        return to


class AppriseChannel:
    """Sends by whatever service the contact's URL names."""

    name: ClassVar[str] = "apprise"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=True, max_chars=MAX_CHARS)

    def __init__(self, settings: AppriseSettings) -> None:
        self._settings = settings
        if settings.schemas:
            # Half a second to load: only where it is used, and not when the first page has to leave.
            from activities.channels.apprise_client import load

            load()
            # Its own threads: a service that hangs must not use up those of others.
            self._threads = CallThreads("Apprise")

    @property
    def is_configured(self) -> bool:
        return bool(self._settings.schemas)

    async def send(self, message: Outgoing) -> Receipt:
        """Send to the one URL of the contact."""
        if not self._settings.schemas:
            raise _unset("APPRISE_SCHEMAS names no service")
        await self._threads.run(lambda: self._send(message), self._settings.apprise_timeout)
        return Receipt()

    async def aclose(self) -> None:
        """Let its threads end; one that waits for a service ends with the call."""
        if self._settings.schemas:
            self._threads.close()

    def _send(self, message: Outgoing) -> None:
        from activities.channels.apprise_client import notify

        settings = self._settings
        url = settings.resolve(message.to.strip())
        schema, separator, _ = url.partition("://")
        if not separator or schema.lower() not in settings.schemas:
            shown = (
                schema[:20] if separator and _SCHEMA.fullmatch(schema) else "what it begins with"
            )
            raise _unset(f"the contact's URL is not used: APPRISE_SCHEMAS does not name {shown}")
        title = shorten(head_of(message), _TITLE_CHARS)
        notify(url, title, as_note(message), settings.apprise_timeout, settings.proxy)


def as_note(message: Outgoing) -> str:
    """The text, with the link for acknowledging at its end."""
    tail = ""
    if message.answer is not None:
        tail = f"Acknowledge {line(message.answer.code)}: {line(message.answer.url)}"
    body = body_of(message) or head_of(message)
    return fitted(body, "", tail, MAX_CHARS)


def _names(value: str) -> list[str]:
    return [name for name in value.replace(",", " ").lower().split() if name]


def _unset(detail: str) -> DeliveryError:
    return DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
