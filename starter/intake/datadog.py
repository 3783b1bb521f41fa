"""Datadog's webhook, by the payload of the manual (`docs/intake.md`) or by Datadog's own.

Source of the variables: https://docs.datadoghq.com/integrations/webhooks/
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from domain.alert import Alert
from starter.intake.formats import Format, first_text, from_json, links_of
from starter.intake.mapping import MAX_DESCRIPTION_CHARS, Sender, clean, key_of, web_link
from starter.intake.wording import status_of

_PREFIX = re.compile(r"^\s*(?:\[P[1-5]\]\s*)?\[([A-Za-z -]{1,30}?)(?: on [^\]]*)?\]\s*")
_UNFILLED = re.compile(r"\$[A-Z_]+")
"""A variable that Datadog did not know stays as it was written."""
MAX_TAGS = 100
MILLISECONDS = 1000


def parse(payload: Any, sender: Sender) -> list[Alert]:
    """Read one notification of a monitor."""
    if not isinstance(payload, dict):
        return [sender.unreadable(payload, "not a notification of Datadog: it is no object")]
    said = {name: value for name, value in payload.items() if not _is_unfilled(value)}
    title = first_text(said.get("title"), said.get("event_title"))
    if not title and not said.get("transition"):
        return [sender.unreadable(payload, "not a notification of Datadog: it has no title")]
    notes: list[str] = []
    prefix = _PREFIX.match(title)
    transition = first_text(said.get("transition"), prefix.group(1) if prefix else "")
    labels = _labels(said)
    key = first_text(said.get("aggreg_key"), said.get("cycle_key"), said.get("alert_id"))
    name = _PREFIX.sub("", title, count=1) or title
    return [
        sender.alert(
            labels,
            key=key or key_of({"title": name}),
            status=status_of(transition, notes),
            summary=name,
            raw=payload,
            notes=notes,
            description=clean(said.get("body"), MAX_DESCRIPTION_CHARS),
            starts_at=_at(said.get("date")),
            link=web_link(said.get("link")),
            links=links_of(said.get("snapshot")),
        )
    ]


def _labels(said: dict[str, Any]) -> dict[str, Any]:
    """Its tags, `key:value` separated by commas, and the scalar fields beside them."""
    labels: dict[str, Any] = {
        name: value
        for name, value in said.items()
        if isinstance(value, str | int | float) and name not in ("title", "body", "tags")
    }
    tags = said.get("tags")
    listed = tags if isinstance(tags, list) else str(tags or "").split(",")
    for tag in listed[:MAX_TAGS]:
        name, _, value = str(tag).strip().partition(":")
        if name and value:
            labels[name] = value.strip()
    if "alert_type" in labels:
        labels.setdefault(
            "severity", "info" if labels["alert_type"] == "success" else labels["alert_type"]
        )
    return labels


def _is_unfilled(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _UNFILLED.fullmatch(value) is not None)


def _at(value: Any) -> datetime | None:
    """Datadog's times are milliseconds since 1970, as text."""
    try:
        at = datetime.fromtimestamp(int(value) / MILLISECONDS, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return at if 1970 < at.year < 9999 else None


FORMAT = Format("datadog", "Datadog", from_json(parse))
