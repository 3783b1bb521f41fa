"""PagerDuty's Events API v2: what tools send whose PagerDuty address was changed to ours.

An event triggers, acknowledges or resolves the alert with its `dedup_key`; a change event tells of a
deployment. What PagerDuty refuses is refused in its words, so that its clients behave.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview; the words of refusals are those
that its clients' issue trackers quote.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.alert import Alert, AlertStatus
from domain.errors import IntakeError
from domain.mapping import CONTROL
from starter.intake.formats import Format
from starter.intake.mapping import (
    MAX_DESCRIPTION_CHARS,
    MAX_SUMMARY_CHARS,
    Sender,
    clean,
    instant,
    short_key,
    shorten,
    web_link,
)
from starter.intake.received import Received, TooDeepError

ACTIONS = {
    "trigger": AlertStatus.FIRING,
    "acknowledge": AlertStatus.ACKNOWLEDGED,
    "resolve": AlertStatus.RESOLVED,
}
SEVERITIES = ("critical", "error", "warning", "info")
MAX_EVENT_SUMMARY_CHARS = 1024
MAX_DEDUP_KEY_CHARS = 255
MAX_CLIENT_CHARS = 100
CONTEXT = ("source", "component", "group", "class")
"""Fields of a payload that are labels too, where no detail has their name."""
_LABELS = re.compile(r"^Labels:\n((?: - .*\n?)*)", re.MULTILINE)
_LABEL = re.compile(r"^ - (\S+) = (.*)$", re.MULTILINE)
_TWO_ZONES = re.compile(r"([+-]\d\d:\d\d)Z$")
"""What the `pagerduty` package makes of the time of a change."""

Event = dict[str, Any]


class InvalidEventError(IntakeError):
    """An event that PagerDuty refuses too. Not retried by its clients.

    Args:
        errors: each mistake in PagerDuty's words.
    """

    def __init__(self, errors: list[str], message: str = "Event object is invalid") -> None:
        self.errors, self.message = errors, message
        super().__init__(f"{message}: {'; '.join(errors)}")


def read(received: Received) -> Event:
    """The event that a request holds.

    Raises:
        InvalidEventError: it is no JSON object.
    """
    try:
        event = received.json()
    except (IntakeError, TooDeepError):
        event = None
    if not isinstance(event, dict):
        raise InvalidEventError(["JSON parse error"], "Event object format is unrecognized")
    return event


def routing_key(event: Event, headers: Mapping[str, str]) -> str:
    """The integration's key; older clients of PagerDuty send it as a header.

    Raises:
        InvalidEventError: there is none.
    """
    named = _text(event.get("routing_key")) or _text(event.get("service_key"))
    given = named or headers.get("x-routing-key", "").strip()
    if not given:
        raise InvalidEventError(["'routing_key' is missing or blank"])
    return given


def check(event: Event) -> None:
    """Refuse what PagerDuty refuses.

    Raises:
        InvalidEventError: naming every mistake.
    """
    action, errors = _text(event.get("event_action")), []
    if not action:
        errors.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        errors.append(_one_of("event_action", tuple(ACTIONS)))
    dedup_key = _text(event.get("dedup_key"))
    if not dedup_key and action in ("acknowledge", "resolve"):
        errors.append("'dedup_key' is missing or blank")
    if len(dedup_key) > MAX_DEDUP_KEY_CHARS:
        errors.append(f"'dedup_key' is too long (maximum is {MAX_DEDUP_KEY_CHARS} characters)")
    if action == "trigger":
        errors += _wrong_in_payload(event.get("payload"), ("summary", "source", "severity"))
    if errors:
        raise InvalidEventError(errors)


def check_change(event: Event) -> None:
    """As `check`, for a change event."""
    if errors := _wrong_in_payload(event.get("payload"), ("summary",)):
        raise InvalidEventError(errors)


def _wrong_in_payload(payload: Any, required: tuple[str, ...]) -> list[str]:
    if not isinstance(payload, dict) or not payload:
        return ["'payload' is missing or blank"]
    errors = [
        f"'payload.{name}' is missing or blank" for name in required if not _text(payload.get(name))
    ]
    if len(_text(payload.get("summary"))) > MAX_EVENT_SUMMARY_CHARS:
        # Spelled as PagerDuty spells it: somebody may look for these words.
        limit = f"maiximum is {MAX_EVENT_SUMMARY_CHARS} characters"
        errors.append(f"'summary' is too long ({limit})")
    severity = _text(payload.get("severity"))
    if "severity" in required and severity and severity.lower() not in SEVERITIES:
        errors.append(_one_of("payload.severity", SEVERITIES))
    return errors


def _one_of(name: str, values: tuple[str, ...]) -> str:
    *most, last = (f"'{value}'" for value in values)
    said = f"{', '.join(most)} or {last}"
    return f"'{name}' is invalid (must be one of the following: {said})"


def from_first_version(event: Event) -> Event:
    """An event of the Events API version 1 in the words of version 2. It knows no severity."""
    details = event.get("details")
    links = event.get("contexts")
    return {
        "event_action": event.get("event_type"),
        "dedup_key": event.get("incident_key"),
        "client": event.get("client"),
        "client_url": event.get("client_url"),
        "links": links if isinstance(links, list) else [],
        "payload": {
            "summary": event.get("description"),
            "source": _text(event.get("client")) or "version 1",
            "severity": _text(event.get("severity")) or "critical",
            "custom_details": details if isinstance(details, dict) else {"details": details},
        },
    }


def dedup_key_of(event: Event) -> str:
    """What the event calls its alert; a new name where it gives none."""
    return CONTROL.sub("", _text(event.get("dedup_key"))) or uuid.uuid4().hex


def alert_of(event: Event, sender: Sender, dedup_key: str) -> Alert:
    """The alert of an event that `check` has let pass.

    An acknowledgement and a resolution say nothing of their service unless they carry labels; where
    they do not, `unknown` stands there and the key's desk has to be found (`where_keys_live.py`).
    """
    payload = event.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    status, links = ACTIONS[_text(event.get("event_action"))], _links(event)
    # Whoever has another integration's key can neither acknowledge nor resolve this one's alerts.
    key = short_key(f"{sender.integration}/{dedup_key}")
    client = clean(_text(event.get("client")), MAX_CLIENT_CHARS)
    alert = sender.alert(
        labels_of(payload, sender),
        key=key,
        status=status,
        summary=clean(_text(payload.get("summary")), MAX_SUMMARY_CHARS),
        raw=event_without_key(event),
        description=_description(payload, client),
        starts_at=_at(payload.get("timestamp")),
        link=links[0] if links else None,
        links=links[1:],
    )
    if status is AlertStatus.FIRING:
        return alert
    by = client or "pagerduty" if status is AlertStatus.ACKNOWLEDGED else None
    return alert.model_copy(update={"by": by, "notes": [], "raw": None, "key": key})


def change_of(event: Event, sender: Sender) -> Alert:
    """A change that `check_change` has let pass: context, never an alert."""
    payload, links = event["payload"], _links(event)
    alert = sender.alert(
        labels_of(payload, sender),
        key=f"{sender.integration}/change/{uuid.uuid4().hex}",
        status=AlertStatus.CHANGED,
        summary=clean(_text(payload.get("summary")), MAX_SUMMARY_CHARS),
        raw=None,
        description=_description(payload, ""),
        starts_at=_at(payload.get("timestamp")),
        link=links[0] if links else None,
        links=links[1:],
    )
    return alert.model_copy(update={"notes": [], "raw": None})


def labels_of(payload: Mapping[str, Any], sender: Sender) -> dict[str, Any]:
    """The labels of a payload: its details, then its component and the other fields.

    A service that no detail names is the component; and where that is no service, one that Alertmanager
    or Grafana write into their text about the alerts, if all of those have it.
    """
    details = payload.get("custom_details")
    details = details if isinstance(details, dict) else {}
    firing = _text(details.get("firing")) or _text(details.get("resolved"))
    labels = {**_common_labels(firing), **details}
    for name in CONTEXT:
        if value := _text(payload.get(name)):
            labels.setdefault(name, value)
    severity = _text(payload.get("severity")).lower()
    if severity and (sender.map.severity is None or "severity" not in details):
        labels["severity"] = severity
    rule = sender.map.service
    label, values = (rule.label, rule.values) if rule else ("service", {})
    component = _text(payload.get("component"))
    if component and not _text(details.get(label)):
        is_known = values.get(component, component) in sender.policy.services
        if is_known or label not in labels:
            labels[label] = component
    return labels


def _common_labels(text: str) -> dict[str, str]:
    """The labels that all alerts have in what Alertmanager and Grafana write about them."""
    found = [dict(_LABEL.findall(block)) for block in _LABELS.findall(text)]
    if not found:
        return {}
    first, *others = found
    return {k: v for k, v in first.items() if all(one.get(k) == v for one in others)}


def _description(payload: Mapping[str, Any], client: str) -> str:
    """What the event says besides its summary, line by line."""
    summary, lines = _text(payload.get("summary")), []
    if len(summary) > MAX_SUMMARY_CHARS:
        lines.append(summary)
    lines += [f"{name}: {text}" for name in CONTEXT if (text := _text(payload.get(name)))]
    lines += [f"client: {client}"] if client else []
    details = payload.get("custom_details")
    if isinstance(details, dict):
        lines += [f"{name}: {text}" for name, item in details.items() if (text := _shown(item))]
    elif text := _shown(details):
        lines.append(text)
    return clean("\n".join(lines), MAX_DESCRIPTION_CHARS)


def _links(event: Event) -> list[str]:
    """Addresses to show: of the client, the links, and what the images lead to."""
    said = [event.get("client_url")]
    for name, places in (("links", ("href",)), ("images", ("href", "src"))):
        items = event.get(name)
        for item in items[:20] if isinstance(items, list) else ():
            if isinstance(item, dict):
                said.append(next((item[place] for place in places if item.get(place)), None))
    found = (web_link(one) for one in said if isinstance(one, str))
    return list(dict.fromkeys(link for link in found if link))


def _at(value: Any) -> datetime | None:
    return instant(_TWO_ZONES.sub(r"\1", value)) if isinstance(value, str) else None


def event_without_key(event: Event) -> Event:
    """The event as it may be shown: the routing key is a secret."""
    secret = ("routing_key", "service_key")
    return {name: value for name, value in event.items() if name not in secret}


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else shorten(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else ""


def parse(received: Received, sender: Sender) -> list[Alert]:
    """Read an event, whoever sent it."""
    event = read(received)
    check(event)
    return [alert_of(event, sender, dedup_key_of(event))]


FORMAT = Format("pagerduty", "PagerDuty Events API v2", parse, is_hook=False)
