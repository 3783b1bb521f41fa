"""The long tail by Apprise: Discord, Telegram, Matrix, Teams and some 170 more, one URL per contact.

No receipts and no buttons: what has to be tracked has a channel of its own.
"""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import field_validator

from activities.channels.base import (
    Capabilities,
    Outgoing,
    Receipt,
    Seconds,
)
from activities.channels.call_threads import CallThreads
from activities.channels.references import ReferringSettings, unset
from activities.channels.shortening import body_of, fitted, head_of, shorten
from domain.text_limits import quiet
from templates.filters import line

MAX_CHARS = 1500
_TITLE_CHARS = 150
_SCHEMA = re.compile(r"[a-z][a-z0-9]*")
_CUT = "\N{ZERO WIDTH SPACE}"
_ACTIVE = re.compile(
    r"<(?=[@!#]|https?:|mailto:|users/|at>)|\](?=\()|@(?=everyone|here|channel|all\b)",
    re.IGNORECASE,
)
"""Where mentions of groups begin, wherever they stand, and links with a text of their own."""


class AppriseSettings(ReferringSettings):
    """Settings of the channel."""

    apprise_schemas: str = ""
    """The services that may be used, by the first word of their URLs: `discord, tgram`. Apprise has
    some that talk to the machine it runs on; none works that nobody has asked for."""
    apprise_timeout: Seconds = 10.0

    @field_validator("apprise_schemas")
    @classmethod
    def _are_schemas(cls, value: str) -> str:
        wrong = [name for name in _names(value) if not _SCHEMA.fullmatch(name)]
        if wrong:
            raise ValueError("must be names such as discord or tgram, with commas between them")
        return value

    @property
    def schemas(self) -> frozenset[str]:
        return frozenset(_names(self.apprise_schemas))


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
            raise unset("APPRISE_SCHEMAS names no service")
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
            raise unset(f"the contact's URL is not used: APPRISE_SCHEMAS does not name {shown}")
        title = calling_nobody(shorten(head_of(message), _TITLE_CHARS))
        notify(url, title, as_note(message), settings.apprise_timeout, settings.proxy)


def as_note(message: Outgoing) -> str:
    """The text, with the link for acknowledging at its end."""
    tail = ""
    if message.answer is not None:
        tail = f"Acknowledge {line(message.answer.code)}: {line(message.answer.url)}"
    body = calling_nobody(body_of(message) or head_of(message))
    return fitted(body, "", tail, MAX_CHARS)


def calling_nobody(text: str) -> str:
    """A text that mentions nobody in any chat, and in which no link hides behind other words."""
    return _ACTIVE.sub(rf"\g<0>{_CUT}", quiet(text))


def _names(value: str) -> list[str]:
    return [name for name in value.replace(",", " ").lower().split() if name]
