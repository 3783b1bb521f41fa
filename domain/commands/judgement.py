"""Commands that judge: assess, set the severity, set the priority."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from domain.aggregate import Fact
from domain.assessment import Affected
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import Instant, ShortText, Text
from domain.facts import Assessed, Confirmed, PriorityChanged, SeverityChanged
from domain.incident import Incident, Status
from domain.names import require_known
from domain.policy.model import PageWhen
from domain.priority import PRIORITIES

MAX_COUNT = 10**12
"""Largest number of people or cases; every client and database can hold it."""

Priority = Literal["P1", "P2", "P3", "P4", "P5"]


def severity_facts(incident: Incident, severity: str, reason: str) -> list[Fact]:
    """What a change of severity comes to; whether it pages is decided here.

    It pages when the incident becomes major, or when its page was still held for working hours.
    """
    if severity == incident.severity:
        return []
    old, new = incident.policy.level(incident.severity), incident.policy.level(severity)
    wakes = old.page is not PageWhen.ALWAYS and new.page is PageWhen.ALWAYS
    may_page = incident.is_open and new.page is not PageWhen.NEVER
    owes = incident.status is Status.RESOLVED and new.postmortem_due is not None
    return [
        SeverityChanged(
            old=incident.severity,
            new=severity,
            reason=reason,
            pages=may_page and ((new.major and not old.major) or wakes),
            starts_postmortem=owes and not incident.owes_postmortem,
        )
    ]


class Assess(Command):
    """Answer some of the assessment's questions; pieces may come one by one and be revised."""

    name: ClassVar[str] = "assess"
    description: ClassVar[str] = "Answer the assessment's questions, confirm, adjust severity"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    customer_impact: Text | None = None
    employee_impact: Text | None = None
    symptoms: Text | None = None
    affected: Affected | None = None
    affected_count: int | None = Field(None, ge=0, le=MAX_COUNT)
    started_at: Instant | None = None
    support_cases: int | None = Field(None, ge=0, le=MAX_COUNT)
    factors: list[ShortText] | None = Field(None, max_length=20)
    confirmed: bool | None = None
    severity: str | None = None
    priority: Priority | None = None

    def check(self, incident: Incident, actor: str) -> None:
        if self.severity is not None:
            require_known("severity", self.severity, incident.policy.severities, "severity")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        answers = self.model_dump(
            mode="json", exclude_none=True, exclude={"confirmed", "severity", "priority"}
        )
        facts: list[Fact] = [Assessed(answers=answers)] if answers else []
        severity = self.severity or incident.severity
        facts += severity_facts(incident, severity, "assessment")
        # A severity that changes takes the priority along, unless a person has chosen one.
        follows = severity != incident.severity and not incident.has_own_priority
        old = incident.policy.priority_for(severity) if follows else incident.priority
        if self.priority is not None and self.priority != old:
            facts.append(PriorityChanged(old=old, new=self.priority, reason="assessment"))
        if self.confirmed and incident.confirmed_at is None:
            facts.append(Confirmed(severity=severity))
        return facts


class SetSeverity(Command):
    """Judge anew how bad it is; everything that depends on it is planned again."""

    name: ClassVar[str] = "set_severity"
    description: ClassVar[str] = "Change the severity, with a reason; becoming major pages at once"

    severity: str
    reason: Text

    def check(self, incident: Incident, actor: str) -> None:
        require_known("severity", self.severity, incident.policy.severities, "severity")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return severity_facts(incident, self.severity, self.reason)


class SetPriority(Command):
    """Judge anew which of several incidents comes first."""

    name: ClassVar[str] = "set_priority"
    description: ClassVar[str] = "Change the priority, with a reason"

    priority: Priority
    reason: Text

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        if self.priority == incident.priority:
            return []
        return [PriorityChanged(old=incident.priority, new=self.priority, reason=self.reason)]


assert Priority.__args__ == PRIORITIES  # type: ignore[attr-defined]
