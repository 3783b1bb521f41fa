"""How an incident begins: from a person's declaration, or from alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domain.aggregate import Fact
from domain.alert import Alert
from domain.changes import Change
from domain.commands.judgement import Priority
from domain.commands.texts import ShortText, Text
from domain.facts import (
    AlertFolded,
    AlertsFolded,
    AlertUnreadable,
    ChangeNoted,
    HeldForCause,
    InMaintenance,
    Linked,
    PagedWhileAway,
    Raised,
    RaisedApart,
)
from domain.incident import Incident
from domain.likely_cause import LikelyCause
from domain.maintenance import Window, covering
from domain.policy.model import PageWhen
from domain.policy.slice import PolicySlice
from domain.priority import PRIORITIES
from domain.storm import StormIncident, StormOrder


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
    unsigned: str = ""
    """Why the declaration counts as unsigned; empty where it is signed, or nobody asks."""
    alerts: list[Alert] = []
    related: str | None = None
    """The incident before, when the same alert fires again."""
    apart: str = ""
    """Why it is not part of what is open: `checkout-3: 10 min window over`."""
    reasons: dict[str, str] = {}
    """Why an alert is part of it with the first one, by the alert's id."""
    changes: list[Change] = []
    """What was changed on the service shortly before."""
    storm: StormOrder | None = None
    """The storm that it stands for; then there is neither a declaration nor an alert yet."""
    received_at: datetime | None = None


def raise_incident(
    incident_id: str,
    origin: Origin,
    policy: PolicySlice,
    url: str,
    at: datetime,
    windows: Sequence[Window] = (),
    cause: LikelyCause | None = None,
) -> tuple[Incident, list[Fact]]:
    """The incident as it begins, and its first facts.

    Args:
        windows: maintenance of the service that is not over.
        cause: the open incident for whose end its page waits.
    """
    said = _said_of(origin)
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
    kind = type_of(origin.alerts)
    incident = Incident(
        id=incident_id,
        service=policy.service,
        policy=policy,
        url=url,
        summary=said.get("summary") or (first.summary if first else ""),
        description=said.get("description") or (first.description if first else ""),
        severity=severity,
        priority=priority or _priority_for(severity, origin.alerts, policy),
        has_own_priority=priority is not None,
        type=said.get("type") or (kind if kind in policy.types else "default"),
        detected_by=said.get("detected_by") or ("technology" if first else "staff"),
        reporter=reporter,
        raised_at=at,
        detected_at=min((a.received_at for a in origin.alerts), default=origin.received_at or at),
        impact_started_at=min((a.starts_at for a in origin.alerts if a.starts_at), default=None),
        windows=list(windows),
        storm=StormIncident(integration=origin.storm.integration) if origin.storm else None,
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
    if window is not None and origin.declaration is not None:
        # A person who declares means it: the page goes out, and says what they may not have known.
        facts.append(InMaintenance(window=window.id, reason=window.reason, until=window.end))
    if origin.apart:
        facts.append(RaisedApart(reason=origin.apart))
    facts += [change_fact(change, incident, first is not None) for change in origin.changes]
    seen: set[str] = set()
    for alert in origin.alerts:
        why = origin.reasons.get(alert.id)
        facts += alert_facts(alert, policy, is_new=alert.key not in seen, reason=why)
        seen.add(alert.key)
    facts += folded_together(facts)
    if origin.related:
        facts.append(Linked(target=origin.related, kind="related"))
    if cause is not None:
        facts.append(Linked(target=cause.incident, kind="related"))
        if policy.level(severity).page is not PageWhen.NEVER:
            held = cause.model_dump(exclude={"incident"})
            facts.append(HeldForCause(run="p1", cause=cause.incident, **held))
    return incident, facts


def _said_of(origin: Origin) -> dict[str, Any]:
    """What is known beside alerts: what a person declares, or a storm is raised with."""
    if origin.storm is None:
        return origin.declaration or {}
    return {
        "severity": origin.storm.severity,
        "summary": origin.storm.summary(),
        "reporter": f"alert:{origin.storm.integration}",
        "detected_by": "technology",
    }


def type_of(alerts: Sequence[Alert]) -> str:
    """The type of the incident that alerts raise: of the first that has one.

    Whether the policy still has it is for whoever knows the policy to say.
    """
    return next((alert.type for alert in alerts if alert.type), "default")


def _priority_for(severity: str, alerts: Sequence[Alert], policy: PolicySlice) -> str:
    """By severity; where an integration maps any of the alerts, the most urgent of them all."""
    mapped = [alert.priority if alert.priority in PRIORITIES else None for alert in alerts]
    if not any(mapped):
        return policy.priority_for(severity)
    return min(
        priority or policy.priority_for(alert.severity or policy.default_severity)
        for alert, priority in zip(alerts, mapped, strict=True)
    )


def change_fact(change: Change, incident: Incident, is_alert: bool) -> ChangeNoted:
    """A change as it stands to the beginning of an incident, which an alert raised or a person."""
    first = incident.detected_at or incident.raised_at
    return ChangeNoted(
        summary=change.summary,
        changed_at=change.at,
        integration=change.integration,
        by=change.by,
        link=change.link,
        before_seconds=(first - change.at).total_seconds(),
        is_alert=is_alert,
    )


def folded_together(facts: Sequence[Fact]) -> list[Fact]:
    """Where several alerts came with one word of the desk: how many in all, for whoever only skims."""
    folded = [fact for fact in facts if isinstance(fact, AlertFolded)]
    if len(folded) < 2:
        return []
    reasons = dict.fromkeys(fact.reason for fact in folded if fact.reason)
    count = sum(fact.count for fact in folded)
    return [AlertsFolded(count=count, reason=next(iter(reasons)))] if reasons else []


def alert_facts(
    alert: Alert,
    policy: PolicySlice,
    *,
    is_new: bool,
    reason: str | None = None,
    service: str | None = None,
) -> list[Fact]:
    """What one firing alert comes to, apart from what it does to the severity.

    Args:
        service: whose it is, where the incident stands for several services.
    """
    facts: list[Fact] = [
        AlertFolded(
            key=alert.key,
            severity=alert.severity or policy.default_severity,
            summary=alert.summary,
            count=alert.count,
            is_new=is_new,
            integration=alert.integration,
            link=alert.link,
            links=list(dict.fromkeys([*alert.runbooks, *alert.links])) or None,
            reason=reason,
            service=service,
        )
    ]
    facts += [PagedWhileAway(text=text) for text in alert.paged_directly]
    facts += [AlertUnreadable(note=note, raw=alert.raw) for note in alert.notes]
    return facts
