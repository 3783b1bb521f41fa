"""Email: by SendGrid's official client, and by SMTP where SendGrid is not set up or fails.

One mail at a time here; the same text for many is `activities/mailing.py`.
"""

from __future__ import annotations

import asyncio
import html
import logging
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr, field_validator

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
from activities.channels.mail_headers import AS_WRITTEN, BulkMail, check_headers, headers_of
from activities.channels.sendgrid_client import SendGrid
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from templates.filters import header, line

# The vendor's client logs whole requests, with the key, at debug level.
logging.getLogger("python_http_client").setLevel(logging.INFO)

SENDGRID_SHARE_SECONDS = 5.0
"""What SendGrid may use of one attempt where SMTP stands by: the fallback needs its turn too."""
SMTP_TIMEOUT_SECONDS = 4.0
WORLD, EUROPE = "https://api.sendgrid.com", "https://api.eu.sendgrid.com"
_ONLY_YOURS = "The link is yours alone. Opening it changes nothing; the button behind it does."
_BUTTON = (
    "display:inline-block;background:#1c1c1e;color:#ffffff;padding:12px 20px;"
    "border-radius:6px;text-decoration:none"
)


class EmailSettings(HttpSettings):
    """Settings of the channel."""

    sendgrid_api_key: SecretStr | None = None
    sendgrid_base_url: BaseUrl | None = None
    """Left out: where the region's API is."""
    sendgrid_region: Literal["global", "eu"] = "global"
    """`eu` keeps mails and addresses in the European Union; the key has to be of an EU subuser."""
    sendgrid_timeout: Seconds = 10.0
    """Of one call; the client itself would wait for ever."""
    sendgrid_event_key: str | None = None
    """SendGrid posts what became of each mail, signed with this: a page by mail waits for it."""
    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587`, or `smtps://` for TLS from the first byte. With a user TLS is
    demanded, without one it is used where offered; `?starttls=never` turns it off."""
    email_from: str = "tocsin@localhost"

    @property
    def sendgrid_url(self) -> str:
        """Where SendGrid is."""
        return self.sendgrid_base_url or (EUROPE if self.sendgrid_region == "eu" else WORLD)

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("must look like smtp://host:port or smtps://user:password@host:port")
        with suppress(ValueError):
            _ = parts.port
            return url
        raise ValueError("has a port that is no number")


class EmailChannel:
    """Sends mail."""

    name: ClassVar[str] = "email"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=True, html=True)

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._sendgrid: SendGrid | None = None
        if settings.sendgrid_api_key is not None:
            timeout = settings.sendgrid_timeout
            if settings.smtp_url is not None:
                timeout = min(timeout, SENDGRID_SHARE_SECONDS)
            key = settings.sendgrid_api_key.get_secret_value()
            self._sendgrid = SendGrid(
                key, settings.sendgrid_url, timeout, settings.email_from, settings.proxy
            )
            self._timeout = timeout
            # Its own threads: a vendor that hangs must not use up those that write files.
            self._threads = CallThreads("SendGrid")

    @property
    def is_configured(self) -> bool:
        return self._sendgrid is not None or self._settings.smtp_url is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Send by SendGrid, by SMTP when it cannot take the message now."""
        message = with_answer(message.filled() if isinstance(message, BulkMail) else message)
        check_headers(message, self._settings.email_from)
        if self._sendgrid is None:
            return await self._by_smtp(message)
        try:
            return await self._by_sendgrid(self._sendgrid, message)
        except DeliveryError as error:
            if not self._may_fall_back(message, error):
                raise
            return await self._fall_back(message, error)

    @property
    def takes_many(self) -> bool:
        """Whether one call may bring a text to many."""
        return self._sendgrid is not None

    @property
    def has_second_way(self) -> bool:
        """Whether SMTP stands by for what SendGrid cannot take."""
        return self._sendgrid is not None and self._settings.smtp_url is not None

    async def send_many(self, messages: Sequence[BulkMail]) -> Receipt:
        """One call for all of them, which are of one text and checked; all have it or none.

        Raises:
            RefusedPartError: because of some of them.
            DeliveryError: none has it, or for AnswerLostError: all may have it.
        """
        if self._sendgrid is None:
            raise ValueError("SMTP takes one mail at a time")
        client = self._sendgrid
        return await self._threads.run(lambda: client.send_many(messages), self._timeout)

    def check(self, message: Outgoing) -> None:
        """Raise DeliveryError, which is not retried, for a message that would never be taken."""
        check_headers(message, self._settings.email_from)

    async def aclose(self) -> None:
        """Let its threads end; one that waits for a vendor ends with the call."""
        if self._sendgrid is not None:
            self._threads.close()

    def _may_fall_back(self, message: Outgoing, error: DeliveryError) -> bool:
        if self._settings.smtp_url is None:
            return False
        if isinstance(error, AnswerLostError) and not message.may_repeat:
            return False
        return error.retryable or error.reason is DeliveryReason.UNAUTHORISED

    async def _fall_back(self, message: Outgoing, first: DeliveryError) -> Receipt:
        try:
            receipt = await self._by_smtp(message)
        except DeliveryError as second:
            detail = f"SendGrid: {first.detail}; SMTP: {second.detail}"
            # What may still succeed decides: an error for good is only one if both are.
            worse = first if first.retryable and not second.retryable else second
            if isinstance(first, AnswerLostError) or isinstance(second, AnswerLostError):
                raise AnswerLostError(worse.reason, detail) from second
            raise DeliveryError(
                worse.reason,
                detail,
                retryable=worse.retryable,
                retry_after_seconds=worse.retry_after_seconds,
            ) from second
        return receipt.model_copy(update={"detail": f"by SMTP, SendGrid failed: {first.detail}"})

    async def _by_sendgrid(self, client: SendGrid, message: Outgoing) -> Receipt:
        # The client's timeout is for each read; this one is for the whole call.
        receipt = await self._threads.run(lambda: client.send(message), self._timeout)
        is_awaited = message.purpose is Purpose.PAGE and bool(self._settings.sendgrid_event_key)
        return receipt.model_copy(update={"awaits_receipt": is_awaited})

    async def _by_smtp(self, message: Outgoing) -> Receipt:
        if self._settings.smtp_url is None:
            raise DeliveryError(
                DeliveryReason.NOT_CONFIGURED,
                "neither SendGrid nor SMTP is set up",
                retryable=False,
            )
        mail = as_mail(message, self._settings.email_from)
        options = smtp_options(self._settings.smtp_url.get_secret_value())
        try:
            async with asyncio.timeout(SMTP_TIMEOUT_SECONDS):
                await aiosmtplib.send(mail, timeout=SMTP_TIMEOUT_SECONDS, **options)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise from_smtp(error) from error
        return Receipt(vendor_id=message.key)


