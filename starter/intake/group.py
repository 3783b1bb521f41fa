"""A group of alerts as Prometheus Alertmanager sends it; Grafana sends the same with more in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from domain.alert import Alert, AlertStatus
from starter.intake.formats import NoAlert
from starter.intake.mapping import (
    MAX_ALERTS,
    MAX_DESCRIPTION_CHARS,
    Sender,
    clean,
    instant,
    key_of,
    web_link,
)

STATES = {"firing": AlertStatus.FIRING, "resolved": AlertStatus.RESOLVED}


class Parts(NamedTuple):
    """What can be read of one alert; a format may put its own in."""

    item: dict[str, Any]
    labels: dict[str, Any]
    annotations: dict[str, Any]
    status: AlertStatus
    notes: list[str]


Make = Callable[[Parts, Sender], Alert]


def read_group(payload: Any, sender: Sender, who: str, make: Make) -> list[Alert]:
    """Read a group. One alert that cannot be read does not lose the others.

    Args:
        who: the program that sends it, as people call it.
        make: makes the alert of what was read.
    """
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list):
        why = f"not {'an' if who[0] in 'AEIOU' else 'a'} {who} group: it holds no list of alerts"
        return [sender.unreadable(payload, why)]
    if not alerts:
        return NoAlert("the group holds no alert")
    found = [_one(item, sender, payload.get("status"), make) for item in alerts[:MAX_ALERTS]]
    if len(alerts) > MAX_ALERTS:
        why = f"{len(alerts) - MAX_ALERTS} more alerts of the group were not read"
        found.append(sender.unreadable(alerts[MAX_ALERTS:][:20], why))
    left_out = payload.get("truncatedAlerts")
    if found and isinstance(left_out, int) and left_out > 0:
        note = f"{who} left {left_out} more alerts of the group out"
        found[0] = found[0].model_copy(update={"notes": [*found[0].notes, note]})
    return found


def _one(item: Any, sender: Sender, group_status: Any, make: Make) -> Alert:
    if not isinstance(item, dict):
        return sender.unreadable(item, "an alert of the group is not an object")
    labels = item.get("labels")
    if not isinstance(labels, dict):
        return sender.unreadable(item, "an alert of the group has no labels")
    notes = []
    annotations = item.get("annotations")
    if not isinstance(annotations, dict):
        if annotations is not None:
            notes.append("the annotations cannot be read and were left out")
        annotations = {}
    said = item.get("status", group_status)
    status = STATES.get(said) if isinstance(said, str) else None
    if status is None:
        notes.append(f"status {str(said)[:100]!r} means nothing here: taken as firing")
    return make(Parts(item, labels, annotations, status or AlertStatus.FIRING, notes), sender)


def alert_of(
    parts: Parts,
    sender: Sender,
    *,
    summary: str = "",
    more: str = "",
    links: list[str] | None = None,
) -> Alert:
    """The alert of one entry of a group.

    Args:
        summary: where neither its annotations nor its name say one.
        more: further text for the description.
        links: further addresses.
    """
    item, labels, annotations = parts.item, parts.labels, parts.annotations
    fingerprint = item.get("fingerprint")
    has_key = isinstance(fingerprint, str) and fingerprint.strip()
    texts = (annotations.get("summary"), annotations.get("title"), labels.get("alertname"), summary)
    runbook = web_link(annotations.get("runbook_url")) or web_link(annotations.get("runbook"))
    description = annotations.get("description") or annotations.get("message")
    text = clean(description, MAX_DESCRIPTION_CHARS)
    return sender.alert(
        labels,
        key=str(fingerprint).strip() if has_key else key_of(labels),
        status=parts.status,
        summary=next((text for text in texts if isinstance(text, str) and text.strip()), ""),
        raw=item,
        notes=parts.notes,
        annotations=annotations,
        description=clean(f"{text}\n{more}", MAX_DESCRIPTION_CHARS) if more else text,
        starts_at=instant(item.get("startsAt")),
        link=web_link(item.get("generatorURL")),
        links=links or [],
        runbooks=[runbook] if runbook else [],
    )
