"""CloudEvents 1.0 over HTTP: binary, structured and in batches; its data is read as the generic format's.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from urllib.parse import unquote

from domain.alert import Alert
from domain.errors import IntakeError
from starter.intake.formats import Format, NoAlert, first_text
from starter.intake.generic import USUAL, is_genuine, read_one, webhook_id
from starter.intake.mapping import MAX_ALERTS, Sender
from starter.intake.received import Received, TooDeepError, WrongMediaTypeError
from starter.intake.wording import ACKNOWLEDGED, FIRING, RESOLVED
from starter.signatures import digest

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("id", "source", "specversion", "type")
CONTENT = ("data", "data_base64")
NAMES = USUAL | {"key": ("key", "dedup_key", "fingerprint")}
"""An `id` in the data is often the event's, and the event that clears has another."""


def parse(received: Received, sender: Sender) -> list[Alert]:
    """Read the events of a request; one that comes twice in it counts once."""
    events = read_events(received)
    if not isinstance(events, list):
        return [sender.unreadable(events, "the batch is no list of events")]
    if not events:
        return NoAlert("the batch is empty")
    found: list[Alert] = []
    seen: set[tuple[str, str]] = set()
    for event in events[:MAX_ALERTS]:
        if not isinstance(event, dict):
            found.append(sender.unreadable(event, "an event is not an object"))
            continue
        name = _name(event)
        if name is None or name not in seen:
            found.append(_one(event, sender))
        if name is not None:
            seen.add(name)
    if len(events) > MAX_ALERTS:
        why = f"{len(events) - MAX_ALERTS} more events of the batch were not read"
        found.append(sender.unreadable(events[MAX_ALERTS:][:20], why))
    return found


def read_events(received: Received) -> Any:
    """The events with their attributes and data, in whichever mode; no list where a batch is none.

    Raises:
        WrongMediaTypeError: no CloudEvent at all.
        IntakeError: not JSON.
    """
    kind = media_type(received)
    if kind == BATCH:
        return _json(received)
    if kind == ONE:
        return [_json(received)]
    if kind.startswith("application/cloudevents"):
        raise WrongMediaTypeError(
            f"of the event formats {ONE} and {BATCH} are taken, not {kind[:100]}"
        )
    attributes = {
        name.removeprefix("ce-"): unquote(value, errors="replace")
        for name, value in received.headers.items()
        if name.startswith("ce-")
    }
    if not attributes:
        detail = (
            f"no CloudEvent: neither Content-Type {ONE} or {BATCH} nor the headers ce-id, ce-type …"
        )
        raise WrongMediaTypeError(detail)
    return [attributes | {"data": _data(received, kind)} if received.body else attributes]


def media_type(received: Received) -> str:
    """Without its parameters, in small letters."""
    return received.headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(received: Received) -> Any:
    try:
        return received.json()
    except TooDeepError:
        return received.text


def _data(received: Received, kind: str) -> Any:
    """The body of the binary mode: JSON where it says so, or says nothing; text otherwise."""
    if kind in ("", "application/json", "text/json") or kind.endswith("+json"):
        return _json(received)
    return received.text


def _name(event: dict[str, Any]) -> tuple[str, str] | None:
    """Source and id: the same two are the same event."""
    source, event_id = first_text(event.get("source")), first_text(event.get("id"))
    return (source, event_id) if source and event_id else None


def _one(event: dict[str, Any], sender: Sender) -> Alert:
    data = _unpacked(event)
    attributes = {name: value for name, value in event.items() if name not in CONTENT}
    kind, source = first_text(event.get("type")), first_text(event.get("source"))
    subject = first_text(event.get("subject"))
    notes = [f"attribute {name} is missing" for name in REQUIRED if not first_text(event.get(name))]
    if event.get("specversion") not in ("1.0", None):
        notes.append(f"specversion {str(event['specversion'])[:20]!r} is not 1.0")
    return read_one(
        data if isinstance(data, dict) else {"summary": first_text(data) or kind or source},
        sender,
        raw=event,
        names=NAMES,
        labels=attributes,
        key=f"{source}|{subject or _thing(kind)}" if source or subject or kind else "",
        status=_state(kind),
        summary=subject or kind or source,
        starts_at=event.get("time") if isinstance(event.get("time"), str) else None,
        notes=notes,
    )


def _unpacked(event: dict[str, Any]) -> Any:
    """The data; what came as base64 is read when it is JSON or text."""
    if "data" in event or "data_base64" not in event:
        return event.get("data")
    try:
        text = base64.b64decode(str(event["data_base64"]), validate=True).decode(errors="replace")
        return json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return str(event["data_base64"])[:1000]


def _state(kind: str) -> str:
    """The state that a type ends with: `com.example.alert.resolved`."""
    last = kind.lower().rpartition(".")[2]
    return last if last in RESOLVED | ACKNOWLEDGED | FIRING else ""


def _thing(kind: str) -> str:
    """A type without its state, so that a clearing event has the key of the one that it clears."""
    return kind.rpartition(".")[0] if _state(kind) else kind


def delivery_id(received: Received) -> str | None:
    """Source and id of the event, or of all events of a batch; the id of Standard Webhooks goes before."""
    own = webhook_id(received)
    if own is not None:
        return own
    try:
        events = read_events(received)
    except IntakeError:
        return None
    listed = events if isinstance(events, list) else []
    names = [_name(event) if isinstance(event, dict) else None for event in listed]
    if not names or None in names:
        return None
    return digest(json.dumps(names).encode())


FORMAT = Format(
    "cloudevents",
    "CloudEvents 1.0",
    parse,
    verify=is_genuine,
    delivery_id=delivery_id,
    media_types=(ONE, BATCH, "application/json"),
    has_handshake=True,
)
