"""Facts about who does what: joining, leaving, roles offered, taken, declined and handed over."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.incident import Incident, Responder, RoleHolding, RoleState
from domain.roles import INCIDENT_MANAGER


def add_responder(incident: Incident, person: str, at: datetime) -> None:
    if not incident.is_responder(person):
        incident.responders.append(Responder(person=person, joined_at=at))


def hold(incident: Incident, role: str, person: str, state: RoleState, at: datetime) -> None:
    """Set who holds a role; a role for one holder passes from the one before.

    Holders stand in the order in which they accepted: the first is in charge, the second the deputy.
    """
    old = incident.holding(role, person)
    new = RoleHolding(role=role, person=person, state=state, at=at)
    before = incident.incident_manager
    if old is not None and (state is not RoleState.ACCEPTED or old.state is state):
        incident.roles = [new if h is old else h for h in incident.roles]
    else:
        incident.roles = [*(h for h in incident.roles if h is not old), new]
    if state is RoleState.ACCEPTED:
        leave_to_one(incident, role, person)
    begin_shift(incident, before, at)


def leave_to_one(incident: Incident, role: str, person: str) -> None:
    """Take a role that only one may hold from everybody else."""
    if not incident.policy.role(role).many:
        incident.roles = [h for h in incident.roles if h.role != role or h.person == person]


def take_charge(incident: Incident, person: str, at: datetime) -> None:
    """Make a person the incident manager, before everybody else who holds the role."""
    old = incident.holding(INCIDENT_MANAGER, person)
    new = RoleHolding(role=INCIDENT_MANAGER, person=person, state=RoleState.ACCEPTED, at=at)
    incident.roles = [new, *(h for h in incident.roles if h is not old)]
    leave_to_one(incident, INCIDENT_MANAGER, person)
    incident.shift_reminded_at = at


def begin_shift(incident: Incident, before: str | None, at: datetime) -> None:
    """Let the time in the chair begin when somebody else sits in it."""
    if incident.incident_manager != before:
        incident.shift_reminded_at = at


class Joined(Fact):
    """Somebody works on the incident."""

    person: str

    def sentence(self) -> str:
        return f"{self.person} joined"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        add_responder(incident, self.person, at)


class Left(Fact):
    """Somebody stopped working on the incident, and put their roles down."""

    person: str
    roles: list[str] = []

    def sentence(self) -> str:
        put_down = f", putting down {', '.join(self.roles)}" if self.roles else ""
        return f"{self.person} left{put_down}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        before = incident.incident_manager
        incident.responders = [r for r in incident.responders if r.person != self.person]
        incident.roles = [h for h in incident.roles if h.person != self.person]
        begin_shift(incident, before, at)


class Delegated(Fact):
    """A role was offered, with its written duties."""

    role: str
    title: str
    to: str

    def sentence(self) -> str:
        return f"{self.title} offered to {self.to}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        hold(incident, self.role, self.to, RoleState.OFFERED, at)


class RoleAccepted(Fact):
    """Somebody took a role."""

    role: str
    title: str
    person: str

    def sentence(self) -> str:
        return f"{self.person} is {self.title}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        hold(incident, self.role, self.person, RoleState.ACCEPTED, at)
        add_responder(incident, self.person, at)


class RoleDeclined(Fact):
    """Somebody did not take a role, or put it down."""

    role: str
    title: str
    person: str
    reason: str | None = None

    def sentence(self) -> str:
        return f"{self.person} declined {self.title}" + (f": {self.reason}" if self.reason else "")

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        hold(incident, self.role, self.person, RoleState.DECLINED, at)


class RoleUnanswered(Fact):
    """An offered role was neither taken nor declined in time."""

    role: str
    title: str
    person: str

    def sentence(self) -> str:
        return f"{self.person} has not answered the offer of {self.title}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        holding = incident.holding(self.role, self.person)
        if holding is not None:
            holding.reminded = True


class HandedOver(Fact):
    """A role passed from one person to another, with a briefing."""

    role: str
    title: str
    old: str | None
    to: str
    briefing: str

    def sentence(self) -> str:
        return f"{self.title} handed over from {self.old or 'nobody'} to {self.to}: {self.briefing}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        before = incident.incident_manager
        old = incident.holding(self.role, self.old) if self.old else None
        taken = incident.holding(self.role, self.to)
        new = RoleHolding(role=self.role, person=self.to, state=RoleState.ACCEPTED, at=at)
        # In the place of whoever hands over: a deputy's successor is a deputy.
        kept = [new if h is old else h for h in incident.roles if h is not taken]
        incident.roles = kept if old is not None else [*kept, new]
        leave_to_one(incident, self.role, self.to)
        add_responder(incident, self.to, at)
        begin_shift(incident, before, at)


class ShiftTooLong(Fact):
    """The incident manager has been in the chair for longer than is good."""

    person: str
    hours: float

    def sentence(self) -> str:
        return f"{self.person} has been incident manager for {self.hours:g} h: time for fresh eyes"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.shift_reminded_at = at
