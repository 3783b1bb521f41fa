"""Messages that inform: one text, any number of recipients, each with an outcome of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog

from activities.channels.base import Outgoing
from activities.delivery import Postman
from activities.looking_up import PolicySource, why
from activities.recipients import SIDES, Addressees, View, addressees, without_policy
from activities.wording import announcement_text
from domain.errors import DeliveryReason
from domain.messages import Announce, Announced, Announcement, Delivery, DeliveryState, Purpose
from domain.policy.audiences import Place
from domain.policy.model import Policy
from domain.policy.person import Contact
from domain.spoken_update import SpokenUpdate
from domain.status_page.states import component_status, impact_of
from domain.updates import Audience
from templates.renderer import Rendered, Renderer

CHUNK = 50
"""Messages at once."""
BUDGET_SECONDS = 45.0
"""No new chunk is begun after this: the attempt has 60 s, and what it did must be reported."""
log = structlog.get_logger(__name__)


class SubscriberTelling(Protocol):
    """Tells whoever subscribed on the status page."""

    async def tell(self, update: SpokenUpdate, key: str, seconds: float) -> Delivery | None:
        """One attempt, of at most so many seconds.

        Returns:
            What became of all of them together, under `key`; None where nobody subscribed.
        """
        ...


class SitePublishing(Protocol):
    """Writes the public page anew where it stands as static files."""

    async def publish(self, view: View, key: str, settled: Collection[str]) -> list[Delivery]:
        """One attempt at every place that has it not yet, each with an outcome of its own."""
        ...


class Outside(NamedTuple):
    """How those outside know an incident's service: fields of a `SpokenUpdate`."""

    url: str | None = None
    component: str | None = None
    component_status: str = ""


def outside_of(policy: Policy, incident: View) -> Outside:
    """As the policy says now."""
    page = policy.status_page
    impact = impact_of(policy, str(incident.get("severity") or ""))
    component = page.statuspage_components.get(str(incident.get("service")))
    return Outside(page.url, component, component_status(impact).value)


class Words:
    """The words of one announcement, written once for each frame that its audiences have."""

    def __init__(
        self,
        renderer: Renderer,
        incident: View,
        organisation: str,
        announcement: Announcement,
        outside: Outside | None = None,
    ) -> None:
        self._renderer, self._incident = renderer, incident
        self._organisation, self._announcement = organisation, announcement
        self._written: dict[str, Rendered] = {}
        self.outside = outside or Outside()
        self.faults: list[str] = []

    def framed(self, frame: str | None) -> Rendered:
        """The message in a frame of its own, else in the announcement's."""
        folder = frame or self._announcement.template
        if folder not in self._written:
            own = self._announcement.model_copy(update={"template": folder})
            self._written[folder], faults = announcement_text(
                self._renderer, self._incident, self._organisation, own
            )
            self.faults += faults
        return self._written[folder]


