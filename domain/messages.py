"""What leaves: messages, to whom, under which key, and what became of them.

No address is in here. A recipient is a name of the policy; the activity looks the contact up when it
sends, so that histories hold no phone number and a corrected number is used at once.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel


class Purpose(StrEnum):
    """Why a message leaves. The values are the wire format of the outbox."""

    PAGE = "page"
    PAGE_UPDATE = "page_update"
    INTERNAL_UPDATE = "internal_update"
    EXTERNAL_UPDATE = "external_update"
    ROLE = "role"
    REMINDER = "reminder"
    POSTMORTEM = "postmortem"
    REPORT = "report"
    """About a report of a customer or colleague: to whoever reported, or to those who should look at it."""
    SUBSCRIPTION = "subscription"
    """Asks whoever subscribed on the status page whether it was them."""
    OPERATOR = "operator"


class DeliveryState(StrEnum):
    """What became of one message."""

    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    """The vendor says that it has arrived."""
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    """The attempt ended without an answer: it may have gone out."""
    HELD = "held"
    """The public may have it, and that cannot be found out: a person looks and decides."""


class Delivery(BaseModel):
    """One message to one recipient over one channel, and its outcome."""

    key: str
    """Idempotency key, made from business facts: `incident/…`."""
    recipient: str
    """`person:alice`, `stakeholders:leadership/0`, `status_page`, `operator`."""
    channel: str
    state: DeliveryState
    reason: str | None = None
    """One of `DeliveryReason` when it failed."""
    detail: str = ""
    retryable: bool = False
    retry_after_seconds: float | None = None
    awaits_receipt: bool = False
    """Whether the vendor will say later what became of it; silence then counts as unconfirmed."""
    bundle: str | None = None
    """Id of the one message, where it held the pages of several incidents."""
    at: datetime | None = None


class Announcement(BaseModel):
    """A message to inform, not to page: one text, any number of recipients."""

    key: str
    purpose: Purpose
    template: str
    """Folder in `templates/`, with the variant after a slash: `internal_update/initial`."""
    recipients: list[str]
    """`person:P`, `stakeholders`, `status_page`, `catch_all`, `operator`, `next_step` (live look-ups)."""
    context: dict[str, Any] = {}
    """What the template needs beside the incident."""
    settled: list[str] = []
    """Keys of deliveries that an earlier attempt has settled: they are not sent again."""
    only: list[str] = []
    """Of everybody it leads to, only these: what a person has released goes nowhere else. Empty: all."""


class Announced(BaseModel):
    """The outcome of one attempt at an announcement."""

    deliveries: list[Delivery] = []
    notes: list[str] = []
    """What a person should know: a broken template, a group without contacts."""

    def unsettled(self) -> list[Delivery]:
        """Deliveries worth another attempt."""
        return [d for d in self.deliveries if d.state is not DeliveryState.SENT and d.retryable]


class ResolvePage(BaseModel):
    """Ask who is to be paged by one step, now."""

    key: str
    incident: dict[str, Any]
    """The incident's view (see `domain/incident.py`)."""
    run: str
    round: int
    step: int
    targets: list[str]
    reason: str = ""
    """Why a person was called in, for an escalation by hand."""
    late: bool = False
    wait_for_working_hours: bool = False
    at: datetime | None = None
    """Temporal's time now, for whom shifts, hours and plans say: a worker's clock may be wrong."""


class PlannedContact(BaseModel):
    """One contact of a person's plan."""

    channel: str
    contact: int
    """Number among the person's usable contacts, in the order of the policy."""
    after_seconds: float | None = None
    """Wait since the contact before it went out; None: only when that one fails or stays unconfirmed."""


class PageTarget(BaseModel):
    """One person to page and in which order their contacts are tried."""

    person: str
    channels: list[str]
    """Channel of each planned contact, in the order of the plan."""
    plan: list[PlannedContact] = []
    """Empty in what was written before plans: then the channels are the usable contacts in order."""
    schedule: str | None = None
    until: datetime | None = None
    why: str = ""


class PageText(BaseModel):
    """What a page says."""

    subject: str
    text: str
    html: str | None = None


class ResolvedPage(BaseModel):
    """Who is to be paged by one step, with the text, or when to ask again."""

    targets: list[PageTarget] = []
    text: PageText | None = None
    rank: dict[str, Any] | None = None
    hold_until: datetime | None = None
    """Working hours begin then, or the first quiet hours end; nobody is paged before."""
    hold_reason: str = ""
    """Why it is held, as a sentence's beginning; empty for working hours."""
    skipped: list[str] = []
    """Why a target yields nobody: no one on call, no contact."""
    faults: list[str] = []
    """A template that failed, a rank that could not be read: the page goes out all the same."""


class SendPage(BaseModel):
    """One attempt to page one person over one contact."""

    key: str
    incident_id: str
    severity: str
    person: str
    channel: str
    contact: int
    """Number of the contact in the person's list."""
    text: PageText
    attempt: int = 1
    run: str = ""
    round: int = 1
    step: str = ""
    """Label of the step that pages: `s2`, or `catch-all`."""
    service: str = ""
    is_first: bool = True
    """Whether it is the first page of this incident to this person: it goes out directly, always."""
    at: datetime | None = None
    """Temporal's time now: from then on its link holds for half an hour."""


class Announce(BaseModel):
    """One attempt at an announcement."""

    incident: dict[str, Any]
    """The incident's view."""
    announcement: Announcement
    at: datetime | None = None
    """Temporal's time now, for whom shifts say."""


class ComposeUpdate(BaseModel):
    """Ask for one of our own texts: the initial or final one of an audience."""

    incident: dict[str, Any]
    audience: str
    variant: str
    at: datetime | None = None
    """Temporal's time now."""


class Composed(BaseModel):
    """A text, and what went wrong on the way to it."""

    text: str
    faults: list[str] = []


class OpenChannels(BaseModel):
    """Ask for the incident's channels to be opened."""

    incident: dict[str, Any]
    topic: str


class OpenedChannels(BaseModel):
    """Where the incident is talked about."""

    room: str | None = None
    topic: str | None = None
    bridge: str | None = None
    document: str | None = None
    status_page: bool = False
    chat: str | None = None
    """Where the room is made; None: it is only named."""
    archive_room: Literal["never", "resolved", "closed"] | None = None
    private_room: bool | None = None
    faults: list[str] = []


class FindKnown(BaseModel):
    """Ask what is already known for the assessment."""

    incident: dict[str, Any]
    depends_on: list[str] = []
    runbooks: list[str] = []


class Known(BaseModel):
    """Start time, alert count, open incidents of what the service depends on, runbooks."""

    known: dict[str, Any] = {}
    faults: list[str] = []


class PinPolicy(BaseModel):
    """Ask for the slice of the current policy for an incident."""

    service: str
    type: str = "default"
    incident_id: str = ""
    """When given, the answer holds the incident's link for people."""


class NumberFloor(BaseModel):
    """The first number that no incident of a service has."""

    next_number: int
    note: str = ""
    """Why numbers were skipped, when the records could not be read."""
    open: list[dict[str, Any]] = []
    """Incidents of the service that the records list as open: a desk that was lost knows none."""
