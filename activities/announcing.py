"""Messages that inform: one text, any number of recipients, each with an outcome of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from activities.channels.base import Outgoing
from activities.delivery import Postman
from activities.looking_up import PolicySource, why
from activities.recipients import Addressees, addressees, without_policy
from activities.wording import announcement_text
from domain.errors import DeliveryReason
from domain.messages import Announce, Announced, Delivery, DeliveryState
from domain.policy.person import Contact
from templates.renderer import Rendered, Renderer

CHUNK = 50
"""Messages at once."""
BUDGET_SECONDS = 45.0
"""No new chunk is begun after this: the attempt has 60 s, and what it did must be reported."""
log = structlog.get_logger(__name__)


class Announcer:
    """Delivers announcements.

    Args:
        policy: read anew for each, so that a corrected address is used at once.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        policy: PolicySource,
        renderer: Renderer,
        postman: Postman,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._renderer = policy, renderer
        self._postman, self._clock = postman, clock

    async def announce(self, request: Announce) -> Announced:
        """One attempt: everybody who has no settled message yet."""
        found, organisation = self._look_up(request)
        announcement = request.announcement
        rendered, faults = announcement_text(
            self._renderer, request.incident, organisation, announcement
        )
        settled = set(announcement.settled)
        wanted = {
            recipient: contact
            for recipient, contact in found.reached.items()
            if self._key(request, recipient, contact.channel) not in settled
        }
        if "operator" in wanted:
            log.error("operator told", incident=request.incident.get("id"), text=rendered.subject)
        deliveries = await self._deliver_all(request, rendered, wanted)
        no_policy = bool(found.unreached) and not organisation
        deliveries += [
            self._undelivered(
                request, recipient, "none", DeliveryReason.NO_CONTACT, detail, retryable=no_policy
            )
            for recipient, detail in found.unreached.items()
            if self._key(request, recipient, "none") not in settled
        ]
        return Announced(deliveries=deliveries, notes=[*found.notes, *faults])

    def _look_up(self, request: Announce) -> tuple[Addressees, str]:
        try:
            _, policy = self._policy.current()
        except Exception as error:
            # Whatever keeps the policy from being read, the status page and the operator are reached.
            log.exception("policy unreadable")
            detail = f"the policy cannot be read: {why(error)}"
            return without_policy(request.announcement, detail), ""
        at = request.at or self._clock()
        found = addressees(request.announcement, request.incident, policy, self._postman, at)
        return found, policy.organisation.name or "Tocsin"

    async def _deliver_all(
        self, request: Announce, rendered: Rendered, wanted: dict[str, Contact]
    ) -> list[Delivery]:
        started = time.monotonic()
        waiting = list(wanted.items())
        deliveries: list[Delivery] = []
        while waiting and time.monotonic() - started < BUDGET_SECONDS:
            chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
            deliveries += await asyncio.gather(
                *(self._deliver(request, rendered, *entry) for entry in chunk)
            )
        return deliveries + [
            self._undelivered(
                request, recipient, contact.channel, DeliveryReason.TIMED_OUT,
                "its turn did not come in this attempt", retryable=True,
            )
            for recipient, contact in waiting
        ]  # fmt: skip

    async def _deliver(
        self, request: Announce, rendered: Rendered, recipient: str, contact: Contact
    ) -> Delivery:
        message = Outgoing(
            key=self._key(request, recipient, contact.channel),
            incident=str(request.incident.get("id") or ""),
            purpose=request.announcement.purpose,
            channel=contact.channel,
            to=contact.to,
            recipient=recipient,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            severity=str(request.incident.get("severity") or ""),
        )
        try:
            return await self._postman.deliver(message)
        except Exception as error:
            # One recipient's fault must not take the others' outcomes with it.
            log.exception("delivery failed", key=message.key)
            detail = f"{type(error).__name__} while delivering"
            return self._undelivered(
                request, recipient, contact.channel, DeliveryReason.SERVER_ERROR, detail,
                retryable=message.may_repeat,
            )  # fmt: skip

    def _undelivered(
        self, request: Announce, recipient: str, channel: str, reason: DeliveryReason,
        detail: str, *, retryable: bool,
    ) -> Delivery:  # fmt: skip
        return Delivery(
            key=self._key(request, recipient, channel),
            recipient=recipient,
            channel=channel,
            state=DeliveryState.FAILED,
            reason=reason.value,
            detail=detail,
            retryable=retryable,
            at=self._clock(),
        )

    @staticmethod
    def _key(request: Announce, recipient: str, channel: str) -> str:
        return f"{request.announcement.key}/{recipient}/{channel}"