@dataclass(frozen=True)
class Batch:
    """What all messages of one attempt share."""

    request: Announce
    words: Words
    frames: Mapping[str, str]
    spoken: SpokenUpdate | None


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
        subscribers: SubscriberTelling | None = None,
        site: SitePublishing | None = None,
    ) -> None:
        self._policy, self._renderer = policy, renderer
        self._subscribers, self._site = subscribers, site
        self._postman, self._clock = postman, clock

    async def announce(self, request: Announce) -> Announced:
        """One attempt: everybody who has no settled message yet."""
        found, organisation, outside = self._look_up(request)
        announcement = request.announcement
        words = Words(self._renderer, request.incident, organisation, announcement, outside)
        settled = set(announcement.settled)
        found.keep(announcement.only)
        many = found.reached.pop(Place.SUBSCRIBERS, None)
        wanted = {
            recipient: contact
            for recipient, contact in found.reached.items()
            if self._key(request, recipient, contact.channel) not in settled
        }
        if wanted or many:
            # A template of the organisation's own may take its time, and nothing else here waits for it.
            for frame in dict.fromkeys((None, *found.frames.values())):
                await asyncio.to_thread(words.framed, frame)
        if "operator" in wanted:
            subject = words.framed(None).subject
            log.error("operator told", incident=request.incident.get("id"), text=subject)
        spoken = self._spoken(request, words) if wanted or many else None
        batch = Batch(request, words, found.frames, spoken)
        subscribers = self._tell_subscribers(batch, settled) if many else _nobody()
        is_public = Place.STATUS_PAGE in found.reached
        site = self._publish_site(request, settled) if is_public else _nobody()
        deliveries, told, placed = await asyncio.gather(
            self._deliver_all(batch, wanted), subscribers, site
        )
        deliveries += [*told, *placed]
        no_policy = bool(found.unreached) and not organisation
        deliveries += [
            self._undelivered(
                request, recipient, "none", DeliveryReason.NO_CONTACT, detail, retryable=no_policy
            )
            for recipient, detail in found.unreached.items()
            if self._key(request, recipient, "none") not in settled
        ]
        deliveries += [
            self._undelivered(
                request, recipient, recipient, DeliveryReason.NO_CONTACT, detail, retryable=True
            )
            for recipient, detail in found.awaited.items()
            if self._key(request, recipient, recipient) not in settled
        ]
        return Announced(deliveries=deliveries, notes=[*found.notes, *words.faults])

    async def _publish_site(self, request: Announce, settled: set[str]) -> list[Delivery]:
        """The page itself, beside its note in the outbox."""
        if self._site is None or request.announcement.purpose is not Purpose.EXTERNAL_UPDATE:
            return []
        return await self._site.publish(request.incident, request.announcement.key, settled)

    async def _tell_subscribers(self, batch: Batch, settled: set[str]) -> list[Delivery]:
        """Everybody who subscribed, as one delivery: it goes on where the last attempt stopped."""
        key = self._key(batch.request, Place.SUBSCRIBERS, Place.SUBSCRIBERS)
        if self._subscribers is None or batch.spoken is None or key in settled:
            return []
        try:
            told = await self._subscribers.tell(batch.spoken, key, BUDGET_SECONDS)
        except Exception as error:
            # The subscribers' fault must not take the others' outcomes with it. Nobody is told twice by
            # another attempt: the ledger knows who was begun with.
            log.exception("subscribers not told", key=key)
            detail = f"{type(error).__name__} while telling the subscribers"
            return [
                self._undelivered(
                    batch.request, Place.SUBSCRIBERS, Place.SUBSCRIBERS,
                    DeliveryReason.SERVER_ERROR, detail, retryable=True,
                )
            ]  # fmt: skip
        return [told] if told is not None else []

    def _look_up(self, request: Announce) -> tuple[Addressees, str, Outside]:
        """Who it goes to, the organisation's name, and how the outside knows the incident."""
        try:
            _, policy = self._policy.current()
        except Exception as error:
            # Whatever keeps the policy from being read, the status page and the operator are reached.
            log.exception("policy unreadable")
            detail = f"the policy cannot be read: {why(error)}"
            return without_policy(request.announcement, detail), "", Outside()
        at = request.at or self._clock()
        found = addressees(request.announcement, request.incident, policy, self._postman, at)
        outside = outside_of(policy, request.incident)
        return found, policy.organisation.name or "Tocsin", outside

    async def _deliver_all(self, batch: Batch, wanted: dict[str, Contact]) -> list[Delivery]:
        started = time.monotonic()
        waiting = list(wanted.items())
        deliveries: list[Delivery] = []
        while waiting and time.monotonic() - started < BUDGET_SECONDS:
            chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
            deliveries += await asyncio.gather(*(self._deliver(batch, *entry) for entry in chunk))
        return deliveries + [
            self._undelivered(
                batch.request, recipient, contact.channel, DeliveryReason.TIMED_OUT,
                "its turn did not come in this attempt", retryable=True,
            )
            for recipient, contact in waiting
        ]  # fmt: skip

    async def _deliver(self, batch: Batch, recipient: str, contact: Contact) -> Delivery:
        request, rendered = batch.request, batch.words.framed(batch.frames.get(recipient))
        message = Outgoing(
            key=self._key(request, recipient, contact.channel),
            incident=str(request.incident.get("id") or ""),
            purpose=request.announcement.purpose,
            channel=contact.channel,
            to=contact.to,
            recipient=recipient,
            subject=rendered.subject,
            text=self._in_form(rendered, contact.channel),
            html=rendered.html,
            severity=str(request.incident.get("severity") or ""),
            update=batch.spoken,
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

    def _in_form(self, rendered: Rendered, channel: str) -> str:
        """The text in the form that the channel carries."""
        form = self._postman.form_of(channel)
        found = {"chat": rendered.chat, "short": rendered.short or rendered.chat}.get(form)
        return found or rendered.text

    @staticmethod
    def _spoken(request: Announce, words: Words) -> SpokenUpdate | None:
        """The update for a vendor's own form of an incident; None where nothing is published."""
        side = SIDES.get(request.announcement.purpose)
        said = request.announcement.context
        if side is None or "number" not in said:
            return None  # a text of the first version: its messages carry all there is
        incident = request.incident
        earlier = [one["at"] for one in incident.get("updates") or [] if one["audience"] == side]
        return SpokenUpdate(
            incident=str(incident.get("id") or ""),
            number=said["number"],
            side=side,
            variant=said["variant"],
            service=str(incident.get("service") or ""),
            service_name=str(incident.get("service_name") or incident.get("service") or ""),
            title=words.framed(None).subject,
            text=said["text"],
            status=said["status"],
            severity=str(incident.get("severity") or ""),
            at=said["at"],
            started_at=min(earlier, default=said["at"]),
            next_update_at=said["next_update_at"],
            **(words.outside._asdict() if side is Audience.EXTERNAL else {}),
        )

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


async def _nobody() -> list[Delivery]:
    return []
