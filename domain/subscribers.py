"""Readers of the status page who asked to be told: who they are, when they are told, when no more.

Nobody is told before they have confirmed. Whoever leaves is forgotten; an address that bounced or complained
is kept, so that it is never written to again. Kept by `records/subscribers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from domain.policy.contact_formats import E164

PENDING_LIFE = timedelta(hours=48)
"""An address that nobody confirmed is deleted after this, and its link is worth nothing any more."""
LEDGER_LIFE = timedelta(days=30)
"""How long it is kept who got which update."""
MOST = 50_000
"""Subscribers."""
MOST_PENDING = 2_000
"""Who have not confirmed: a flood of made-up addresses must end somewhere."""
MOST_INVITES = 3
"""Messages that ask one address to confirm, before it is deleted."""
MOST_FAILURES = 10
"""Updates in a row that a webhook may miss; then it is gone."""
MOST_ADDRESS_CHARS = {"email": 254, "sms": 16, "webhook": 1_000}
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]"
    r"[A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
"""What people have, not all that RFC 5321 allows: no quotes, no comments, ASCII only."""
_ODD = re.compile(r"^\.|\.\.|\.@|=\?")
"""Dots where none may be, and `=?…?=`, which mail programs read as another address."""


class SubscriberKind(StrEnum):
    """How a subscriber is told. The values are the wire format."""

    EMAIL = "email"
    SMS = "sms"
    WEBHOOK = "webhook"


class SubscriberState(StrEnum):
    PENDING = "pending"
    """Asked for, and not confirmed."""
    ACTIVE = "active"
    GONE = "gone"
    """Never written to again: it bounced, complained, or is dead."""


class Subscriber(BaseModel):
    """One address."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Random: whoever knows one knows no other."""
    kind: SubscriberKind
    address: str
    components: list[str] | None = None
    """Public ids of the components that they hear of; None is every one, also those to come."""
    state: SubscriberState = SubscriberState.PENDING
    reason: str = ""
    """Why it is gone."""
    created_at: datetime
    confirmed_at: datetime | None = None
    invites: int = 0
    """Messages that asked to confirm."""
    failures: int = 0
    """Updates in a row that did not arrive."""

    @property
    def masked(self) -> str:
        return masked(self.kind, self.address)

    def hears(self, component: str) -> bool:
        """Whether they are told of a component."""
        chosen = self.components is None or component in self.components
        return self.state is SubscriberState.ACTIVE and chosen

    def may_be_invited(self, at: datetime) -> bool:
        """Whether one more message may ask them to confirm."""
        is_waiting = self.state is SubscriberState.PENDING and not self.is_overdue(at)
        return is_waiting and self.invites < MOST_INVITES

    def is_overdue(self, at: datetime) -> bool:
        """Whether nobody confirmed in time: it is deleted."""
        return self.state is SubscriberState.PENDING and at - self.created_at >= PENDING_LIFE


class Told(StrEnum):
    """What became of one update for one subscriber. Kept in the records."""

    WAITING = "waiting"
    SENDING = "sending"
    """Begun; after a crash nobody knows what became of it."""
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    """It may have arrived, and is not sent again."""
    WITHDRAWN = "withdrawn"
    """They left before it was their turn."""


def clean_address(kind: SubscriberKind, text: str) -> str | None:
    """An address as it is kept, so that one address is one subscriber; None where it is none."""
    text = text.strip()
    if not text.isascii() or not text.isprintable() or len(text) > MOST_ADDRESS_CHARS[kind]:
        return None
    match kind:
        case SubscriberKind.EMAIL:
            name, _, domain = text.rpartition("@")
            is_one = _EMAIL.fullmatch(text) is not None and _ODD.search(text) is None
            return f"{name}@{domain.lower()}" if is_one else None
        case SubscriberKind.SMS:
            number = re.sub(r"[ ()/.-]", "", text)
            return number if E164.fullmatch(number) else None
        case SubscriberKind.WEBHOOK:
            return _clean_url(text)


def _clean_url(text: str) -> str | None:
    """Where it leads is checked when it is asked (`activities/egress.py`)."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc or " " in text:
        return None
    return text.partition("#")[0]


def masked(kind: SubscriberKind, address: str) -> str:
    """An address as logs, lists and details show it: enough to know it again, not enough to write to."""
    match kind:
        case SubscriberKind.EMAIL:
            name, _, domain = address.rpartition("@")
            return f"{name[:1]}…@{domain}"
        case SubscriberKind.SMS:
            return f"{address[:3]}…{address[-2:]}"
        case SubscriberKind.WEBHOOK:
            parts = urlsplit(address)
            return f"{parts.scheme}://{parts.hostname or ''}/…"


def counted(counts: Mapping[str, int], reasons: Mapping[str, int]) -> str:
    """What became of an update, in one sentence: `498 sent, 2 failed (bounced 1, rejected 1)`.

    Args:
        counts: subscribers by `Told`.
        reasons: those that failed, by why.
    """
    sent = counts.get(Told.SENT, 0) + counts.get(Told.DELIVERED, 0)
    parts = [f"{sent} sent"]
    if failed := counts.get(Told.FAILED, 0):
        why = ", ".join(f"{name} {count}" for name, count in sorted(reasons.items()) if count)
        parts.append(f"{failed} failed" + (f" ({why})" if why else ""))
    if uncertain := counts.get(Told.UNCERTAIN, 0):
        parts.append(f"{uncertain} uncertain: they may have it, and it is not sent again")
    if waiting := counts.get(Told.WAITING, 0) + counts.get(Told.SENDING, 0):
        parts.append(f"{waiting} not yet")
    return ", ".join(parts)


def shown(subscribers: Iterable[Subscriber]) -> list[dict[str, Any]]:
    """Subscribers as operators see them: no address."""
    hidden = {"address"}
    return [
        {"id": one.id, "address": one.masked} | one.model_dump(mode="json", exclude={"id", *hidden})
        for one in subscribers
    ]


class Invited(BaseModel):
    """What became of one attempt to ask an address whether it wants to hear of us."""

    is_waiting: bool = False
    """Whether somebody may confirm now: an address that nobody confirms is deleted in time."""
    retryable: bool = False
    detail: str = ""
