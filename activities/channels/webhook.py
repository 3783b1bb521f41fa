"""Updates to other programs: Standard Webhooks 1.0, signed for each address with a secret of its own.

Addresses come from the policy, so they are asked by `activities/egress.py` and its rules. A repeat is safe:
`webhook-id` is the same at every attempt. Payloads: docs/webhooks.md.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import SecretStr, field_validator

from activities.channels.base import Capabilities, Outgoing, Receipt, Seconds
from activities.channels.references import ReferringSettings, unset
from activities.channels.refusals import from_egress, from_status
from activities.channels.shortening import shorten
from activities.egress import (
    Egress,
    EgressError,
    Fetched,
)
from domain.addresses import Allowed
from domain.messages import Purpose
from domain.spoken_update import SpokenUpdate
from domain.status_page.ids import public_id
from domain.updates import Audience
from domain.webhook_signing import MASTER_CHARS, endpoint_secret, message_id, signed_headers
from templates.filters import line, plain

MAX_BYTES = 20_000
"""Of a body. Source: Standard Webhooks 1.0, "Payload size"."""
_WHO = "the receiver"
_GONE = 410


class WebhookSettings(ReferringSettings):
    """Settings of the channel."""

    webhook_signing_key: SecretStr | None = None
    """Makes the secret of each address. No default: an unsigned update could be anybody's."""
    webhook_timeout: Seconds = 8.0
    tocsin_egress_allow: str = ""
    tocsin_egress_proxy: SecretStr | None = None

    @field_validator("webhook_signing_key")
    @classmethod
    def _is_long(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value()) < MASTER_CHARS:
            raise ValueError(
                f"must have at least {MASTER_CHARS} characters, such as 64 random ones"
            )
        return key

    @field_validator("tocsin_egress_allow")
    @classmethod
    def _names_hosts(cls, text: str) -> str:
        Allowed(text)
        return text


class WebhookChannel:
    """Posts to an address.

    Args:
        egress: the way out; left out: with the limits of the settings.
    """

    name: ClassVar[str] = "webhook"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=False)

    def __init__(self, settings: WebhookSettings, egress: Egress | None = None) -> None:
        self._settings = settings
        self._egress = egress or Egress(
            Allowed(settings.tocsin_egress_allow),
            proxy=settings.tocsin_egress_proxy or settings.tocsin_channel_proxy,
            seconds=settings.webhook_timeout,
        )

    @property
    def is_configured(self) -> bool:
        return self._settings.webhook_signing_key is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Post it, signed."""
        master = self._settings.webhook_signing_key
        if master is None:
            raise unset("WEBHOOK_SIGNING_KEY is not set")
        to = message.to.strip()
        url = await asyncio.to_thread(self._settings.resolve, to) if is_reference(to) else to
        body, was_cut = payload(message)
        secret = endpoint_secret(master.get_secret_value(), url)
        headers = signed_headers(secret, message_id(message.key), int(time.time()), body)
        answer = await self._post(url, body, {**headers, "Content-Type": "application/json"})
        if not 200 <= answer.status < 300:
            gone = (
                "it is gone for good: take it out of the policy" if answer.status == _GONE else ""
            )
            raise from_status(_WHO, answer.status, answer.headers.get("retry-after"), gone)
        return Receipt(detail=f"its text was cut to {MAX_BYTES} bytes" if was_cut else "")

    async def find(self, message: Outgoing) -> Receipt | None:
        """Nothing: a receiver cannot be asked, and need not be. It knows a repeat by `webhook-id`."""
        return None

    async def aclose(self) -> None:
        """Nothing is kept open."""

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Fetched:
        try:
            return await self._egress.post(url, body, headers, reads_answer=False)
        except EgressError as error:
            raise from_egress(error) from None


def is_reference(to: str) -> bool:
    """Whether a contact names where its address stands."""
    return to.startswith(("env:", "file:"))


def payload(message: Outgoing) -> tuple[bytes, bool]:
    """The body, and whether a text had to be cut: `{type, timestamp, data}`."""
    update = message.update
    if update is None:
        kind, at, data = f"incident.{message.purpose.value}", datetime.now(UTC), _notice(message)
    else:
        kind, at, data = "incident.update", update.at, _update(message, update)
    shell = {"type": kind, "timestamp": _wire(at), "data": data}
    body, was_cut = _encoded(shell), False
    while len(body) > MAX_BYTES and data["text"]:
        # A character takes six bytes at most; so nothing goes that did not have to.
        room = len(data["text"]) - max((len(body) - MAX_BYTES) // 6, 50)
        data["text"] = shorten(data["text"], max(room, 0))
        body, was_cut = _encoded(shell), True
    return body, was_cut


def _update(message: Outgoing, update: SpokenUpdate) -> dict[str, Any]:
    """Of an external one nothing but what is public: the status page's ids, and none of ours."""
    is_inside = update.side is Audience.INTERNAL and message.purpose is not Purpose.EXTERNAL_UPDATE
    said = {
        "audience": update.side.value,
        "variant": update.variant,
        "title": line(update.title),
        "text": plain(update.text),
        "status": update.status.value if update.status else None,
        "started_at": _wire(update.started_at),
        "next_update_at": _wire(update.next_update_at),
        "url": update.url,
    }
    name = line(update.service_name)
    if is_inside:
        return {
            "key": update.key,
            "incident": update.incident,
            "number": update.number,
            "service": update.service,
            "service_name": name,
            "severity": update.severity,
            **said,
        }
    public = {
        "key": public_id("update", f"{update.incident}/{update.number}"),
        "incident": public_id("incident", update.incident),
        "component": {"id": public_id("component", update.service), "name": name},
    }
    return {**public, **said, "audience": Audience.EXTERNAL.value}


def _notice(message: Outgoing) -> dict[str, Any]:
    said = {"title": line(message.subject), "text": plain(message.text)}
    if message.purpose is Purpose.EXTERNAL_UPDATE:  # one of the first version, without its update
        key, incident = public_id("update", message.key), public_id("incident", message.incident)
        return {"key": key, "incident": incident, **said}
    ours = {"key": message.key, "incident": message.incident, "severity": message.severity}
    return {**ours, **said}


def _encoded(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _wire(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None
