"""Commands about the incident as a whole: resolve, reopen, cancel, apply the policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Fact
from domain.commands.approval import withdrawn
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import Instant, Text
from domain.errors import CommandError, Problem
from domain.facts import Cancelled, PolicyApplied, Reopened, Resolved
from domain.incident import Incident, Status
from domain.policy.slice import PolicySlice


class Resolve(Command):
    """The current or imminent business impact has ended. Source: Atlassian's incident handbook."""

    name: ClassVar[str] = "resolve"
    description: ClassVar[str] = "The business impact has ended"

    summary: Text
    ended_at: Instant | None = None

    def check(self, incident: Incident, actor: str) -> None:
        started = incident.impact_started_at
        if self.ended_at is not None and started is not None and self.ended_at < started:
            detail = f"the impact cannot have ended before it began ({started.isoformat()})"
            raise CommandError(self.name, [Problem(where="/ended_at", detail=detail)])

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        due = incident.policy.level(incident.severity).postmortem_due
        return [
            *withdrawn(incident, "the incident is resolved"),
            Resolved(
                summary=self.summary,
                ended_at=self.ended_at or at,
                owes_postmortem=due is not None or incident.has_postmortem,
            ),
        ]


class Reopen(Command):
    """It was not over after all."""

    name: ClassVar[str] = "reopen"
    description: ClassVar[str] = "Back to fixing: the impact goes on"
    allowed: ClassVar[frozenset[Any]] = frozenset({Status.RESOLVED})

    reason: Text

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [*withdrawn(incident, "the incident is reopened"), Reopened(reason=self.reason)]


class Cancel(Command):
    """A false alarm, or a duplicate of another incident."""

    name: ClassVar[str] = "cancel"
    description: ClassVar[str] = "Not an incident: a false alarm or a duplicate"

    reason: Text

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [*withdrawn(incident, "the incident is cancelled"), Cancelled(reason=self.reason)]


class ApplyPolicy(Command):
    """Follow the policy as it is now; the workflow fetches it and calls `apply`."""

    name: ClassVar[str] = "apply_policy"
    description: ClassVar[str] = (
        "Follow the current policy: steps, cadence and roles are planned anew"
    )
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return []

    @staticmethod
    def apply(incident: Incident, current: PolicySlice) -> list[Fact]:
        """The facts of following `current`; none when it is what the incident follows already."""
        if current == incident.policy:
            return []
        old = incident.policy.version
        return [PolicyApplied(old=old, new=current.version, pinned=current)]
