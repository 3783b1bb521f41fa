"""Facts about what is said, to whom, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from domain.aggregate import Fact
from domain.incident import Communications, Incident
from domain.messages import Delivery, DeliveryState, Purpose
from domain.policy.audiences import Place
from domain.rooms import RoomState
from domain.updates import Audience, Stage, Update, UpdateClock, UpdateStatus


class CommsOpened(Fact):
    """The channels are open."""

    room: str | None = None
    topic: str | None = None
    bridge: str | None = None
    document: str | None = None
    status_page: bool = False
    chat: str | None = None
    """Where the room is made; None: it is only named."""
    archive_room: Literal["never", "resolved", "closed"] | None = None
    private_room: bool | None = None

    def sentence(self) -> str:
        parts = [
            f"room {self.room}" if self.room else "",
            f"bridge {self.bridge}" if self.bridge else "",
            f"document {self.document}" if self.document else "",
            "status page" if self.status_page else "",
        ]
        return "Communications opened: " + (", ".join(p for p in parts if p) or "none by policy")

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        places = self.model_dump(exclude={"chat", "archive_room", "private_room"})
        incident.communications = Communications(**places, opened_at=at)
        if self.chat is not None:
            name = self.room or incident.id
            archive = self.archive_room or "closed"
            incident.room = RoomState(
                chat=self.chat, name=name, archive=archive, private=self.private_room
            )


class AssessmentAsked(Fact):
    """The questions of the assessment were put, with what is already known."""

    questions: list[str]
    known: dict[str, Any]

    def sentence(self) -> str:
        found = "; ".join(f"{k.replace('_', ' ')}: {_said(v)}" for k, v in self.known.items() if v)
        return f"Assessment asked for: {len(self.questions)} questions open. Known: {found or 'nothing'}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.known = self.known


class ConfirmationDue(Fact):
    """Acknowledged, and still nobody has said whether it is real."""

    stage: Stage

    def sentence(self) -> str:
        whom = "the incident manager" if self.stage is Stage.OWNER else "the deputy"
        return f"Not confirmed yet: {whom} is reminded to assess"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.confirm_reminders += 1 if self.stage is Stage.OWNER else 2


class UpdateDue(Fact):
    """An audience is owed an update."""

    audience: Audience
    stage: Stage
    due_at: datetime
    overtaken: int = 0

    def sentence(self) -> str:
        who = {"owner": "its owner", "deputy": "the deputy"}.get(self.stage, "the incident manager")
        missed = f" ({self.overtaken} earlier reminders overtaken)" if self.overtaken else ""
        since = f"{self.due_at:%H:%M} UTC"
        return f"{self.audience.capitalize()} update due since {since}: {who} is reminded{missed}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        clock = incident.clocks.get(self.audience)
        if clock is not None:
            clock.mark(at)


class UpdateDrafted(Fact):
    """A text is ready and waits for a person to publish it."""

    audience: Audience
    text: str

    def sentence(self) -> str:
        return f"{self.audience.capitalize()} update drafted, waiting for a person to publish it"


class UpdatePublished(Fact):
    """An audience was told something. The messages that carry it follow."""

    audience: Audience
    text: str
    status: UpdateStatus | None = None
    by: str
    variant: str = "follow_up"
    """Which text: initial, follow_up or final."""
    next_update_at: datetime | None = None
    audiences: list[str] | None = None
    """Which of the policy's; None where it is all of the side."""
    on_status_page: bool = True
    proposal: str | None = None
    """Under which id it waited for approval."""
    approved_by: str | None = None

    def sentence(self) -> str:
        stage = f" ({self.status})" if self.status else ""
        agreed = f", approved by {self.approved_by}" if self.approved_by else ""
        kind = f"{self.variant.replace('_', '-').capitalize()} {self.audience} update"
        return f"{kind}{stage}{agreed}: {self.text}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        keeps_promise = self._keeps_promise(incident)
        incident.updates.append(
            Update(
                at=at, audience=self.audience, text=self.text, status=self.status, actor=self.by,
                next_update_at=self.next_update_at, audiences=self.audiences,
                on_status_page=self.on_status_page and self.audience is Audience.EXTERNAL,
                approved_by=self.approved_by,
            )
        )  # fmt: skip
        incident.proposals = [one for one in incident.proposals if one.id != self.proposal]
        if keeps_promise:
            return
        if self.next_update_at is not None:
            interval = self.next_update_at - at
            incident.clocks[self.audience] = UpdateClock(base=at, interval=interval)
        else:
            incident.clocks.pop(self.audience, None)

    def _keeps_promise(self, incident: Incident) -> bool:
        """Whether the clock stands as it is: a text that was approved later than others heard it, or
        something newer, does not put off what they were promised."""
        clock = incident.clocks.get(self.audience)
        waited = next((one for one in incident.proposals if one.id == self.proposal), None)
        if clock is None or waited is None or self.next_update_at is None:
            return False
        is_sooner = clock.due_at <= self.next_update_at
        return is_sooner and incident.has_published(self.audience, since=waited.at)


_DETAIL_CHARACTERS = 200
"""Of a channel's words in a sentence of the timeline."""


class MessageSent(Fact):
    """A message reached everybody it was for."""

    purpose: Purpose
    what: str
    deliveries: list[Delivery]

    def sentence(self) -> str:
        return f"{self.what} sent to {_whom(self.deliveries)}"


class MessageFailed(Fact):
    """A message did not reach everybody it was for."""

    purpose: Purpose
    what: str
    will_retry: bool
    deliveries: list[Delivery]
    notes: list[str] = []

    def sentence(self) -> str:
        missed = [d for d in self.deliveries if d.state is not DeliveryState.SENT]
        reasons = "; ".join(
            dict.fromkeys([*(f"{d.recipient}: {_why(d)}" for d in missed), *self.notes])
        )
        if not missed:
            return f"{self.what}: {reasons}"  # everybody has it; a person should know how
        then = ", trying again" if self.will_retry else ""
        return f"{self.what} not delivered ({reasons}){then}"


class OperatorTold(Fact):
    """Something in Tocsin itself needs a look."""

    what: str

    def sentence(self) -> str:
        return f"Operator told: {self.what}"


def _said(value: Any) -> str:
    """A value that was found out, in a sentence; of an incident its id says enough."""
    if isinstance(value, list):
        return ", ".join(_said(item) for item in value)
    return str(value.get("id", value)) if isinstance(value, dict) else str(value)


def _whom(deliveries: list[Delivery]) -> str:
    return ", ".join(map(_one, deliveries)) or "nobody"


def _one(delivery: Delivery) -> str:
    if delivery.recipient == Place.SUBSCRIBERS and delivery.detail:
        return f"{delivery.recipient} ({delivery.detail})"  # all of them are one delivery
    name = delivery.recipient.partition(":")[2] or delivery.recipient
    if delivery.recipient == Place.STATUS_PAGE:
        name = "the status page"
        if delivery.channel == Place.STATUS_PAGE:
            return name
    return f"{name} by {delivery.channel}"


def _why(delivery: Delivery) -> str:
    if not delivery.detail:
        return str(delivery.reason)
    if delivery.recipient == Place.SUBSCRIBERS:
        return delivery.detail
    if delivery.retryable:
        return str(delivery.reason)
    # Nothing will mend it but a person, who has to know what to do.
    return f"{delivery.reason}, {delivery.detail[:_DETAIL_CHARACTERS]}"