def with_answer(message: Outgoing) -> Outgoing:
    """The message with its link for acknowledging, in the text and in the HTML."""
    if message.answer is None:
        return message
    url, code = line(message.answer.url), line(message.answer.code)
    text = f"{message.text.rstrip()}\n\nAcknowledge {code}: {url}\n{_ONLY_YOURS}\n"
    page = message.html
    if page is not None:
        href, said = html.escape(url), html.escape(code)
        button = (
            f'<p style="margin:24px 0 8px"><a href="{href}" style="{_BUTTON}">'
            f"Acknowledge {said}</a></p>\n<p>{_ONLY_YOURS}</p>\n"
        )
        before, end, after = page.rpartition("</body>")
        page = before + button + end + after if end else page + button
    return message.model_copy(update={"text": text, "html": page})


def as_mail(message: Outgoing, sender: str) -> EmailMessage:
    """The message as mail: text, and HTML beside it where there is some."""
    mail = EmailMessage(policy=AS_WRITTEN)
    name, address = parseaddr(sender)
    mail["From"] = formataddr((name, address))
    mail["To"] = message.to.strip()
    mail["Subject"] = header(message.subject)
    for title, value in headers_of(message, sender).items():
        mail[title] = value
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    return mail


def smtp_options(url: str) -> dict[str, Any]:
    """What aiosmtplib wants to know, from the URL."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "smtps"
    start_tls: bool | None = None
    if is_tls or parse_qs(parts.query).get("starttls") == ["never"]:
        start_tls = False
    elif parts.username:
        start_tls = True
    return {
        "hostname": parts.hostname,
        "port": parts.port or (465 if is_tls else 587 if parts.username else 25),
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "use_tls": is_tls,
        "start_tls": start_tls,
    }


def from_smtp(error: Exception) -> DeliveryError:
    """Sort what SMTP raises: 4xx may pass later, 5xx stays."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        return from_smtp(error.recipients[0])
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500:
        detail = f"the SMTP server refuses the login: {error.code}"
        return DeliveryError(DeliveryReason.UNAUTHORISED, detail, retryable=False)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        detail = f"the SMTP server answered {error.code} {' '.join(error.message.split())[:200]}"
        # Below 400 it is no refusal but nonsense, or the code for a connection that broke off.
        if error.code >= 500:
            return DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
        return DeliveryError(DeliveryReason.SERVER_ERROR, detail, retryable=True)
    if isinstance(error, aiosmtplib.SMTPConnectTimeoutError):
        return DeliveryError(
            DeliveryReason.TIMED_OUT, "the SMTP server does not accept connections", retryable=True
        )
    if isinstance(error, TimeoutError):
        detail = "no answer from the SMTP server in time"
        return AnswerLostError(DeliveryReason.TIMED_OUT, detail)
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        detail = "the SMTP server closed the connection"
        return AnswerLostError(DeliveryReason.UNREACHABLE, detail)
    if isinstance(error, OSError):
        detail = f"the SMTP server cannot be reached: {type(error).__name__}"
        return DeliveryError(DeliveryReason.UNREACHABLE, detail, retryable=True)
    detail = f"SMTP refuses the message: {type(error).__name__}: {error}"
    return DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
