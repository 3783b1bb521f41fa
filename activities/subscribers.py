"""An external update for everybody who subscribed on the status page.

It goes on where the last attempt stopped: who is told, and who was, stands in the ledger
(`records/subscribers.py`). Subscribers read what the status page shows, and no word more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import structlog

from activities.channels.base import Outgoing
from activities.channels.mail_headers import BulkMail
from activities.looking_up import PolicySource
from activities.subscriber_sending import Links, Parcel, SubscriberSending, as_json, as_text_message
from domain.errors import DeliveryReason
from domain.messages import Delivery, DeliveryState, Purpose
from domain.policy.model import Policy
from domain.spoken_update import SpokenUpdate
from domain.status_page.ids import public_id
from domain.subscribers import Subscriber, SubscriberKind, Told, counted
from records.database import RecordsUnavailableError
from records.subscribers import Outcome, SubscriberBook, Tally
from templates.filters import line, plain
from templates.renderer import Rendered, Renderer, TemplateFaultError

CHUNK = 100
SETTLE_PAUSES = (0.5, 2.0)
AT_ONCE = 3
"""Chunks under way."""
CHUNK_SECONDS = 10.0
"""What one chunk may take: none is begun with less left."""
MANAGE = "https://mark.invalid/manage"
"""Stands in the common text for each reader's own link."""
P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)


