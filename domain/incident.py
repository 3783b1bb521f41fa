"""The incident: everything that its facts add up to. Rules that decide are commands and clocks."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel

from domain.aggregate import Aggregate
from domain.alert import AlertState, AlertStatus
from domain.assessment import Assessment
from domain.escalation import PageRun
from domain.policy.slice import PolicySlice
from domain.priority import Rank
from domain.roles import INCIDENT_MANAGER
from domain.updates import Audience, Update, UpdateClock


class Status(StrEnum):
    RAISED = "raised"
    FIXING = "fixing"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OPEN = frozenset({Status.RAISED, Status.FIXING})
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.RAISED: frozenset({Status.FIXING, Status.RESOLVED, Status.CANCELLED}),
    Status.FIXING: frozenset({Status.RESOLVED, Status.CANCELLED}),
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


class Incident(Aggregate):
    """State of one incident."""

    ALERTS_KEPT: ClassVar[int] = 1000

    DETAILS: ClassVar[tuple[str, ...]] = (
        "id", "service", "summary", "description", "severity", "priority", "type", "status",
        "raised_at", "detected_at", "detected_by", "reporter", "impact_started_at", "acknowledged_at",
        "confirmed_at", "resolved_at", "closed_at", "impact_ended_at", "resolution", "roles",
        "responders", "alert_count", "updates", "theories", "experiments", "links", "url",
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
    untracked_firing: int = 0
    """Alerts that joined beyond `ALERTS_KEPT`: counted, and never known to have cleared."""
    assessment: Assessment = Assessment()
    known: dict[str, Any] = {}
    """What Tocsin found out for the assessment by itself."""
    updates: list[Update] = []
    theories: list[Theory] = []
    experiments: list[Experiment] = []
    links: list[Link] = []
    communications: Communications = Communications()
    rank: Rank | None = None
    pages: list[PageRun] = []
    clocks: dict[Audience, UpdateClock] = {}
    confirm_reminders: int = 0
    shift_reminded_at: datetime | None = None
    owes_postmortem: bool = False
    has_postmortem: bool = False
    hand_backs: int = 0
    """How often alerts that came too late were given back to the desk."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_over(self) -> bool:
        """Closed or cancelled: nothing more can happen."""
        return self.status in (Status.CLOSED, Status.CANCELLED)

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

    def has_published(self, audience: Audience) -> bool:
        return any(update.audience is audience for update in self.updates)

    def firing(self) -> list[str]:
        """Keys of the alerts that have not cleared."""
        return [key for key, alert in self.alerts.items() if alert.status is AlertStatus.FIRING]

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
            "communications": self.communications.model_dump(mode="json"),
            "next_update_due": {
                audience.value: _wire_time(self.clocks[audience].due_at)
                if audience in self.clocks
                else None
                for audience in Audience
            },
            "firing_count": len(self.firing()),
            "service_name": self.policy.service_name,
            "policy_version": self.policy.version,
            "version": self.seq,
        }


def _wire_time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
