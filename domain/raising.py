"""How an incident begins: from a person's declaration, or from alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domain.aggregate import Fact
from domain.alert import Alert
from domain.commands.judgement import Priority
from domain.commands.texts import ShortText, Text
from domain.facts import AlertFolded, AlertUnreadable, InMaintenance, Linked, Raised
from domain.incident import Incident
from domain.maintenance import Window, covering
from domain.policy.slice import PolicySlice


class Declare(BaseModel):
    """What a person says when raising an incident."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    service: ShortText
    severity: str | None = None
    summary: ShortText
    description: Text | None = None
    priority: Priority | None = None
    type: str | None = None
    reporter: ShortText | None = None
    detected_by: Literal["technology", "customer", "staff"] | None = None


class Origin(BaseModel):
    """Why an incident is raised: a declaration with who made it, or the alerts of one report."""

    declaration: dict[str, Any] | None = None
    actor: str = ""
    alerts: list[Alert] = []
    related: str | None = None
    """The incident before, when the same alert fires again."""
    received_at: datetime | None = None


def raise_incident(
    incident_id: str,
    origin: Origin,
    policy: PolicySlice,
    url: str,
    at: datetime,
    windows: Sequence[Window] = (),
) -> tuple[Incident, list[Fact]]:
    """The incident as it begins, and its first facts.

    Args:
        windows: maintenance of the service that is not over.
    """
    said = origin.declaration or {}
    first = origin.alerts[0] if origin.alerts else None
    severities = [alert.severity or policy.default_severity for alert in origin.alerts]
    severity = said.get("severity") or policy.default_severity
    for index, candidate in enumerate(severities):
        if index == 0 or policy.is_higher(candidate, severity):
            severity = candidate
    if severity not in policy.severities:
        severity = policy.default_severity
    priority = said.get("priority")
    reporter = said.get("reporter") or (f"alert:{first.integration}" if first else origin.actor)
    incident = Incident(
        id=incident_id,
        service=policy.service,
        policy=policy,
        url=url,
        summary=said.get("summary") or (first.summary if first else ""),
        description=said.get("description") or (first.description if first else ""),
        severity=severity,
        priority=priority or policy.priority_for(severity),
        has_own_priority=priority is not None,
        type=said.get("type") or "default",
        detected_by=said.get("detected_by") or ("technology" if first else "staff"),
        reporter=reporter,
        raised_at=at,
        detected_at=min((a.received_at for a in origin.alerts), default=origin.received_at or at),
        impact_started_at=min((a.starts_at for a in origin.alerts if a.starts_at), default=None),
        windows=list(windows),
    )
    facts: list[Fact] = [
        Raised(
            summary=incident.summary,
            severity=severity,
            priority=incident.priority,
            service=incident.service,
            reporter=reporter,
            detected_by=incident.detected_by,
            related=origin.related,
            alert=first.key if first else None,
        )
    ]
    window = covering(windows, at)
    if window is not None and first is None:
        # A person who declares means it: the page goes out, and says what they may not have known.
        facts.append(InMaintenance(window=window.id, reason=window.reason, until=window.end))
    facts += [fact for alert in origin.alerts for fact in alert_facts(alert, policy, is_new=True)]
    if origin.related:
        facts.append(Linked(target=origin.related, kind="related"))
    return incident, facts


def alert_facts(alert: Alert, policy: PolicySlice, *, is_new: bool) -> list[Fact]:
    """What one firing alert comes to, apart from what it does to the severity."""
    facts: list[Fact] = [
        AlertFolded(
            key=alert.key,
            severity=alert.severity or policy.default_severity,
            summary=alert.summary,
            count=alert.count,
            is_new=is_new,
            integration=alert.integration,
            link=alert.link,
        )
    ]
    facts += [AlertUnreadable(note=note, raw=alert.raw) for note in alert.notes]
    return facts
