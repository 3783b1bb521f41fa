"""What an incident makes of what its desk hands it: alerts, and what their senders say of them."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.alert import Alert, AlertStatus
from domain.changes import change_of
from domain.commands.judgement import severity_facts
from domain.commands.paging import Acknowledge
from domain.facts import (
    AlertAcknowledged,
    AlertCleared,
    AlertPartlyCleared,
    Noted,
    Reopened,
    Resolved,
)
from domain.incident import Incident, Status
from domain.raising import alert_facts, change_fact
from domain.timeline import SYSTEM

MAX_FLAPS = 2
"""So often an incident is reopened and pages anew. Then it stays open when it clears: whoever has been woken
three times by one flapping alert knows of it, and says themselves when it is over."""
MAX_NOTE_CHARS = 25_000
"""Of a note that somebody wrote at the sender. Source: Opsgenie's limit for a note."""
MAX_NAME_CHARS = 200


def takes(incident: Incident, alert: Alert) -> bool:
    """Whether an incident takes an alert; what it does not take goes back to the desk.

    A cleared one goes back too: the firing one that it clears may be on its way back already.
    """
    if alert.status is AlertStatus.NOTED and incident.status is Status.RESOLVED:
        return True
    # A change goes nowhere: the desk knows it, and tells whatever comes next.
    return incident.is_open or alert.status is AlertStatus.CHANGED


def reopens(incident: Incident, alert: Alert, why: str) -> list[Fact]:
    """The facts of an alert that fires again so soon that the desk asks to reopen; none where it is too late.

    Args:
        why: the desk's words; empty where it does not ask.
    """
    fires = alert.status is AlertStatus.FIRING and alert.key in incident.alerts
    if not why or not fires or incident.status is not Status.RESOLVED:
        return []
    return [Reopened(reason=why, flaps=incident.flaps + 1)]


def take_alert(incident: Incident, alert: Alert, at: datetime, reason: str = "") -> list[Fact]:
    """The facts of one alert on an incident that takes it.

    A firing alert of higher severity raises the incident's; severity never falls by itself.

    Args:
        reason: why the desk gave it to this incident, in words.
    """
    if incident.storm is not None:
        # Two services may call different things the same.
        alert = alert.model_copy(update={"key": f"{alert.service}/{alert.key}"})
    match alert.status:
        case AlertStatus.FIRING:
            return _fires(incident, alert, reason)
        case AlertStatus.RESOLVED:
            return _clears(incident, alert, at)
        case AlertStatus.CHANGED:
            is_alert = incident.raised_by_alert is not None
            return [change_fact(change_of(alert), incident, is_alert)] if incident.is_open else []
    if alert.key not in incident.alerts:
        return []  # it is about something else
    if alert.status is AlertStatus.NOTED:
        text = alert.description or alert.summary
        return [Noted(text=text[:MAX_NOTE_CHARS], source=_at_sender(alert))]
    if said_by(incident, alert) == alert.by and alert.by is not None:
        return Acknowledge(via="sender").decide(incident, alert.by, at)
    by = _named(alert) or "somebody"
    return [AlertAcknowledged(key=alert.key, by=by, integration=alert.integration)]


def said_by(incident: Incident, alert: Alert) -> str:
    """Who stands on the timeline for what an alert says: a person of the policy, its sender, or nobody."""
    if alert.status not in (AlertStatus.ACKNOWLEDGED, AlertStatus.NOTED):
        return SYSTEM
    # Where a command counts only with a signature a sender's word about a person is no more than that.
    is_strict = incident.policy.trust.unsigned == "refuse"
    if alert.by in incident.policy.people and not is_strict:
        return str(alert.by)
    return f"alert:{alert.integration}"


def _fires(incident: Incident, alert: Alert, reason: str) -> list[Fact]:
    held = incident.alerts.get(alert.key)
    of = alert.service if incident.storm is not None else None
    facts = alert_facts(
        alert, incident.policy, is_new=held is None, reason=reason or None, service=of
    )
    severity = alert.severity or incident.policy.default_severity
    known = severity in incident.policy.severities
    # A repeat of what was already said does not overrule a person who has judged since.
    said = held.severity if held and held.status is AlertStatus.FIRING else None
    is_repeat = said is not None and not incident.policy.is_higher(severity, said)
    if known and not is_repeat and incident.policy.is_higher(severity, incident.severity):
        facts += severity_facts(incident, severity, f"alert from {alert.integration}")
    return facts


def _clears(incident: Incident, alert: Alert, at: datetime) -> list[Fact]:
    held = incident.alerts.get(alert.key)
    if held is None or held.status is AlertStatus.RESOLVED:
        return []
    remaining = len([key for key in incident.firing() if key != alert.key])
    remaining += incident.untracked_firing
    if remaining:
        return [AlertPartlyCleared(key=alert.key, remaining=remaining)]
    # A heartbeat says itself what its return does to the incident that its absence raised.
    is_own = alert.on_clear is not None and incident.raised_by_alert == alert.key
    rule = alert.on_clear if is_own else incident.policy.on_clear
    if rule == "resolve" and incident.flaps >= MAX_FLAPS:
        return [AlertCleared(key=alert.key, flaps=incident.flaps)]
    facts: list[Fact] = [AlertCleared(key=alert.key, resolves=rule == "resolve")]
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


def _at_sender(alert: Alert) -> str:
    by = _named(alert)
    return f"{by} at {alert.integration}" if by else alert.integration


def _named(alert: Alert) -> str:
    """Who said it, as far as the sender names them."""
    return alert.by[:MAX_NAME_CHARS] if alert.by and alert.by != alert.integration else ""
