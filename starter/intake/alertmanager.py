"""Prometheus Alertmanager's webhook, version 4: a group of alerts, some firing, some resolved.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from typing import Any

from domain.alert import Alert, AlertStatus
from starter.intake.formats import Format, from_json
from starter.intake.mapping import (
    MAX_ALERTS,
    MAX_DESCRIPTION_CHARS,
    Sender,
    clean,
    instant,
    key_of,
    web_link,
)


def parse(payload: Any, sender: Sender) -> list[Alert]:
    """Read a group. One alert that cannot be read does not lose the others."""
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list):
        return [sender.unreadable(payload, "not an Alertmanager group: it holds no list of alerts")]
    found = [_one(item, sender, payload.get("status")) for item in alerts[:MAX_ALERTS]]
    if len(alerts) > MAX_ALERTS:
        why = f"{len(alerts) - MAX_ALERTS} more alerts of the group were not read"
        found.append(sender.unreadable(alerts[MAX_ALERTS:][:20], why))
    left_out = payload.get("truncatedAlerts")
    if found and isinstance(left_out, int) and left_out > 0:
        note = f"Alertmanager left {left_out} more alerts of the group out"
        found[0] = found[0].model_copy(update={"notes": [*found[0].notes, note]})
    return found


def _one(item: Any, sender: Sender, group_status: Any) -> Alert:
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
    status = item.get("status", group_status)
    if status not in ("firing", "resolved"):
        notes.append(f"status {str(status)[:100]!r} means nothing here: taken as firing")
        status = "firing"
    fingerprint = item.get("fingerprint")
    has_key = isinstance(fingerprint, str) and fingerprint.strip()
    texts = (annotations.get("summary"), annotations.get("title"), labels.get("alertname"))
    runbook = web_link(annotations.get("runbook_url")) or web_link(annotations.get("runbook"))
    description = annotations.get("description") or annotations.get("message")
    return sender.alert(
        labels,
        key=str(fingerprint).strip() if has_key else key_of(labels),
        status=AlertStatus(status),
        summary=next((text for text in texts if isinstance(text, str) and text.strip()), ""),
        raw=item,
        notes=notes,
        description=clean(description, MAX_DESCRIPTION_CHARS),
        starts_at=instant(item.get("startsAt")),
        link=web_link(item.get("generatorURL")),
        runbooks=[runbook] if runbook else [],
    )


FORMAT = Format("alertmanager", "Prometheus Alertmanager", from_json(parse))
