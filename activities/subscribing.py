"""Asking an address whether it wants to hear of us: nobody is told anything before it has said so.

Mail and text messages get a link; a webhook gets a challenge, which it has to answer with.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Engine
from temporalio import activity

from activities.channels.base import Channel, Outgoing
from activities.channels.mail_headers import BulkMail
from activities.channels.outbox import Outbox
from activities.delivery import Mode
from activities.egress import Egress, EgressError, EgressRefusedError
from activities.looking_up import PolicySource
from activities.subscriber_sending import Links, Parcel, SubscriberSending, as_json, as_text_message
from activities.subscribers import SubscriberFanOut
from domain.messages import Purpose
from domain.subscribers import Invited, Subscriber, SubscriberKind, SubscriberState, Told
from records.database import RecordsUnavailableError
from records.subscribers import SubscriberBook
from templates.renderer import Rendered, Renderer, TemplateFaultError

log = structlog.get_logger(__name__)


Shared = tuple[PolicySource, Renderer, Outbox, Callable[[], datetime]]
"""What all activities have in common: policy, templates, outbox, and the time now."""


class Subscribing:
    """Invites subscribers, and forgets those who did not answer.

    Args:
        policy: read anew for each message.
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
        self.telling = SubscriberFanOut(policy, renderer, book, sending, links, clock)

    @classmethod
    def build(
        cls,
        shared: Shared,
        mode: Mode,
        channels: Mapping[str, Channel],
        egress: Egress,
        engine: Engine,
        links: Links,
    ) -> Subscribing:
        """Put together what tells subscribers, with channels and a database connection of its own."""
        policy, renderer, outbox, clock = shared
        sending = SubscriberSending(mode, channels, outbox, egress, links, clock)
        return cls(policy, renderer, SubscriberBook(engine), sending, links, clock)

    async def aclose(self) -> None:
        """Close what its channels keep open."""
        await self._sending.aclose()

    @activity.defn(name="invite_subscriber")
    async def invite(self, id_: str) -> Invited:
        """One attempt to ask; who has confirmed already is told so."""
        try:
            found = await asyncio.to_thread(self._book.find, id_)
            if found is None or found.state is SubscriberState.GONE:
                return Invited()
            if found.kind is SubscriberKind.WEBHOOK:
                return await self._challenge(found)
            return await self._write(found)
        except RecordsUnavailableError as error:
            return Invited(is_waiting=True, retryable=True, detail=str(error)[:200])

    @activity.defn(name="forget_unconfirmed")
    async def forget_unconfirmed(self) -> int:
        """Delete the addresses that nobody confirmed in time; how many.

        Raises:
            RecordsUnavailableError: retried.
        """
        return await asyncio.to_thread(self._book.forget_pending, self._clock())

    async def _write(self, found: Subscriber) -> Invited:
        is_pending = found.state is SubscriberState.PENDING
        if is_pending and not found.may_be_invited(self._clock()):
            return Invited(is_waiting=True, detail="asked often enough")
        sent = await self._sending.send([Parcel(found, self._message(found))])
        outcome = sent[found.id]
        if outcome.state in (Told.SENT, Told.UNCERTAIN):
            try:
                await asyncio.to_thread(self._book.note_invite, found.id)
            except RecordsUnavailableError as error:
                # It has left: asked for again it would be a second mail to who never asked for one.
                log.warning("an invitation is not counted", subscriber=found.id, why=str(error))
        return Invited(
            is_waiting=is_pending,
            retryable=outcome.state is Told.WAITING,
            detail=outcome.reason,
        )

    def _message(self, found: Subscriber) -> Outgoing:
        is_pending = found.state is SubscriberState.PENDING
        confirm, manage = (
            self._links.confirm(found.id, found.created_at),
            self._links.manage(found.id),
        )
        _, policy = self._policy.current()
        context: dict[str, Any] = {
            "organisation": policy.organisation.name,
            "incident": {},
            "topic": "confirm" if is_pending else "known",
            "confirm_url": confirm,
            "manage_url": manage,
        }
        words = self._words(context, confirm if is_pending else manage)
        common: dict[str, Any] = {
            "key": f"subscription/{found.id}/{found.state}/{found.invites}",
            "incident": "",
            "purpose": Purpose.SUBSCRIPTION,
            "channel": found.kind.value,
            "to": found.address,
            "recipient": f"subscriber:{found.id}",
            "subject": words.subject,
        }
        if found.kind is SubscriberKind.EMAIL:
            leave = self._links.leave(found.id)
            return BulkMail(**common, text=words.text, html=words.html, unsubscribe_url=leave)
        link = confirm if is_pending else manage
        subject, text = as_text_message(words.subject, words.short or "", link)
        return Outgoing(**common | {"subject": subject, "text": text})

    def _words(self, context: dict[str, Any], link: str) -> Rendered:
        """The text; ours where an organisation's own fails, or forgets the link."""
        try:
            found = self._renderer.render("subscriber_invite", context)
        except TemplateFaultError as error:
            log.exception("subscriber template failed", why=str(error))
        else:
            if link in found.text and (found.html is None or link in found.html):
                return found
        return self._renderer.built_in().render("subscriber_invite", context)

    async def _challenge(self, found: Subscriber) -> Invited:
        """Post a riddle to a webhook: only whoever runs it can say what was in it."""
        if found.state is not SubscriberState.PENDING or not found.may_be_invited(self._clock()):
            return Invited(is_waiting=found.state is SubscriberState.PENDING)
        challenge = secrets.token_urlsafe(24)
        said = {
            "type": "subscription.challenge",
            "timestamp": self._clock().isoformat().replace("+00:00", "Z"),
            "data": {
                "challenge": challenge,
                "secret": self._links.secret(found.id),
                "manage_url": self._links.manage(found.id),
            },
        }
        message = Outgoing(
            key=f"subscription/{found.id}/{challenge}",
            incident="",
            purpose=Purpose.SUBSCRIPTION,
            channel="webhook",
            to=found.address,
            recipient=f"subscriber:{found.id}",
            subject="challenge",
            text=as_json(said),
        )
        if not self._sending.is_live:
            await self._sending.send([Parcel(found, message)])
            return Invited(is_waiting=True, detail="delivery is outbox: nobody is asked")
        try:
            answer = await self._sending.ask(Parcel(found, message))
        except EgressRefusedError as error:
            log.warning("a webhook may not be asked", subscriber=found.id, why=str(error))
            return Invited(is_waiting=True, detail="the address may not be asked")
        except EgressError as error:
            return Invited(is_waiting=True, retryable=True, detail=str(error)[:200])
        if 200 <= answer.status < 300 and _answered(answer.body, challenge):
            await asyncio.to_thread(self._book.confirm, found.id, self._clock())
            return Invited()
        await asyncio.to_thread(self._book.note_invite, found.id)
        return Invited(is_waiting=True, retryable=True, detail=f"answered {answer.status}")


def _answered(body: bytes, challenge: str) -> bool:
    """Whether an answer is `{"challenge": "…"}` with ours."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    given = said.get("challenge") if isinstance(said, dict) else None
    return isinstance(given, str) and hmac.compare_digest(given.encode(), challenge.encode())
