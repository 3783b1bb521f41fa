"""What an open incident makes of alerts that reach it."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.alert import Alert, AlertStatus
from domain.commands.judgement import severity_facts
from domain.facts import AlertCleared, AlertPartlyCleared, Resolved
from domain.incident import Incident
from domain.raising import alert_facts


def take_alert(incident: Incident, alert: Alert, at: datetime) -> list[Fact]:
    """The facts of one alert on an incident that takes it.

    A firing alert of higher severity raises the incident's; severity never falls by itself.
    """
    held = incident.alerts.get(alert.key)
    if alert.status is AlertStatus.FIRING:
        facts = alert_facts(alert, incident.policy, is_new=held is None)
        severity = alert.severity or incident.policy.default_severity
        known = severity in incident.policy.severities
        # A repeat of what was already said does not overrule a person who has judged since.
        said = held.severity if held and held.status is AlertStatus.FIRING else None
        is_repeat = said is not None and not incident.policy.is_higher(severity, said)
        if known and not is_repeat and incident.policy.is_higher(severity, incident.severity):
            facts += severity_facts(incident, severity, f"alert from {alert.integration}")
        return facts
    if held is None or held.status is AlertStatus.RESOLVED:
        return []
    remaining = len([key for key in incident.firing() if key != alert.key])
    remaining += incident.untracked_firing
    if remaining:
        return [AlertPartlyCleared(key=alert.key, remaining=remaining)]
    # A heartbeat says itself what its return does to the incident that its absence raised.
    is_own = alert.on_clear is not None and incident.raised_by_alert == alert.key
    rule = alert.on_clear if is_own else incident.policy.on_clear
    facts = [AlertCleared(key=alert.key, resolves=rule == "resolve")]
    if rule == "resolve":
        due = incident.policy.level(incident.severity).postmortem_due
        facts.append(
            Resolved(
                summary="All alerts cleared; the policy resolves by itself",
                ended_at=alert.received_at if alert.received_at < at else at,
                owes_postmortem=due is not None or incident.has_postmortem,
            )
        )
    return facts
