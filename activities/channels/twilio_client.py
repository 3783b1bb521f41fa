"""Twilio, as far as pages need it: send a text message, make a call. Inbound requests are not here.

Source: Twilio's REST API of 2010-04-01, `Messages` and `Calls`; form-encoded, basic auth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, field_validator

from activities.channels.base import BaseUrl, HttpSettings, Seconds
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_ENDED = frozenset({"failed", "undelivered", "canceled"})


class TwilioSettings(HttpSettings):
    """Settings that text messages and calls have in common."""

    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_from: str | None = None
    """Our number in international form; for text messages a short code or a messaging service too."""
    twilio_base_url: BaseUrl = "https://api.twilio.com"
    twilio_timeout: Seconds = 10.0

    @field_validator("twilio_account_sid")
    @classmethod
    def _is_account(cls, sid: str) -> str:
        if not _ACCOUNT.fullmatch(sid):
            raise ValueError("must be an account SID: AC and 32 hexadecimal digits")
        return sid

    @field_validator("twilio_from")
    @classmethod
    def _is_sender(cls, sender: str) -> str:
        if not any(kind.fullmatch(sender) for kind in (E164, _SERVICE, _SHORT_CODE)):
            raise ValueError("must be a number such as +15550100, a short code, or an MG… service")
        return sender


class Twilio:
    """Hands texts and calls over. One for a channel's whole life."""

    def __init__(self, settings: TwilioSettings) -> None:
        assert settings.twilio_account_sid is not None
        assert settings.twilio_auth_token is not None
        sid = settings.twilio_account_sid
        self._account = f"/2010-04-01/Accounts/{sid}"
        self._client = VendorClient(
            "Twilio",
            settings.twilio_base_url,
            settings.twilio_timeout,
            auth=(sid, settings.twilio_auth_token.get_secret_value()),
            proxy=settings.proxy,
            explain=_explain,
        )

    async def send_message(self, sender: str, **form: str) -> str:
        """Send a text message; answers its SID.

        Args:
            sender: a number, a short code or a messaging service.
            form: Twilio's parameters: `To`, `Body`, `StatusCallback`, …

        Raises:
            DeliveryError: as Twilio's answer is sorted.
        """
        name = "MessagingServiceSid" if _SERVICE.fullmatch(sender) else "From"
        return await self._create("/Messages.json", "SM", {name: sender, **form})

    async def call(self, sender: str, **form: str) -> str:
        """Make a call; answers its SID. See `send_message`."""
        return await self._create("/Calls.json", "CA", {"From": sender, **form})

    async def _create(self, path: str, kind: str, form: Mapping[str, str]) -> str:
        answer = await self._client.post(self._account + path, data=dict(form))
        sid, status = answer.get("sid"), answer.get("status")
        if not isinstance(sid, str) or sid[:2] not in (kind, "MM"):
            raise self._client.without_id()
        if status in _ENDED:
            detail = f"Twilio took it and says {status}: {_explain(answer)}"
            raise DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
        return sid

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _explain(answer: Mapping[str, Any]) -> str:
    """Twilio's own code and sentence: the code is what its documentation is sorted by."""
    code = answer.get("code") or answer.get("error_code")
    said = answer.get("message") or answer.get("error_message")
    return " ".join(str(part) for part in (code, said) if part)
