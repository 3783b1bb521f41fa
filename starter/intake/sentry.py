"""Sentry's webhooks: issue alerts, issues, and metric alerts; of an installation there is no alert.

Source: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from domain.alert import Alert, AlertStatus
from starter.intake.formats import Format, NoAlert, first_text, from_json, links_of
from starter.intake.mapping import MAX_DESCRIPTION_CHARS, Sender, clean, instant, key_of, web_link
from starter.intake.received import Received
from starter.signatures import hmac_hex, same

RESOURCE = "sentry-hook-resource"
SIGNATURE = "sentry-hook-signature"
QUIET = ("installation", "comment", "seer")
"""Resources that are no alert."""
ISSUE_OVER = {
    "resolved": AlertStatus.RESOLVED,
    "archived": AlertStatus.RESOLVED,
    "ignored": AlertStatus.RESOLVED,
    "assigned": AlertStatus.ACKNOWLEDGED,
}
"""What is done to an issue; all else means that it is there."""
MAX_TAGS = 50
_PROJECT = re.compile(r"/projects/[^/\s]+/([^/\s]+)/events/")


def parse(received: Received, sender: Sender) -> list[Alert]:
    """Read one webhook."""
    resource = received.headers.get(RESOURCE, "").lower()
    return from_json(lambda payload, sender: _read(payload, sender, resource))(received, sender)


def _read(payload: Any, sender: Sender, resource: str) -> list[Alert]:
    data = payload.get("data") if isinstance(payload, dict) else None
    if resource in QUIET or (isinstance(data, dict) and "installation" in data):
        return NoAlert(f"Sentry's {resource or 'installation'} webhook is no alert")
    if not isinstance(data, dict):
        return [sender.unreadable(payload, "not a webhook of Sentry: it holds no data")]
    action = first_text(payload.get("action")).lower()
    for part, read in (("event", _event), ("issue", _issue), ("metric_alert", _metric)):
        if isinstance(data.get(part), dict):
            return [read(data[part], data, action, sender)]
    if isinstance(data.get("error"), dict):
        return [_event(data["error"], data, action, sender)]
    return [sender.unreadable(payload, "a webhook of Sentry without event, issue or metric alert")]


def _event(event: dict[str, Any], data: dict[str, Any], action: str, sender: Sender) -> Alert:
    """An alert rule of an issue was triggered by this event."""
    rule = first_text(data.get("triggered_rule"))
    labels = _labels(event, rule=rule)
    issue = first_text(
        event.get("issue_id"), str(event.get("issue_url", "")).rstrip("/").rpartition("/")[2]
    )
    message = first_text(event.get("message"), event.get("culprit"))
    return sender.alert(
        labels,
        key=f"issue/{issue}" if issue else key_of({"rule": rule, "title": event.get("title")}),
        status=AlertStatus.FIRING,
        summary=first_text(event.get("title"), message, rule),
        raw=data,
        description=clean(
            "\n".join(_lines(("Rule", rule), ("Culprit", event.get("culprit")))),
            MAX_DESCRIPTION_CHARS,
        ),
        starts_at=instant(event.get("datetime")),
        link=web_link(event.get("web_url")),
    )


def _issue(issue: dict[str, Any], data: dict[str, Any], action: str, sender: Sender) -> Alert:
    """An issue was created, resolved, assigned, archived or is there again."""
    status = ISSUE_OVER.get(action, AlertStatus.FIRING)
    if not action and issue.get("status") in ("resolved", "ignored"):
        status = AlertStatus.RESOLVED
    short = first_text(issue.get("shortId"))
    key = first_text(issue.get("id"))
    assigned = issue.get("assignedTo")
    by = (
        first_text(*(assigned.get(one) for one in ("email", "name")))
        if isinstance(assigned, dict)
        else ""
    )
    return sender.alert(
        _labels(issue, issue=short),
        key=f"issue/{key}" if key else key_of({"short": short, "title": issue.get("title")}),
        status=status,
        summary=first_text(issue.get("title"), short),
        raw=data,
        description=clean(
            "\n".join(_lines(("Issue", short), ("Culprit", issue.get("culprit")))),
            MAX_DESCRIPTION_CHARS,
        ),
        starts_at=instant(issue.get("firstSeen")),
        link=web_link(issue.get("web_url")) or web_link(issue.get("permalink")),
        by=clean(by, 200) or None if status is AlertStatus.ACKNOWLEDGED else None,
    )


def _metric(metric: dict[str, Any], data: dict[str, Any], action: str, sender: Sender) -> Alert:
    """A metric crossed a threshold: `critical`, `warning` or `resolved`."""
    notes = []
    if action not in ("critical", "warning", "resolved"):
        notes.append(f"action {action[:100]!r} means nothing here: taken as firing")
    found = metric.get("alert_rule")
    rule: dict[str, Any] = found if isinstance(found, dict) else {}
    labels = _labels(metric, rule=first_text(rule.get("name"), metric.get("title")))
    projects = metric.get("projects") or rule.get("projects")
    if isinstance(projects, list) and projects:
        labels.setdefault("project", projects[0])
        labels.setdefault("service", projects[0])
    if action in ("critical", "warning"):
        labels["severity"] = labels["level"] = action
    elif action == "resolved":
        # Nobody is paged by its end, so its severity need not be guessed.
        labels.setdefault("severity", "warning")
    key = first_text(metric.get("id"), metric.get("identifier"))
    return sender.alert(
        labels,
        key=f"metric/{key}" if key else key_of({"rule": rule.get("name")}),
        status=AlertStatus.RESOLVED if action == "resolved" else AlertStatus.FIRING,
        summary=first_text(data.get("description_title"), metric.get("title"), rule.get("name")),
        raw=data,
        notes=notes,
        description=clean(data.get("description_text"), MAX_DESCRIPTION_CHARS),
        starts_at=instant(metric.get("date_started")) or instant(metric.get("date_created")),
        link=web_link(data.get("web_url")),
        links=links_of(rule.get("web_url")),
    )


def _labels(said: dict[str, Any], **more: str) -> dict[str, Any]:
    """What rules and map see: tags, then level, project, environment and the like."""
    labels: dict[str, Any] = {}
    tags = said.get("tags")
    for tag in tags[:MAX_TAGS] if isinstance(tags, list) else ():
        pair = (tag.get("key"), tag.get("value")) if isinstance(tag, dict) else tag
        if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str):
            labels[pair[0]] = pair[1]
    project = said.get("project")
    if isinstance(project, dict):
        labels["project"] = project.get("slug") or project.get("name")
    elif project is not None:
        # An event says a number here; that its issue is resolved says the name, as do people.
        of_event = _PROJECT.search(first_text(said.get("url"))[:2000])
        labels["project"] = of_event.group(1) if of_event else project
    for name in ("level", "environment", "platform", "logger", "culprit", "priority"):
        if isinstance(said.get(name), str):
            labels[name] = said[name]
    labels |= {name: value for name, value in more.items() if value}
    if "level" in labels:
        labels.setdefault("severity", labels["level"])
    if "project" in labels:
        labels.setdefault("service", labels["project"])
    return labels


def _lines(*pairs: tuple[str, Any]) -> list[str]:
    return [f"{name}: {text}" for name, value in pairs if (text := first_text(value))]


def is_genuine(received: Received, secret: str, now: datetime) -> bool:
    """Sentry's HMAC over the body. It signs no time, so there is no window."""
    return same(received.headers.get(SIGNATURE, ""), hmac_hex(secret, received.body))


def delivery_id(received: Received) -> str | None:
    """Sentry's id of the request."""
    return received.headers.get("request-id") or None


FORMAT = Format("sentry", "Sentry", parse, verify=is_genuine, delivery_id=delivery_id)
