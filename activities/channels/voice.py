"""Phone calls by Twilio: the incident is read out, a key acknowledges or escalates."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from activities.channels.base import Capabilities, Outgoing, Receipt
from activities.channels.speech import MAX_CHARS, as_twiml
from activities.channels.twilio_client import E164, Twilio, TwilioSettings
from domain.errors import DeliveryError, DeliveryReason

RING_SECONDS = "30"
"""Longer, and most mailboxes pick up."""


class VoiceSettings(TwilioSettings):
    """Settings of the channel."""

    twilio_voice_from: str | None = None
    """The number that calls; without it `TWILIO_FROM`, where that is a number."""

    @field_validator("twilio_voice_from")
    @classmethod
    def _is_number(cls, sender: str) -> str:
        if not E164.fullmatch(sender):
            raise ValueError("must be a number in international form such as +15550100")
        return sender

    @property
    def caller(self) -> str | None:
        """The number that calls."""
        if self.twilio_voice_from or not self.twilio_from:
            return self.twilio_voice_from
        return self.twilio_from if E164.fullmatch(self.twilio_from) else None


class VoiceChannel:
    """Calls people."""

    name: ClassVar[str] = "voice"
    capabilities: ClassVar[Capabilities] = Capabilities(
        pages=True, confirms_delivery=True, max_chars=MAX_CHARS, is_paid=True
    )

    def __init__(self, settings: VoiceSettings) -> None:
        self._caller = settings.caller
        has_all = settings.twilio_account_sid and settings.twilio_auth_token and self._caller
        self._twilio = Twilio(settings) if has_all else None

    @property
    def is_configured(self) -> bool:
        return self._twilio is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Call. What is said travels with the request, so that the call needs nothing of ours to speak."""
        if self._twilio is None or self._caller is None:
            raise DeliveryError(
                DeliveryReason.NOT_CONFIGURED, "Twilio is not set up for calls", retryable=False
            )
        form = {
            "To": message.to.strip(),
            "Twiml": as_twiml(message),
            # Twilio tells with the key press who picked up: a mailbox is left the message and never counts.
            "MachineDetection": "Enable",
            "Timeout": RING_SECONDS,
        }
        receipt_url = message.answer.receipt_url if message.answer else None
        if receipt_url:
            form |= {"StatusCallback": receipt_url, "StatusCallbackMethod": "POST"}
        sid = await self._twilio.call(self._caller, **form)
        return Receipt(vendor_id=sid, awaits_receipt=receipt_url is not None)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._twilio is not None:
            await self._twilio.aclose()
