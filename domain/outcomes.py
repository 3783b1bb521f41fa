"""What an effect's result amounts to: the answers of the outside world, turned back into facts.

Those of pages are `page_outcomes.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from domain.aggregate import Effect, Fact, next_message_try
from domain.facts import (
    MessageFailed,
    MessageHeld,
    MessageSent,
    UpdateDrafted,
)
from domain.held import held_id
from domain.incident import Incident
from domain.messages import (
    Announced,
    Announcement,
    Delivery,
    DeliveryState,
    Purpose,
)
from domain.publishing import publications
from domain.timeline import SYSTEM
from domain.updates import Audience, UpdateStatus

MESSAGE_ATTEMPTS_SHOWN = 1
"""A failing message gets a fact at its first failure and when it is given up, not at each try."""
LONGEST_ASKED = timedelta(minutes=5)
"""A vendor that asks for more patience is tried all the same, as rarely as any other that fails."""
GIVE_UP_MESSAGE_AFTER = 60
"""Attempts at a message that is no page; about five hours."""


class Outcome(BaseModel):
    """Facts, and when to try the effect again; None settles it."""

    facts: list[Any] = []
    retry_at: datetime | None = None
    input: dict[str, Any] | None = None
    """The effect's input for the next attempt, where it differs."""


def announced(
    effect: Effect, result: Announced, attempt: int, now: datetime, *, heeds_wait: bool = True
) -> Outcome:
    """One attempt at an announcement has ended; who has it is not told twice.

    Args:
        heeds_wait: whether the next attempt waits as long as a vendor asks for, five minutes at most.
    """
    announcement = Announcement.model_validate(effect.input)
    what = describe(announcement)
    sent = [d for d in result.deliveries if d.state is DeliveryState.SENT]
    held = [d for d in result.deliveries if d.state is DeliveryState.HELD]
    failed = [d for d in result.deliveries if d.state is not DeliveryState.SENT and d not in held]
    unsettled = result.unsettled()
    will_retry = bool(unsettled) and attempt < GIVE_UP_MESSAGE_AFTER
    facts: list[Fact] = []
    if sent:
        facts.append(MessageSent(purpose=announcement.purpose, what=what, deliveries=sent))
    is_news = attempt <= MESSAGE_ATTEMPTS_SHOWN or not will_retry
    if (failed and is_news) or (result.notes and attempt <= MESSAGE_ATTEMPTS_SHOWN):
        facts.append(
            MessageFailed(
                purpose=announcement.purpose,
                what=what,
                will_retry=will_retry,
                deliveries=failed,
                notes=result.notes,
            )
        )
    facts += [_held(effect, announcement, delivery) for delivery in held]
    if not will_retry:
        return Outcome(facts=facts)
    settled = {d.key for d in result.deliveries} - {d.key for d in unsettled}
    following = announcement.model_copy(
        update={"settled": sorted({*announcement.settled, *settled})}
    )
    asked = timedelta(seconds=max((d.retry_after_seconds or 0 for d in unsettled), default=0))
    asked = min(asked, LONGEST_ASKED)
    return Outcome(
        facts=facts,
        retry_at=now + max(next_message_try(attempt - 1), asked if heeds_wait else timedelta(0)),
        input=following.model_dump(mode="json"),
    )


def _held(effect: Effect, announcement: Announcement, delivery: Delivery) -> MessageHeld:
    """A message that only a person can decide about."""
    again = announcement.model_dump(mode="json", exclude={"settled", "only"})
    return MessageHeld(
        message=held_id(delivery.key),
        recipient=delivery.recipient,
        channel=delivery.channel,
        what=describe(announcement),
        detail=delivery.detail,
        delivery=delivery.key,
        kind=effect.kind,
        announcement=again,
    )


def composed(incident: Incident, effect: Effect, text: str, now: datetime) -> list[Fact]:
    """A text of ours is ready: publish it, or leave it to a person as a draft."""
    audience = Audience(effect.input["audience"])
    variant = effect.input["variant"]
    if variant == "initial" and (not incident.is_open or incident.has_published(audience)):
        return []
    if variant == "final" and incident.is_open:
        return []  # reopened while it was being written
    if variant == "reopened" and not incident.is_open:
        return []
    if effect.input["draft"]:
        return [UpdateDrafted(audience=audience, text=text)]
    status = UpdateStatus.RESOLVED if variant == "final" else None
    if variant == "initial" and audience is Audience.EXTERNAL:
        status = UpdateStatus.INVESTIGATING
    return publications(incident, audience, text, status=status, by=SYSTEM, variant=variant, at=now)


def describe(announcement: Announcement) -> str:
    """What a message was, in words for the timeline."""
    context = announcement.context
    match announcement.purpose:
        case Purpose.PAGE_UPDATE:
            return f"Word that {context.get('taken_by')} took the page"
        case Purpose.INTERNAL_UPDATE | Purpose.EXTERNAL_UPDATE:
            kind = str(context.get("variant", "")).replace("_", "-")
            return f"{kind.capitalize()} {announcement.purpose.value.replace('_', ' ')}"
        case Purpose.ROLE:
            return f"Duties of {context.get('title')}"
        case Purpose.REMINDER:
            return f"Reminder ({str(context.get('topic')).replace('_', ' ')})"
        case Purpose.POSTMORTEM:
            return f"Postmortem message ({str(context.get('topic')).replace('_', ' ')})"
        case _:
            return "Message to the operator"


def unanswered(announcement: Announcement, why: str) -> Announced:
    """An attempt that ended without an answer: who got the message is not known."""
    delivery = Delivery(
        key=announcement.key,
        recipient=", ".join(announcement.recipients),
        channel="unknown",
        state=DeliveryState.UNCERTAIN,
        reason="timed_out",
        detail=why,
        retryable=True,
    )
    return Announced(deliveries=[delivery])
