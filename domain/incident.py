"""The incident: everything that its facts add up to. Rules that decide are commands and clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel

from domain.aggregate import Aggregate, Effect, Fact
from domain.alert import AlertBatch, AlertState, AlertStatus
from domain.assessment import Assessment
from domain.escalation import PageRun
from domain.hand_overs import HandOvers
from domain.held import HeldMessage
from domain.likely_cause import LikelyCause
from domain.maintenance import Window
from domain.paged import AwaitedReceipt, DeliveryReceipt
from domain.policy.model import PageWhen
from domain.policy.slice import PolicySlice
from domain.priority import Rank
from domain.proposals import Proposal
from domain.roles import INCIDENT_MANAGER
from domain.rooms import RoomState
from domain.storm import StormIncident
from domain.timeline import SYSTEM, Entry
from domain.updates import Audience, Update, UpdateClock, UpdateStatus


class Status(StrEnum):
    RAISED = "raised"
    FIXING = "fixing"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OPEN = frozenset({Status.RAISED, Status.FIXING})
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.RAISED: frozenset({Status.FIXING, Status.RESOLVED, Status.CANCELLED}),
    Status.FIXING: frozenset({Status.RAISED, Status.RESOLVED, Status.CANCELLED}),
    Status.RESOLVED: frozenset({Status.FIXING, Status.CLOSED}),
    Status.CLOSED: frozenset(),
    Status.CANCELLED: frozenset(),
}


class RoleState(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class RoleHolding(BaseModel):
    role: str
    person: str
    state: RoleState
    at: datetime
    reminded: bool = False
    """Whether the offer has gone unanswered long enough for the incident manager to hear of it."""


class Responder(BaseModel):
    person: str
    joined_at: datetime


class TheoryState(StrEnum):
    OPEN = "open"
    SUPPORTED = "supported"
    REFUTED = "refuted"


class Theory(BaseModel):
    id: str
    text: str
    state: TheoryState = TheoryState.OPEN
    reason: str | None = None


class Experiment(BaseModel):
    id: str
    theory: str | None = None
    text: str
    result: str | None = None


class Link(BaseModel):
    target: str
    kind: str


class Communications(BaseModel):
    """Where the incident is talked about."""

    room: str | None = None
    topic: str | None = None
    bridge: str | None = None
    document: str | None = None
    status_page: bool = False
    opened_at: datetime | None = None
    room_ref: str | None = None
    """The room's id at the chat's vendor; None where it is only named."""
    room_url: str | None = None
    room_trouble: str | None = None
    """Why the room cannot be used right now."""


class Incident(Aggregate):
    """State of one incident."""

    ALERTS_KEPT: ClassVar[int] = 1000
    RECEIPTS_KEPT: ClassVar[int] = 200

    DETAILS: ClassVar[tuple[str, ...]] = (
        "id", "service", "summary", "description", "severity", "priority", "type", "status",
        "raised_at", "detected_at", "detected_by", "reporter", "impact_started_at", "acknowledged_at",
        "confirmed_at", "resolved_at", "closed_at", "impact_ended_at", "resolution", "roles",
        "responders", "alert_count", "updates", "proposals", "theories", "experiments", "links", "url",
    )  # fmt: skip
    """Fields that the view shows as they are."""

    service: str
    policy: PolicySlice
    url: str = ""
    summary: str = ""
    description: str = ""
    severity: str = ""
    priority: str = ""
    has_own_priority: bool = False
    """Whether a person chose the priority; then a change of severity leaves it."""
    type: str = "default"
    status: Status = Status.RAISED
    detected_by: str = "technology"
    reporter: str | None = None
    raised_at: datetime
    detected_at: datetime | None = None
    impact_started_at: datetime | None = None
    impact_ended_at: datetime | None = None
    acknowledged_at: datetime | None = None
    confirmed_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    resolution: str | None = None
    roles: list[RoleHolding] = []
    responders: list[Responder] = []
    alerts: dict[str, AlertState] = {}
    alert_count: int = 0
    all_firing: bool = False
    """Whether none of the alerts that are held is known to have cleared: there is none to forget."""
    untracked_firing: int = 0
    """Alerts that joined beyond `ALERTS_KEPT`: counted, and never known to have cleared."""
    alert_batches: list[str] = []
    """Keys of hand-overs, as the first version kept them; an incident of that time may still carry some."""
    handed_over: HandOvers = HandOvers()
    """What desks handed over last: they may do so twice when a worker dies, or Temporal does not answer."""
    assessment: Assessment = Assessment()
    known: dict[str, Any] = {}
    """What Tocsin found out for the assessment by itself."""
    proposals: list[Proposal] = []
    """Updates that wait for a second person."""
    proposed: int = 0
    held: list[HeldMessage] = []
    """Messages for the public that may have gone out: each waits for a person's verdict."""
    updates: list[Update] = []
    theories: list[Theory] = []
    experiments: list[Experiment] = []
    links: list[Link] = []
    communications: Communications = Communications()
    room: RoomState | None = None
    """Its chat room, where Tocsin makes one."""
    rank: Rank | None = None
    pages: list[PageRun] = []
    reached: list[str] = []
    """Everybody for whom a page of this incident has left."""
    awaited: dict[str, AwaitedReceipt] = {}
    """Pages whose vendor will still say whether they arrived, by key; the newest 200."""
    early_receipts: dict[str, DeliveryReceipt] = {}
    """Receipts that came before the attempt had answered."""
    refused_channels: list[str] = []
    """Channels whose vendor does not know us any more, as the operator has been told."""
    handed: dict[str, Effect] = {}
    """Later pages that the entity of their person has, by key, with the shortest of texts."""
    elsewhere: dict[str, int] = {}
    """Other open incidents of each responder, as the records knew at the last fact."""
    overloaded: dict[str, str] = {}
    """Who was paged for more than they can handle, and the sentence about it."""
    acknowledged_by: str | None = None
    """Who took it first, or again after it was taken back."""
    last_sign_at: datetime | None = None
    """The last command of a responder."""
    last_activity_at: datetime | None = None
    """The last command, or the last word of an alert."""
    sign_asked_at: datetime | None = None
    """When the acknowledger was asked whether they are still on it; None once anybody has answered."""
    windows: list[Window] = []
    """Maintenance of the service, as the desk told it last."""
    raised_by_alert: str | None = None
    """Key of the alert that raised it; None where a person did."""
    likely_cause: LikelyCause | None = None
    """The incident for whose end its first page waited, or waits."""
    dependents: list[str] = []
    """Incidents whose pages wait for the end of this one; the newest 500."""
    storm: StormIncident | None = None
    """Of one that stands for a storm of alerts; None for any other."""
    clocks: dict[Audience, UpdateClock] = {}
    confirm_reminders: int = 0
    shift_reminded_at: datetime | None = None
    owes_postmortem: bool = False
    has_postmortem: bool = False
    flaps: int = 0
    """How often an alert that fired again has reopened it."""
    hand_backs: int = 0
    """How often alerts that came too late were given back to the desk."""

    def record(
        self,
        fact: Fact,
        at: datetime,
        actor: str = SYSTEM,
        follows: Callable[[Any, Fact, datetime, str], Iterable[Effect]] | None = None,
    ) -> Entry | None:
        """As the base; a responder who does something shows that the work goes on."""
        entry = super().record(fact, at, actor, follows)
        if actor != SYSTEM and self.is_responder(actor):
            self.last_sign_at, self.sign_asked_at = at, None
        if actor != SYSTEM or fact.name in (
            "alert_folded",
            "alert_partly_cleared",
            "alert_cleared",
        ):
            self.last_activity_at = at
        return entry

    def awaits(self, key: str, receipt: AwaitedReceipt) -> None:
        """A vendor will say what became of a page."""
        self.awaited[key] = receipt
        while len(self.awaited) > self.RECEIPTS_KEPT:
            del self.awaited[next(iter(self.awaited))]

    def keep_early(self, receipt: DeliveryReceipt) -> None:
        """A vendor was faster than our own attempt: its word counts once the attempt has answered."""
        self.early_receipts[receipt.key] = receipt
        while len(self.early_receipts) > self.RECEIPTS_KEPT:
            del self.early_receipts[next(iter(self.early_receipts))]

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_over(self) -> bool:
        """Closed or cancelled: nothing more can happen."""
        return self.status in (Status.CLOSED, Status.CANCELLED)

    @property
    def may_be_taken_back(self) -> bool:
        """Whether an acknowledgement can be taken back, so that somebody is paged again."""
        pages = self.policy.level(self.severity).page is not PageWhen.NEVER
        return self.status is Status.FIXING and self.acknowledged_at is not None and pages

    @property
    def is_major(self) -> bool:
        return self.policy.level(self.severity).major

    @property
    def incident_manager(self) -> str | None:
        holders = self.holders(INCIDENT_MANAGER)
        return holders[0] if holders else None

    def holders(self, role: str) -> list[str]:
        """Who has accepted the role, the first in charge, the second their deputy."""
        return [h.person for h in self.roles if h.role == role and h.state is RoleState.ACCEPTED]

    def holding(self, role: str, person: str) -> RoleHolding | None:
        for holding in self.roles:
            if holding.role == role and holding.person == person:
                return holding
        return None

    def roles_of(self, person: str) -> list[str]:
        """The roles that a person has accepted."""
        return [h.role for h in self.roles if h.person == person and h.state is RoleState.ACCEPTED]

    def is_responder(self, person: str) -> bool:
        return any(r.person == person for r in self.responders)

    def active_pages(self) -> list[PageRun]:
        return [run for run in self.pages if run.is_active]

    def run(self, run_id: str) -> PageRun | None:
        return next((run for run in self.pages if run.id == run_id), None)

    def has_published(self, audience: Audience, since: datetime | None = None) -> bool:
        return any(
            update.audience is audience and (since is None or update.at >= since)
            for update in self.updates
        )

    @property
    def public_status(self) -> UpdateStatus | None:
        """What the status page says of it; None where it says nothing."""
        said = [
            one for one in self.updates if one.audience is Audience.EXTERNAL and one.on_status_page
        ]
        return said[-1].status if said else None

    def is_new_batch(self, batch: AlertBatch) -> bool:
        """Whether these alerts have not been handed over before; remembers them by their key."""
        if not batch.key:
            return True
        if batch.key in self.alert_batches:
            return False
        return self.handed_over.is_new(batch.service, batch.key)

    def firing(self) -> list[str]:
        """Keys of the alerts that have not cleared."""
        return [key for key, alert in self.alerts.items() if alert.status is AlertStatus.FIRING]

    @property
    def still_fires(self) -> bool:
        """Whether any alert of it has not cleared."""
        return bool(self.firing()) or self.untracked_firing > 0

    def topic(self) -> str:
        """The room's topic: what, how bad, who has which role, the incident manager first."""
        named = [f"{self.policy.roles[h.role].title}: {h.person}" for h in self.roles
                 if h.state is RoleState.ACCEPTED and h.role in self.policy.roles]  # fmt: skip
        return " · ".join([f"{self.severity} {self.status}: {self.summary}", *named, self.url])

    def view(self) -> dict[str, Any]:
        """The incident as the outside sees it; `version` grows with every fact."""
        data = self.model_dump(mode="json", include=set(self.DETAILS))
        for role in data["roles"]:
            role.pop("reminded")
        position = self.rank.position if self.rank else None
        return data | {
            "major": self.is_major,
            "rank": {"position": position, "of": self.rank.of}
            if self.rank and self.is_open
            else None,
            "incident_manager": self.incident_manager,
            "assessment": self.assessment.answered(),
            "open_questions": self.assessment.open_questions(),
            "communications": self.communications.model_dump(mode="json")
            | {"room_awaited": self.room is not None and self.room.ref is None},
            "next_update_due": {
                audience.value: _wire_time(self.clocks[audience].due_at)
                if audience in self.clocks
                else None
                for audience in Audience
            },
            "public_status": self.public_status,
            "held": [one.shown() for one in self.held],
            "firing_count": len(self.firing()),
            "service_name": self.policy.service_name,
            "policy_version": self.policy.version,
            "version": self.seq,
        }


def _wire_time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
