"""Text messages by Twilio. Short, because each part is paid for; answered by a reply or the link."""

from __future__ import annotations

import re
from typing import ClassVar

from activities.channels.base import Capabilities, Outgoing, Receipt
from activities.channels.shortening import body_of, fitted, head_of, shorten
from activities.channels.twilio_client import Twilio, TwilioSettings
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.text_limits import NETWORKS, SMS_PARTS, sms_parts
from templates.filters import line, plain
from templates.markdown import public_text

MAX_CHARS = 459
"""Three parts of 153 characters."""
_PLAIN = str.maketrans(
    {
        "…": "...", "–": "-", "—": "-", "·": "-", "•": "-", "→": "->", "’": "'", "‘": "'",
        "“": '"', "”": '"', "„": '"', "\N{NO-BREAK SPACE}": " ", "\t": " ",
    }
)  # fmt: skip
"""Each with what stands for it: one of them, and the message goes out in an alphabet of 67 characters a
part instead of 153."""
_UPDATES = (Purpose.INTERNAL_UPDATE, Purpose.EXTERNAL_UPDATE)
_OTHER_WAYS = re.compile(r"https?://|\btocsin ack\b")


class SmsSettings(TwilioSettings):
    """Settings of the channel."""


class SmsChannel:
    """Sends text messages."""

    name: ClassVar[str] = "sms"
    capabilities: ClassVar[Capabilities] = Capabilities(
        pages=True, confirms_delivery=True, form="short", max_chars=MAX_CHARS, is_paid=True
    )

    def __init__(self, settings: SmsSettings) -> None:
        self._sender = settings.twilio_from
        has_all = settings.twilio_account_sid and settings.twilio_auth_token and self._sender
        self._twilio = Twilio(settings) if has_all else None

    @property
    def is_configured(self) -> bool:
        return self._twilio is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Send it as one text message: a page of at most `MAX_CHARS` characters, an update of a few parts."""
        if self._twilio is None or self._sender is None:
            raise DeliveryError(
                DeliveryReason.NOT_CONFIGURED, "Twilio is not set up for SMS", retryable=False
            )
        is_update = message.purpose in _UPDATES
        body, note = as_update(message) if is_update else (as_sms(message), "")
        form = {"To": message.to.strip(), "Body": body}
        receipt_url = message.answer.receipt_url if message.answer else None
        if receipt_url:
            form["StatusCallback"] = receipt_url
        sid = await self._twilio.send_message(self._sender, **form)
        return Receipt(vendor_id=sid, detail=note, awaits_receipt=receipt_url is not None)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._twilio is not None:
            await self._twilio.aclose()


def as_update(message: Outgoing) -> tuple[str, str]:
    """The short form of an update as it is, and what it costs; cut where it would cost too much."""
    text = plain(message.text).strip().translate(_PLAIN) or line(message.subject)
    network, note = NETWORKS["sms"], ""
    if not network.has_room(text) and message.update is not None:
        # What the author wrote was found to fit before it was published; what stands around it gives way.
        text = public_text(message.update.text).strip().translate(_PLAIN)
        note = "sent without title and when the next one comes"
    while not network.has_room(text):
        text = shorten(text, len(text) - max(len(text) // 10, 4), mark="...")
        note = f"cut to {SMS_PARTS} parts"
    parts = sms_parts(text)
    return text, note or (f"in {parts} parts" if parts > 1 else "")


def as_sms(message: Outgoing) -> str:
    """The message in a few lines: what it is, as much of the text as fits, how to answer it."""
    body, tail = body_of(message), ""
    if message.answer is not None:
        tail = f"Reply ack {line(message.answer.code)} or open {line(message.answer.url)}"
        # Links are long, and one is enough; commands are for a terminal.
        kept = [said for said in body.splitlines() if not _OTHER_WAYS.search(said)]
        body = re.sub(r"\n{2,}", "\n", "\n".join(kept))
    head, body = head_of(message).translate(_PLAIN), body.translate(_PLAIN)
    return fitted(head, body, tail, MAX_CHARS, mark="...")
