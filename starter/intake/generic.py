"""Any JSON: which field says what is JMESPath in the policy, or found by the usual names.

Labels are the top level of the data, so that rules and map see all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from domain.alert import Alert, AlertStatus
from domain.mapping import shown
from domain.priority import PRIORITIES
from starter.intake.formats import Format, NoAlert, first_text, from_json, links_of
from starter.intake.mapping import (
    MAX_ALERTS,
    MAX_DESCRIPTION_CHARS,
    Sender,
    clean,
    instant,
    key_of,
    web_link,
)
from starter.intake.received import Received
from starter.intake.wording import status_of
from starter.signatures import is_signed_webhook

Names = Mapping[str, tuple[str, ...]]
USUAL: dict[str, tuple[str, ...]] = {
    "summary": ("summary", "title", "message", "name", "subject", "alertname", "text"),
    "description": ("description", "details", "body", "message"),
    "service": ("service",),
    "severity": ("severity", "level"),
    "priority": ("priority",),
    "status": ("status", "state"),
    "key": ("key", "id", "dedup_key", "fingerprint", "alias", "incident_key"),
    "link": ("link", "url"),
    "starts_at": ("starts_at", "startsAt", "timestamp", "time", "date"),
}
"""The names that are looked for where `fields` has no expression, in order."""
MAX_LINKS = 10
MILLISECONDS_FROM = 10**11
"""A time as a number is in seconds; one this large is in milliseconds, of 1973 and later."""


class _Reading:
    """One element of a payload, and what the integration's expressions make of it."""

    def __init__(self, element: Any, fields: Mapping[str, str], names: Names) -> None:
        self.element, self._fields, self._names = element, fields, names
        self.top: dict[str, Any] = element if isinstance(element, dict) else {}
        self.notes: list[str] = []

    def value(self, field: str) -> Any:
        """What the field's expression gives; without one, the first usual name that holds something."""
        if field in self._fields:
            return evaluate(self._fields[field], self.element, field, self.notes)
        names = self._names.get(field, ())
        return next((self.top[one] for one in names if self.top.get(one) not in (None, "")), None)


@lru_cache(maxsize=500)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


def evaluate(expression: str, data: Any, field: str, notes: list[str]) -> Any:
    """What an expression gives; None with a note where it cannot be applied to this payload."""
    try:
        return _compiled(expression).search(data)
    except (
        JMESPathError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        # Its functions refuse what is not of their type, each in its own way.
        notes.append(f"fields.{field} cannot be applied: {clean(str(error), 200)}")
    except RecursionError:
        notes.append(f"fields.{field} cannot be applied: nested too deeply")
    return None


def parse(payload: Any, sender: Sender) -> list[Alert]:
    """Read what was sent: one alert, or one for each element that `fields.alerts` gives."""
    notes: list[str] = []
    if "alerts" in sender.fields:
        elements = evaluate(sender.fields["alerts"], payload, "alerts", notes)
        if elements == []:
            return NoAlert("fields.alerts gives an empty list")
        if elements is None:
            why = notes[0] if notes else "fields.alerts gives nothing in this payload"
            return [sender.unreadable(payload, why)]
    else:
        elements = payload
    if elements == []:
        return NoAlert("the list is empty")
    listed = elements if isinstance(elements, list) else [elements]
    found = [read_one(element, sender, raw=element) for element in listed[:MAX_ALERTS]]
    if len(listed) > MAX_ALERTS:
        why = f"{len(listed) - MAX_ALERTS} more alerts of the payload were not read"
        found.append(sender.unreadable(listed[MAX_ALERTS:][:20], why))
    return found


def read_one(
    element: Any,
    sender: Sender,
    *,
    raw: Any,
    names: Names = USUAL,
    labels: Mapping[str, Any] | None = None,
    key: str = "",
    status: str = "",
    summary: str = "",
    starts_at: str | None = None,
    notes: Sequence[str] = (),
) -> Alert:
    """One alert of any JSON value.

    Args:
        raw: what is kept where something of it could not be read.
        names: the usual names of each field.
        labels: further labels, of an envelope; those of the element go before them.
        key, status, summary, starts_at: where the element itself says none.
        notes: what the envelope lacks.
    """
    reading = _Reading(element, sender.fields, names)
    text = first_text(reading.value("summary"))
    if not reading.top and not text and not sender.fields:
        return sender.unreadable(raw, "the data is no object, so that nothing in it has a name")
    chosen = _labels(reading, labels or {})
    said = reading.value("status")
    resolved = reading.value("resolved") if "resolved" in sender.fields else None
    state = status_of(said if said not in (None, "") else status, reading.notes)
    if resolved is not None:
        state = AlertStatus.RESOLVED if resolved else AlertStatus.FIRING
    own_key = first_text(reading.value("key"))
    given = first_text(reading.value("priority")).upper()
    links = reading.value("links") if "links" in sender.fields else None
    return sender.alert(
        chosen,
        key=own_key
        or key
        or key_of({"service": chosen.get("service"), "summary": text or summary}),
        status=state,
        summary=text or summary,
        raw=raw,
        notes=[*reading.notes, *notes],
        description=clean(first_multiline(reading.value("description")), MAX_DESCRIPTION_CHARS),
        starts_at=any_instant(reading.value("starts_at")) or instant(starts_at),
        link=web_link(reading.value("link")),
        links=links_of(*(links[:MAX_LINKS] if isinstance(links, list) else [links])),
        priority=given if given in PRIORITIES else None,
        type=_type(reading, sender),
    )


def _labels(reading: _Reading, envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The top level, what `fields.labels` adds, and under their own names what the fields gave."""
    labels = {**envelope, **{str(name): value for name, value in reading.top.items()}}
    more = reading.value("labels")
    if isinstance(more, dict):
        labels |= {str(name): value for name, value in more.items()}
    elif more is not None:
        reading.notes.append("fields.labels gives no object and was left out")
    for field in ("service", "severity", "priority", "type"):
        value = reading.value(field)
        if value not in (None, ""):
            labels[field] = value
    return labels


def _type(reading: _Reading, sender: Sender) -> str | None:
    """Only where an expression gives it: many payloads have a `type` that means something else."""
    if "type" not in sender.fields:
        return None
    kind = first_text(reading.value("type"))
    if not kind or kind in ("default", *sender.policy.processes):
        return kind or None
    reading.notes.append(f"fields.type gives {shown(kind)}, which is no type: default")
    return None


def first_multiline(value: Any) -> str:
    """A text with its lines."""
    return value if isinstance(value, str) else ""


def any_instant(value: Any) -> datetime | None:
    """A time: as text with its zone, or seconds or milliseconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return instant(value)
    try:
        at = datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if 1970 < at.year < 9999 else None


def is_genuine(received: Received, secret: str, now: datetime) -> bool:
    """Signed as Standard Webhooks say."""
    return is_signed_webhook(received.headers, received.body, secret, now.timestamp())


def webhook_id(received: Received) -> str | None:
    """The id of Standard Webhooks."""
    return received.headers.get("webhook-id") or None


FORMAT = Format("generic", "Any JSON", from_json(parse), verify=is_genuine, delivery_id=webhook_id)