class SubscriberFanOut:
    """Tells subscribers.

    Args:
        policy: read anew for each update.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        policy: PolicySource,
        renderer: Renderer,
        book: SubscriberBook,
        sending: SubscriberSending,
        links: Links,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._renderer, self._book = policy, renderer, book
        self._sending, self._links, self._clock = sending, links, clock
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="subscriber-book")

    async def tell(self, update: SpokenUpdate, key: str, seconds: float) -> Delivery | None:
        """One attempt, of at most so many seconds.

        Returns:
            What became of all of them together, under `key`; None where nobody subscribed.
        """
        until = time.monotonic() + seconds
        try:
            _, policy = self._policy.current()
            if not policy.service(update.service).public or not policy.status_page.subscribe:
                return None
            return await self._tell(policy, update, key, until)
        except RecordsUnavailableError as error:
            log.warning("subscribers cannot be told now", key=key, why=str(error))
            detail = f"the subscribers cannot be read: {error}"
            return self._delivery(key, DeliveryState.FAILED, detail, retryable=True)

    async def _tell(
        self, policy: Policy, update: SpokenUpdate, key: str, until: float
    ) -> Delivery | None:
        component = public_id("component", update.service)
        begun = await self._do(self._book.begin, key, component, self._clock())
        if not begun.everybody:
            return None
        words = await asyncio.to_thread(self._written, policy, update)
        is_stuck = False

        async def tell_chunks() -> None:
            nonlocal is_stuck
            while until - time.monotonic() > CHUNK_SECONDS and not is_stuck:
                claimed = await self._do(self._book.claim, key, CHUNK, begun.turn, self._clock())
                if not claimed:
                    return
                parcels = [Parcel(one, self._message(one, update, key, words)) for one in claimed]
                outcomes = await self._sending.send(parcels)
                await self._settle(key, outcomes)
                # A vendor that takes nothing now is not asked for everybody else as well.
                is_stuck |= all(one.state is Told.WAITING for one in outcomes.values())

        # All of them end before one's fault is told: nobody works on behind the attempt's back.
        ended = await asyncio.gather(
            *(tell_chunks() for _ in range(AT_ONCE)), return_exceptions=True
        )
        for fault in ended:
            if fault is not None:
                raise fault
        return self._summed_up(key, await self._do(self._book.tally, key, self._clock()))

    async def _settle(self, key: str, outcomes: Mapping[str, Outcome]) -> None:
        """Note what became of a chunk. What cannot be noted would count as uncertain: worth some patience."""
        for pause in SETTLE_PAUSES:
            try:
                await self._do(self._book.settle, key, outcomes, self._clock())
            except RecordsUnavailableError:
                await asyncio.sleep(pause)
            else:
                return
        await self._do(self._book.settle, key, outcomes, self._clock())

    def _summed_up(self, key: str, tally: Tally) -> Delivery:
        detail = counted(tally.counts, tally.reasons)
        if tally.counts.get(Told.WAITING, 0) + tally.counts.get(Told.SENDING, 0):
            return self._delivery(key, DeliveryState.FAILED, detail, retryable=True)
        has_it = tally.counts.get(Told.SENT, 0) + tally.counts.get(Told.DELIVERED, 0)
        if has_it or set(tally.counts) <= {Told.WITHDRAWN}:
            return self._delivery(key, DeliveryState.SENT, detail)
        state = (
            DeliveryState.UNCERTAIN if tally.counts.get(Told.UNCERTAIN) else DeliveryState.FAILED
        )
        return self._delivery(key, state, detail)

    def _delivery(
        self, key: str, state: DeliveryState, detail: str, *, retryable: bool = False
    ) -> Delivery:
        is_late = retryable and state is DeliveryState.FAILED
        reason = DeliveryReason.TIMED_OUT if is_late else DeliveryReason.REJECTED
        return Delivery(
            key=key,
            recipient="subscribers",
            channel="subscribers",
            state=state,
            reason=None if state is DeliveryState.SENT else reason.value,
            detail=detail[:500],
            retryable=retryable,
            at=self._clock(),
        )

    def _written(self, policy: Policy, update: SpokenUpdate) -> Rendered:
        """The text for everybody, with a mark where each has a link of their own."""
        context: dict[str, Any] = {
            "organisation": policy.organisation.name,
            "incident": {},
            "title": update.title,
            "text": update.text,
            "next_update_at": update.next_update_at,
            "url": update.url,
            "manage_url": MANAGE,
        }
        try:
            found = self._renderer.render("subscriber_update", context)
        except TemplateFaultError as error:
            log.exception("subscriber template failed", why=str(error))
            found = self._renderer.built_in().render("subscriber_update", context)
        if MANAGE not in found.text:  # whatever an organisation writes, there is a way out
            text = f"{found.text.rstrip()}\n\nUnsubscribe: {MANAGE}\n"
            found = found.model_copy(update={"text": text})
        if found.html is not None and MANAGE not in found.html:
            found = found.model_copy(update={"html": None})
        return found

    def _message(
        self, subscriber: Subscriber, update: SpokenUpdate, key: str, words: Rendered
    ) -> Outgoing:
        manage = self._links.manage(subscriber.id)
        common: dict[str, Any] = {
            "key": f"{key}/{subscriber.id}",
            "incident": update.incident,
            "purpose": Purpose.EXTERNAL_UPDATE,
            "channel": subscriber.kind.value,
            "to": subscriber.address,
            "recipient": f"subscriber:{subscriber.id}",
            "subject": words.subject,
        }
        match subscriber.kind:
            case SubscriberKind.EMAIL:
                return BulkMail(
                    **common,
                    text=words.text,
                    html=words.html,
                    unsubscribe_url=self._links.leave(subscriber.id),
                    marks={MANAGE: manage},
                )
            case SubscriberKind.SMS:
                said = line(words.short or update.text).replace(MANAGE, manage)
                subject, text = as_text_message(words.subject, said, f"More, or stop: {manage}")
                return Outgoing(**common | {"subject": subject, "text": text})
            case SubscriberKind.WEBHOOK:
                return Outgoing(**common, text=as_json(_posted(update, manage)))

    async def _do(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))


def _posted(update: SpokenUpdate, manage: str) -> dict[str, Any]:
    """What a webhook gets: the public ids of the status page, none of ours."""
    return {
        "type": "status.update",
        "timestamp": _wire(update.at),
        "data": {
            "id": public_id("update", f"{update.incident}/{update.number}"),
            "incident": public_id("incident", update.incident),
            "component": {
                "id": public_id("component", update.service),
                "name": line(update.service_name),
            },
            "title": line(update.title),
            "status": update.status.value if update.status else None,
            "text": plain(update.text),
            "next_update_at": _wire(update.next_update_at),
            "url": update.url,
            "manage_url": manage,
        },
    }


def _wire(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None
